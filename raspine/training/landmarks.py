"""Training of a landmark network: what the loop needs to know of films, points and heatmaps."""

import dataclasses
import os
import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import landmarker, landmarks
from raspine.inputs import augmentation as changes
from raspine.inputs import epochs, films, framing
from raspine.models import hrnet, torch_weights
from raspine.training import callbacks, landmark_validation, loop, losses

PROGRAM = "data_prep.radiographs"
TASKS = ("subluxation", "landmarks")


@dataclasses.dataclass(frozen=True)
class Recipe(loop.Recipe):
    """Everything that decides what a landmark network becomes.

    Attributes:
      width: channels of HRNet's finest branch.
      small: W18-small instead.
      height, width_px: of the network's input, pixels; multiples of 32.
      sigma: of the targets, heatmap cells.
      codec: `unbiased` or `paper`.
      loss: `cross_entropy` or `mse`.
      initializer: of the convolutions, `he_normal` or `published`.
      augmentation: how films are changed.
      reach: 0 trains on whole films; above it, a refiner on the region around the landmarks (see
        `inputs.framing.region`), which needs a landmarker for whole films beside it.
    """

    width: int = 32
    small: bool = False
    height: int = 256
    width_px: int = 256
    sigma: float = 2.0
    codec: str = "unbiased"
    loss: str = "cross_entropy"
    initializer: str = "he_normal"
    augmentation: changes.Augmentation = dataclasses.field(default_factory=changes.Augmentation)
    reach: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input, pixels."""
        return self.height, self.width_px


@dataclasses.dataclass(frozen=True)
class Data:
    """A folder of records and what its `dataset.json` says.

    Attributes:
      folder: where the shards are.
      schema: of the landmarks.
      films: number of films by split.
      data_hash: over all shards.
      synthetic: whether all of it is; None where the data do not say.
    """

    folder: pathlib.Path
    schema: landmarks.Schema
    films: dict[str, int]
    data_hash: str
    synthetic: bool | None = None


def open_data(folder: str | os.PathLike[str]) -> Data:
    """Returns what a folder written by data_prep.radiographs holds.

    Raises:
      DataFolderError: it is no such folder, or has no training films.
    """
    stored = loop.read_manifest(folder, PROGRAM, TASKS)
    try:
        counts = {split: int(entry["films"]) for split, entry in stored["counts"].items()}
        schema = landmarks.from_dict(stored["schema"])
        data = Data(pathlib.Path(folder), schema, counts, stored["data_hash"], stored.get("synthetic"))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise loop.DataFolderError(folder, PROGRAM, error) from error
    if not counts.get("train"):
        raise loop.DataFolderError(folder, PROGRAM, "it holds no training films")
    return data


def train(
    recipe: Recipe,
    data: Data,
    folder: pathlib.Path,
    start: pathlib.Path | None = None,
    skip_head: bool = False,
    locator: landmarker.Landmarker | None = None,
    execution: loop.Execution | None = None,
    cache_dir: str = "",
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Trains, or goes on with a run that was interrupted, and returns what stands in `run.json`; see `loop.train`.

    Args:
      recipe: what to train.
      data: on what; its `validation` split chooses `best/`, without one the last epoch does.
      folder: of the run.
      start: published weights (.safetensors or .pth) to start from.
      skip_head: whether a head of another number of landmarks is left as it is made.
      locator: with a recipe for regions, the landmarker for whole films whose refiner is trained.
      execution: how, see `loop.Execution`.
      cache_dir: where prepared films are kept with `cache="disk"`.
      facts: more for `run.json`, such as the flags.

    Raises:
      RecipeError: the batch does not divide by the replicas, or recipe and locator do not go together.
    """
    return loop.train(Task(recipe, data, start, skip_head, locator, cache_dir), folder, execution, facts)


