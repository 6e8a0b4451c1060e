import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine.models.layers import (
    FusedBatchNormalization,
    NearestUpsampling,
    PointwiseConvolution,
    SymmetricConvolution,
    batch_normalization,
    wide_dtype,
)

NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")


def _maps(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1.5, 2.0, shape).astype(np.float32)


def _gradients(layer: keras.Layer, maps: np.ndarray, weight: np.ndarray, graph: bool = False, **kwargs) -> list:  # type: ignore[no-untyped-def]
    """The outputs, and the gradients of their weighted sum to the inputs and the trainable weights."""

    def run(maps: tf.Tensor) -> list:
        with tf.GradientTape() as tape:
            tape.watch(maps)
            outputs = layer(maps, **kwargs)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * weight)
        return [outputs, *tape.gradient(loss, [maps, *(w.value for w in layer.trainable_weights)])]

    results = (tf.function(run) if graph else run)(tf.constant(maps))
    return [tf.cast(result, tf.float32).numpy() for result in results]


def _pair(shape: tuple[int, ...], activation: str | None = None, dtype: str = "float32") -> tuple:
    ours = batch_normalization("fused", activation=activation, dtype=dtype)
    own = batch_normalization("keras", dtype=dtype)
    ours.build(shape)
    own.build(shape)
    for index, name in enumerate(NORMALIZATION):
        value = np.random.default_rng(index).uniform(0.5, 1.5, shape[-1])
        getattr(ours, name).assign(value)
        getattr(own, name).assign(value)
    return ours, own


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(4, 8, 6, 16), (1, 5, 3, 18), (2, 1, 1, 3), (1, 1, 2, 1)])
def test_normalization_equals_keras(shape: tuple[int, ...], training: bool, graph: bool) -> None:
    ours, own = _pair(shape)
    maps, weight = _maps(shape), _maps(shape, seed=1)
    got = _gradients(ours, maps, weight, graph, training=training)
    expected = _gradients(own, maps, weight, graph, training=training)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4)
    for name in NORMALIZATION:
        np.testing.assert_allclose(getattr(ours, name), getattr(own, name), rtol=1e-5, atol=1e-6)


def test_the_moving_variance_takes_the_biased_variance() -> None:
    layer = FusedBatchNormalization(momentum=0.5)
    layer(np.array([1.0, 3.0], np.float32).reshape(2, 1, 1, 1), training=True)
    assert layer.moving_mean.numpy() == pytest.approx([0.5 * 0 + 0.5 * 2])
    assert layer.moving_variance.numpy() == pytest.approx([0.5 * 1 + 0.5 * 1])  # unbiased, it would be 2


def test_a_single_pixel_has_no_variance() -> None:
    layer = FusedBatchNormalization()
    layer.build((1, 1, 1, 2))
    layer.beta.assign([3.0, 4.0])
    np.testing.assert_array_equal(layer(np.full((1, 1, 1, 2), 7.0, np.float32), training=True).numpy().ravel(), [3, 4])
    np.testing.assert_allclose(layer.moving_variance, [0.9, 0.9], rtol=1e-6)


def test_activation() -> None:
    ours, own = _pair((2, 3, 4, 8), "relu")
    maps = _maps((2, 3, 4, 8))
    np.testing.assert_allclose(ours(maps, training=True), tf.nn.relu(own(maps, training=True)), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="'gelu'"):
        FusedBatchNormalization(activation="gelu")
    with pytest.raises(ValueError, match="takes no activation"):
        batch_normalization("keras", activation="relu")
    with pytest.raises(ValueError, match="'group'"):
        batch_normalization("group")


def test_an_untrainable_normalization_keeps_its_averages() -> None:
    ours, own = _pair((2, 3, 4, 8))
    ours.trainable = own.trainable = False
    maps, before = _maps((2, 3, 4, 8)), ours.moving_mean.numpy()
    np.testing.assert_allclose(ours(maps, training=True), own(maps, training=True), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours.moving_mean, before)


@pytest.mark.parametrize("channels", [16, 18])
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_normalization_of_half_precision(dtype: str, channels: int) -> None:
    shape = (4, 8, 8, channels)
    ours, own = _pair(shape, dtype=dtype)
    maps = _maps(shape)
    outputs = ours(maps, training=True)
    assert outputs.dtype == dtype.removeprefix("mixed_")
    assert ours.moving_mean.dtype == "float32"
    # One unit in the last place of bfloat16 is 1/128 of the value.
    np.testing.assert_allclose(
        tf.cast(outputs, tf.float32), tf.cast(own(maps, training=True), tf.float32), rtol=1.6e-2, atol=1.6e-2
    )
    np.testing.assert_allclose(ours.moving_mean, own.moving_mean, rtol=1e-3)
    np.testing.assert_allclose(ours.moving_variance, own.moving_variance, rtol=1e-3)


