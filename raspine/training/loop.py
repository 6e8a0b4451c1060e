"""Training of a landmark network, from a data folder to the directories that the other programs take."""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from raspine import atomic, landmarker, landmarks, provenance
from raspine.inputs import augmentation as changes
from raspine.inputs import films, framing
from raspine.models import hrnet, torch_weights
from raspine.training import adam, averaging, callbacks, losses, strategy

RUN = "run.json"


class RecipeError(ValueError):
    """A recipe does not fit the machine or the data."""


class RunFolderError(ValueError):
    """The output folder holds something that this run cannot go on with."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides what a landmark network becomes.

    Attributes:
      width: channels of HRNet's finest branch.
      small: W18-small instead.
      height, width_px: of the network's input, pixels; multiples of 32.
      sigma: of the targets, heatmap cells.
      codec: `unbiased` or `paper`.
      loss: `cross_entropy` or `mse`.
      initializer: of the convolutions, `he_normal` or `published`.
      momentum: of the normalisations' moving averages, Keras's convention.
      batch: films a step, over all replicas.
      epochs: passes over the training films.
      learning_rate: Adam's, at its highest.
      warmup: share of the steps over which the rate rises to it.
      schedule: `cosine` to a hundredth, `step` (a tenth at 170/210 and 200/210 of the run, as published), `constant`.
      weight_decay: decoupled; 0 for none.
      average: decay of the running average of the weights that is validated and kept; 0 for none.
      validate_every: epochs between validations.
      normalization: `fused`, `keras` or `synchronized` (statistics over all replicas).
      seed: of the weights, the order and the augmentation.
      augmentation: how films are changed.
      cache: `memory` or `none`, see `inputs.films.Pipeline`.
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
    momentum: float = 0.9
    batch: int = 8
    epochs: int = 40
    learning_rate: float = 1e-3
    warmup: float = 0.05
    schedule: str = "cosine"
    weight_decay: float = 0.0
    average: float = 0.0
    validate_every: int = 1
    normalization: str = "fused"
    seed: int = 0
    augmentation: changes.Augmentation = dataclasses.field(default_factory=changes.Augmentation)
    cache: str = "memory"
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
    """

    folder: pathlib.Path
    schema: landmarks.Schema
    films: dict[str, int]
    data_hash: str


