"""What happens between epochs, whatever is trained: monitoring, the model directories, the state to resume from."""

import collections
import json
import os
import pathlib
import resource
import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from raspine import atomic


class Subject(Protocol):
    """What `best/` and `last/` hold.

    Attributes:
      card: what is known of its training; free JSON.
    """

    card: dict[str, Any]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the model directory."""


class Monitor(keras.callbacks.Callback):
    """Writes scalars and pictures for TensorBoard.

    Args:
      folder: of the events.
      pictures: by title, what gives uint8 [picture, height, width, 3] after an epoch, or None.
    """

    def __init__(self, folder: pathlib.Path, pictures: Mapping[str, Callable[[], np.ndarray | None]] | None = None):
        super().__init__()
        self._writers = {name: tf.summary.create_file_writer(str(folder / name)) for name in ("train", "validation")}
        self._pictures = pictures or {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the epoch's figures."""
        for name, value in (logs or {}).items():
            with self._writers["validation" if name.startswith("val_") else "train"].as_default(epoch + 1):
                tf.summary.scalar(name.removeprefix("val_"), value)
        with self._writers["train"].as_default(epoch + 1):
            tf.summary.scalar("learning_rate", float(self.model.optimizer.learning_rate))
        with self._writers["validation"].as_default(epoch + 1):
            for title, draw in self._pictures.items():
                if (drawn := draw()) is not None:
                    tf.summary.image(title, drawn, max_outputs=len(drawn))


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
    """Writes `best/` when validation improves, `last/` and the state to resume from, each whole or not at all."""

    STATE = "state"
    PAUSE_SECONDS = 60.0  # between two states on disk

    def __init__(
        self,
        folder: pathlib.Path,
        subject: Subject,
        extra: keras.Model | None,
        record: Callable[[dict[str, Any]], None],
        score: Callable[[dict[str, float]], float],
        last_epoch: int = 0,
    ):
        super().__init__()
        self._folder, self._subject, self._extra, self._record = folder, subject, extra, record
        self._score = score
        self._last_epoch, self._saved_at = last_epoch, time.monotonic()
        self.epoch, self.history = 0, list[dict[str, float]]()
        self.best: dict[str, float] | None = None
        self.has_ended = False
        self._validated: dict[str, Any] = {}

    def restore(self, model: keras.Model) -> int:
        """Loads the saved state into a compiled model whose optimizer is built; returns the epoch to go on with."""
        place = self._folder / self.STATE
        self._tidy(place)
        if not (place / "state.json").is_file():
            return 0
        stored = json.loads((place / "state.json").read_text(encoding="utf-8"))
        model.load_weights(place / "training.weights.h5")
        if self._extra is not None:
            self._extra.load_weights(place / "average.weights.h5")
        for layer, state in zip(_random_layers(model), stored["random"], strict=True):
            layer.seed_generator.state.assign(state)
        self.epoch, self.history, self.best = stored["epoch"], stored["history"], stored["best"]
        self.has_ended, self._validated = stored["has_ended"], stored["validated"]
        return int(self.epoch)

    def _tidy(self, place: pathlib.Path) -> None:
        """Puts back a state whose replacement was cut short between two renames, and removes what was half-written."""
        old = [found for found in self._folder.glob(f".{self.STATE}.*.old") if (found / "state.json").is_file()]
        if not place.exists() and old:
            old[-1].rename(place)
        for left in (*self._folder.glob(".*.part"), *self._folder.glob(".*.old")):
            shutil.rmtree(left, ignore_errors=True)

    def is_validated(self, figures: Mapping[str, Any]) -> bool:
        """Returns whether an epoch's figures hold what `best/` is chosen by."""
        return bool(np.isfinite(self._score(dict(figures))))

    def is_better(self, figures: Mapping[str, Any]) -> bool:
        """Returns whether figures beat the best epoch's; never without validation."""
        beaten = self.best is None or self._score(dict(figures)) < self.best["score"]
        return self.is_validated(figures) and beaten

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the epoch's figures, and the networks when it is time."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self.epoch = epoch + 1
        self.history.append({"epoch": self.epoch, **figures})
        if self.is_validated(figures):
            self._validated = {"epoch": self.epoch, "validation": figures}
        if self.is_better(figures):
            self.best = {"epoch": self.epoch, "score": self._score(figures), **figures}
            self._subject.card |= self._validated
            self._subject.save(self._folder / "best")
        self.has_ended = bool(self.model.stop_training)
        is_last = self.epoch == self._last_epoch or self.has_ended
        if self.best is None and is_last:
            self._subject.save(self._folder / "best")
        if is_last or time.monotonic() - self._saved_at > self.PAUSE_SECONDS:
            self._save()

    def _save(self) -> None:
        # The latest validated epoch's figures stay with later weights: its threshold is the best there is for them.
        known = {"validation": self._validated.get("validation", {}), "validation_epoch": self._validated.get("epoch")}
        self._subject.card |= {"epoch": self.epoch, **known}
        self._subject.save(self._folder / "last")
        with atomic.atomic_directory(self._folder / self.STATE, replace=True) as aside:
            self.model.save_weights(aside / "training.weights.h5")
            if self._extra is not None:
                self._extra.save_weights(aside / "average.weights.h5")
            atomic.write_json(aside / "state.json", self._state())
        self._record({"epochs_done": self.epoch, "best": self.best, "history": self.history})
        self._saved_at = time.monotonic()

    def _state(self) -> dict[str, Any]:
        """Returns what the weights' files do not hold: Keras leaves out how far dropout's random numbers are."""
        return {
            "epoch": self.epoch,
            "history": self.history,
            "best": self.best,
            "has_ended": self.has_ended,
            "validated": self._validated,
            "random": [np.array(layer.seed_generator.state).tolist() for layer in _random_layers(self.model)],
        }


