import pathlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from raspine.models import resnet
from raspine.models.layers import copy_weights

Array = NDArray[np.float32]


def _images(batch: int = 2, side: int = 64, slices: int = 6, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(batch, side, side, slices)).astype(np.float32)


def _randomise(model: keras.Model, seed: int = 1) -> None:
    """Gives every vector (bias, scale, shift, mean, variance) values of its own, where initialisers give constants."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.weights and "attention" not in layer.name:
            layer.set_weights([w if w.ndim > 1 else random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])


def _copy_folded(library: keras.Model, ours: keras.Model) -> None:
    """Copies weights; a convolution's bias is subtracted from the mean of the normalisation that follows."""
    for layer in library.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            name = layer.name.removesuffix("_conv")
            gamma, beta, mean, variance = library.get_layer(f"{name}_bn").get_weights()
            ours.get_layer(layer.name).set_weights([kernel])
            ours.get_layer(f"{name}_bn").set_weights([gamma, beta, mean - bias, variance])


@pytest.fixture(scope="module")
def channel() -> keras.Model:
    keras.utils.set_random_seed(3)
    model = resnet.resnet(14, (64, 64, 6))
    _randomise(model)
    return model


@pytest.fixture(scope="module")
def per_slice() -> keras.Model:
    keras.utils.set_random_seed(4)
    model = resnet.resnet(14, (64, 64, 3), per_slice=True, clinical=2)
    _randomise(model)
    return model


def test_resnet101_is_the_library_s_with_its_biases_folded() -> None:
    ours = resnet.resnet(101, (64, 64, 6))
    # The backbone's weights, moving statistics included, and the logit's 2048 + 1.
    assert ours.count_params() == 42_614_912 + 2_049
    library = keras.applications.ResNet101(weights=None, include_top=False, input_shape=(64, 64, 6))
    assert library.count_params() == 42_667_584
    _randomise(library)
    _copy_folded(library, ours)
    features = keras.Model(ours.input, ours.get_layer(resnet.last_stage(ours)).output)
    images = _images()
    expected = library(images, training=False).numpy()
    np.testing.assert_allclose(features(images, training=False), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("depth", "last"), [(14, "conv5_block1_out"), (26, "conv5_block2_out"), (50, "conv5_block3_out")]
)
def test_depths(depth: int, last: str) -> None:
    model = resnet.resnet(depth, (32, 96, 2))
    assert (model.name, resnet.last_stage(model), resnet.depth_of(model)) == (f"resnet{depth}", last, depth)
    assert model.get_layer(last).output.shape == (None, 1, 3, 2048)
    assert (resnet.is_per_slice(model), resnet.has_clinical(model)) == (False, False)


def test_the_logit_is_linear_in_the_mean_of_the_last_stage(channel: keras.Model) -> None:
    both = keras.Model(channel.input, [channel.get_layer("conv5_block1_out").output, channel.output])
    maps, logit = (part.numpy() for part in both(_images()))
    kernel, bias = channel.get_layer("logit").get_weights()
    np.testing.assert_allclose(logit, maps.mean((1, 2)) @ kernel + bias, rtol=1e-4)
    assert logit.shape == (2, 1)


def test_normalizations_are_the_same_network(channel: keras.Model) -> None:
    plain = resnet.resnet(14, (64, 64, 6), normalization="keras")
    copy_weights(channel, plain)
    expected = plain(_images()).numpy()
    np.testing.assert_allclose(channel(_images()), expected, rtol=1e-3)


def test_zero_init_starts_blocks_as_the_identity() -> None:
    model = resnet.resnet(26, (32, 32, 1), zero_init=True)
    inside = keras.Model(model.input, [model.get_layer(f"conv4_block{n}_out").output for n in (1, 2)])
    first, second = (part.numpy() for part in inside(_images(side=32, slices=1)))
    assert first.any()
    np.testing.assert_array_equal(first, second)


def test_a_per_slice_model_s_file_holds_it_all(per_slice: keras.Model, tmp_path: pathlib.Path) -> None:
    per_slice.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    images, values = _images(3, slices=3), np.arange(6, dtype=np.float32).reshape(3, 2)
    expected = per_slice([images, values]).numpy()
    np.testing.assert_array_equal(again({"image": images, "clinical": values}), expected)
    predicted = again.predict({"clinical": values, "image": images}, batch_size=2, verbose=0)
    np.testing.assert_allclose(predicted, expected, rtol=1e-4)
    assert resnet.is_per_slice(again)
    assert resnet.has_clinical(again)