@pytest.mark.parametrize("training", [False, True])
def test_normalization_of_double_precision_equals_keras(training: bool) -> None:
    shape = (2, 5, 3, 6)
    ours, own = _pair(shape, dtype="float64")
    maps, weight = _maps(shape).astype(np.float64), tf.constant(_maps(shape, seed=1), tf.float64)
    results = []
    for layer in (ours, own):
        with tf.GradientTape() as tape:
            inputs = tf.constant(maps)
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            loss = tf.reduce_sum(outputs * weight)
        assert outputs.dtype == tf.float64
        results.append([outputs, *tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    for name in NORMALIZATION:
        np.testing.assert_allclose(getattr(ours, name), getattr(own, name), rtol=1e-12)


@pytest.mark.parametrize(
    ("policy", "expected"), [("float32", "float32"), ("mixed_bfloat16", "float32"), ("float64", "float64")]
)
def test_wide_dtype(policy: str, expected: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        assert wide_dtype() == expected
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("strides", [1, 2])
def test_pointwise_equals_convolution(strides: int, bias: bool) -> None:
    ours = PointwiseConvolution(5, strides, bias)
    own = keras.layers.Conv2D(5, 1, strides, use_bias=bias)
    maps = _maps((2, 7, 6, 3))
    weight = _maps((2, 4, 3, 5) if strides == 2 else (2, 7, 6, 5), seed=1)
    ours.build(maps.shape)
    own.build(maps.shape)
    values = [_maps(variable.shape, seed=2) for variable in own.weights]
    ours.set_weights(values)
    own.set_weights(values)
    assert ours.compute_output_shape(maps.shape) == own.compute_output_shape(maps.shape)
    for one, other in zip(_gradients(ours, maps, weight), _gradients(own, maps, weight), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "strides"), [(3, 1), (3, 2), (1, 2), (7, 2), (5, 3)])
@pytest.mark.parametrize("side", [8, 9])
def test_symmetric_convolution_pads_both_sides(size: int, strides: int, side: int) -> None:
    ours = SymmetricConvolution(4, size, strides)
    own = keras.layers.Conv2D(4, size, strides, padding="valid", use_bias=False)
    maps, border = _maps((2, side, side, 3)), size // 2
    padded = np.pad(maps, [(0, 0), (border, border), (border, border), (0, 0)])
    own.build(padded.shape)
    ours.build(maps.shape)
    ours.set_weights(own.get_weights())
    expected = own(padded).numpy()
    assert ours.compute_output_shape(maps.shape) == expected.shape
    np.testing.assert_allclose(ours(maps), expected, rtol=1e-4, atol=1e-4)


def test_symmetric_convolution_refuses_even_kernels() -> None:
    with pytest.raises(ValueError, match=r"odd\. Received: 2"):
        SymmetricConvolution(4, 2)


def test_upsampling_repeats_pixels_and_sums_gradients() -> None:
    maps = np.array([[[[1.0], [2.0]]]], np.float32)
    weight = np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)
    outputs, gradient = _gradients(NearestUpsampling(2), maps, weight)
    np.testing.assert_array_equal(outputs[0, ..., 0], [[1, 1, 2, 2], [1, 1, 2, 2]])
    np.testing.assert_array_equal(gradient.ravel(), [0 + 1 + 4 + 5, 2 + 3 + 6 + 7])


@pytest.mark.parametrize("size", [2, 4, 8])
def test_upsampling_equals_keras(size: int) -> None:
    maps, weight = _maps((2, 3, 5, 6)), _maps((2, 3 * size, 5 * size, 6), seed=1)
    got = _gradients(NearestUpsampling(size), maps, weight, graph=True)
    expected = _gradients(keras.layers.UpSampling2D(size), maps, weight, graph=True)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_model_of_any_size_is_saved_and_trained(tmp_path: pathlib.Path, dtype: str) -> None:
    inputs = keras.Input((None, None, 3))
    maps = SymmetricConvolution(8, 3, 2, dtype=dtype, name="a.conv")(inputs)
    maps = FusedBatchNormalization(0.8, 1e-4, "relu", dtype=dtype, name="a.bn")(maps)
    maps = PointwiseConvolution(4, 2, True, dtype=dtype, name="b")(maps)
    model = keras.Model(inputs, NearestUpsampling(4, dtype="float32", name="c")(maps))
    model.compile("sgd", "mse", jit_compile=False)
    images = _maps((2, 16, 8, 3))
    model.train_on_batch(images, np.zeros((2, 16, 8, 4), np.float32))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(images, verbose=0), model.predict(images, verbose=0))
    assert [layer.get_config() for layer in again.layers] == [layer.get_config() for layer in model.layers]
    assert again(_maps((1, 8, 24, 3))).shape == (1, 8, 24, 4)


@pytest.mark.parametrize(
    "make",
    [lambda: PointwiseConvolution(0), lambda: PointwiseConvolution(4, 0), lambda: NearestUpsampling(0)],
)
def test_sizes_are_checked(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"positive\. Received: "):
        make()
