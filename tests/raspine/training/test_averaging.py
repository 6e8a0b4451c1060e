import keras
import numpy as np
import pytest
import tensorflow as tf

from raspine.training.averaging import WeightAverage


def test_the_average_follows_the_weights_by_hand() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    average = WeightAverage(model, decay=0.5)
    move = tf.function(average.move)
    model.layers[0].kernel.assign([[0.0]])
    average.network.layers[0].kernel.assign([[0.0]])
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 3.0)):
        model.layers[0].kernel.assign([[value]])
        move(tf.constant(step))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert float(average.network.layers[0].kernel[0, 0]) == pytest.approx(expected, rel=1e-6)


def test_normalisation_statistics_are_averaged_too() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(momentum=0.0)])
    average = WeightAverage(model, decay=0.0)
    model(np.array([[1.0, 4.0], [3.0, 8.0]]), training=True)
    average.move(1)
    np.testing.assert_allclose(average.network.layers[0].moving_mean, [2.0, 6.0], rtol=1e-5)
