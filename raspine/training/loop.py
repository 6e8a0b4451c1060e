"""The training loop that every task shares, from a recipe to the directories that the other programs take."""

import abc
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from raspine import atomic, provenance
from raspine.training import adam, averaging, callbacks, strategy

RUN = "run.json"
MANIFEST = "dataset.json"


class RecipeError(ValueError):
    """A recipe does not fit the machine or the data."""


class RunFolderError(ValueError):
    """The output folder holds something that this run cannot go on with."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What every recipe has, whatever is trained.

    Attributes:
      momentum: of the normalisations' moving averages, Keras's convention.
      batch: items a step, over all replicas.
      epochs: passes over the training items.
      learning_rate: Adam's, at its highest.
      warmup: share of the steps over which the rate rises to it.
      schedule: `cosine` to a hundredth, `step` (a tenth at 170/210 and 200/210 of the run, as published), `constant`.
      weight_decay: decoupled; 0 for none.
      average: decay of the running average of the weights that is validated and kept; 0 for none.
      validate_every: epochs between validations.
      patience: epochs without a better validation after which the run ends; 0 goes through all epochs.
      normalization: `fused`, `keras` or `synchronized` (statistics over all replicas).
      seed: of the weights, the order and the augmentation.
      cache: `memory` or `none`: whether prepared items stay in memory.
    """

    momentum: float = 0.9
    batch: int = 8
    epochs: int = 40
    learning_rate: float = 1e-3
    warmup: float = 0.05
    schedule: str = "cosine"
    weight_decay: float = 0.0
    average: float = 0.0
    validate_every: int = 1
    patience: int = 0
    normalization: str = "fused"
    seed: int = 0
    cache: str = "memory"


