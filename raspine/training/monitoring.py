"""What TensorBoard shows of a run: figures by step and by epoch, pictures, weights, and runs side by side.

Every kind of events has a folder, a run of TensorBoard's, of its own, since it follows one file in a folder at a time:
`train/` and `validation/`, `weights/` for histograms, `recipe/` for the HParams tab, which shows every scalar in there
as a result of the run.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from raspine import board

TRAIN, VALIDATION, WEIGHTS, RECIPE = "train", "validation", "weights", "recipe"


class Monitor(keras.callbacks.Callback):
    """Writes scalars, and what the validation shows.

    By step: `step/loss`, `step/learning_rate`, `step/items_per_second`, and `step/input_share`, the share of the time
    since the last ones that was spent waiting for input, 0 to 1, where that is known. The first execution of a process
    is left out of the last two: it traces the graph. By epoch: every figure in its logs and the learning rate.

    Args:
      folder: of the events.
      show: gives after an epoch what else is shown of it, None when there is nothing new.
      every: steps between scalars by step; the loss is read from its device only then.
      first_step: steps done before, of a run that goes on.

    Raises:
      EventsError: from its methods, when the disk does not take the events.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        show: Callable[[], board.Shown | None] | None = None,
        every: int = 10,
        first_step: int = 0,
    ):
        super().__init__()
        self._writers = {name: board.Writer(folder / name) for name in (TRAIN, VALIDATION)}
        self._show = show
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
        shown = self._show() if self._show else None
        self._writers[TRAIN].scalars(epoch + 1, {**trained, "learning_rate": self._rate()})
        self._writers[VALIDATION].scalars(epoch + 1, validation)
        if shown is not None:
            self._writers[VALIDATION].show(epoch + 1, shown)
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
        self._writer, self._every = board.Writer(folder / WEIGHTS), every_epochs

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
    writer = board.Writer(folder / RECIPE)
    writer.recipe(recipe)
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
    writer = board.Writer(folder / RECIPE)
    writer.show(step, board.Shown(scalars=figures))
    writer.end(has_succeeded)
    writer.flush()
    writer.close()


def _throughput(logs: list[Mapping[str, Any]]) -> dict[str, float]:
    """Returns what is known of how fast some executions were."""
    seconds = sum(log["seconds"] for log in logs)
    if not seconds:
        return {}
    known = {"items_per_second": sum(log["items"] for log in logs) / seconds}
    if all(log["waited"] is not None for log in logs):
        known["input_share"] = sum(log["waited"] for log in logs) / seconds
    return known
