"""What TensorBoard shows of a run: figures by step and by epoch, pictures, weights, and runs side by side.

Every kind of events has a folder, a run of TensorBoard's, of its own, since it follows one file in a folder at a time:
`train/` and `validation/`, `weights/` for histograms, `recipe/` for the HParams tab. That tab gets no list of columns:
without one it shows all parameters of all runs, and every scalar in `recipe/`, which are a run's results.
"""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2 as hparams_proto
from tensorboard.plugins.hparams import summary as hparams_summary

TRAIN, VALIDATION, WEIGHTS, RECIPE = "train", "validation", "weights", "recipe"


class EventsError(OSError):
    """TensorBoard's events could not be written; says where and why."""


class Monitor(keras.callbacks.Callback):
    """Writes scalars and pictures.

    By step: `step/loss`, `step/learning_rate`, `step/items_per_second`, and `step/input_share`, the share of the time
    since the last ones that was spent waiting for input, 0 to 1, where that is known. The first execution of a process
    is left out of the last two: it traces the graph. By epoch: every figure in its logs and the learning rate.

    Args:
      folder: of the events.
      pictures: by title, what gives uint8 [picture, height, width, 3] after an epoch, or None.
      every: steps between scalars by step; the loss is read from its device only then.
      first_step: steps done before, of a run that goes on.

    Raises:
      EventsError: from its methods, when the disk does not take the events.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        pictures: Mapping[str, Callable[[], np.ndarray | None]] | None = None,
        every: int = 10,
        first_step: int = 0,
    ):
        super().__init__()
        self._writers = {name: _Writer(folder / name) for name in (TRAIN, VALIDATION)}
        self._pictures = pictures or {}
        self._every, self._written = every, first_step
        self._is_first, self._logs = True, list[Mapping[str, Any]]()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the step's figures when it is their turn."""
        if logs is None:
            return
        if not self._is_first:
            self._logs.append({key: logs[key] for key in ("items", "seconds", "waited")})
        self._is_first = False
        if batch // self._every == self._written // self._every:
            return
        figures = {"loss": float(logs["loss"]), "learning_rate": self._rate(), **_throughput(self._logs)}
        self._writers[TRAIN].scalars(batch, {f"step/{name}": value for name, value in figures.items()})
        self._written = batch
        self._logs.clear()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the epoch's figures."""
        figures = dict(logs or {})
        validation = {name.removeprefix("val_"): value for name, value in figures.items() if name.startswith("val_")}
        trained = {name: value for name, value in figures.items() if not name.startswith("val_")}
        drawn = {title: draw() for title, draw in self._pictures.items()}
        self._writers[TRAIN].scalars(epoch + 1, {**trained, "learning_rate": self._rate()})
        self._writers[VALIDATION].scalars(epoch + 1, validation)
        with self._writers[VALIDATION].at(epoch + 1):
            for title, pictures in drawn.items():
                if pictures is not None:
                    tf.summary.image(title, pictures, max_outputs=len(pictures))
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()

    def _rate(self) -> float:
        return float(self.model.optimizer.learning_rate)


class Histograms(keras.callbacks.Callback):
    """Writes a histogram of every trainable weight, named by its layer, after every so many epochs.

    Raises:
      EventsError: from its methods, when the disk does not take the events.
    """

    def __init__(self, folder: pathlib.Path, every_epochs: int):
        super().__init__()
        self._writer, self._every = _Writer(folder / WEIGHTS), every_epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes them when it is the epoch's turn."""
        if (epoch + 1) % self._every:
            return
        values = {weight.path: keras.ops.convert_to_numpy(weight) for weight in self.model.trainable_weights}
        with self._writer.at(epoch + 1):
            for name, value in values.items():
                tf.summary.histogram(name, value)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the file."""
        self._writer.close()


def hyperparameters(folder: pathlib.Path, recipe: Mapping[str, Any]) -> None:
    """Tells the HParams tab what a run was given; the tab sets the runs below its folder side by side.

    Args:
      folder: of the run's events.
      recipe: of its values, and those of mappings within, named `outer.inner`, numbers, booleans and text are shown.

    Raises:
      EventsError: the disk does not take them.
    """
    writer = _Writer(folder / RECIPE)
    with writer.at(0):
        hparams_api.hparams(dict(_flat(recipe)))
    writer.flush()
    writer.close()


def result(folder: pathlib.Path, figures: Mapping[str, float], step: int, has_succeeded: bool = True) -> None:
    """Tells the HParams tab what came of a run.

    Args:
      folder: of the run's events.
      figures: its columns; NaN leaves a cell empty.
      step: after which they were taken.
      has_succeeded: whether the run came to its end.

    Raises:
      EventsError: the disk does not take them.
    """
    status = hparams_proto.STATUS_SUCCESS if has_succeeded else hparams_proto.STATUS_FAILURE
    writer = _Writer(folder / RECIPE)
    writer.scalars(step, {name: value for name, value in figures.items() if np.isfinite(value)})
    with writer.at(0):
        tf.summary.experimental.write_raw_pb(hparams_summary.session_end_pb(status).SerializeToString())
    writer.flush()
    writer.close()


class _Writer:
    """Event files whose trouble with the disk cannot be taken for a failure of training."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        with self._reporting():
            self._events = tf.summary.create_file_writer(str(folder))

    @contextlib.contextmanager
    def at(self, step: int) -> Iterator[None]:
        """Makes summaries within go to the files."""
        with self._reporting(), self._events.as_default(step):
            yield

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        with self.at(step):
            for tag, value in figures.items():
                tf.summary.scalar(tag, value)

    def flush(self) -> None:
        with self._reporting():
            self._events.flush()

    def close(self) -> None:
        # Silently: this comes when training ends, perhaps by an error that must not be hidden by another.
        with contextlib.suppress(tf.errors.OpError):
            self._events.close()

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            reason = str(error.message).strip().partition("\n")[0].rpartition("; ")[2]
            raise EventsError(f"TensorBoard's events could not be written to '{self._folder}': {reason}.") from error


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float, str)):  # a bool is an int
            yield f"{prefix}{name}", value


def _throughput(logs: list[Mapping[str, Any]]) -> dict[str, float]:
    """Returns what is known of how fast some executions were."""
    seconds = sum(log["seconds"] for log in logs)
    if not seconds:
        return {}
    known = {"items_per_second": sum(log["items"] for log in logs) / seconds}
    if all(log["waited"] is not None for log in logs):
        known["input_share"] = sum(log["waited"] for log in logs) / seconds
    return known
