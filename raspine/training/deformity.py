"""Training of a risk network: what the loop needs to know of studies, outcomes and clinical columns."""

import dataclasses
import math
import os
import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from raspine import clinical, risk
from raspine.inputs import epochs, slices, study_augmentation
from raspine.inputs import studies as inputs
from raspine.models import imagenet, resnet
from raspine.training import callbacks, loop, risk_validation

LOSSES = ("cross_entropy", "focal")
CLASS_WEIGHTS = ("none", "balanced")
CHOOSE = ("auc", "loss")


@dataclasses.dataclass(frozen=True)
class Recipe(loop.Recipe):
    """Everything that decides what a risk network becomes.

    Attributes:
      depth: of the ResNet: 14, 26, 50, 101 or 152.
      height, width_px: of the network's input, pixels; multiples of 32; 0 for the records' own.
      per_slice: one encoder shared by the slices instead of slices as channels.
      pool: of the slices' features, with per_slice.
      dropout: before the logit.
      zero_init: whether each block begins as the identity.
      clinical: whether the clinical columns of the data are fused late.
      loss: `cross_entropy` or `focal`.
      focal_gamma: of the focal loss.
      label_smoothing: share of the outcome that is spread over both.
      class_weights: `balanced` gives both outcomes the same weight; the risk is corrected for it, exactly with
        cross-entropy and no smoothing.
      choose: what `best/` is chosen by on the validation studies, `auc` or `loss`.
      augmentation: how studies are changed.
    """

    depth: int = 101
    height: int = 0
    width_px: int = 0
    per_slice: bool = False
    pool: str = "attention"
    dropout: float = 0.0
    zero_init: bool = False
    clinical: bool = False
    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    choose: str = "auc"
    augmentation: study_augmentation.StudyAugmentation = dataclasses.field(
        default_factory=study_augmentation.StudyAugmentation
    )


@dataclasses.dataclass(frozen=True)
class Data:
    """A folder of study records and what its `dataset.json` says.

    Attributes:
      folder: where the shards are.
      choice: which slices the records hold.
      studies: number of studies by split.
      positive: those with outcome 1 by split.
      columns: clinical columns that the outcomes had.
      data_hash: over all shards.
      synthetic: whether all of it is; None where the data do not say.
    """

    folder: pathlib.Path
    choice: slices.Choice
    studies: dict[str, int]
    positive: dict[str, int]
    columns: tuple[str, ...]
    data_hash: str
    synthetic: bool | None = None

    def pipeline(self, size: tuple[int, int], batch: int, cache: str, columns: tuple[int, ...]) -> inputs.Pipeline:
        """Returns how studies of this folder become batches of a network's size."""
        stored = (int(self.choice.size[0]), int(self.choice.size[1]))
        return inputs.Pipeline(stored, self.choice.count, size, batch, cache, columns)