def open_data(folder: str | os.PathLike[str]) -> Data:
    """Returns what a folder written by data_prep.radiographs holds.

    Raises:
      ValueError: it is no such folder.
    """
    place = pathlib.Path(folder)
    try:
        stored = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
        counts = {split: int(entry["films"]) for split, entry in stored["counts"].items()}
        if not counts.get("train"):
            raise KeyError("no training films")
        return Data(place, landmarks.from_dict(stored["schema"]), counts, stored["data_hash"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"'{folder}' is no data folder of data_prep.radiographs: {error!r}.") from error


def train(
    recipe: Recipe,
    data: Data,
    folder: pathlib.Path,
    strategy_name: str = "one_device",
    start: pathlib.Path | None = None,
    skip_head: bool = False,
    locator: landmarker.Landmarker | None = None,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Trains, or goes on with a run that was interrupted, and returns what stands in `run.json`.

    Args:
      recipe: what to train.
      data: on what; its `validation` split chooses `best/`, without one the last epoch does.
      folder: of the run; gets `best/`, `last/`, `state/`, `run.json` and `tensorboard/`.
      strategy_name: `one_device` or `mirrored`.
      start: published weights (.safetensors or .pth) to start from.
      skip_head: whether a head of another number of landmarks is left as it is made.
      locator: with a recipe for regions, the landmarker for whole films whose refiner is trained.
      facts: more for `run.json`, such as the flags.

    Raises:
      RecipeError: the batch does not divide by the replicas, or recipe and locator do not go together.
      RunFolderError: the folder holds a run of another recipe, other data or another start.
      FloatingPointError: the loss became NaN.
    """
    description = {
        **(facts or {}),
        "recipe": dataclasses.asdict(recipe),
        "data_hash": data.data_hash,
        "start": _start_hash(start, locator),
    }
    report = _Report(folder, {**description, **provenance.describe(), "strategy": strategy_name})
    # Not 0: with that global seed TensorFlow 2.21 fails on a dataset whose own seed is a tensor.
    keras.utils.set_random_seed(recipe.seed + 1)
    place = strategy.make(strategy_name)
    if recipe.batch % place.num_replicas_in_sync:
        raise RecipeError(f"The batch must divide by {place.num_replicas_in_sync} replicas. Received: {recipe.batch}.")
    steps = films.steps(data.films["train"], recipe.batch)
    with place.scope():
        network = build(recipe, len(data.schema.landmarks))
        if start is not None:
            torch_weights.load_into(network, torch_weights.read_checkpoint(start), skip_head=skip_head)
        _compile(network, recipe, steps)
        average = averaging.WeightAverage(network, recipe.average) if recipe.average else None
    stage = landmarker.Stage(average.network if average else network, _settings(recipe, data))
    subject = _subject(stage, locator, {**description, **provenance.describe()})
    keeper = callbacks.Keeper(
        folder, subject, average.network if average else None, report.update, last_epoch=recipe.epochs
    )
    done = keeper.restore(network)
    report.update({})
    if done < recipe.epochs:
        watching = [average] if average else []
        watching += _monitoring(recipe, data, folder, stage, locator)
        _fit(network, recipe, data, [*watching, keeper], done)
    return report.values


def build(recipe: Recipe, num_landmarks: int) -> keras.Model:
    """Returns the recipe's untrained network for one grey channel."""
    network = hrnet.hrnet(
        width=recipe.width,
        num_landmarks=num_landmarks,
        input_shape=(recipe.height, recipe.width_px, 1),
        small=recipe.small,
        initializer=recipe.initializer,
        batch_normalization=recipe.normalization,
    )
    for layer in network.layers:
        if hasattr(layer, "moving_mean"):
            layer.momentum = recipe.momentum
    return network


def _compile(network: keras.Model, recipe: Recipe, steps: int) -> None:
    optimizer = adam.FusedAdam(_learning_rate(recipe, steps * recipe.epochs), weight_decay=recipe.weight_decay or None)
    optimizer.build(network.trainable_variables)
    loss = losses.HeatmapLoss(recipe.height, recipe.width_px, hrnet.STRIDE, recipe.sigma, recipe.codec, recipe.loss)
    network.compile(optimizer, loss)


def _learning_rate(recipe: Recipe, steps: int) -> Any:
    warm = round(steps * recipe.warmup)
    if recipe.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate / 20 if warm else recipe.learning_rate,
            max(steps - warm, 1),
            alpha=0.01,
            warmup_target=recipe.learning_rate if warm else None,
            warmup_steps=warm,
        )
    if recipe.schedule == "step":
        rates = [recipe.learning_rate * factor for factor in (1.0, 0.1, 0.01)]
        return keras.optimizers.schedules.PiecewiseConstantDecay([steps * 170 // 210, steps * 200 // 210], rates)
    if recipe.schedule == "constant":
        return recipe.learning_rate
    raise ValueError(f"A schedule is cosine, step or constant. Received: '{recipe.schedule}'.")


def _settings(recipe: Recipe, data: Data) -> landmarker.Settings:
    return landmarker.Settings(
        schema=data.schema,
        height=recipe.height,
        width=recipe.width_px,
        stride=hrnet.STRIDE,
        sigma=recipe.sigma,
        codec=recipe.codec,
        output="softmax" if recipe.loss == "cross_entropy" else "linear",
        reach=recipe.reach,
    )


def _subject(
    stage: landmarker.Stage, locator: landmarker.Landmarker | None, card: dict[str, Any]
) -> landmarker.Landmarker:
    """Returns what `best/` and `last/` hold: the trained stage, behind the locator when it is a refiner.

    Raises:
      RecipeError: a refiner without a locator of the same landmarks, or a locator for whole films.
    """
    if not stage.settings.reach:
        if locator is not None:
            raise RecipeError("A landmarker to refine goes with a recipe for regions (reach above 0).")
        return landmarker.Landmarker(stage.network, stage.settings, card)
    if locator is None or locator.schema.landmarks != stage.settings.schema.landmarks:
        raise RecipeError("A recipe for regions needs a landmarker for whole films with the same landmarks.")
    first = dataclasses.replace(locator.settings, schema=stage.settings.schema)
    return landmarker.Landmarker(locator.network, first, {**card, "locator": locator.card}, stage)


def _start_hash(start: pathlib.Path | None, locator: landmarker.Landmarker | None) -> str | None:
    """Returns a sha256 over what a run starts from: published weights, and the networks that it refines."""
    digest = hashlib.sha256(start.read_bytes() if start else b"")
    for values in locator.network.get_weights() if locator else []:
        digest.update(values.tobytes())
    return digest.hexdigest() if start or locator else None


def _pipeline(recipe: Recipe, data: Data) -> films.Pipeline:
    return films.Pipeline(len(data.schema.landmarks), *recipe.size, recipe.batch, recipe.cache, recipe.reach)


def _monitoring(
    recipe: Recipe,
    data: Data,
    folder: pathlib.Path,
    stage: landmarker.Stage,
    locator: landmarker.Landmarker | None,
) -> list[keras.callbacks.Callback]:
    """Returns validation and TensorBoard; none without validation films.

    A refiner is validated where the locator sends it, not around the labels.
    """
    board = folder / "tensorboard"
    if not data.films.get("validation"):
        return [callbacks.Monitor(board, None, data.schema.colours)]
    files = films.shards(data.folder, "validation")
    around = None if locator is None else _found(locator, files, recipe.batch)
    held_out = films.evaluation(files, _pipeline(recipe, data), around)
    validation = callbacks.Validation(stage, held_out, recipe.validate_every, recipe.epochs)
    return [validation, callbacks.Monitor(board, validation, data.schema.colours)]


def _found(locator: landmarker.Landmarker, files: list[str], batch: int) -> NDArray[np.float32]:
    """Returns float32 [film, landmark, 2]: where a landmarker for whole films finds the landmarks, native pixels."""
    first = locator.settings
    pipeline = films.Pipeline(len(first.schema.landmarks), first.height, first.width, batch, "none")
    parts = [
        framing.apply(element[films.TO_NATIVE], locator.stages[0].locate_framed(element[films.IMAGE])[0]).numpy()
        for element in films.evaluation(files, pipeline)
    ]
    return np.concatenate(parts)


def _fit(network: keras.Model, recipe: Recipe, data: Data, watching: list[keras.callbacks.Callback], done: int) -> None:
    count = data.films["train"]
    steps = films.steps(count, recipe.batch)
    files = films.shards(data.folder, "train")
    batches = films.training(files, _pipeline(recipe, data), recipe.augmentation, recipe.seed, count, done)
    network.fit(
        batches,
        epochs=recipe.epochs,
        initial_epoch=done,
        steps_per_epoch=steps,
        callbacks=[
            callbacks.StopOnNaN(), *watching, callbacks.Progress(recipe.epochs, steps, recipe.batch, done),
        ],
        shuffle=False,
        verbose=0,
    )  # fmt: skip


class _Report:
    """`run.json`: what the run is, refused when the folder holds another one."""

    def __init__(self, folder: pathlib.Path, values: dict[str, Any]):
        self._path, self.values = folder / RUN, values
        if self._path.is_file():
            self._check(json.loads(self._path.read_text(encoding="utf-8")))
        elif atomic.has_content(folder):
            raise RunFolderError(f"output folder '{folder}' exists and holds no run: name another or empty it.")

    def _check(self, older: dict[str, Any]) -> None:
        for key in ("recipe", "data_hash", "start"):
            if older.get(key) != json.loads(json.dumps(self.values[key])):
                raise RunFolderError(
                    f"'{self._path.parent}' holds a run with another {key.replace('_', ' ')}; "
                    "a run goes on only with the flags and data it began with: name another folder."
                )
        self.values = {**older, **self.values}

    def update(self, news: dict[str, Any]) -> None:
        self.values |= news
        atomic.write_json(self._path, self.values)
