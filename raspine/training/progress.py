"""How far training is and how fast it goes: for people on a bar, for run.json as figures."""

import collections
import os
import resource
import statistics
from collections.abc import Iterable
from typing import Any

import keras
from tqdm import tqdm

_FIGURES = {"loss": "loss", "val_mre_mm": "validation mm", "val_pck": "PCK", "val_auc": "validation AUC"}
_WAITING = 0.2  # share of the time, above which the bar says that input is what training waits for
_RECENT = 50  # executions of which that share is taken


class Progress(keras.callbacks.Callback):
    """One bar over the whole training, with rate, time left, epoch, the latest figures and waiting for input.

    Args:
      epochs: of the whole run.
      steps: an epoch.
      batch: items a step.
      done: steps done before, of a run that goes on.
      unit: what an item is called.
    """

    def __init__(self, epochs: int, steps: int, batch: int, done: int, unit: str):
        super().__init__()
        plain = not os.isatty(2)
        pause = 20.0 if plain else 0.5
        self._bar = tqdm(
            total=epochs * steps * batch, initial=done * batch, unit=unit, unit_scale=True, smoothing=0.3,
            mininterval=pause, maxinterval=max(pause, 10.0), desc="training", dynamic_ncols=not plain,
        )  # fmt: skip
        self._epochs, self._steps = epochs, steps
        self._epoch, self._shown = "", dict[str, str]()
        self._spans: collections.deque[tuple[float, float]] = collections.deque(maxlen=_RECENT)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves the bar."""
        if logs is None:
            return
        if logs["waited"] is not None:
            self._spans.append((logs["waited"], logs["seconds"]))
        self._epoch = f"{(batch - 1) // self._steps + 1}/{self._epochs}"
        self._describe()
        self._bar.update(logs["items"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes the epoch's figures."""
        self._shown |= {title: f"{logs[name]:.3g}" for name, title in _FIGURES.items() if logs and name in logs}
        self._describe()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leaves the finished bar."""
        self._bar.close()

    def _describe(self) -> None:
        share = _share(self._spans)
        waiting = f", waiting for input {100 * share:.0f} %" if share is not None and share > _WAITING else ""
        figures = "".join(f", {title}={figure}" for title, figure in self._shown.items())
        self._bar.set_postfix_str(f"epoch={self._epoch}{figures}{waiting}", refresh=False)


class Pace(keras.callbacks.Callback):
    """What a step costs, for run.json: the first execution of the process apart, since it traces the graph."""

    def __init__(self) -> None:
        super().__init__()
        self._first: float | None = None
        self._steps: collections.deque[float] = collections.deque(maxlen=1000)
        self._items, self._seconds = 0, 0.0
        self._waited: float | None = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes an execution's cost."""
        if logs is None:
            return
        if self._first is None:
            self._first = logs["seconds"]
            return
        self._steps.append(logs["seconds"] / logs["steps"])
        self._items += logs["items"]
        self._seconds += logs["seconds"]
        if self._waited is not None:
            self._waited = None if logs["waited"] is None else self._waited + logs["waited"]

    def facts(self) -> dict[str, float | None]:
        """Returns what is known by now, None for the rest.

        `step_seconds` is the median, `first_step_seconds` the first execution, `items_per_second` and `input_share`
        (of the time that was spent waiting for input, 0 to 1) over all others, `peak_memory_mib` the process's.
        """
        share = _share([(self._waited, self._seconds)]) if self._waited is not None else None
        return {
            "step_seconds": round(statistics.median(self._steps), 4) if self._steps else None,
            "first_step_seconds": round(self._first or 0.0, 1),
            "items_per_second": round(self._items / self._seconds, 3) if self._seconds else None,
            "input_share": None if share is None else round(share, 4),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


def _share(spans: Iterable[tuple[float, float]]) -> float | None:
    """Returns the part of some (waited, seconds) that was waited; None without any time."""
    waited, seconds = (sum(values) for values in zip((0.0, 0.0), *spans, strict=True))
    return waited / seconds if seconds else None
