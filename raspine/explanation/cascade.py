"""A network whose weights are replaced from the logit downwards, stage by stage.

Cascading randomisation of parameters: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018. A map that
explains what was learnt changes on the way.
"""

from typing import Any

import keras
import tensorflow as tf

from raspine.models import float32

STAGES = ("logit", "conv5", "conv4", "conv3", "conv2", "conv1")


class Cascade:
    """A copy of a trained network that takes the weights of an untrained one, down to a stage.

    The copy's moving means and variances are those of a batch in the layers that were replaced: with the trained ones,
    or with 0 and 1, a deep network would give values of any size.

    Args:
      trained: of `raspine.models.resnet`; stays as it is.
      fresh: of the same architecture with newly drawn weights, see `sanity.randomised`.
      calibration: a batch of the network's inputs.

    Attributes:
      network: the copy, in float32; trained weights at first.
    """

    def __init__(self, trained: keras.Model, fresh: keras.Model, calibration: Any) -> None:
        self._trained, self._fresh = float32.twin(trained), float32.twin(fresh)
        self._calibration = calibration
        self.network = keras.models.clone_model(self._trained, clone_function=float32.from_config(lambda one: one))
        self.network.set_weights(self._trained.get_weights())

    def randomise(self, stage: str) -> None:
        """Replaces the weights from the logit down to a stage, that one included; the others are the trained ones.

        Args:
          stage: of STAGES.

        Raises:
          ValueError: for another stage.
        """
        if stage not in STAGES:
            raise ValueError(f"stage must be one of {STAGES}. Received: {stage!r}.")
        replaced = STAGES[: STAGES.index(stage) + 1]
        for layer in self.network.layers:
            source = self._fresh if stage_of(layer.name) in replaced else self._trained
            layer.set_weights(source.get_layer(layer.name).get_weights())
        layers_ = [layer for layer in self.network.layers if stage_of(layer.name) in replaced]
        calibrate(self.network, layers_, self._calibration)


def stage_of(layer: str) -> str:
    """Returns the stage of a layer by its name; what comes after the last stage belongs to `logit`."""
    return next((stage for stage in STAGES[1:] if layer.startswith(stage)), STAGES[0])


def calibrate(model: keras.Model, among: list[keras.layers.Layer], inputs: Any) -> None:
    """Sets the moving statistics of some layers to those of one batch; all other layers run as they do when used."""
    moving = [layer for layer in model.layers if hasattr(layer, "moving_variance")]
    before = [(layer.momentum, layer.trainable) for layer in moving]
    for layer in moving:
        layer.momentum, layer.trainable = 0.0, any(layer is one for one in among)
    # As a graph: run eagerly, a functional model keeps every layer's output until its end. As a concrete one, since
    # TensorFlow remarks on functions that are traced again and again, which is what is wanted here.
    tf.function(lambda values: model(values, training=True)).get_concrete_function(inputs)(inputs)
    for layer, (momentum, trainable) in zip(moving, before, strict=True):
        layer.momentum, layer.trainable = momentum, trainable
