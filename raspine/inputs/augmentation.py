"""Augmentation of framed films in batches: one warp for rotation, scale and translation, then grey values.

The warp and the noise are OpenCV's, which take a tenth of the time of TensorFlow's kernels on a CPU.
"""

import dataclasses
import math

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine.inputs import epochs, framing

_BILINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_BLACK = 1e-30  # has a logarithm, and a power as good as 0


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far each change goes; 0 switches one off.

    Attributes:
      rotation_degrees: uniform within plus or minus this.
      scale: log-uniform between 1 / (1 + scale) and 1 + scale.
      stretch: aspect ratio, log-uniform as `scale`.
      translation: uniform within plus or minus this share of the frame's longer side.
      gamma: exponent of the grey values, log-uniform between 1 / (1 + gamma) and 1 + gamma.
      contrast: factor about the mean, log-uniform as `gamma`.
      noise: standard deviation of white noise, drawn up to this share of the film's own deviation.
      cutout: number of squares blanked.
      cutout_size: side of a square as a share of the frame's longer side.
      mirror: probability of a left-right mirror image. A lateral film has no left-right pairs, so points keep their
        names; off by default because a mirrored film contradicts the fixed orientation.
    """

    rotation_degrees: float = 15.0
    scale: float = 0.2
    stretch: float = 0.0
    translation: float = 0.06
    gamma: float = 0.4
    contrast: float = 0.2
    noise: float = 0.1
    cutout: int = 2
    cutout_size: float = 0.12
    mirror: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"Augmentation '{field.name}' is a number of 0 or more. Received: {value}.")
        if self.mirror > 1 or self.cutout_size > 1:
            raise ValueError(f"'mirror' and 'cutout_size' are at most 1. Received: {self.mirror}, {self.cutout_size}.")


class Draw:
    """Stateless random numbers for one batch: every call folds a counter into the batch's seed.

    An item's numbers depend on its place in the global batch and not on how the batch is split between workers. Small
    numbers are drawn, and worked on, for the global batch, and a worker takes its `part` at the end: functions such as
    exp round otherwise when they are given few numbers.
    """

    def __init__(self, seed: tf.Tensor, part: epochs.Part):
        self._seed, self._part, self._calls = tf.cast(seed, tf.int64), part, 0

    def _next(self) -> tf.Tensor:
        self._calls += 1
        return tf.random.experimental.stateless_fold_in(self._seed, self._calls)

    def part(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the worker's items of values [item of the global batch, ...]."""
        return values[self._part.begin : self._part.end]

    def uniform(self, low: float, high: float, *shape: int) -> tf.Tensor:
        """Returns float32 [item of the global batch, *shape], uniform in low .. high."""
        return tf.random.stateless_uniform((self._part.whole, *shape), self._next(), low, high)

    def factor(self, amount: float, *shape: int) -> tf.Tensor:
        """Returns float32 [item of the global batch, *shape], log-uniform between 1 / (1 + amount) and 1 + amount."""
        return tf.exp(self.uniform(-math.log1p(amount), math.log1p(amount), *shape))

    def normal(self, *shape: int) -> tf.Tensor:
        """Returns float32 [item of the part, *shape], standard normal; other workers' items are not drawn."""
        seeds = tf.random.stateless_uniform((self._part.whole,), self._next(), 1, tf.int32.max, tf.int32)
        drawn = tf.numpy_function(lambda each: _normal(each, shape), [self.part(seeds)], tf.float32, stateful=False)
        return tf.ensure_shape(drawn, (self._part.end - self._part.begin, *shape))


