"""The training loop that every task shares, from a recipe to the directories that the other programs take."""

import abc
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from raspine import atomic, board, outside_json, provenance, quoting
from raspine.inputs import epochs, shards
from raspine.training import (
    adam,
    averaging,
    callbacks,
    monitoring,
    precision,
    profiling,
    progress,
    spread,
    step,
    stopping,
    strategy,
)

RUN = "run.json"
MANIFEST = "dataset.json"
BOARD = "tensorboard"


class RecipeError(ValueError):
    """A recipe does not fit the machine or the data."""


class RunFolderError(ValueError):
    """The output folder holds something that this run cannot go on with."""


# What collective operations raise when a process of theirs ends.
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


class WorkerLostError(RuntimeError):
    """Another worker of the run is gone."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What every recipe has, whatever is trained.

    Attributes:
      momentum: of the normalisations' moving averages, Keras's convention.
      batch: items a step, over all replicas.
      epochs: passes over the training items.
      learning_rate: Adam's, at its highest, for a batch of `rate_batch`.
      rate_batch: the rate is scaled by `batch` over this; 0 leaves it as it is (Goyal et al., 2017).
      warmup: share of the steps over which the rate rises to it.
      schedule: `cosine` to a hundredth, `step` (a tenth at 170/210 and 200/210 of the run, as published), `constant`.
      weight_decay: decoupled; 0 for none.
      average: decay of the running average of the weights that is validated and kept; 0 for none.
      validate_every: epochs between validations.
      patience: epochs without a better validation after which the run ends; 0 goes through all epochs.
      normalization: `fused`, `keras` or `synchronized` (statistics over all replicas).
      seed: of the weights, the order and the augmentation.
      precision: in which the network computes, one of `precision.NAMES`.
      accumulate: parts of a replica's items that go through the network one after the other, their gradients summed:
        less memory, the same batch, but `fused` normalisation sees a part at a time.
      lanes: groups of shards of which every batch takes equal parts (see `inputs.epochs`); 0 chooses by the data.
      cache: `memory`, `disk` or `none`: whether prepared items are kept, and where.
    """

    momentum: float = 0.9
    batch: int = 8
    epochs: int = 40
    learning_rate: float = 1e-3
    rate_batch: int = 0
    warmup: float = 0.05
    schedule: str = "cosine"
    weight_decay: float = 0.0
    average: float = 0.0
    validate_every: int = 1
    patience: int = 0
    normalization: str = "fused"
    seed: int = 0
    precision: str = "float32"
    accumulate: int = 1
    lanes: int = 0
    cache: str = "memory"


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a run is carried out; what the network becomes does not depend on it, but for rounding.

    Attributes:
      strategy: one of `strategy.NAMES`.
      steps_per_execution: steps done before Python is asked again.
      xla: whether XLA compiles the step.
      deterministic: whether operations with a faster, nondeterministic kernel are kept from using it.
      checkpoint_seconds: between checkpoints.
      log_every: steps between scalars by step.
      histograms: epochs between histograms of the weights; 0 for none.
      profile: first and last step, counted from the start of the process, of a profile for TensorBoard; None for none.
      place: the strategy itself, where it had to be made before other TensorFlow work; made by its name without.
      say: takes a line for people at the start.
    """

    strategy: str = "one_device"
    steps_per_execution: int = 1
    xla: bool = False
    deterministic: bool = False
    checkpoint_seconds: float = 60.0
    log_every: int = 10
    histograms: int = 0
    profile: tuple[int, int] | None = None
    place: tf.distribute.Strategy | None = None
    say: Callable[[str], None] = print


class Task(abc.ABC):
    """What is trained: its network, its loss, its data and its figures.

    Attributes:
      recipe: everything that decides what the network becomes.
      unit: what an item is called on the progress bar.
      items: number of training items.
      data_hash: over all shards.
      synthetic: whether all items are; None where the data do not say.
      start: hash of what the run starts from, or None for a random start.
    """

    recipe: Recipe
    unit: str
    items: int
    data_hash: str
    synthetic: bool | None = None
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
    def validation(self, subject: callbacks.Subject) -> "Validation | None":
        """Returns what scores the validation items between epochs, over all replicas; None without any."""

    @abc.abstractmethod
    def batches(self, first_step: int, share: epochs.Share) -> tf.data.Dataset:
        """Returns a process's part of endless training batches from a step on."""

    @abc.abstractmethod
    def shards(self) -> list[str]:
        """Returns the training shards, to name the one that cannot be read."""

    @abc.abstractmethod
    def score(self, figures: dict[str, float]) -> float:
        """Returns what `best/` minimises; NaN without validation."""