class Task(abc.ABC):
    """What is trained: its network, its loss, its data and its figures.

    Attributes:
      recipe: everything that decides what the network becomes.
      unit: what an item is called on the progress bar.
      items: number of training items.
      data_hash: over all shards.
      start: hash of what the run starts from, or None for a random start.
    """

    recipe: Recipe
    unit: str
    items: int
    data_hash: str
    start: str | None = None

    @property
    def steps(self) -> int:
        """Whole batches in an epoch, at least one."""
        return max(1, self.items // self.recipe.batch)

    @abc.abstractmethod
    def build(self) -> keras.Model:
        """Returns the network to train, published weights loaded if it starts from some."""

    @abc.abstractmethod
    def loss(self) -> keras.losses.Loss:
        """Returns the loss."""

    @abc.abstractmethod
    def subject(self, network: keras.Model, card: dict[str, Any]) -> callbacks.Subject:
        """Returns what `best/` and `last/` hold around a network."""

    @abc.abstractmethod
    def watching(self, subject: callbacks.Subject, board: pathlib.Path) -> list[keras.callbacks.Callback]:
        """Returns validation and monitoring; `board` is TensorBoard's folder."""

    @abc.abstractmethod
    def batches(self, first_epoch: int) -> tf.data.Dataset:
        """Returns endless training batches from an epoch on."""

    @abc.abstractmethod
    def score(self, figures: dict[str, float]) -> float:
        """Returns what `best/` minimises; NaN without validation."""


class DataFolderError(ValueError):
    """A folder holds no data that a task can use; says what was wanted and what is wrong."""

    def __init__(self, folder: str | os.PathLike[str], program: str, error: Exception | str):
        super().__init__(f"'{folder}' is no data folder of {program}: {_reason(error)}.")


def read_manifest(folder: str | os.PathLike[str], program: str, tasks: Sequence[str]) -> dict[str, Any]:
    """Returns what a data folder's dataset.json says.

    Args:
      folder: the data folder.
      program: that writes such folders.
      tasks: those that the data may be for; data that name none are taken.

    Raises:
      DataFolderError: there is none, it is damaged, for another task or without training items.
    """
    try:
        stored = dict(json.loads((pathlib.Path(folder) / MANIFEST).read_text(encoding="utf-8")))
        has_items = bool(stored["counts"].get("train")) and bool(stored["data_hash"])
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataFolderError(folder, program, error) from error
    check_task(stored, folder, program, tasks)
    if not has_items:
        raise DataFolderError(folder, program, "it holds nothing to train on")
    return stored


def check_task(stored: Mapping[str, Any], folder: str | os.PathLike[str], program: str, tasks: Sequence[str]) -> None:
    """Checks that a dataset.json is for one of some tasks, if it names its own; arguments as of `read_manifest`.

    Raises:
      DataFolderError: it is for another one.
    """
    task = stored.get("task", tasks[0])
    if task not in tasks:
        raise DataFolderError(folder, program, f"its task is {task}, wanted is {' or '.join(tasks)}")


def _reason(error: Exception | str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"it has no {MANIFEST}"
    if isinstance(error, OSError):
        return f"its {MANIFEST} cannot be read: {error.strerror}"
    if isinstance(error, KeyError):
        return f"{MANIFEST} lacks {error}"
    return error if isinstance(error, str) else f"{MANIFEST} is damaged: {error}"


def train(
    task: Task, folder: pathlib.Path, strategy_name: str = "one_device", facts: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Trains, or goes on with a run that was interrupted, and returns what stands in `run.json`.

    Args:
      task: what to train, and on what.
      folder: of the run; gets `best/`, `last/`, `state/`, `run.json` and `tensorboard/`.
      strategy_name: `one_device` or `mirrored`.
      facts: more for `run.json`, such as the flags.

    Raises:
      RecipeError: the batch does not divide by the replicas.
      RunFolderError: the folder holds a run of another recipe, other data or another start.
      FloatingPointError: the loss became NaN.
    """
    recipe = task.recipe
    description = {
        **(facts or {}),
        "recipe": dataclasses.asdict(recipe),
        "data_hash": task.data_hash,
        "start": task.start,
    }
    report = _Report(folder, {**description, **provenance.describe(), "strategy": strategy_name})
    # Not 0: with that global seed TensorFlow 2.21 fails on a dataset whose own seed is a tensor.
    keras.utils.set_random_seed(recipe.seed + 1)
    place = strategy.make(strategy_name)
    if recipe.batch % place.num_replicas_in_sync:
        raise RecipeError(f"The batch must divide by {place.num_replicas_in_sync} replicas. Received: {recipe.batch}.")
    with place.scope():
        network = task.build()
        set_momentum(network, recipe.momentum)
        _compile(network, task)
        average = averaging.WeightAverage(network, recipe.average) if recipe.average else None
    subject = task.subject(average.network if average else network, {**description, **provenance.describe()})
    keeper = callbacks.Keeper(
        folder, subject, average.network if average else None, report.update, task.score, last_epoch=recipe.epochs
    )
    done = keeper.restore(network)
    report.update({})
    if done < recipe.epochs and not keeper.has_ended:
        watching = [average] if average else []
        watching += task.watching(subject, folder / "tensorboard")
        pace = callbacks.Pace()
        _fit(network, task, [pace, *watching, callbacks.Patience(keeper, recipe.patience), keeper], done)
        report.update({"pace": pace.facts()})
    return report.values


def set_momentum(network: keras.Model, momentum: float) -> None:
    """Sets the momentum of every normalisation's moving averages."""
    for layer in network.layers:
        if hasattr(layer, "moving_mean"):
            layer.momentum = momentum


def file_hash(path: pathlib.Path | None, *networks: keras.Model) -> str | None:
    """Returns a sha256 over what a run starts from: a file and other networks; None without any."""
    digest = hashlib.sha256(path.read_bytes() if path else b"")
    for network in networks:
        for values in network.get_weights():
            digest.update(values.tobytes())
    return digest.hexdigest() if path or networks else None


def _compile(network: keras.Model, task: Task) -> None:
    recipe = task.recipe
    rate = _learning_rate(recipe, task.steps * recipe.epochs)
    optimizer = adam.FusedAdam(rate, weight_decay=recipe.weight_decay or None)
    optimizer.build(network.trainable_variables)
    network.compile(optimizer, task.loss())


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


def _fit(network: keras.Model, task: Task, watching: list[keras.callbacks.Callback], done: int) -> None:
    recipe, steps = task.recipe, task.steps
    network.fit(
        task.batches(done),
        epochs=recipe.epochs,
        initial_epoch=done,
        steps_per_epoch=steps,
        callbacks=[
            callbacks.StopOnNaN(),
            *watching,
            callbacks.Progress(recipe.epochs, steps, recipe.batch, done, task.unit),
        ],
        shuffle=False,
        verbose=0,
    )


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