def _random_layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if hasattr(layer, "seed_generator")]


class Progress(keras.callbacks.Callback):
    """One bar over the whole training, with rate, time left and the latest figures."""

    def __init__(self, epochs: int, steps: int, batch: int, done: int, unit: str):
        super().__init__()
        plain = not os.isatty(2)
        self._bar = tqdm(
            total=epochs * steps * batch, initial=done * steps * batch, unit=unit, unit_scale=True, smoothing=0.3,
            mininterval=20 if plain else 0.5, desc="training", dynamic_ncols=not plain,
        )  # fmt: skip
        self._batch, self._shown = batch, dict[str, str]()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves the bar."""
        self._bar.update(self._batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Shows the epoch's figures."""
        names = {"loss": "loss", "val_mre_mm": "validation mm", "val_pck": "PCK", "val_auc": "validation AUC"}
        self._shown |= {title: f"{logs[name]:.3g}" for name, title in names.items() if logs and name in logs}
        self._bar.set_postfix({"epoch": epoch + 1, **self._shown}, refresh=False)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leaves the finished bar."""
        self._bar.close()


class Pace(keras.callbacks.Callback):
    """What a step costs, for run.json: the first one apart, since it traces the graph."""

    def __init__(self) -> None:
        super().__init__()
        self._first, self._began = 0.0, 0.0
        self._steps: collections.deque[float] = collections.deque(maxlen=1000)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops it."""
        taken = time.perf_counter() - self._began
        if not self._first:
            self._first = taken
            return
        self._steps.append(taken)

    def facts(self) -> dict[str, float | None]:
        """Returns the median step and the first one in seconds, and the process's peak resident memory in MiB."""
        return {
            "step_seconds": round(statistics.median(self._steps), 4) if self._steps else None,
            "first_step_seconds": round(self._first, 1),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


class StopOnNaN(keras.callbacks.Callback):
    """Ends training with a clear error when the loss is no longer a number."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the epoch's loss.

        Raises:
          FloatingPointError: it is NaN or infinite.
        """
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"The loss is {loss} in epoch {epoch + 1}; lower --learning_rate. best/ and last/ hold earlier epochs."
            )
