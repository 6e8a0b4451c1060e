"""Augmentation of framed films in batched ops: one warp for rotation, scale and translation, then grey values."""

import dataclasses
import math

import tensorflow as tf

from raspine.inputs import framing


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
    """Stateless random numbers for one batch: every call folds a counter into the batch's seed."""

    def __init__(self, seed: tf.Tensor, batch: tf.Tensor):
        self._seed, self._batch, self._calls = tf.cast(seed, tf.int64), batch, 0

    def _next(self) -> tf.Tensor:
        self._calls += 1
        return tf.random.experimental.stateless_fold_in(self._seed, self._calls)

    def uniform(self, low: float, high: float, *shape: int) -> tf.Tensor:
        """Returns float32 [batch, *shape], uniform in low .. high."""
        return tf.random.stateless_uniform((self._batch, *shape), self._next(), low, high)

    def factor(self, amount: float, *shape: int) -> tf.Tensor:
        """Returns float32 [batch, *shape], log-uniform between 1 / (1 + amount) and 1 + amount."""
        return tf.exp(self.uniform(-math.log1p(amount), math.log1p(amount), *shape))

    def normal(self, shape: tf.Tensor) -> tf.Tensor:
        """Returns float32 of that shape, standard normal."""
        return tf.random.stateless_normal(shape, self._next())


def augment(
    images: tf.Tensor, points: tf.Tensor, seed: tf.Tensor, settings: Augmentation
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns augmented films and their points.

    Args:
      images: float32 [batch, height, width, 1], values 0..1.
      points: float32 [batch, landmark, 2], network pixels (x, y), NaN where missing.
      seed: int [2]; the same seed gives the same result.
      settings: how far each change goes.

    Returns:
      The same shapes; points moved off the frame keep their place there, and the codec gives them no weight.
    """
    draw = Draw(seed, tf.shape(images)[0])
    height, width = images.shape[1], images.shape[2]
    matrix = warp(draw, height, width, settings)
    images = transform(images, framing.inverse(matrix), (height, width))
    return change_grey(images, draw, settings), framing.apply(matrix, points)


def warp(draw: Draw, height: int, width: int, settings: Augmentation) -> tf.Tensor:
    """Returns float32 [batch, 2, 3]: a random turn, scale, stretch, mirror and shift about the frame's centre."""
    angle = draw.uniform(-1.0, 1.0) * math.radians(settings.rotation_degrees)
    scale, stretch = draw.factor(settings.scale), tf.sqrt(draw.factor(settings.stretch))
    side = tf.where(draw.uniform(0.0, 1.0) < settings.mirror, -1.0, 1.0)
    turn = tf.stack([tf.stack([tf.cos(angle), -tf.sin(angle)], -1), tf.stack([tf.sin(angle), tf.cos(angle)], -1)], -2)
    sizes = tf.stack([side * scale * stretch, scale / stretch], -1)
    linear = turn * sizes[:, None, :]
    centre = tf.constant([(width - 1) / 2, (height - 1) / 2], tf.float32)
    shift = draw.uniform(-1.0, 1.0, 2) * settings.translation * max(height, width) + centre
    return tf.concat([linear, (shift - tf.linalg.matvec(linear, centre))[..., None]], -1)


def transform(images: tf.Tensor, target_to_source: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Returns images resampled bilinearly, 0 beyond their edges.

    Args:
      images: float32 [batch, height, width, channel].
      target_to_source: float32 [batch, 2, 3], pixels of the result to pixels of `images`, both (x, y).
      size: (height, width) of the result.
    """
    flat = tf.reshape(target_to_source, (-1, 6))
    projective = tf.concat([flat, tf.zeros_like(flat[:, :2])], -1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=projective,
        output_shape=size,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved, (None, *size, images.shape[-1]))


def change_grey(images: tf.Tensor, draw: Draw, settings: Augmentation) -> tf.Tensor:
    """Returns images of other gamma, contrast, noise and with squares blanked, of values 0..1 as they came."""
    return _cutout(_grey(images, draw, settings), draw, settings)


def _grey(images: tf.Tensor, draw: Draw, settings: Augmentation) -> tf.Tensor:
    images = tf.pow(tf.clip_by_value(images, 0.0, 1.0), draw.factor(settings.gamma, 1, 1, 1))
    mean = tf.reduce_mean(images, (1, 2, 3), keepdims=True)
    images = mean + (images - mean) * draw.factor(settings.contrast, 1, 1, 1)
    amount = draw.uniform(0.0, settings.noise, 1, 1, 1) * tf.math.reduce_std(images, (1, 2, 3), keepdims=True)
    return images + amount * draw.normal(tf.shape(images))


def _cutout(images: tf.Tensor, draw: Draw, settings: Augmentation) -> tf.Tensor:
    height, width = images.shape[1], images.shape[2]
    half = settings.cutout_size * max(height, width) / 2
    y, x = tf.range(height, dtype=tf.float32)[None, :, None], tf.range(width, dtype=tf.float32)[None, None, :]
    fill = tf.reduce_mean(images, (1, 2, 3), keepdims=True)
    for _ in range(settings.cutout):
        middle = draw.uniform(0.0, 1.0, 2, 1, 1)
        covered = (tf.abs(y - middle[:, 0] * height) < half) & (tf.abs(x - middle[:, 1] * width) < half)
        images = tf.where(covered[..., None], fill, images)
    return images
