"""What TensorBoard gets of an evaluation: its figures beside the recipe, curves, pictures and a table."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from raspine import board, drawing
from raspine.evaluation import keypoints

_STEP = 0
_SEPARATE = ("threshold", "confidence")


def films(folder: pathlib.Path, facts: Mapping[str, Any], pictures: Mapping[str, drawing.Picture]) -> None:
    """Writes the figures of landmarks and the best, median and worst films.

    Args:
      folder: of the events.
      facts: of summary.json.
      pictures: uint8 [height, width, 3] by rank.
    """
    _write(folder, facts, board.Shown(pictures={f"films/{rank}": one[None] for rank, one in pictures.items()}))


def studies(
    folder: pathlib.Path,
    facts: Mapping[str, Any],
    risks: ArrayLike,
    outcomes: ArrayLike,
    pictures: Sequence[pathlib.Path],
) -> None:
    """Writes the figures of risks, their precision-recall curve and what was drawn of them.

    Args:
      folder: of the events.
      facts: of summary.json.
      risks: float [study], 0..1.
      outcomes: int [study], 1 positive, 0 negative.
      pictures: PNG files.
    """
    curve = {"risk": (np.asarray(outcomes), np.asarray(risks))}
    drawn = {path.stem: _read(path)[None] for path in pictures}
    _write(folder, facts, board.Shown(pictures=drawn, precision_recall=curve))


def _write(folder: pathlib.Path, facts: Mapping[str, Any], shown: board.Shown) -> None:
    """Writes a run of TensorBoard's: the recipe of the model, and what came of it on a split."""
    model = facts.get("model") or {}
    figures = {name: value for name, value in facts.items() if _is_figure(name, value)}
    scalars = {f"{facts['split']}/{name}": float(value) for name, value in figures.items()}
    writer = board.Writer(folder)
    writer.recipe(model.get("recipe") or {})
    rows = {name: _text(value, facts.get(f"{name}_ci")) for name, value in figures.items()}
    text = {f"{facts['split']} set": board.table(rows, ("figure", "value [interval]"))}
    writer.show(_STEP, board.Shown(scalars, shown.pictures, shown.precision_recall, text))
    writer.end()
    writer.flush()
    writer.close()


def _is_figure(name: str, value: Any) -> bool:
    number = keypoints.as_json(value)
    return name not in _SEPARATE and isinstance(number, int | float) and not isinstance(number, bool)


def _text(value: float, ends: Any) -> str:
    text = f"{value:.4g}" if math.isfinite(value) else "-"
    if not ends or any(end is None for end in ends):
        return text
    return f"{text} [{ends[0]:.4g}, {ends[1]:.4g}]"


def _read(path: pathlib.Path) -> drawing.Picture:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise OSError(f"'{path}' cannot be read.")
    return picture.astype(np.uint8, copy=False)
