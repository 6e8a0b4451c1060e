from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tf_keras_vis.gradcam import Gradcam

from raspine.explanation import gradcam, methods, pixel_gradients
from raspine.models import float32, resnet

Array = NDArray[np.float32]
SIDE = 96  # three cells


def _warmed(**settings: Any) -> keras.Model:
    """A network whose vectors are not all 0 and 1, and whose logit has channels of either sign."""
    keras.utils.set_random_seed(5)
    model = resnet.resnet(14, (SIDE, SIDE, 3), **settings)
    random = np.random.default_rng(2)
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def channel() -> keras.Model:
    return _warmed(clinical=2)


@pytest.fixture(scope="module")
def per_slice() -> keras.Model:
    return _warmed(per_slice=True)


@pytest.fixture(scope="module")
def images() -> Array:
    random = np.random.default_rng(0)
    coarse = random.normal(size=(3, 6, 6, 3))
    return np.kron(coarse, np.ones((1, SIDE // 6, SIDE // 6, 1))).astype(np.float32)


@pytest.fixture
def eagerly() -> Iterator[None]:
    """The same operations as a tape's, so that differences are not those of fused kernels' rounding."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


CLINICAL = np.array([[0, 1], [1, 0], [-2, 3]], np.float32)


def _features_and_gradients(model: keras.Model, inputs: Any, sign: int, name: str | None = None) -> tuple[Array, Array]:
    """The features of a layer (the last stage's) and the score's gradient on them, through the whole network."""
    layer = model.get_layer(name or resnet.last_stage(model))
    both = keras.Model(model.input, [layer.output, model.output])
    with tf.GradientTape() as tape:
        features, logit = both(inputs, training=False)
        score = tf.reduce_sum(sign * logit)
    return features.numpy(), tape.gradient(score, features).numpy()


def _gradcam(features: Array, gradients: Array) -> Array:
    weights = gradients.mean((1, 2), keepdims=True)
    return np.maximum((weights * features).sum(-1), 0)


def _gradcam_plus_plus(features: Array, gradients: Array) -> Array:
    """Equations 10, 19 and 20 of Chattopadhay et al. without the common factor exp(score)."""
    total = features.sum((1, 2), keepdims=True, dtype=np.float64)
    squared = gradients.astype(np.float64) ** 2
    below = 2 * squared + total * squared * gradients
    alphas = np.divide(squared, below, out=np.zeros_like(below), where=squared > 0)
    sums = alphas.sum((1, 2), keepdims=True)
    alphas = alphas / np.where(sums == 0, 1, sums)
    weights = (alphas * np.maximum(gradients, 0)).sum((1, 2), keepdims=True)
    return np.maximum((weights * features).sum(-1), 0).astype(np.float32)


BY_HAND = {"gradcam": _gradcam, "gradcam++": _gradcam_plus_plus}


def _layercam(features: Array, gradients: Array) -> Array:
    """Equations 4 to 6 of Jiang et al."""
    return np.maximum((np.maximum(gradients, 0) * features).sum(-1), 0)


def _pixel_gradients(model: keras.Model, images: Array, clinical: Array | None) -> Array:
    """The logit's gradient on each pixel, [batch, height, width, slice]."""
    pixels = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        logit = model(pixels if clinical is None else [pixels, tf.constant(clinical)], training=False)
    return tape.gradient(logit, pixels).numpy()


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("method", gradcam.METHODS)
@pytest.mark.parametrize("sign", [1, -1])
def test_channel_maps_equal_those_by_hand(channel: keras.Model, images: Array, method: str, sign: int) -> None:
    expected = BY_HAND[method](*_features_and_gradients(channel, [images, CLINICAL], sign))
    explainer = gradcam.Explainer(channel, batch_size=2)
    got = explainer.coarse(images, CLINICAL, method, sign)
    assert got.shape == (3, 3, 3)
    assert got.dtype == np.float32
    assert got.any()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * expected.max())
    whole = explainer(images, CLINICAL, method, sign)
    assert whole.shape == (3, SIDE, SIDE)
    np.testing.assert_allclose(whole[:, ::32, ::32], got, rtol=1e-6)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("method", gradcam.METHODS)
@pytest.mark.parametrize("sign", [1, -1])
def test_per_slice_maps_equal_those_by_hand(per_slice: keras.Model, images: Array, method: str, sign: int) -> None:
    features, gradients = _features_and_gradients(per_slice, images, sign)
    assert len(features) == 9
    expected = BY_HAND[method](features, gradients).reshape(3, 3, 3, 3)
    got = gradcam.Explainer(per_slice, batch_size=2).coarse(images, method=method, sign=sign)
    assert got.any()
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.parametrize("sign", [1, -1])
def test_layercam_of_the_fourth_stage_equals_that_by_hand(
    channel: keras.Model, per_slice: keras.Model, images: Array, sign: int
) -> None:
    expected = _layercam(*_features_and_gradients(channel, [images, CLINICAL], sign, "conv4_block1_out"))
    explainer = gradcam.Explainer(channel, batch_size=2)
    got = explainer.coarse(images, CLINICAL, "layercam", sign)
    assert got.shape == (3, 6, 6)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * expected.max())
    whole = explainer(images, CLINICAL, "layercam", sign)
    np.testing.assert_allclose(whole[:, ::16, ::16], got, rtol=1e-6)
    expected = _layercam(*_features_and_gradients(per_slice, images, sign, "conv4_block1_out")).reshape(3, 3, 6, 6)
    got = gradcam.Explainer(per_slice, batch_size=2).coarse(images, method="layercam", sign=sign)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * expected.max())


@pytest.mark.usefixtures("eagerly")
def test_layercam_would_repeat_gradcam_plus_plus_at_the_last_stage(channel: keras.Model, images: Array) -> None:
    expected = _layercam(*_features_and_gradients(channel, [images, CLINICAL], 1))
    got = gradcam.Explainer(channel).coarse(images, CLINICAL, "gradcam++")
    np.testing.assert_allclose(got / got.max(), expected / expected.max(), atol=1e-4)


def test_saliency_equals_that_by_hand(channel: keras.Model, per_slice: keras.Model, images: Array) -> None:
    expected = np.abs(_pixel_gradients(channel, images, CLINICAL)).max(-1)
    got = gradcam.Explainer(channel, batch_size=2)(images, CLINICAL, "saliency")
    assert got.shape == (3, SIDE, SIDE)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * expected.max())
    expected = np.moveaxis(np.abs(_pixel_gradients(per_slice, images, None)), -1, 1)
    got = gradcam.Explainer(per_slice, batch_size=2)(images, method="saliency", sign=-1)
    assert got.shape == (3, 3, SIDE, SIDE)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * expected.max())


