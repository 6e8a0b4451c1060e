"""A running average of a network's weights, which validates and generalises better than the last step's."""

import keras
import tensorflow as tf


class WeightAverage(keras.callbacks.Callback):
    """Keeps an exponential moving average of all weights, normalisation statistics included.

    Early on the decay is (1 + step) / (10 + step), so that the first steps' weights are soon forgotten.

    Attributes:
      network: the averaged network, a copy of the trained one.
    """

    def __init__(self, trained: keras.Model, decay: float):
        super().__init__()
        self.network = keras.models.clone_model(trained)
        self.network.set_weights(trained.get_weights())
        self._trained, self._decay = trained, decay

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Moves the average towards the step's weights."""
        step = tf.cast(self.model.optimizer.iterations.value, tf.float32)
        self._move(tf.minimum(self._decay, (1.0 + step) / (10.0 + step)))

    @tf.function(reduce_retracing=True)
    def _move(self, decay: tf.Tensor) -> None:
        for average, weight in zip(self.network.weights, self._trained.weights, strict=True):
            if average.dtype.startswith(("float", "bfloat")):
                average.value.assign_sub((average.value - weight.value) * tf.cast(1.0 - decay, average.dtype))