def augment(
    images: tf.Tensor, points: tf.Tensor, seed: tf.Tensor, settings: Augmentation, part: epochs.Part | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns augmented films and their points.

    Args:
      images: float32 [batch, height, width, 1], values 0..1.
      points: float32 [batch, landmark, 2], network pixels (x, y), NaN where missing.
      seed: int [2]; the same seed gives the same result.
      settings: how far each change goes.
      part: which items of a global batch these are; None for a whole one.

    Returns:
      The same shapes; points moved off the frame keep their place there, and the codec gives them no weight.
    """
    draw = Draw(seed, part or whole(images))
    height, width = images.shape[1], images.shape[2]
    matrix = warp(draw, height, width, settings)
    images = transform(images, framing.inverse(matrix), (height, width))
    return change_grey(images, draw, settings), framing.apply(matrix, points)


def whole(images: tf.Tensor) -> epochs.Part:
    """Returns the part that a whole batch is; its size must be known when a graph is made."""
    return epochs.Part(0, images.shape[0], images.shape[0])


def warp(draw: Draw, height: int, width: int, settings: Augmentation) -> tf.Tensor:
    """Returns float32 [item of the part, 2, 3]: a random turn, scale, stretch, mirror and shift about the centre."""
    angle = draw.uniform(-1.0, 1.0) * math.radians(settings.rotation_degrees)
    scale, stretch = draw.factor(settings.scale), tf.sqrt(draw.factor(settings.stretch))
    side = tf.where(draw.uniform(0.0, 1.0) < settings.mirror, -1.0, 1.0)
    turn = tf.stack([tf.stack([tf.cos(angle), -tf.sin(angle)], -1), tf.stack([tf.sin(angle), tf.cos(angle)], -1)], -2)
    sizes = tf.stack([side * scale * stretch, scale / stretch], -1)
    linear = turn * sizes[:, None, :]
    centre = tf.constant([(width - 1) / 2, (height - 1) / 2], tf.float32)
    shift = draw.uniform(-1.0, 1.0, 2) * settings.translation * max(height, width) + centre
    return draw.part(tf.concat([linear, (shift - tf.linalg.matvec(linear, centre))[..., None]], -1))


def transform(images: tf.Tensor, target_to_source: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Returns images resampled bilinearly, 0 beyond their edges.

    Args:
      images: float32 [batch, height, width, channel].
      target_to_source: float32 [batch, 2, 3], pixels of the result to pixels of `images`, both (x, y).
      size: (height, width) of the result.
    """
    moved = tf.numpy_function(
        lambda pictures, matrices: _warped(pictures, matrices, size),
        [images, target_to_source],
        tf.float32,
        stateful=False,
    )
    return tf.ensure_shape(moved, (images.shape[0], *size, images.shape[-1]))


def change_grey(images: tf.Tensor, draw: Draw, settings: Augmentation) -> tf.Tensor:
    """Returns images of other gamma, contrast, noise and with squares blanked, of values 0..1 as they came."""
    return _cutout(_grey(images, draw, settings), draw, settings)


def _grey(images: tf.Tensor, draw: Draw, settings: Augmentation) -> tf.Tensor:
    gamma, contrast = (draw.part(draw.factor(amount, 1, 1, 1)) for amount in (settings.gamma, settings.contrast))
    amount = draw.part(draw.uniform(0.0, settings.noise, 1, 1, 1))
    images = tf.clip_by_value(images, _BLACK, 1.0)
    if settings.gamma:
        images = tf.exp(gamma * tf.math.log(images))  # tf.pow takes four times as long
    if settings.contrast or settings.noise:
        mean, variance = tf.nn.moments(images, (1, 2, 3), keepdims=True)
        images = contrast * images + (1.0 - contrast) * mean
    if settings.noise:
        images += amount * contrast * tf.sqrt(variance) * draw.normal(*images.shape[1:])
    return images


def _cutout(images: tf.Tensor, draw: Draw, settings: Augmentation) -> tf.Tensor:
    if not settings.cutout:
        return images
    height, width = images.shape[1], images.shape[2]
    half = settings.cutout_size * max(height, width) / 2
    y, x = tf.range(height, dtype=tf.float32)[None, :, None], tf.range(width, dtype=tf.float32)[None, None, :]
    covered = tf.zeros((1, height, width), tf.bool)
    for _ in range(settings.cutout):
        middle = draw.part(draw.uniform(0.0, 1.0, 2, 1, 1))
        covered |= (tf.abs(y - middle[:, 0] * height) < half) & (tf.abs(x - middle[:, 1] * width) < half)
    return tf.where(covered[..., None], tf.reduce_mean(images, (1, 2, 3), keepdims=True), images)


def standardise(images: tf.Tensor) -> tf.Tensor:
    """Returns what `framing.standardise` does, the same for each image whatever the number of images."""
    return standardised_by(images, *tf.nn.moments(images, (1, 2, 3), keepdims=True))


def standardised_by(images: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """Returns what `framing.standardised_by` does, the same for each image whatever the number of images.

    Args:
      images: float32 [batch, height, width, channel].
      mean: float32 [batch, 1, 1, 1].
      variance: the same.
    """
    # The root of few numbers rounds otherwise than that of many: a row of equal ones is always many.
    return framing.standardised_by(images, mean, tf.tile(variance, (1, 1, images.shape[2], 1)))


def _warped(images: NDArray[np.float32], matrices: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    height, width, channels = images.shape[1:]
    made = np.empty((len(images), *size, channels), np.float32)
    for image, matrix, result in zip(images, matrices, made, strict=True):
        # One channel at a time: OpenCV rounds source places to 1/32 pixel when there are many.
        planes = cv2.transpose(image.reshape(-1, channels)).reshape(channels, height, width)
        moved = [cv2.warpAffine(plane, matrix, size[::-1], flags=_BILINEAR) for plane in planes]
        cv2.merge(moved, result)
    return made


def _normal(seeds: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    made = np.empty((len(seeds), shape[0], math.prod(shape[1:])), np.float32)
    for seed, values in zip(seeds, made, strict=True):
        cv2.setRNGSeed(int(seed))  # OpenCV keeps a generator a thread
        cv2.randn(values, 0.0, 1.0)  # type: ignore[call-overload]
    return made.reshape(-1, *shape)
