"""Class activation maps through tf-keras-vis of a network that is cut behind one of its stages.

Gradients are needed from the logit back to that stage only. So the part before runs without a tape, batch by batch, and
tf-keras-vis sees the small part after it. The maps are those of the whole network, in a fraction of its memory.
"""

import functools
import re
import warnings

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam

from raspine.models import resnet

LAST, FOURTH = 5, 4
STAGES = {"gradcam": LAST, "gradcam++": LAST, "layercam": FOURTH}
STRIDES = {LAST: resnet.MULTIPLE, FOURTH: resnet.MULTIPLE // 2}
Maps = NDArray[np.float32]


class Cut:
    """A network in two parts, and the maps on the cells between them.

    Args:
      model: of `raspine.models.resnet`, in float32.
      stage: 5 for the last one, 4 for the one before.
    """

    def __init__(self, model: keras.Model, stage: int) -> None:
        features = model.get_layer(_output_of(model, stage)).output
        images, *clinical = model.inputs
        # As a graph: run eagerly, a functional model keeps every layer's output until its end.
        self._encoder = tf.function(
            functools.partial(keras.Model(images, features), training=False),
            input_signature=[tf.TensorSpec(images.shape, tf.float32)],
        )
        self._head = keras.Model([features, *clinical], model.output)
        self._layer = next(layer for layer in self._head.layers if layer.output is self._head.inputs[0])
        # Without a modifier tf-keras-vis takes the model as it is: the logit is linear already.
        makers = {"gradcam": Gradcam, "gradcam++": GradcamPlusPlus, "layercam": Layercam}
        self._methods = {name: makers[name](self._head) for name, where in STAGES.items() if where == stage}

    def cells(self, images: Maps, clinical: Maps | None, method: str, sign: int) -> Maps:
        """Returns float32 [feature map, row, column] of one batch; a feature map is a study's, or a slice's.

        Args:
          images: float32 [batch, height, width, slice], as the network was trained on.
          clinical: float32 [batch, column], or None.
          method: one of those that read this stage.
          sign: 1 or -1.
        """
        features = self._encoder(tf.constant(images))
        inputs = [features] if clinical is None else [features, tf.constant(clinical)]
        repeats = inputs[0].shape[0] // len(images)

        def score(logits: tf.Tensor) -> tf.Tensor:
            values = sign * logits[:, 0]
            if method != "gradcam++":
                return values
            # Grad-CAM++ multiplies by exp(score), one per feature map. The difference is 0 with the same gradient.
            return tf.repeat(values - tf.stop_gradient(values), repeats)

        def modified(gradients: tf.Tensor) -> tf.Tensor:
            if method == "layercam":
                return tf.nn.relu(gradients)
            return gradients / repeats if method == "gradcam++" else gradients

        with warnings.catch_warnings():
            # The head takes a list where it has one input; Keras remarks on it at each call.
            warnings.filterwarnings("ignore", "The structure of `inputs`")
            maps = self._methods[method](
                score,
                inputs,
                penultimate_layer=self._layer,
                seek_penultimate_conv_layer=False,
                gradient_modifier=modified,
                expand_cam=False,
                normalize_cam=False,
            )
        return np.asarray(maps, np.float32)


def _output_of(model: keras.Model, stage: int) -> str:
    """Returns the name of the layer that ends a stage."""
    if stage == LAST:
        return resnet.last_stage(model)
    pattern = re.compile(rf"conv{stage}_block(\d+)_out")
    return max((match for layer in model.layers if (match := pattern.fullmatch(layer.name))), key=_number)[0]


def _number(match: re.Match[str]) -> int:
    return int(match[1])
