"""A running average of a network's weights, which validates and generalises better than the last step's."""

from typing import Any

import keras
import tensorflow as tf


class WeightAverage:
    """Keeps an exponential moving average of all weights, normalisation statistics included.

    Early on the decay is (1 + step) / (10 + step), so that the first steps' weights are soon forgotten. Made within
    the strategy's scope of the trained network.

    Attributes:
      network: the averaged network, a copy of the trained one.
    """

    def __init__(self, trained: keras.Model, decay: float):
        self.network = keras.models.clone_model(trained)
        self.network.set_weights(trained.get_weights())
        self._trained, self._decay = trained, decay
        self._place = tf.distribute.get_strategy()

    def move(self, step: Any) -> None:
        """Moves the average towards the weights after a step; graph ops, outside the replicas.

        Args:
          step: int scalar, steps done.
        """
        done = tf.cast(tf.convert_to_tensor(step), tf.float32)
        rest = 1.0 - tf.minimum(self._decay, (1.0 + done) / (10.0 + done))
        for average, weight in zip(self.network.weights, self._trained.weights, strict=True):
            if average.dtype.startswith(("float", "bfloat")):
                args = (weight.value, tf.cast(rest, average.dtype))
                self._place.extended.update(average.value, _towards, args, group=False)


def _towards(average: tf.Variable, weight: tf.Tensor, rest: tf.Tensor) -> tf.Operation:
    return average.assign_sub((average - weight) * rest)
