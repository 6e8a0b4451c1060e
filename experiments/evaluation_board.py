"""What TensorBoard gets of an evaluation: its figures beside the recipe, curves, pictures and a table."""

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from raspine import board, drawing, landmarks
from raspine.evaluation import confusion, keypoints, risk_figures

_STEP = 0
_SEPARATE = ("threshold", "confidence")


Curves = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]


def films(
    folder: pathlib.Path, facts: Mapping[str, Any], pictures: Mapping[str, drawing.Picture], curves: Curves
) -> None:
    """Writes the figures of landmarks, the best, median and worst films, and what the verdicts are worth.

    Args:
      folder: of the events.
      facts: of summary.json.
      pictures: uint8 [height, width, 3] by rank.
      curves: of `ranked`.
    """
    shown = {f"films/{rank}": one[None] for rank, one in pictures.items()}
    shown |= {f"verdict/{name}": _matrix(found["confusion"])[None] for name, found in facts["diagnosis"].items()}
    _write(folder, facts, board.Shown(pictures=shown, precision_recall=curves))


def ranked(films: keypoints.Films, schema: landmarks.Schema) -> Curves:
    """Returns by distance the true verdicts, and the measured distances as ranks, 1 for the most pathological.

    TensorBoard's precision-recall curves take scores between 0 and 1; ranks keep their order. Films without a true
    verdict or a measured distance are left out.
    """
    truth, found = (schema.measure(points, films.spacing) for points in (films.truth, films.found))
    verdicts, curves = keypoints.rules(schema, truth), {}
    for distance in schema.distances:
        known = (verdicts[distance.name] != keypoints.UNKNOWN) & np.isfinite(found[distance.name])
        if known.any():
            sign = -1 if distance.comparison.startswith("<") else 1
            ranks = stats.rankdata(sign * found[distance.name][known]) / known.sum()
            curves[distance.name] = verdicts[distance.name][known], ranks
    return curves


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
    drawn = {path.stem: drawing.read_png(path)[None] for path in pictures}
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


def _matrix(cells: Mapping[str, int]) -> drawing.Picture:
    counts = confusion.Confusion(*(cells[name] for name in ("tp", "fn", "fp", "tn")))
    return drawing.of_figure(lambda path: risk_figures.confusion_matrix(path, counts))
