"""What happens between epochs, whatever is trained: when to stop, the model directories, the state to resume from."""

import dataclasses
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import keras
import numpy as np

from raspine.models import weights_file
from raspine.training import checkpoints

_WEIGHTS, _AVERAGE = "training.weights.h5", "average.weights.h5"


class Subject(Protocol):
    """What `best/` and `last/` hold.

    Attributes:
      card: what is known of its training; free JSON.
    """

    card: dict[str, Any]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the model directory."""


@dataclasses.dataclass(frozen=True)
class Position:
    """How far training is.

    Attributes:
      step: optimizer steps done.
      loss_sum: of the losses of the epoch's steps so far.
    """

    step: int = 0
    loss_sum: float = 0.0


class Patience(keras.callbacks.Callback):
    """Ends a run whose validation has not improved for some epochs; stands before the keeper, which then saves."""

    def __init__(self, keeper: "Keeper", epochs: int):
        super().__init__()
        self._keeper, self._epochs = keeper, epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Asks the model to stop when this epoch was validated, is no better, and is the last one allowed."""
        figures, best = logs or {}, self._keeper.best
        if not self._epochs or best is None or not self._keeper.is_validated(figures):
            return
        if epoch + 1 - best["epoch"] >= self._epochs and not self._keeper.is_better(figures):
            self.model.stop_training = True


