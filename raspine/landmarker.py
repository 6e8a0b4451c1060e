"""A trained landmark network with all it needs from grey values to points: the model directory, and its use."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import atomic, landmarks
from raspine.inputs import framing
from raspine.models import (
    heatmaps,
    layers,  # noqa: F401 - registers the layers that a saved network names
)

FORMAT = 1
TASK = "landmarks"
WEIGHTS = "model.keras"
CARD = "model.json"


class ModelDirectoryError(ValueError):
    """A folder does not hold a landmark model that this raspine reads."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What turns a network's output into points; stands in the model directory as JSON.

    Attributes:
      schema: which landmarks the channels are, and what is measured.
      height: of the network's input, pixels.
      width: of the network's input, pixels.
      stride: network pixels a heatmap cell.
      sigma: of the training targets, heatmap cells.
      codec: of the training targets.
      output: `linear` when the network gives heatmaps, `softmax` when it gives logits over the cells.
    """

    schema: landmarks.Schema
    height: int
    width: int
    stride: int = 4
    sigma: float = 2.0
    codec: str = "unbiased"
    output: str = "linear"

    def __post_init__(self) -> None:
        if self.output not in ("linear", "softmax"):
            raise ValueError(f"'output' is linear or softmax. Received: '{self.output}'.")
        if self.codec not in heatmaps.CODECS:
            raise ValueError(f"'codec' is one of {', '.join(heatmaps.CODECS)}. Received: '{self.codec}'.")


class Landmarker:
    """Finds a schema's landmarks on films.

    Attributes:
      network: standardised float32 [batch, height, width, 1] to heatmaps or logits.
      settings: how its output becomes points.
      card: what is known of its training: versions, data hash, figures; free JSON.
    """

    def __init__(self, network: keras.Model, settings: Settings, card: dict[str, Any] | None = None):
        expected = (None, settings.height, settings.width, 1)
        if tuple(network.input_shape) != expected:
            raise ModelDirectoryError(f"The network takes {network.input_shape}, its settings say {expected}.")
        self.network, self.settings, self.card = network, settings, card or {}
        self._locate_framed = tf.function(
            self.decode_framed, input_signature=[tf.TensorSpec(expected, tf.float32)], reduce_retracing=True
        )
        self._frame = tf.function(
            self.frame,
            input_signature=[tf.TensorSpec((None, None), tf.uint16), tf.TensorSpec((2,), tf.float32)],
        )

    @property
    def schema(self) -> landmarks.Schema:
        """The landmarks and distances."""
        return self.settings.schema

    def frame(self, image: tf.Tensor, spacing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a film in the network's frame and the way back; graph ops.

        Args:
          image: uint16 [height, width], canonical values as displayed, white is 65535.
          spacing: float32 [2], (row, column) mm; NaN when unknown (pixels are then taken as square).

        Returns:
          float32 [network height, network width, 1], standardised, and float32 [2, 3], network to native pixels.
        """
        size = (self.settings.height, self.settings.width)
        matrix = framing.fit(tf.shape(image), spacing, *size)
        grey = tf.cast(image[..., None], tf.float32) / 65535.0
        return framing.standardise(framing.resample(grey, matrix, *size)), framing.inverse(matrix)

    def decode_framed(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns points in network pixels [batch, landmark, 2] and confidence [batch, landmark]; graph ops.

        Args:
          images: float32 [batch, height, width, 1], standardised films in the network's frame.
        """
        output = self.network(images, training=False)
        if self.settings.output == "softmax":
            output = heatmaps.spatial_softmax(output, self.settings.sigma)
        return heatmaps.decode(output, self.settings.stride, self.settings.codec)

    def answer(self, images: tf.Tensor, spacing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns points in native pixels and confidence for films of one size; graph ops, as exported.

        Args:
          images: uint16 [batch, height, width], canonical values as displayed.
          spacing: float32 [batch, 2], (row, column) mm; NaN when unknown.

        Returns:
          float32 [batch, landmark, 2], native pixels (x, y), and float32 [batch, landmark], 0..1.
        """
        shape = tf.TensorSpec((self.settings.height, self.settings.width, 1), tf.float32)
        framed, to_native = tf.map_fn(
            lambda film: self.frame(*film),
            (images, spacing),
            fn_output_signature=(shape, tf.TensorSpec((2, 3), tf.float32)),
        )
        points, confidence = self.decode_framed(framed)
        return framing.apply(to_native, points), confidence

    def locate_framed(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `decode_framed` does, compiled once."""
        return self._locate_framed(images)

    def locate(
        self, films: Sequence[tuple[NDArray[np.uint16], tuple[float, float] | None]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns where the landmarks of some films are; films may differ in size.

        Args:
          films: for each the canonical pixels, uint16 [height, width], and (row, column) mm or None.

        Returns:
          points float32 [film, landmark, 2], native pixels (x, y), NaN where not found, and confidence float32
          [film, landmark], 0..1.
        """
        unknown = (np.nan, np.nan)
        framed = [self._frame(pixels, np.array(mm or unknown, np.float32)) for pixels, mm in films]
        points, confidence = self._locate_framed(tf.stack([image for image, _ in framed]))
        to_native = tf.stack([matrix for _, matrix in framed])
        return framing.apply(to_native, points).numpy(), confidence.numpy()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the model directory `folder`, replacing an older one."""
        with atomic.atomic_directory(folder, replace=True) as aside:
            self.network.save(aside / WEIGHTS)
            values = {**dataclasses.asdict(self.settings), "schema": self.schema.to_dict()}
            atomic.write_json(aside / CARD, {"format": FORMAT, "task": TASK, "settings": values, "card": self.card})


def load(folder: str | os.PathLike[str]) -> Landmarker:
    """Returns the landmarker in a model directory (`best/` or `last/` of a run).

    Raises:
      ModelDirectoryError: the folder is not one, or of another format.
    """
    place = pathlib.Path(folder)
    for name in (CARD, WEIGHTS):
        if not (place / name).is_file():
            raise ModelDirectoryError(
                f"'{folder}' is no model directory: it has no {name}. Give best/ or last/ of a training run."
            )
    try:
        stored = json.loads((place / CARD).read_text(encoding="utf-8"))
        if (stored["format"], stored["task"]) != (FORMAT, TASK):
            raise ModelDirectoryError(f"'{folder}' holds a {stored['task']} model of format {stored['format']}.")
        values = {**stored["settings"], "schema": landmarks.from_dict(stored["settings"]["schema"])}
        settings, card = Settings(**values), stored["card"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ModelDirectoryError):
            raise
        raise ModelDirectoryError(f"'{folder}/{CARD}' is damaged: {error}.") from error
    return Landmarker(_network(place / WEIGHTS), settings, card)


def _network(path: pathlib.Path) -> keras.Model:
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises of many kinds on damaged files, with messages of many lines
        raise ModelDirectoryError(
            f"the network '{path}' cannot be loaded ({type(error).__name__}): it is damaged, or of another Keras."
        ) from error