def open_data(folder: str | os.PathLike[str], splits: tuple[str, ...] = ("train",)) -> Data:
    """Returns what a folder written by data_prep.mri holds.

    Args:
      folder: the data folder.
      splits: which of them must hold studies.

    Raises:
      DataFolderError: it is no such folder, or a split is empty.
    """
    program = "data_prep.mri"
    stored = loop.read_manifest(folder, program, (risk.TASK,))
    try:
        counts = stored["counts"]
        data = Data(
            folder=pathlib.Path(folder),
            choice=slices.Choice.from_dict(stored["choice"]),
            studies={split: int(entry["studies"]) for split, entry in counts.items()},
            positive={split: int(entry["positive"]) for split, entry in counts.items()},
            columns=tuple(name for name in clinical.COLUMNS if name in stored.get("clinical", ())),
            data_hash=stored["data_hash"],
            synthetic=stored.get("synthetic"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise loop.DataFolderError(folder, program, error) from error
    if empty := [split for split in splits if not data.studies.get(split)]:
        raise loop.DataFolderError(folder, program, f"it holds no {empty[0]} studies")
    return data


def train(
    recipe: Recipe,
    data: Data,
    folder: pathlib.Path,
    start: str = "",
    execution: loop.Execution | None = None,
    cache_dir: str = "",
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Trains, or goes on with a run that was interrupted, and returns what stands in `run.json`; see `loop.train`.

    Args:
      recipe: what to train.
      data: on what; its `validation` split chooses `best/` and the threshold, without one the last epoch does.
      folder: of the run.
      start: `imagenet` or a file of keras.applications' ImageNet weights; empty for a random start.
      execution: how, see `loop.Execution`.
      cache_dir: where prepared studies are kept with `cache="disk"`.
      facts: more for `run.json`, such as the flags.

    Raises:
      RecipeError: recipe and data do not go together.
    """
    return loop.train(Task(recipe, data, start, cache_dir), folder, execution, facts)


class Task(loop.Task):
    """A risk network and the studies that it learns from."""

    unit = "study"

    def __init__(self, recipe: Recipe, data: Data, start: str = "", cache_dir: str = ""):
        self.recipe: Recipe = recipe
        self._cache_dir = cache_dir
        self._data, self._start = data, start
        self.items, self.data_hash, self.synthetic = data.studies["train"], data.data_hash, data.synthetic
        self._is_file = bool(start) and start != imagenet.IMAGENET
        self.start = loop.file_hash(pathlib.Path(start)) if self._is_file else (start or None)
        self._check()
        self._names = data.columns if recipe.clinical else ()
        self._places = tuple(clinical.COLUMNS.index(name) for name in self._names)
        self._scale = self._clinical_scale()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input, pixels."""
        rows, columns = self._data.choice.size
        return self.recipe.height or int(rows), self.recipe.width_px or int(columns)

    def build(self) -> keras.Model:
        """Returns the recipe's network."""
        recipe = self.recipe
        network = resnet.resnet(
            depth=recipe.depth,
            input_shape=(*self.size, self._data.choice.count),
            normalization=recipe.normalization,
            momentum=recipe.momentum,
            zero_init=recipe.zero_init,
            dropout=recipe.dropout,
            clinical=2 * len(self._places),
            per_slice=recipe.per_slice,
            pool=recipe.pool,
        )
        if self._start:
            # Slices come standardised, the published weights know grey levels of 0 to 255.
            imagenet.load_into(network, self._start, imagenet.GREY_DEVIATION)
        return network

    def loss(self) -> keras.losses.Loss:
        """Returns the loss between outcomes and logits."""
        smoothing = self.recipe.label_smoothing
        if self.recipe.loss == "focal":
            gamma = self.recipe.focal_gamma
            return keras.losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, label_smoothing=smoothing)
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)

    def subject(self, network: keras.Model, card: dict[str, Any]) -> risk.RiskModel:
        """Returns the network as a risk model."""
        negative, positive = self.weights
        settings = risk.Settings(
            choice=self._data.choice,
            height=self.size[0],
            width=self.size[1],
            columns=self._names,
            scale=tuple((float(mean), float(deviation)) for mean, deviation in self._scale.T),
            logit_shift=math.log(negative / positive),
            per_slice=self.recipe.per_slice,
        )
        return risk.RiskModel(network, settings, card)

    def validation(self, subject: callbacks.Subject) -> risk_validation.Validation | None:
        """Returns what scores the validation studies."""
        if not self._data.studies.get("validation"):
            return None
        recipe = self.recipe
        pipeline = self._pipeline("memory" if recipe.cache == "memory" else "none")
        held_out = inputs.evaluation(inputs.shards(self._data.folder, "validation"), pipeline)
        return risk_validation.Validation(subject, held_out, recipe.validate_every, recipe.epochs)  # type: ignore[arg-type]

    def batches(self, first_step: int, share: epochs.Share) -> tf.data.Dataset:
        """Returns endless augmented studies, outcomes and weights."""
        return inputs.training(
            self.shards(),
            self._pipeline(),
            self.recipe.augmentation,
            self.recipe.seed,
            self.items,
            self._scale,
            self.weights,
            first_step,
            share,
        )

    def shards(self) -> list[str]:
        """Returns the training shards."""
        return inputs.shards(self._data.folder, "train")

    def score(self, figures: dict[str, float]) -> float:
        """Returns 1 - AUC, or the loss, on the validation studies; NaN without them."""
        if self.recipe.choose == "loss":
            return figures.get("val_loss", np.nan)
        return 1.0 - figures.get("val_auc", np.nan)

    @property
    def weights(self) -> tuple[float, float]:
        """Of studies with outcome 0 and 1: balanced ones give both outcomes half of the total."""
        positive = self._data.positive["train"]
        if self.recipe.class_weights == "none":
            return 1.0, 1.0
        return self.items / (2 * (self.items - positive)), self.items / (2 * positive)

    def _pipeline(self, cache: str = "") -> inputs.Pipeline:
        recipe = self.recipe
        plain = self._data.pipeline(self.size, recipe.batch, cache or recipe.cache, self._places)
        return dataclasses.replace(plain, lanes=recipe.lanes, cache_dir=self._cache_dir, cache_key=self._data.data_hash)

    def _clinical_scale(self) -> np.ndarray:
        if not self._places:
            return np.empty((2, 0), np.float32)
        files = inputs.shards(self._data.folder, "train")
        return inputs.clinical_scale(files, self._data.choice.count, self._places)

    def _check(self) -> None:
        recipe, data = self.recipe, self._data
        if not 0 < data.positive["train"] < self.items:
            raise loop.RecipeError("The training studies all have one outcome: there is nothing to tell apart.")
        held_out = data.studies.get("validation", 0)
        if recipe.choose == "auc" and held_out and data.positive["validation"] in (0, held_out):
            raise loop.RecipeError(
                "The validation studies all have one outcome, so they have no AUC to choose by: split again with "
                "--stratify, or use --choose=loss."
            )
        for part, whole, name in zip(self.size, data.choice.size, ("height", "width"), strict=True):
            if part > whole or part % 32:
                raise loop.RecipeError(
                    f"The network's {name} is a multiple of 32 and at most the records' {whole} pixels. Received: "
                    f"{part}; give --input_{name}, or write the records again with another --size."
                )
        if recipe.clinical and not data.columns:
            raise loop.RecipeError("The data have no clinical columns: leave out --clinical, or add them to outcomes.")
