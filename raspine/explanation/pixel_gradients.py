"""Saliency and SmoothGrad through tf-keras-vis: how the logit answers to a small change of each pixel.

Saliency: Simonyan et al., ICLR workshop 2014. SmoothGrad: Smilkov et al., 2017. Both take the gradient's size, so that
they show where the logit is sensitive, in either direction. The whole network stands on the tape: so few studies pass
at a time.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tf_keras_vis.saliency import Saliency

SAMPLES = 8  # noisy copies of a study
NOISE = 0.1  # their noise's deviation over the study's range of values
_PIXELS = 512 * 512  # of images that pass the encoder together
Maps = NDArray[np.float32]


class PixelGradients:
    """Makes the gradients of one network.

    Args:
      model: of `raspine.models.resnet`, in float32.
      per_slice: whether its encoder reads one slice at a time, so that each slice gets a map of its own.
      batch_size: studies that pass the network together at most.
    """

    def __init__(self, model: keras.Model, per_slice: bool, batch_size: int) -> None:
        self._per_slice, self._batch_size = per_slice, batch_size
        self._images = model.inputs[0]
        self._clinical = len(model.inputs) > 1
        signature = [tf.TensorSpec(tensor.shape, tf.float32) for tensor in model.inputs]

        def logit(*inputs: tf.Tensor) -> tf.Tensor:
            return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

        # As a graph: a tenth of the time of single operations.
        self._logit = tf.function(logit, input_signature=signature).get_concrete_function()

    def __call__(self, images: Maps, clinical: Maps | None, method: str, seed: int = 0) -> Maps:
        """Returns float32 [batch, height, width], of a per-slice network [batch, slice, height, width]; at least 0.

        A network whose slices are channels has one map: the largest gradient over the slices.

        Args:
          images: float32 [batch, height, width, slice].
          clinical: float32 [batch, column], or None; never made noisy.
          method: "saliency" or "smoothgrad".
          seed: of SmoothGrad's noise, which is the same for all studies.
        """
        parts = self._saliency(images, clinical) if method == "saliency" else self._smooth(images, clinical, seed)
        maps = np.concatenate(list(parts))
        return np.moveaxis(maps, -1, 1) if self._per_slice else maps.max(-1)

    def _saliency(self, images: Maps, clinical: Maps | None) -> Iterator[Maps]:
        count = self._together(images)
        for start in range(0, len(images), count):
            these = slice(start, start + count)
            yield self._gradients(images[these], None if clinical is None else clinical[these], 0)

    def _smooth(self, images: Maps, clinical: Maps | None, seed: int) -> Iterator[Maps]:
        """Yields a study's mean gradients: its copies pass as a batch, so that its noise has nothing of the others."""
        copies = max(count for count in range(1, self._together(images) + 1) if SAMPLES % count == 0)
        for place, image in enumerate(images):
            values = None if clinical is None else np.repeat(clinical[place][None], copies, 0)
            with _numpy_seeded(seed):
                gradients = self._gradients(np.repeat(image[None], copies, 0), values, SAMPLES // copies)
            yield gradients.mean(0, keepdims=True)

    def _gradients(self, images: Maps, clinical: Maps | None, samples: int) -> Maps:
        network = _OfImages(self._logit, self._images, None if clinical is None else tf.constant(clinical))
        gradients = Saliency(network)(
            lambda logits: logits[:, 0],
            tf.constant(images),
            smooth_samples=samples,
            smooth_noise=NOISE,
            keepdims=True,
            normalize_map=False,
        )
        return np.asarray(gradients, np.float32)

    def _together(self, images: Maps) -> int:
        _, height, width, count = images.shape
        pixels = height * width * (count if self._per_slice else 1)
        return max(1, min(max(self._batch_size, SAMPLES), _PIXELS // pixels))


class _OfImages:
    """A network as tf-keras-vis asks for it, of which the images alone are an input."""

    def __init__(self, logit: Any, images: Any, clinical: tf.Tensor | None) -> None:
        self._logit, self._clinical = logit, clinical
        self.inputs, self.outputs = [images], [None]

    def __call__(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        return self._logit(inputs[0]) if self._clinical is None else self._logit(inputs[0], self._clinical)


@contextlib.contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seeds numpy's global generator, from which tf-keras-vis draws, and gives it back as it was."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
