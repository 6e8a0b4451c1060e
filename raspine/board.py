"""What TensorBoard is given: scalars, pictures, precision-recall curves, text, and a run's row of the HParams tab."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2 as hparams_proto
from tensorboard.plugins.hparams import summary as hparams_summary
from tensorboard.plugins.pr_curve import summary as pr_summary

_THRESHOLDS = 201


class EventsError(OSError):
    """TensorBoard's events could not be written; says where and why."""


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """What is shown at one step; every mapping is by title.

    Attributes:
      scalars: numbers; those that are not finite are left out.
      pictures: uint8 [picture, height, width, 3].
      precision_recall: (int [item], 1 positive and 0 negative; float [item], risks 0..1).
      texts: Markdown.
    """

    scalars: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pictures: Mapping[str, NDArray[np.uint8]] = dataclasses.field(default_factory=dict)
    precision_recall: Mapping[str, tuple[NDArray[Any], NDArray[Any]]] = dataclasses.field(default_factory=dict)
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Writer:
    """Event files of one folder, whose trouble with the disk cannot be taken for a failure of something else.

    Args:
      folder: of the events, a run of TensorBoard's.

    Raises:
      EventsError: from its methods but `close`, when the disk does not take the events.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self._folder = pathlib.Path(folder)
        with self._reporting():
            self._events = tf.summary.create_file_writer(str(folder))

    @contextlib.contextmanager
    def at(self, step: int) -> Iterator[None]:
        """Makes summaries within go to the files."""
        with self._reporting(), self._events.as_default(step):
            yield

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Writes numbers, by title."""
        with self.at(step):
            for tag, value in figures.items():
                tf.summary.scalar(tag, value)

    def show(self, step: int, shown: Shown) -> None:
        """Writes everything that is shown at a step."""
        self.scalars(step, {title: value for title, value in shown.scalars.items() if np.isfinite(value)})
        with self.at(step):
            for title, pictures in shown.pictures.items():
                tf.summary.image(title, pictures, max_outputs=len(pictures))
            for title, (outcomes, risks) in shown.precision_recall.items():
                tf.summary.experimental.write_raw_pb(_precision_recall(title, outcomes, risks))
            for title, text in shown.texts.items():
                tf.summary.text(title, text)

    def recipe(self, values: Mapping[str, Any]) -> None:
        """Tells the HParams tab what a run was given; of mappings within, values are named `outer.inner`.

        The tab gets no list of columns: without one it shows all parameters of all runs.
        """
        with self.at(0):
            hparams_api.hparams(dict(_flat(values)))

    def end(self, has_succeeded: bool = True) -> None:
        """Tells the HParams tab that a run is over."""
        status = hparams_proto.STATUS_SUCCESS if has_succeeded else hparams_proto.STATUS_FAILURE
        with self.at(0):
            tf.summary.experimental.write_raw_pb(hparams_summary.session_end_pb(status).SerializeToString())

    def flush(self) -> None:
        """Puts everything written on the disk."""
        with self._reporting():
            self._events.flush()

    def close(self) -> None:
        """Closes the files, silently: this may come because of an error that must not be hidden by another."""
        with contextlib.suppress(tf.errors.OpError):
            self._events.close()

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            reason = str(error.message).strip().partition("\n")[0].rpartition("; ")[2]
            raise EventsError(f"TensorBoard's events could not be written to '{self._folder}': {reason}.") from error


def table(rows: Mapping[str, str], header: tuple[str, str] = ("figure", "value")) -> str:
    """Returns a Markdown table of two columns; a bar or line break in a cell is taken out."""
    cells = [(_cell(name), _cell(value)) for name, value in rows.items()]
    return "\n".join(f"| {left} | {right} |" for left, right in [header, ("---", "---"), *cells])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _precision_recall(title: str, outcomes: NDArray[Any], risks: NDArray[Any]) -> bytes:
    scores = np.clip(np.asarray(risks, np.float32), 0, 1)
    summary: bytes = pr_summary.pb(title, np.asarray(outcomes) == 1, scores, _THRESHOLDS).SerializeToString()
    return summary


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float, str)):  # a bool is an int
            yield f"{prefix}{name}", value
