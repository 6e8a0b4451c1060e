"""A trained landmark network with all it needs from grey values to points: the model directory, and its use."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import atomic, landmarks, model_directory, model_identity, quoting
from raspine.inputs import framing
from raspine.model_directory import CARD, MAX_SIDE, WEIGHTS, ModelDirectoryError
from raspine.models import float32, heatmaps, inference

FORMAT = 2
TASK = "landmarks"
TOGETHER = 2  # films of a request that are decoded and framed at once: each takes 4 bytes a pixel
NETWORKS = (WEIGHTS, "region.keras")
Film = tuple[NDArray[np.uint16], tuple[float, float] | None]  # canonical pixels, (row, column) mm


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
      reach: 0 for a network that sees whole films; above it, one that sees the region around points that are already
        known roughly (see `framing.region`).
    """

    schema: landmarks.Schema
    height: int
    width: int
    stride: int = 4
    sigma: float = 2.0
    codec: str = "unbiased"
    output: str = "linear"
    reach: float = 0.0

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.output not in ("linear", "softmax"):
            raise ValueError(f"'output' is linear or softmax. Received: {quoting.received(self.output)}.")
        if self.codec not in heatmaps.CODECS:
            raise ValueError(
                f"'codec' is one of {', '.join(heatmaps.CODECS)}. Received: {quoting.received(self.codec)}."
            )

    def _check_numbers(self) -> None:
        for name, highest in (("height", MAX_SIDE), ("width", MAX_SIDE), ("stride", 64)):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= highest:
                raise ValueError(f"'{name}' is a whole number of 1 to {highest}. Received: {quoting.received(value)}.")
        for name, least in (("sigma", 1e-3), ("reach", 0.0)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not least <= value <= 1000.0:
                raise ValueError(f"'{name}' is {least} to 1000. Received: {quoting.received(value)}.")


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """Films in a graph, which may differ in size.

    Attributes:
      read: from int32 [], a film's number, to its picture, uint16 [height, width], canonical values as displayed.
      spacing: float32 [film, 2], (row, column) mm of a native pixel; NaN when unknown.
      native: where pictures are smaller than their films: int [film, 2], (height, width) in native pixels, and float32
        [film, 2, 3], picture to native pixels. None when they are the films.
    """

    read: Callable[[tf.Tensor], tf.Tensor]
    spacing: tf.Tensor
    native: tuple[tf.Tensor, tf.Tensor] | None = None

    @property
    def count(self) -> tf.Tensor:
        """int32 []: how many films."""
        return tf.shape(self.spacing)[0]


class Stage:
    """One network and what turns its output into points.

    Attributes:
      network: standardised float32 [batch, height, width, 1] to heatmaps or logits.
      settings: how its output becomes points.
      fast: whether a twin answers that holds the weights as they are at the first answer (see `models.inference`):
        for a network that is trained no further.
      precision: of that twin.
    """

    def __init__(self, network: keras.Model, settings: Settings, fast: bool = False, precision: str = "float32"):
        expected = (None, settings.height, settings.width, 1)
        if len(network.inputs) != 1 or tuple(network.inputs[0].shape) != expected:
            received = quoting.line([tuple(one.shape) for one in network.inputs])
            raise ModelDirectoryError(f"The network takes {received}, its settings say {expected}.")
        maps = (
            None,
            settings.height // settings.stride,
            settings.width // settings.stride,
            len(settings.schema.landmarks),
        )
        if len(network.outputs) != 1 or tuple(network.outputs[0].shape) != maps:
            received = quoting.line([tuple(one.shape) for one in network.outputs])
            raise ModelDirectoryError(f"The network gives {received}, its settings say {maps}.")
        self.network, self.settings, self.fast, self.precision = network, settings, fast, inference.checked(precision)
        self._decode = tf.function(
            self.decode, input_signature=[tf.TensorSpec(expected, tf.float32)], reduce_retracing=True
        )
        film = [tf.TensorSpec((None, None), tf.uint16), tf.TensorSpec((2,), tf.float32)]
        around = tf.TensorSpec((len(settings.schema.landmarks), 2), tf.float32)
        self._frame = tf.function(self.frame, input_signature=[*film, around])

    def frame(
        self,
        image: tf.Tensor,
        spacing: tf.Tensor,
        around: tf.Tensor,
        native: tuple[tf.Tensor, tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a film, or a region of it, in the network's frame and the way back; graph ops.

        Args:
          image: uint16 [height, width], canonical values as displayed, white is 65535.
          spacing: float32 [2], (row, column) mm; NaN when unknown (pixels are then taken as square).
          around: float32 [landmark, 2], native pixels: about which a region is framed; whole films need none.
          native: of an image that is smaller than its film: int [2], (height, width) in native pixels, and float32
            [2, 3], image to native pixels.

        Returns:
          float32 [network height, network width, 1], standardised, and float32 [2, 3], network to native pixels.
        """
        size, reach = (self.settings.height, self.settings.width), self.settings.reach
        film = tf.shape(image) if native is None else native[0]
        matrix = framing.region(around, film, spacing, *size, reach) if reach else framing.fit(film, spacing, *size)
        grey = tf.cast(image[..., None], tf.float32) / 65535.0
        seen = framing.resample(grey, matrix if native is None else framing.then(native[1], matrix), *size)
        return framing.standardise(seen), framing.inverse(matrix)

    def described(self) -> dict[str, Any]:
        """Returns the settings as JSON values."""
        return {**dataclasses.asdict(self.settings), "schema": self.settings.schema.to_dict()}

    def decode(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns points in network pixels [batch, landmark, 2] and confidence [batch, landmark]; graph ops.

        Args:
          images: float32 [batch, height, width, 1], standardised, in the network's frame.
        """
        output = self._answering(images)
        if self.settings.output == "softmax":
            output = heatmaps.spatial_softmax(output, self.settings.sigma)
        return heatmaps.decode(output, self.settings.stride, self.settings.codec)

    @functools.cached_property
    def _answering(self) -> inference.Network:
        if self.fast:
            return inference.fast(self.network, self.precision)
        return functools.partial(self.network, training=False)

    def locate_framed(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `decode` does, compiled once."""
        return self._decode(images)

    def answer(self, films: Pictures, around: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns points in native pixels and confidence for films; graph ops.

        Args:
          films: of any sizes.
          around: float32 [film, landmark, 2], native pixels.
        """

        def framed_film(film: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            native = None if films.native is None else (films.native[0][film], films.native[1][film])
            return self.frame(films.read(film), films.spacing[film], around[film], native)

        shape = tf.TensorSpec((self.settings.height, self.settings.width, 1), tf.float32)
        framed, to_native = tf.map_fn(
            framed_film,
            tf.range(films.count),
            fn_output_signature=(shape, tf.TensorSpec((2, 3), tf.float32)),
            parallel_iterations=TOGETHER,
        )
        points, confidence = self._decode(framed)
        return framing.apply(to_native, points), confidence

    def locate(self, films: Sequence[Film], around: NDArray[np.float32]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns points in native pixels and confidence for films of any sizes, all in one batch."""
        unknown = (np.nan, np.nan)
        framed = [
            self._frame(pixels, np.array(mm or unknown, np.float32), points)
            for (pixels, mm), points in zip(films, around, strict=True)
        ]
        points, confidence = self._decode(tf.stack([image for image, _ in framed]))
        return framing.apply(tf.stack([matrix for _, matrix in framed]), points), confidence


class Landmarker:
    """Finds a schema's landmarks on films: on the whole film first, then, with a refiner, in the region around them.

    Attributes:
      stages: the network for whole films, and the refiner if there is one.
      card: what is known of its training: versions, data hash, figures; free JSON.
    """

    def __init__(
        self,
        network: keras.Model,
        settings: Settings,
        card: dict[str, Any] | None = None,
        refiner: Stage | None = None,
        fast: bool = False,
        precision: str = "float32",
    ):
        if settings.reach or (refiner and (not refiner.settings.reach or refiner.settings.schema != settings.schema)):
            raise ModelDirectoryError("The first network sees whole films, the refiner regions, of the same landmarks.")
        self.stages = [Stage(network, settings, fast, precision), *([refiner] if refiner else [])]
        self.card = card or {}

    @property
    def settings(self) -> Settings:
        """Of the network for whole films."""
        return self.stages[0].settings

    @property
    def network(self) -> keras.Model:
        """The network for whole films."""
        return self.stages[0].network

    @property
    def schema(self) -> landmarks.Schema:
        """The landmarks and distances."""
        return self.settings.schema

    @functools.cached_property
    def identity(self) -> model_identity.ModelIdentity:
        """Which model this is: the same for the same weights, settings and thresholds."""
        weights = (array for stage in self.stages for array in stage.network.get_weights())
        first = self.stages[0]
        settings = {
            "task": TASK,
            "stages": [stage.described() for stage in self.stages],
            "networks": [model_identity.architecture(stage.network) for stage in self.stages],
        }
        return model_identity.of_model(self.schema.name, weights, settings, first.fast, first.precision)

    def with_schema(self, schema: landmarks.Schema) -> "Landmarker":
        """Returns the same networks with another schema of as many landmarks, other thresholds for example."""
        stages = (
            Stage(one.network, dataclasses.replace(one.settings, schema=schema), one.fast, one.precision)
            for one in self.stages
        )
        return _joined(stages, self.card)

    def answering(self, fast: bool, precision: str = "float32") -> "Landmarker":
        """Returns the same networks, answering by the fast way or by themselves; see `load`."""
        return _joined((Stage(one.network, one.settings, fast, precision) for one in self.stages), self.card)

    def as_trained(self) -> "Landmarker":
        """Returns the networks as trained, not folded, in float32; always the same, since each traces its graphs."""
        is_one = all(not one.fast and float32.is_own(one.network) for one in self.stages)
        return self if is_one else self._trained

    @functools.cached_property
    def _trained(self) -> "Landmarker":
        return _joined((Stage(float32.twin(one.network), one.settings) for one in self.stages), self.card)

    def answer(self, images: tf.Tensor, spacing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what `answer_films` does for films of one size; graph ops.

        Args:
          images: uint16 [batch, height, width], canonical values as displayed.
          spacing: float32 [batch, 2], (row, column) mm; NaN when unknown.
        """
        return self.answer_films(Pictures(lambda film: images[film], spacing))

    def answer_films(self, films: Pictures) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns points in native pixels and confidence for films of any sizes; graph ops, as exported.

        Returns:
          float32 [film, landmark, 2], native pixels (x, y), and float32 [film, landmark], 0..1: the lower of the
          stages' confidences.
        """
        nowhere = tf.fill((films.count, len(self.schema.landmarks), 2), math.nan)
        points, confidence = self.stages[0].answer(films, nowhere)
        for stage in self.stages[1:]:
            points, confidence = _refined((points, confidence), stage.answer(films, points))
        return points, confidence

    def locate(self, films: Sequence[Film]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns where the landmarks of some films are; films may differ in size.

        Args:
          films: for each the canonical pixels, uint16 [height, width], and (row, column) mm or None.

        Returns:
          points float32 [film, landmark, 2], native pixels (x, y), NaN where not found, and confidence float32
          [film, landmark], 0..1: the lower of the stages' confidences.
        """
        nowhere = np.full((len(films), len(self.schema.landmarks), 2), np.nan, np.float32)
        points, confidence = self.stages[0].locate(films, nowhere)
        for stage in self.stages[1:]:
            points, confidence = _refined((points, confidence), stage.locate(films, points.numpy()))
        return points.numpy(), confidence.numpy()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the model directory `folder`, replacing an older one."""
        with atomic.atomic_directory(folder, replace=True) as aside:
            for stage, name in zip(self.stages, NETWORKS, strict=False):
                stage.network.save(aside / name)
            described = [stage.described() for stage in self.stages]
            atomic.write_json(aside / CARD, {"format": FORMAT, "task": TASK, "stages": described, "card": self.card})


def _joined(stages: Iterable[Stage], card: dict[str, Any]) -> Landmarker:
    first, *rest = stages
    return Landmarker(first.network, first.settings, card, rest[0] if rest else None, first.fast, first.precision)


def _refined(coarse: tuple[tf.Tensor, tf.Tensor], fine: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the fine points and the lower confidence; NaN and 0 for a film on which the first look found nothing."""
    found = tf.reduce_any(tf.reduce_all(tf.math.is_finite(coarse[0]), -1, keepdims=True), -2, keepdims=True)
    points = tf.where(found, fine[0], math.nan)
    return points, tf.where(found[..., 0], tf.minimum(coarse[1], fine[1]), 0.0)


def load(folder: str | os.PathLike[str], fast: bool = True, precision: str = "float32") -> Landmarker:
    """Returns the landmarker in a model directory (`best/` or `last/` of a run).

    Args:
      folder: the model directory.
      fast: whether it answers by the fast way, which does not follow its networks when they are trained further.
      precision: "float32", "bfloat16" or "auto" of the fast way, see `models.inference.fast`. Points of the default do
        not depend on the CPU.

    Raises:
      ModelDirectoryError: the folder is not one, or of another format.
      ValueError: for an unknown precision.
    """
    inference.checked(precision)
    with model_directory.understood(folder):
        stored = model_directory.card(folder, TASK, FORMAT)
        settings = [Settings(**{**one, "schema": landmarks.from_dict(one["schema"])}) for one in stored["stages"]]
        first, rest, card = settings[0], settings[1:2], dict(stored["card"])
    refiner = Stage(model_directory.network(folder, NETWORKS[1]), rest[0], fast, precision) if rest else None
    return Landmarker(model_directory.network(folder), first, card, refiner, fast, precision)
