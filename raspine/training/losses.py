"""Losses between labelled points and predicted heatmaps; targets are made in the batch, on the device."""

from typing import Any

import keras
import tensorflow as tf

from raspine.models import heatmaps
from raspine.training import precision


@keras.saving.register_keras_serializable(package="raspine")
class HeatmapLoss(keras.losses.Loss):
    """Points as truth, heatmaps as prediction; landmarks without label or off the film count nothing.

    Args:
      height: of the network's input, pixels.
      width: of the network's input, pixels.
      stride: network pixels a heatmap cell.
      sigma: of the target, heatmap cells.
      codec: how points become targets.
      kind: `mse`, the published mean squared error (half of it, over visible landmarks and all cells), or
        `cross_entropy` between the target, scaled to sum 1, and the spatial softmax of the logits.
    """

    KINDS = ("mse", "cross_entropy")

    def __init__(
        self,
        height: int,
        width: int,
        stride: int = 4,
        sigma: float = 2.0,
        codec: str = "unbiased",
        kind: str = "mse",
        name: str = "heatmap_loss",
        **options: Any,
    ):
        if kind not in self.KINDS:
            raise ValueError(f"A loss is one of {', '.join(self.KINDS)}. Received: '{kind}'.")
        super().__init__(name=name, **options)
        self.settings: dict[str, Any] = {
            "height": height, "width": width, "stride": stride, "sigma": sigma, "codec": codec, "kind": kind,
        }  # fmt: skip

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns float32 [batch], float64 for a network in float64: each film's loss.

        Args:
          y_true: float32 [batch, landmark, 2], network pixels (x, y), NaN where missing.
          y_pred: float [batch, height / stride, width / stride, landmark].
        """
        codec = {key: self.settings[key] for key in ("height", "width", "stride", "sigma", "codec")}
        target, weights = heatmaps.encode(y_true, **codec)
        prediction = precision.wide(y_pred)
        target, weights = tf.cast(target, prediction.dtype), tf.cast(weights, prediction.dtype)
        by_landmark = _mse if self.settings["kind"] == "mse" else _cross_entropy
        values = by_landmark(target, prediction) * weights
        return tf.math.divide_no_nan(tf.reduce_sum(values, -1), tf.reduce_sum(weights, -1))

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the loss."""
        return {**super().get_config(), **self.settings}


def _mse(target: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.reduce_mean(tf.math.squared_difference(prediction, target), (1, 2))


def _cross_entropy(target: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(logits)
    flat = (shape[0], shape[1] * shape[2], shape[3])
    share = tf.math.divide_no_nan(target, tf.reduce_sum(target, (1, 2), keepdims=True))
    log_probability = tf.nn.log_softmax(tf.reshape(logits, flat), 1)
    return -tf.reduce_sum(tf.reshape(share, flat) * log_probability, 1)
