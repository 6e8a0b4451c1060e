"""Augmentation of a study's slices in batched ops: all slices of a study change alike."""

import dataclasses

import tensorflow as tf

from raspine.inputs import augmentation, epochs, framing


@dataclasses.dataclass(frozen=True)
class StudyAugmentation:
    """How far each change goes; 0 switches one off.

    Attributes:
      plane: what happens within the slices; its `mirror` turns anterior into posterior.
      brightness: added to the grey values, uniform within plus or minus this.
      flip_slices: probability of a left-right flip of the patient, which reverses the order of the slices.
      flip_rows: probability of an upside-down flip.
    """

    plane: augmentation.Augmentation = dataclasses.field(
        default_factory=lambda: augmentation.Augmentation(cutout=0, noise=0.05, rotation_degrees=8)
    )
    brightness: float = 0.05
    flip_slices: float = 0.5
    flip_rows: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip_slices", "flip_rows"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"'{name}' is a probability. Received: {getattr(self, name)}.")
        if not self.brightness >= 0:
            raise ValueError(f"'brightness' is 0 or more. Received: {self.brightness}.")


def augment(
    images: tf.Tensor,
    seed: tf.Tensor,
    settings: StudyAugmentation,
    size: tuple[int, int],
    part: epochs.Part | None = None,
) -> tf.Tensor:
    """Returns augmented studies, cut to the network's size about their middle.

    The warp reaches beyond the cut, so a shift brings in what lies there and not an empty border. Studies are
    standardised here by what they were before their grey values changed: afterwards, brightness and contrast would be
    taken out again.

    Args:
      images: float32 [batch, height, width, slice], values 0..1.
      seed: int [2]; the same seed gives the same result.
      settings: how far each change goes.
      size: (height, width) of the network's input, at most that of the images.
      part: which items of a global batch these are; None for a whole one.

    Returns:
      float32 [batch, *size, slice], standardised.
    """
    draw = augmentation.Draw(seed, part or augmentation.whole(images))
    warp = framing.inverse(augmentation.warp(draw, *size, settings.plane))
    images = augmentation.transform(images, framing.then(warp, centred(images.shape[1:3], size)), size)
    mean, variance = tf.nn.moments(images, (1, 2, 3), keepdims=True)
    images = augmentation.change_grey(images, draw, settings.plane)
    brightness = draw.part(draw.uniform(-settings.brightness, settings.brightness, 1, 1, 1))
    images = augmentation.standardised_by(images, mean - brightness, variance)
    images = _flipped(images, draw, settings.flip_slices, -1)
    return _flipped(images, draw, settings.flip_rows, 1)


def centred(stored: tuple[int, int], size: tuple[int, int]) -> tf.Tensor:
    """Returns float32 [2, 3]: pixels (x, y) of the centred cut of `size` to those of the stored picture.

    Args:
      stored: (height, width) of the picture.
      size: (height, width) of the cut; an odd difference leaves the larger rest below and to the right.
    """
    down, right = ((whole - part) // 2 for whole, part in zip(stored, size, strict=True))
    return tf.constant([[1.0, 0.0, right], [0.0, 1.0, down]], tf.float32)


def _flipped(images: tf.Tensor, draw: augmentation.Draw, chance: float, axis: int) -> tf.Tensor:
    is_flipped = draw.part(draw.uniform(0.0, 1.0)) < chance
    if not chance:
        return images
    # tf.where would compare every value; this op copies whole studies.
    return tf.raw_ops.Select(condition=is_flipped, x=tf.reverse(images, [axis]), y=images)