class Validation(keras.callbacks.Callback, abc.ABC):
    """Puts figures into an epoch's logs."""

    @abc.abstractmethod
    def shown(self) -> board.Shown | None:
        """Returns what TensorBoard shows beside the figures; None when no new score was taken."""


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
        stored = dict(outside_json.read(pathlib.Path(folder) / MANIFEST))
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
        raise DataFolderError(folder, program, f"its task is {quoting.received(task)}, wanted is {' or '.join(tasks)}")


def _reason(error: Exception | str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"it has no {MANIFEST}"
    if isinstance(error, OSError):
        return f"its {MANIFEST} cannot be read: {error.strerror}"
    if isinstance(error, KeyError):
        return f"{MANIFEST} lacks {quoting.line(error)}"
    return error if isinstance(error, str) else f"{MANIFEST} is damaged: {quoting.line(error)}"


def train(
    task: Task, folder: pathlib.Path, execution: Execution | None = None, facts: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Trains, or goes on with a run that was interrupted, and returns what stands in `run.json`.

    Args:
      task: what to train, and on what.
      folder: of the run; gets `best/`, `last/`, `state/`, `run.json` and `tensorboard/`. Several workers share it.
      execution: how; the defaults of `Execution` without it.
      facts: more for `run.json`, such as the flags.

    Raises:
      RecipeError: the batch does not divide by the replicas.
      RunFolderError: the folder holds a run of another recipe, other data or another start.
      CheckpointError: none of the checkpoints is whole, or the disk does not take one.
      FloatingPointError: the loss became NaN.
      Stopped: by SIGTERM or Ctrl-C; the state is saved.
      WorkerLostError: another worker is gone.
    """
    execution = execution or Execution()
    place = execution.place or strategy.make(execution.strategy)
    try:
        with precision.used(task.recipe.precision):
            return _Run(task, folder, execution, place, facts or {}).complete()
    except LOST as error:
        if not strategy.is_multi_worker(place):
            raise
        raise WorkerLostError(f"another worker is gone ({_first_line(error)})") from error


class _Run:
    """A run in this process: what it is made of, and its course."""

    def __init__(
        self,
        task: Task,
        folder: pathlib.Path,
        execution: Execution,
        place: tf.distribute.Strategy,
        facts: dict[str, Any],
    ):
        self._task, self._folder, self._execution, self._place = task, folder, execution, place
        recipe = task.recipe
        check(recipe, execution, place)
        self._is_chief, self._agreement = strategy.is_chief(place), spread.Agreement(place)
        description = {
            **facts,
            "recipe": dataclasses.asdict(recipe),
            "data_hash": task.data_hash,
            "synthetic": task.synthetic,
            "start": task.start,
        }
        carried = {**provenance.describe(), **strategy.describe(place, execution.strategy)}
        self._report = _Report(folder, {**description, **carried}, self._is_chief)
        if execution.deterministic:
            tf.config.experimental.enable_op_determinism()
        # Not 0: with that global seed TensorFlow 2.21 fails on a dataset whose own seed is a tensor.
        keras.utils.set_random_seed(recipe.seed + 1)
        with place.scope():
            self._network = task.build()
            set_momentum(self._network, recipe.momentum)
            _compile(self._network, task)
            average = averaging.WeightAverage(self._network, recipe.average) if recipe.average else None
            followed = average.network if average else None
            self._subject = task.subject(followed or self._network, {**description, **provenance.describe()})
        self._ended = 0.0
        self._step = step.Step(self._network, place, recipe.accumulate, average, execution.xla)
        self._keeper = callbacks.Keeper(
            folder, self._subject, followed, self._report.update, task.score, recipe.epochs,
            execution.checkpoint_seconds, self._is_chief,
        )  # fmt: skip

    def complete(self) -> dict[str, Any]:
        """Goes on from the newest checkpoint to the last step; returns what stands in run.json."""
        self._keeper.restore(self._network)
        self._check_agreement()
        for line in self._keeper.damaged:
            self._say(f"warning: {line}")
        self._keeper.report()
        done, total = self._keeper.position.step, self._task.steps * self._task.recipe.epochs
        if done < total and not self._keeper.has_ended:
            self._say(self._opening(done))
            with stopping.requests() as request:
                self._go(request, total)
        self._part()
        return self._report.values

    def _go(self, request: stopping.Request, total: int) -> None:
        pace = progress.Pace()
        if self._is_chief:
            monitoring.hyperparameters(self._folder / BOARD, dataclasses.asdict(self._task.recipe))
        watchers = keras.callbacks.CallbackList([pace, *self._watchers()], model=self._network)
        batches = self._batches(self._keeper.position.step)
        watchers.on_train_begin()
        self._ended = time.perf_counter()
        try:
            while self._keeper.position.step < total and not self._network.stop_training:
                self._epoch(batches, watchers, request)
        finally:
            watchers.on_train_end()
        self._report.update({"pace": pace.facts()})
        if self._is_chief and self._keeper.best:
            monitoring.result(self._folder / BOARD, self._keeper.best, self._keeper.position.step)

    def _epoch(self, batches: Iterator[Any], watchers: Any, request: stopping.Request) -> None:
        """Does what is left of the epoch at the keeper's position."""
        steps, position = self._task.steps, self._keeper.position
        number, loss_sum = position.step // steps, tf.constant(position.loss_sum, tf.float64)
        done, end = position.step, (position.step // steps + 1) * steps
        while done < end:
            count = min(self._execution.steps_per_execution, end - done)
            loss, wanted, logs = self._execute(batches, count, request)
            done, loss_sum = done + count, loss_sum + tf.cast(loss, tf.float64) * count
            if done % self._execution.log_every < count:
                _finite(float(loss), done)
            watchers.on_train_batch_end(done, {**logs, "loss": loss})
            is_last = done == end
            if not is_last and (wanted or self._keeper.is_due()):
                self._save(callbacks.Position(done, float(loss_sum)))
            if wanted and not is_last:
                self._stop(done, request)
        mean = _finite(float(loss_sum) / steps, end)
        watchers.on_epoch_end(number, {"loss": mean})
        self._ended = time.perf_counter()
        wanted = self._agreement.any_of(bool(request))  # validation takes its time
        self._keeper.position = callbacks.Position(end)
        is_over = end == steps * self._task.recipe.epochs or self._network.stop_training
        if is_over or wanted or self._keeper.is_due():
            self._save(callbacks.Position(end))
        if wanted and not is_over:
            self._stop(end, request)

    def _execute(self, batches: Iterator[Any], count: int, request: stopping.Request) -> tuple[Any, bool, dict]:
        """Does some steps; returns their mean loss, whether to stop, and what they cost."""
        asked, waited = time.perf_counter(), None
        stop = tf.constant(float(bool(request)))
        with shards.named_errors(self._task.shards()):
            if self._execution.steps_per_execution == 1:
                items = next(batches)
                waited = time.perf_counter() - asked
                loss, stops = self._step.one(items, stop)
            else:
                loss, stops = self._step.several(batches, tf.constant(count), stop)
        # Only several workers must agree through the graph; reading its answer would hold up a single one's GPU.
        wanted = bool(stops > 0) if strategy.is_multi_worker(self._place) else bool(request)
        # From end to end: a GPU's step ends after it was asked for, so that only a row of them tells its rate.
        ended = time.perf_counter()
        seconds, self._ended = ended - self._ended, ended
        items_done = count * self._task.recipe.batch
        return loss, wanted, {"items": items_done, "steps": count, "seconds": seconds, "waited": waited}

    def _save(self, position: callbacks.Position) -> None:
        _finite(position.loss_sum, position.step)
        self._keeper.save(position)

    def _stop(self, done: int, request: stopping.Request) -> None:
        self._part()
        raise stopping.Stopped(done, request.reason or "another worker")

    def _part(self) -> None:
        """Waits until every worker has written, then until all know it: an end before would be taken for a failure."""
        self._agreement.any_of(False)
        with contextlib.suppress(*LOST):  # whoever is gone now has been here too
            self._agreement.any_of(False)

    def _batches(self, first: int) -> Iterator[Any]:
        def part(context: tf.distribute.InputContext) -> tf.data.Dataset:
            share = epochs.Share(context.input_pipeline_id, context.num_input_pipelines)
            replicas = context.num_replicas_in_sync // context.num_input_pipelines
            return epochs.per_replica(self._task.batches(first, share), replicas)

        if self._place.num_replicas_in_sync == 1 and not tf.config.list_physical_devices("GPU"):
            # Nothing to deal out or to copy; TensorFlow's own iterator would also make malloc give memory back early.
            return iter(self._task.batches(first, epochs.Share()))
        return iter(self._place.distribute_datasets_from_function(part))

    def _watchers(self) -> list[keras.callbacks.Callback]:
        task, recipe, execution = self._task, self._task.recipe, self._execution
        with self._place.scope():
            validation = task.validation(self._subject)
        found: list[keras.callbacks.Callback] = [validation] if validation else []
        if self._is_chief:
            found += self._monitors(validation)
        if execution.profile and self._is_chief:
            found.append(profiling.Profile(self._folder / BOARD, *execution.profile))
        patience = callbacks.Patience(self._keeper, recipe.patience)
        found += [patience, self._keeper]
        if self._is_chief:
            done = self._keeper.position.step
            found.append(progress.Progress(recipe.epochs, task.steps, recipe.batch, done, task.unit))
        return found

    def _monitors(self, validation: Validation | None) -> list[keras.callbacks.Callback]:
        folder, execution = self._folder / BOARD, self._execution
        show = validation.shown if validation else None
        found = [monitoring.Monitor(folder, show, execution.log_every, self._keeper.position.step)]
        if execution.histograms:
            found.append(monitoring.Histograms(folder, execution.histograms))
        return found

    def _check_agreement(self) -> None:
        if not self._agreement.same(self._keeper.position.step):
            self._part()
            raise RunFolderError(
                f"the workers found different checkpoints in '{self._folder}': it is one folder that all of them see."
            )

    def _say(self, line: str) -> None:
        if self._is_chief:
            self._execution.say(line)

    def _opening(self, done: int) -> str:
        task, recipe = self._task, self._task.recipe
        where = strategy.describe(self._place, self._execution.strategy)
        several = f" of {where['workers']} workers" if where["workers"] > 1 else ""
        place = f"{where['replicas']} {where['device']}{'s' if where['replicas'] > 1 else ''}{several}"
        goes_on = f"goes on after step {done}; " if done else ""
        return (
            f"{self._network.name} on {place} ({where['strategy']}, {recipe.precision}): {task.items} items, "
            f"{recipe.epochs} epochs of {task.steps} steps of {recipe.batch}; {goes_on}"
            f"tensorboard --logdir {self._folder}"
        )


def _first_line(error: tf.errors.OpError) -> str:
    return str(error.message).strip().partition("\n")[0]


def check(recipe: Recipe, execution: Execution, place: tf.distribute.Strategy) -> None:
    """Checks that recipe, execution and replicas go together.

    Raises:
      RecipeError: they do not; says why.
    """
    replicas = place.num_replicas_in_sync
    if recipe.batch % (replicas * recipe.accumulate):
        parts = f" times {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
        raise RecipeError(f"The batch must divide by {replicas} replicas{parts}. Received: {recipe.batch}.")
    if execution.xla and replicas > 1 and not tf.config.list_physical_devices("GPU"):
        raise RecipeError("XLA on CPUs cannot reach the variables of another replica: use one device, or no XLA.")
    if execution.steps_per_execution > 1 and strategy.is_multi_worker(place):
        raise RecipeError(
            "Several workers do one step an execution: TensorFlow fails on collectives within a loop of the graph."
        )
    if recipe.precision == "mixed_float16" and replicas > 1:
        raise RecipeError(
            "Keras's loss scale for mixed_float16 looks at the gradients of one replica only: use mixed_bfloat16."
        )
    if recipe.precision == "float64" and recipe.normalization == "fused":
        raise RecipeError("The fused normalisation has no float64: use normalization keras or synchronized.")


def _finite(loss: float, done: int) -> float:
    if not np.isfinite(loss):
        raise FloatingPointError(
            f"The loss is {loss} by step {done}; lower --learning_rate. "
            "best/, last/ and the checkpoints hold earlier steps."
        )
    return loss


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
    optimizer = precision.scaled(adam.FusedAdam(rate, weight_decay=recipe.weight_decay or None), recipe.precision)
    optimizer.build(network.trainable_variables)
    network.compile(optimizer, task.loss(), jit_compile=False)


def _learning_rate(recipe: Recipe, steps: int) -> Any:
    warm, highest = round(steps * recipe.warmup), recipe.learning_rate
    if recipe.rate_batch:
        highest *= recipe.batch / recipe.rate_batch
    if recipe.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            highest / 20 if warm else highest,
            max(steps - warm, 1),
            alpha=0.01,
            warmup_target=highest if warm else None,
            warmup_steps=warm,
        )
    if recipe.schedule == "step":
        rates = [highest * factor for factor in (1.0, 0.1, 0.01)]
        return keras.optimizers.schedules.PiecewiseConstantDecay([steps * 170 // 210, steps * 200 // 210], rates)
    if recipe.schedule == "constant":
        return highest
    raise ValueError(f"A schedule is cosine, step or constant. Received: '{recipe.schedule}'.")


class _Report:
    """`run.json`: what the run is, refused when the folder holds another one."""

    def __init__(self, folder: pathlib.Path, values: dict[str, Any], writes: bool):
        self._path, self.values, self._writes = folder / RUN, values, writes
        if (folder / callbacks.Keeper.STATE / "state.json").is_file():
            raise RunFolderError(
                f"'{folder}' holds a run of an older raspine, which cannot go on: name another folder."
            )
        if self._path.is_file():
            self._check(json.loads(self._path.read_text(encoding="utf-8")))
        elif writes and atomic.has_content(folder):
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
        if self._writes:
            atomic.write_json(self._path, self.values)
