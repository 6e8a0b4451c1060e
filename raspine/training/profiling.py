"""Where the time of some training steps goes, operation by operation, for TensorBoard."""

import pathlib
from typing import Any

import keras
import tensorflow as tf


class Profile(keras.callbacks.Callback):
    """Records steps `first` to `last` into `folder`/plugins/profile/.

    To look at it: `pip install tensorboard-plugin-profile`, which raspine does without, then `tensorboard --logdir
    FOLDER` and its tab Profile. The record is large: ten steps are enough. The first steps of a process trace the graph
    and fill buffers; steps after them show what training costs. Executions of several steps are recorded whole.

    Args:
      folder: of TensorBoard's events.
      first: step to begin with, from 1, counted from the start of this process.
      last: step to end with; training may end before it.

    Raises:
      ValueError: not 1 <= first <= last.
    """

    def __init__(self, folder: pathlib.Path, first: int, last: int):
        super().__init__()
        if not 1 <= first <= last:
            raise ValueError(f"The first step is at least 1 and at most the last. Received: {first} and {last}.")
        self._folder, self._first, self._last = folder, first, last
        self._done, self._most, self._is_on, self._was_on = 0, 1, False, False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Begins when the very first step is wanted."""
        if self._first == 1:
            self._start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Begins or ends when the next, or this, step was the one."""
        steps = (logs or {}).get("steps", 1)
        self._done, self._most = self._done + steps, max(self._most, steps)
        if self._is_on and self._done >= self._last:
            float((logs or {}).get("loss", 0.0))  # a GPU is done with the step once its loss is there
            self._stop()
        elif not self._was_on and self._done + self._most >= self._first:
            self._start()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Keeps what was recorded when training ends in between."""
        if self._is_on:
            self._stop()

    def _start(self) -> None:
        self._is_on = self._was_on = True
        tf.profiler.experimental.start(str(self._folder))

    def _stop(self) -> None:
        self._is_on = False
        tf.profiler.experimental.stop()