class Task(loop.Task):
    """A landmark network, for whole films or for regions, and the films that it learns from."""

    unit = "film"

    def __init__(
        self,
        recipe: Recipe,
        data: Data,
        start: pathlib.Path | None = None,
        skip_head: bool = False,
        locator: landmarker.Landmarker | None = None,
        cache_dir: str = "",
    ):
        self.recipe: Recipe = recipe
        self._cache_dir = cache_dir
        self._data, self._start, self._skip_head, self._locator = data, start, skip_head, locator
        self.items, self.data_hash, self.synthetic = data.films["train"], data.data_hash, data.synthetic
        self.start = loop.file_hash(start, *([locator.network] if locator else []))

    def build(self) -> keras.Model:
        """Returns the recipe's network for one grey channel."""
        recipe = self.recipe
        network = hrnet.hrnet(
            width=recipe.width,
            num_landmarks=len(self._data.schema.landmarks),
            input_shape=(recipe.height, recipe.width_px, 1),
            small=recipe.small,
            initializer=recipe.initializer,
            batch_normalization=recipe.normalization,
        )
        if self._start is not None:
            torch_weights.load_into(network, torch_weights.read_checkpoint(self._start), skip_head=self._skip_head)
        return network

    def loss(self) -> keras.losses.Loss:
        """Returns the loss between points and heatmaps."""
        recipe = self.recipe
        sizes = (recipe.height, recipe.width_px, hrnet.STRIDE)
        return losses.HeatmapLoss(*sizes, recipe.sigma, recipe.codec, recipe.loss)

    def subject(self, network: keras.Model, card: dict[str, Any]) -> landmarker.Landmarker:
        """Returns the trained stage, behind the locator when it is a refiner.

        Raises:
          RecipeError: a refiner without a locator of the same landmarks, or a locator for whole films.
        """
        stage, locator = landmarker.Stage(network, self._settings()), self._locator
        if not stage.settings.reach:
            if locator is not None:
                raise loop.RecipeError("A landmarker to refine goes with a recipe for regions (reach above 0).")
            return landmarker.Landmarker(stage.network, stage.settings, card)
        if locator is None or locator.schema.landmarks != stage.settings.schema.landmarks:
            raise loop.RecipeError("A recipe for regions needs a landmarker for whole films with the same landmarks.")
        first = dataclasses.replace(locator.settings, schema=stage.settings.schema)
        return landmarker.Landmarker(locator.network, first, {**card, "locator": locator.card}, stage)

    def validation(self, subject: callbacks.Subject) -> landmark_validation.Validation | None:
        """Returns what scores the validation films; a refiner's are framed where the locator sends it."""
        if not self._data.films.get("validation"):
            return None
        files = films.shards(self._data.folder, "validation")
        around = None if self._locator is None else _found(self._locator, files, self.recipe.batch)
        held_out = films.evaluation(
            files, self._pipeline("memory" if self.recipe.cache == "memory" else "none"), around
        )
        stage = subject.stages[-1]  # type: ignore[attr-defined]
        return landmark_validation.Validation(stage, held_out, self.recipe.validate_every, self.recipe.epochs)

    def batches(self, first_step: int, share: epochs.Share) -> tf.data.Dataset:
        """Returns endless augmented films and their points."""
        recipe, pipeline = self.recipe, self._pipeline()
        settings = recipe.augmentation
        return films.training(self.shards(), pipeline, settings, recipe.seed, self.items, first_step, share)

    def shards(self) -> list[str]:
        """Returns the training shards."""
        return films.shards(self._data.folder, "train")

    def score(self, figures: dict[str, float]) -> float:
        """Returns the error in mm, without spacing 1 - PCK, without validation NaN."""
        return figures.get("val_mre_mm", 1.0 - figures.get("val_pck", np.nan))

    def _settings(self) -> landmarker.Settings:
        recipe = self.recipe
        return landmarker.Settings(
            schema=self._data.schema,
            height=recipe.height,
            width=recipe.width_px,
            stride=hrnet.STRIDE,
            sigma=recipe.sigma,
            codec=recipe.codec,
            output="softmax" if recipe.loss == "cross_entropy" else "linear",
            reach=recipe.reach,
        )

    def _pipeline(self, cache: str = "") -> films.Pipeline:
        recipe = self.recipe
        return films.Pipeline(
            len(self._data.schema.landmarks), *recipe.size, recipe.batch, cache or recipe.cache, recipe.reach,
            lanes=recipe.lanes, cache_dir=self._cache_dir, cache_key=self._data.data_hash,
        )  # fmt: skip


def _found(locator: landmarker.Landmarker, files: list[str], batch: int) -> NDArray[np.float32]:
    """Returns float32 [film, landmark, 2]: where a landmarker for whole films finds the landmarks, native pixels."""
    first = locator.settings
    pipeline = films.Pipeline(len(first.schema.landmarks), first.height, first.width, batch, "none")
    parts = [
        framing.apply(element[films.TO_NATIVE], locator.stages[0].locate_framed(element[films.IMAGE])[0]).numpy()
        for element in films.evaluation(files, pipeline)
    ]
    return np.concatenate(parts)