class Keeper(keras.callbacks.Callback):
    """Writes `best/` when validation improves, `last/` and checkpoints to resume from, each whole or not at all.

    Args:
      folder: of the run.
      subject: what `best/` and `last/` hold.
      average: the network that follows the weights, if any.
      record: takes what changes in `run.json`.
      score: of an epoch's figures, the lower the better; NaN without validation.
      last_epoch: number of the last one.
      seconds: between two checkpoints on disk.
      writes: whether this process writes; all of them read.

    Attributes:
      position: how far training is.
      history: figures of the epochs done.
      best: figures of the best one.
      has_ended: whether training ended before its last epoch.
      damaged: a line for each checkpoint that could not be used.
    """

    STATE = "state"

    def __init__(
        self,
        folder: pathlib.Path,
        subject: Subject,
        average: keras.Model | None,
        record: Callable[[dict[str, Any]], None],
        score: Callable[[dict[str, float]], float],
        last_epoch: int = 0,
        seconds: float = 60.0,
        writes: bool = True,
    ):
        super().__init__()
        self._folder, self._subject, self._average, self._record = folder, subject, average, record
        self._score, self._seconds, self._writes = score, seconds, writes
        self._last_epoch, self._saved_at = last_epoch, time.monotonic()
        self.position, self.history = Position(), list[dict[str, float]]()
        self.best: dict[str, float] | None = None
        self.has_ended = False
        self.damaged: tuple[str, ...] = ()
        self._validated: dict[str, Any] = {}

    def restore(self, model: keras.Model) -> None:
        """Loads the newest checkpoint that is whole into a compiled model whose optimizer is built.

        Raises:
          CheckpointError: there are checkpoints, and none of them can be used.
        """
        place = self._folder / self.STATE
        if self._writes:
            checkpoints.tidy(place)
            for left in (*self._folder.glob(".*.part"), *self._folder.glob(".*.old")):
                shutil.rmtree(left, ignore_errors=True)
        found = checkpoints.newest(place)
        self.damaged = found.damaged
        if found.checkpoint is None:
            if found.damaged:
                raise checkpoints.CheckpointError(
                    f"no checkpoint in '{place}' can be used ({'; '.join(found.damaged)}): "
                    "put one back, or name another output folder to begin anew."
                )
            return
        self._take(model, found.checkpoint)

    def _take(self, model: keras.Model, checkpoint: checkpoints.Checkpoint) -> None:
        stored = checkpoint.state
        _load(model, checkpoint.folder / _WEIGHTS)
        if self._average is not None:
            _load(self._average, checkpoint.folder / _AVERAGE)
        for layer, state in zip(_random_layers(model), stored["random"], strict=True):
            layer.seed_generator.state.assign(state)
        self.position = Position(checkpoint.step, stored["loss_sum"])
        self.history, self.best = stored["history"], stored["best"]
        self.has_ended, self._validated = stored["has_ended"], stored["validated"]

    def is_validated(self, figures: Mapping[str, Any]) -> bool:
        """Returns whether an epoch's figures hold what `best/` is chosen by."""
        return bool(np.isfinite(self._score(dict(figures))))

    def is_better(self, figures: Mapping[str, Any]) -> bool:
        """Returns whether figures beat the best epoch's; never without validation."""
        beaten = self.best is None or self._score(dict(figures)) < self.best["score"]
        return self.is_validated(figures) and beaten

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the epoch's figures, and its network if it is the best."""
        # JSON has no NaN, and a figure that is none is none.
        figures = {name: float(value) for name, value in (logs or {}).items() if np.isfinite(value)}
        self.history.append({"epoch": epoch + 1, **figures})
        if self.is_validated(figures):
            self._validated = {"epoch": epoch + 1, "validation": figures}
        if self.is_better(figures):
            self.best = {"epoch": epoch + 1, "score": self._score(figures), **figures}
            self._subject.card |= self._validated
            self._write_model("best")
        self.has_ended = bool(self.model.stop_training)
        if self.best is None and (epoch + 1 == self._last_epoch or self.has_ended):
            self._write_model("best")

    def is_due(self) -> bool:
        """Returns whether the last checkpoint is old enough for another."""
        return time.monotonic() - self._saved_at > self._seconds

    def save(self, position: Position) -> None:
        """Writes `last/` and a checkpoint, and brings `run.json` up to date.

        Raises:
          CheckpointError: the disk does not take it; earlier checkpoints are whole.
        """
        self.position, self._saved_at = position, time.monotonic()
        if self._writes:
            self._write(position)
        self.report()

    def report(self) -> None:
        """Brings `run.json` up to date."""
        self._record({"epochs_done": len(self.history), "best": self.best, "history": self.history})

    def _write(self, position: Position) -> None:
        files: dict[str, Callable[[pathlib.Path], None]] = {_WEIGHTS: self.model.save_weights}
        if self._average is not None:
            files[_AVERAGE] = self._average.save_weights
        # The latest validated epoch's figures stay with later weights: its threshold is the best there is for them.
        known = {"validation": self._validated.get("validation", {}), "validation_epoch": self._validated.get("epoch")}
        self._subject.card |= {"epoch": len(self.history), **known}
        # Before the checkpoint: a run that is cut between the two does this step's end again, and finds nothing stale.
        self._write_model("last")
        sizes = {_WEIGHTS: _bytes(self.model.weights) + _bytes(self.model.optimizer.variables)}
        checkpoints.write(self._folder / self.STATE, position.step, self._state(), files, sizes=sizes)

    def _write_model(self, name: str) -> None:
        if not self._writes:
            return
        try:
            self._subject.save(self._folder / name)
        except OSError as error:
            raise checkpoints.CheckpointError(
                f"'{self._folder / name}' could not be written ({error.strerror or error}); the older one is whole, "
                f"and so are the checkpoints in {self.STATE}/: make room and give the same command again."
            ) from error

    def _state(self) -> dict[str, Any]:
        """Returns what the weights' files do not hold: Keras leaves out how far dropout's random numbers are."""
        return {
            "loss_sum": self.position.loss_sum,
            "history": self.history,
            "best": self.best,
            "has_ended": self.has_ended,
            "validated": self._validated,
            "random": [np.array(layer.seed_generator.state).tolist() for layer in _random_layers(self.model)],
        }


def _load(model: keras.Model, path: pathlib.Path) -> None:
    try:
        weights_file.check(path)
    except weights_file.WeightsFileError as error:
        raise checkpoints.CheckpointError(f"the checkpoint's {path.name} cannot be used: {error}") from error
    model.load_weights(path)


def _bytes(variables: list[Any]) -> int:
    return sum(int(np.prod(one.shape)) * np.dtype("float32").itemsize for one in variables)


def _random_layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if hasattr(layer, "seed_generator")]