def test_each_study_is_pooled_over_its_own_slices(per_slice: keras.Model) -> None:
    images, values = _images(2, slices=3), np.zeros((2, 2), np.float32)
    expected = per_slice([images, values]).numpy()
    for study in range(2):
        alone = per_slice([images[study : study + 1], values[:1]]).numpy()
        np.testing.assert_allclose(alone, expected[study : study + 1], rtol=1e-4)
    # Without context a pooled set of slices has no order.
    np.testing.assert_allclose(per_slice([images[..., ::-1], values]), expected, rtol=1e-4)


def test_attention_sums_to_one_and_clinical_values_count(per_slice: keras.Model) -> None:
    attention = keras.Model(per_slice.input, per_slice.get_layer("attention").output)
    images = _images(2, slices=3)
    weights = attention([images, np.zeros((2, 2), np.float32)]).numpy()
    assert weights.shape == (2, 3, 1)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    logits = [per_slice([images, np.full((2, 2), value, np.float32)]).numpy() for value in (0, 3)]
    difference = logits[1] - logits[0]
    assert np.abs(difference).min() > 1e-4
    # The clinical part adds to the logit: it does not depend on the images.
    np.testing.assert_allclose(difference[0], difference[1], rtol=1e-2)


def test_slices_to_batch_and_its_context() -> None:
    images = tf.reshape(tf.range(2 * 2 * 1 * 3), [2, 2, 1, 3])  # value = 6 study + 3 row + slice
    plain = resnet.SlicesToBatch()(images).numpy()
    assert plain.shape == (6, 2, 1, 1)
    np.testing.assert_array_equal(plain[:, 0, 0, 0], [0, 1, 2, 6, 7, 8])
    wide = resnet.SlicesToBatch(context=1)(images).numpy()
    np.testing.assert_array_equal(wide[:3, 1, 0], [[3, 3, 4], [3, 4, 5], [4, 5, 5]])
    assert resnet.SlicesToBatch(1).compute_output_shape((2, 2, 1, 3)) == wide.shape
    back = resnet.BatchToSlices(3)(tf.reshape(plain[:, 0, 0], [6, 1]))
    np.testing.assert_array_equal(back[..., 0], [[0, 1, 2], [6, 7, 8]])


@pytest.mark.parametrize(("pool", "features"), [("mean", 2048), ("mean_max", 4096)])
def test_pools(pool: str, features: int) -> None:
    model = resnet.resnet(26, (None, None, 2), per_slice=True, pool=pool, context=1, dropout=0.5)
    assert model.get_layer("conv1_conv").kernel.shape == (7, 7, 3, 64)
    assert model.get_layer("logit").kernel.shape == (features, 1)
    assert model.output_shape == (None, 1)


def test_a_bfloat16_network_gives_a_float32_logit_and_trains() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = resnet.resnet(14, (32, 32, 2), per_slice=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("conv5_block1_out").compute_dtype == "bfloat16"
    before = model.get_layer("conv1_conv").get_weights()[0]
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    model.train_on_batch(_images(2, 32, 2), np.array([0, 1], np.float32))
    assert np.abs(model.get_layer("conv1_conv").get_weights()[0] - before).max() > 0
    assert model(_images(2, 32, 2)).dtype == tf.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 18}, r"depth must be one of \(14, 26, 50, 101, 152\). Received: 18"),
        ({"input_shape": (100, 64, 6)}, r"multiples of 32 pixels. Received: \(100, 64, 6\)"),
        ({"input_shape": (64, 64, None)}, r"\(height, width, slices\)"),
        ({"normalization": "group"}, "normalization must be one of"),
        ({"pool": "sum"}, "pool must be one of"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"clinical": -1}, "must not be negative"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resnet.resnet(**arguments)


def test_other_models_are_refused() -> None:
    inputs = keras.Input((4,))
    other = keras.Model(inputs, keras.layers.Dense(1)(inputs), name="other")
    with pytest.raises(ValueError, match="'other' has no layer"):
        resnet.last_stage(other)
    with pytest.raises(ValueError, match="not a ResNet"):
        resnet.depth_of(other)


@pytest.mark.parametrize("normalization", ["fused", "synchronized"])
def test_a_step_in_double_precision_equals_keras_s_normalization(normalization: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        models = [resnet.resnet(14, (64, 64, 2), normalization=kind) for kind in (normalization, "keras")]
    finally:
        keras.config.set_dtype_policy(before)
    copy_weights(models[1], models[0])
    losses = []
    for model in models:
        assert {tensor.dtype for tensor in [model.output, *model.weights]} == {"float64"}
        model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
        losses.append([model.train_on_batch(_images(4, 64, 2), np.ones((4, 1))) for _ in range(2)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    name = "conv1_conv"
    np.testing.assert_allclose(
        models[0].get_layer(name).get_weights()[0], models[1].get_layer(name).get_weights()[0], rtol=0, atol=1e-9
    )
