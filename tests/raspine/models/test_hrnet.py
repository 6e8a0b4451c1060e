import hrnet_reference as reference
import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine.models.hrnet import hrnet
from raspine.models.layers import copy_weights
from raspine.models.torch_weights import load_into


def _trainable(model: keras.Model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def _relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module")
def w32() -> keras.Model:
    model = hrnet()
    load_into(model, reference.state_dict(reference.w32_shapes()))
    return model


@pytest.fixture(scope="module")
def w48() -> tuple[keras.Model, dict[str, np.ndarray]]:
    model = hrnet(48, input_shape=(None, None, 3))
    state = reference.state_dict(reference.w48_shapes(), salt=7)
    load_into(model, state)
    return model, state


def test_golden_heatmaps(w32: keras.Model) -> None:
    expected = np.load(reference.GOLDEN / "hrnet_w32_golden.npz")["heatmaps"].transpose(0, 2, 3, 1)
    images = reference.golden_images().transpose(0, 2, 3, 1)
    assert _relative_error(w32(images).numpy(), expected) < 1e-4


def test_parameter_counts(w32: keras.Model, w48: tuple[keras.Model, dict[str, np.ndarray]]) -> None:
    assert (_trainable(w32), w32.count_params()) == (28_535_684, 28_590_020)
    assert (_trainable(w48[0]), w48[0].count_params()) == (63_595_108, 63_674_692)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (96, 160)])
def test_w48_equals_the_reference(w48: tuple[keras.Model, dict[str, np.ndarray]], size: tuple[int, int]) -> None:
    model, state = w48
    images = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    got = model(images).numpy()
    assert got.shape == (2, size[0] // 4, size[1] // 4, 4)
    assert _relative_error(got, reference.heatmaps(state, images)) < 1e-5


def test_the_reference_gives_the_golden_heatmaps() -> None:
    state = reference.state_dict(reference.w32_shapes())
    expected = np.load(reference.GOLDEN / "hrnet_w32_golden.npz")["heatmaps"].transpose(0, 2, 3, 1)
    got = reference.heatmaps(state, reference.golden_images()[:1].transpose(0, 2, 3, 1))
    assert _relative_error(got, expected[:1]) < 1e-4


def test_small_is_the_published_small_network() -> None:
    model = hrnet(num_landmarks=19, input_shape=(64, 96, 1), small=True)
    assert model.name == "hrnet_w18_small"
    assert model.output_shape == (None, 16, 24, 19)
    names = {layer.name for layer in model.layers}
    last = {
        "layer1.1.conv3",
        "stage2.0.branches.1.1.bn2",
        "stage3.2.branches.2.1.bn2",
        "stage4.1.branches.3.1.bn2",
    }
    beyond = {
        "layer1.2.conv1",
        "stage2.1.branches.0.0.conv1",
        "stage3.3.branches.0.0.conv1",
        "stage4.2.branches.0.0.conv1",
    }
    assert last <= names
    assert not beyond & names
    assert model.get_layer("stage4.0.branches.3.0.conv1").kernel.shape == (3, 3, 144, 144)
    assert model.get_layer("conv1").kernel.shape == (3, 3, 1, 64)


def test_every_option_is_the_same_network() -> None:
    keras.utils.set_random_seed(1)
    fast = hrnet(16, input_shape=(64, 32, 1), small=True)
    plain = hrnet(16, input_shape=(64, 32, 1), small=True, batch_normalization="keras", pointwise="convolution")
    copy_weights(fast, plain)
    images = np.random.default_rng(0).normal(size=(2, 64, 32, 1)).astype(np.float32)
    ours, own = fast(images, training=True).numpy(), plain(images, training=True).numpy()
    # The coarsest branch normalises over four values, which magnifies rounding; another wiring differs by whole maps.
    np.testing.assert_allclose(ours, own, rtol=0, atol=1e-3 * np.abs(own).max())
    for layer in fast.layers:
        if layer.weights:
            for ours, own in zip(layer.get_weights(), plain.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_allclose(ours, own, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="differ in 2 layers: conv1, final_layer"):
        copy_weights(hrnet(16, num_landmarks=5, input_shape=(64, 32, 3), small=True), plain)


def test_bfloat16_network_gives_float32_heatmaps_and_is_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = hrnet(16, num_landmarks=2, input_shape=(32, 32, 1), small=True)
    finally:
        keras.config.set_dtype_policy("float32")
    images = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype(np.float32)
    heatmaps = model(images)
    assert heatmaps.dtype == tf.float32
    assert all(weight.dtype == "float32" for weight in model.weights)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(images), heatmaps)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (250, 256, 3)}, r"multiples of 32 pixels. Received: \(250, 256, 3\)"),
        ({"input_shape": (0, 256, 3)}, "multiples of 32"),
        ({"input_shape": (256, 256)}, r"\(height, width, channels\)"),
        ({"input_shape": (256, 256, None)}, r"\(height, width, channels\)"),
        ({"num_landmarks": 0}, "positive. Received: 32 and 0"),
        ({"initializer": "zeros"}, "'zeros'"),
        ({"batch_normalization": "group"}, "'group'"),
        ({"pointwise": "fft"}, "'fft'"),
    ],
)
def test_arguments_are_checked(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hrnet(**arguments)


def test_initializers() -> None:
    kernels = {
        kind: hrnet(16, input_shape=(32, 32, 3), small=True, initializer=kind).get_layer("stage3.0.branches.2.0.conv1")
        for kind in ("he_normal", "published")
    }
    deviations = {kind: float(np.std(layer.kernel)) for kind, layer in kernels.items()}
    assert deviations["published"] == pytest.approx(0.001, rel=0.05)
    assert deviations["he_normal"] == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


@pytest.mark.parametrize("kind", ["fused", "synchronized"])
def test_double_precision_goes_through_the_network_and_back(kind: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = hrnet(4, 2, (32, 32, 3), small=True, batch_normalization=kind)
    finally:
        keras.config.set_dtype_policy(before)
    assert {tensor.dtype for tensor in [model.output, *model.weights]} == {"float64"}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(np.ones((2, 32, 32, 3)), training=True) - 1.0))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert {gradient.dtype for gradient in gradients} == {tf.float64}