def test_smoothgrad_equals_that_by_hand(channel: keras.Model, images: Array) -> None:
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    explainer = gradcam.Explainer(channel, batch_size=3)
    got = explainer(images[:2], CLINICAL[:2], "smoothgrad", seed=4)
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], before)
    for place in range(2):
        spread = np.float32(pixel_gradients.NOISE) * (images[place].max() - images[place].min())
        noise = np.random.RandomState(4).normal(0, spread, (pixel_gradients.SAMPLES, *images[place].shape))
        copies = images[place] + noise.astype(np.float32)
        clinical = np.repeat(CLINICAL[place][None], len(copies), 0)
        expected = np.abs(_pixel_gradients(channel, copies, clinical)).mean(0).max(-1)
        np.testing.assert_allclose(got[place], expected, rtol=0, atol=1e-3 * expected.max())
    # A study's noise is its own, whatever else is explained with it.
    alone = explainer(images[1:2], CLINICAL[1:2], "smoothgrad", seed=4)
    np.testing.assert_allclose(alone[0], got[1], rtol=0, atol=1e-4 * got[1].max())
    assert np.abs(explainer(images[:1], CLINICAL[:1], "smoothgrad", seed=5)[0] - got[0]).max() > 0.01 * got[0].max()


def test_large_studies_pass_the_gradients_one_by_one(monkeypatch: pytest.MonkeyPatch, images: Array) -> None:
    model = _warmed()
    expected = {name: gradcam.Explainer(model)(images, method=name) for name in methods.GRADIENTS}
    monkeypatch.setattr(pixel_gradients, "_PIXELS", SIDE * SIDE)
    for name, maps in expected.items():
        got = gradcam.Explainer(model)(images, method=name)
        np.testing.assert_allclose(got, maps, rtol=0, atol=1e-3 * maps.max())


def test_an_explainer_follows_weights_that_change(images: Array) -> None:
    model, other = _warmed(), _warmed()
    other.set_weights([weight[::-1].copy() for weight in other.get_weights()])
    explainer, wanted = gradcam.Explainer(model), gradcam.Explainer(other)
    before = {name: explainer(images, method=name) for name in methods.METHODS}
    model.set_weights(other.get_weights())
    for name, maps in before.items():
        now = explainer(images, method=name)
        assert np.abs(now - maps).max() > 0
        np.testing.assert_allclose(now, wanted(images, method=name), rtol=0, atol=1e-3 * now.max())


@pytest.mark.usefixtures("eagerly")
def test_the_cut_network_has_the_whole_one_s_maps(channel: keras.Model, images: Array) -> None:
    whole = Gradcam(channel)(
        lambda logits: logits[:, 0],
        [images, CLINICAL],
        penultimate_layer=resnet.last_stage(channel),
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    np.testing.assert_allclose(gradcam.Explainer(channel).coarse(images, CLINICAL), whole, rtol=1e-5)


def test_explain_is_the_explainer_and_a_graph_gives_what_operations_give(per_slice: keras.Model, images: Array) -> None:
    maps = gradcam.explain(per_slice, images[:1])
    assert maps.shape == (1, 3, SIDE, SIDE)
    tf.config.run_functions_eagerly(True)
    try:
        expected = gradcam.Explainer(per_slice)(images)[:1]
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-4 * expected.max())


