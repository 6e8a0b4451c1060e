import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine.models import layers, winograd


def arrays(shape: tuple[int, ...], filters: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(0)
    sizes = (shape, (3, 3, shape[-1], filters), (*shape[:-1], filters))
    return tuple(tf.constant(rng.standard_normal(size), tf.float32) for size in sizes)


@pytest.mark.parametrize(("shape", "filters"), [((2, 8, 8, 5), 7), ((3, 9, 14, 4), 4), ((1, 2, 3, 3), 6)])
def test_values_and_gradients_are_those_of_the_direct_convolution(shape: tuple[int, ...], filters: int) -> None:
    maps, kernel, upstream = arrays(shape, filters)
    found = []
    for convolve in (winograd.convolution, lambda maps, kernel: tf.nn.conv2d(maps, kernel, 1, "SAME")):

        @tf.function
        def step(convolve: object = convolve) -> tuple[tf.Tensor, ...]:
            with tf.GradientTape() as tape:
                tape.watch([maps, kernel])
                given = convolve(maps, kernel)
            return given, *tape.gradient(given, [maps, kernel], upstream)

        found.append([value.numpy() for value in step()])
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=3e-5 * np.abs(two).max())


@pytest.mark.parametrize(
    ("shape", "channels", "expected"),
    [
        ((4, 16, 16), 256, True),
        ((8, 8, 8), 256, True),
        ((4, 8, 8), 512, False),
        ((8, 64, 64), 32, False),
        ((1, 16, 16), 256, False),
        ((8, 12, 12), 64, False),
        ((None, 64, 64), 256, False),
    ],
)
def test_where_it_pays(shape: tuple[int | None, ...], channels: int, expected: bool) -> None:
    assert winograd.pays(shape, channels, channels) is expected


def test_a_layer_takes_it_while_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, ...]] = []
    convolution = winograd.convolution

    def noted(maps: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        taken.append(tuple(maps.shape))
        return convolution(maps, kernel)

    monkeypatch.setattr(winograd, "convolution", noted)
    maps = tf.random.stateless_normal((4, 16, 16, 256), (1, 2))
    layer = layers.SymmetricConvolution(256)
    answers = [layer(maps, training=training) for training in (False, True)]
    assert taken == [(4, 16, 16, 256)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)
    double = layers.SymmetricConvolution(256, dtype="float64")
    double(keras.ops.cast(maps, "float64"), training=True)
    assert len(taken) == 1
