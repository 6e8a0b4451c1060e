import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine.models import heatmaps
from raspine.training import losses

POINTS = np.array(
    [[[20.0, 30.0], [40.5, 11.2]], [[np.nan, np.nan], [60.0, 5.0]], [[np.nan] * 2, [900.0, 5.0]]], np.float32
)


def targets() -> np.ndarray:
    return heatmaps.encode(POINTS, 64, 64)[0].numpy()


def outputs() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (3, 16, 16, 2)).astype(np.float32)


def test_mse_is_half_the_mean_square_over_visible_landmarks() -> None:
    squares = 0.5 * ((outputs() - targets()) ** 2).mean((1, 2))
    expected = [squares[0].mean(), squares[1, 1], 0.0]
    found = losses.HeatmapLoss(64, 64).call(tf.constant(POINTS), tf.constant(outputs()))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_cross_entropy_is_that_of_the_spatial_softmax() -> None:
    logits, target = outputs().astype(float), targets().astype(float)
    log_probability = logits - np.log(np.exp(logits).sum((1, 2), keepdims=True))
    share = target / np.maximum(target.sum((1, 2), keepdims=True), 1e-30)
    terms = -(share * log_probability).sum((1, 2))
    expected = [terms[0].mean(), terms[1, 1], 0.0]
    found = losses.HeatmapLoss(64, 64, kind="cross_entropy").call(tf.constant(POINTS), tf.constant(outputs()))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", losses.HeatmapLoss.KINDS)
def test_an_unlabelled_batch_gives_zero_loss_and_finite_gradients(kind: str) -> None:
    loss = losses.HeatmapLoss(64, 64, kind=kind)
    prediction = tf.Variable(outputs())
    with tf.GradientTape() as tape:
        value = loss(tf.fill((3, 2, 2), np.float32("nan")), prediction)
    assert value.numpy() == 0
    assert (tape.gradient(value, prediction).numpy() == 0).all()


def test_the_loss_is_rebuilt_from_its_config() -> None:
    loss = losses.HeatmapLoss(64, 96, stride=2, sigma=1.5, codec="paper", kind="cross_entropy")
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(twin, losses.HeatmapLoss)
    assert twin.settings == loss.settings


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'hinge'"):
        losses.HeatmapLoss(64, 64, kind="hinge")