@pytest.mark.usefixtures("eagerly")
def test_a_bfloat16_network_is_explained_by_its_twin(images: Array) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _warmed(per_slice=True, clinical=2)
    finally:
        keras.config.set_dtype_policy("float32")
    twin = float32.twin(model)
    assert {layer.compute_dtype for layer in twin.layers} == {"float32"}
    assert float32.twin(twin) is twin
    inputs = [images, CLINICAL]
    for ours, its in zip(twin.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, its)
    np.testing.assert_allclose(twin(inputs), model(inputs), rtol=0.1)
    expected = gradcam.explain(twin, images, CLINICAL, "gradcam++")
    assert expected.dtype == np.float32
    assert expected.any()
    np.testing.assert_array_equal(gradcam.explain(model, images, CLINICAL, "gradcam++"), expected)


@pytest.mark.usefixtures("eagerly")
def test_a_map_against_everything_is_empty(channel: keras.Model, images: Array) -> None:
    saved = channel.get_layer("logit").get_weights()
    channel.get_layer("logit").set_weights([-np.abs(saved[0]), saved[1]])
    try:
        maps = gradcam.explain(channel, images, CLINICAL)
        assert gradcam.empty(maps).all()
        assert not gradcam.normalised(maps).any()
        assert not gradcam.empty(gradcam.explain(channel, images, CLINICAL, sign=-1)).any()
    finally:
        channel.get_layer("logit").set_weights(saved)


def test_normalised_by_the_study_s_largest_value() -> None:
    maps = np.zeros((3, 2, 1, 2))
    maps[0] = [[[1, 2]], [[0, 4]]]
    maps[2, 0, 0, 0] = 1e-20
    got = gradcam.normalised(maps)
    np.testing.assert_array_equal(got[0], [[[0.25, 0.5]], [[0, 1]]])
    np.testing.assert_array_equal(got[2, 0, 0], [1, 0])
    np.testing.assert_array_equal(gradcam.empty(maps), [False, True, False])


def test_enlarged_by_hand() -> None:
    got = gradcam.enlarged([[[0, 4], [8, 12]]], 6, 8, stride=4)
    np.testing.assert_allclose(got[0, 0], [0, 1, 2, 3, 4, 4, 4, 4])
    np.testing.assert_allclose(got[0, :, 0], [0, 2, 4, 6, 8, 8])
    np.testing.assert_allclose(got[0, 2], [4, 5, 6, 7, 8, 8, 8, 8])


def test_a_cell_stands_where_its_window_has_its_centre() -> None:
    keras.utils.set_random_seed(0)
    model = resnet.resnet(26, (None, None, 1))
    features = keras.Model(model.input, model.get_layer(resnet.last_stage(model)).output)
    images = tf.random.stateless_normal([1, 320, 320, 1], (0, 1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        cell = tf.reduce_sum(features(images, training=False)[:, 5, 4])
    seen = tape.gradient(cell, images)[0, ..., 0].numpy() != 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    # 251 pixels: 125 on either side of pixel 32 * cell.
    assert (rows[0], rows[-1]) == (32 * 5 - 125, 32 * 5 + 125)
    assert (columns[0], columns[-1]) == (32 * 4 - 125, 32 * 4 + 125)


@pytest.mark.usefixtures("eagerly")
def test_bad_arguments(channel: keras.Model, per_slice: keras.Model, images: Array) -> None:
    explainer = gradcam.Explainer(channel)
    good: dict[str, Any] = {"images": images, "clinical": CLINICAL}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"method": "scorecam"}, "method must be one of"),
        ({"sign": 0}, "sign must be 1 or -1"),
        ({"images": images[..., :2]}, r"images must have the shape \(None, 96, 96, 3\)"),
        ({"images": images[:0]}, "images must have the shape"),
        ({"clinical": None}, "takes 2 clinical values"),
        ({"clinical": CLINICAL[:2]}, r"clinical must have the shape \(3, 2\)"),
    ]
    for change, message in bad:
        with pytest.raises(ValueError, match=message):
            explainer(**(good | change))
    with pytest.raises(ValueError, match="saliency has a value for each pixel"):
        explainer.coarse(images, CLINICAL, "saliency")
    with pytest.raises(ValueError, match="takes no clinical values"):
        gradcam.explain(per_slice, images, CLINICAL)
    with pytest.raises(ValueError, match="batch_size must be positive"):
        gradcam.Explainer(channel, 0)
