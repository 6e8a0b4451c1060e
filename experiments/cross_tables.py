"""What the evaluations of folds left, read again: figures, and the rows of studies.csv or films.csv."""

import csv
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.cross_request import Request
from raspine import atomic, landmarks
from raspine.evaluation import over_folds
from raspine.inputs.folds import Fold

_MM = (0.0, math.inf)
STUDY_FIGURES: dict[str, over_folds.Bounds] = {
    **dict.fromkeys(("auc", "average_precision", "sensitivity", "specificity", "ppv", "npv"), over_folds.SHARE),
    **dict.fromkeys(("accuracy", "balanced_accuracy", "f1", "brier", "threshold"), over_folds.SHARE),
    "mcc": (-1.0, 1.0),
    "calibration_gap": (-1.0, 1.0),
}
Rows = list[dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Judged:
    """A fold that was judged.

    Attributes:
      fold: its patients.
      summary: of its evaluation.
      rows: of its studies.csv or films.csv.
    """

    fold: Fold
    summary: Mapping[str, Any]
    rows: Rows

    def figure(self, name: str) -> float:
        """Returns a figure of the summary; NaN where it is undefined."""
        value = self.summary.get(name)
        return math.nan if value is None else float(value)


def film_figures(schema: landmarks.Schema) -> dict[str, over_folds.Bounds]:
    """Returns the figures of films by name, with the values that they can have."""
    found = {"mre_mm": _MM, "median_mm": _MM}
    found |= dict.fromkeys(("sdr_2mm", "sdr_2_5mm", "sdr_3mm", "sdr_4mm", "pck"), over_folds.SHARE)
    for distance in schema.distances:
        found |= {f"{distance.name}_mae_mm": _MM, f"{distance.name}_bias_mm": over_folds.ANY}
    for name in verdict_names(schema):
        found |= dict.fromkeys((f"{name}_sensitivity", f"{name}_specificity"), over_folds.SHARE)
    return found


def verdict_names(schema: landmarks.Schema) -> list[str]:
    """Returns the distances that decide, and `verdict` for all of them together."""
    ruled = [distance.name for distance in schema.distances if distance.threshold_mm is not None]
    return [*ruled, "verdict"] if ruled else []


def read(request: Request, folds: Sequence[Fold]) -> list[Judged]:
    """Returns the folds with what their evaluations left."""
    result = []
    for fold in folds:
        place = request.evaluation_of(fold)
        summary = json.loads((place / "summary.json").read_text(encoding="utf-8"))
        with (place / f"{request.unit}.csv").open(newline="", encoding="utf-8") as stream:
            result.append(Judged(fold, summary, list(csv.DictReader(stream))))
    return result


def write(request: Request, judged: Sequence[Judged]) -> None:
    """Writes studies.csv or films.csv: the rows of all folds, with repeat and fold in front."""
    fields = list(dict.fromkeys(key for one in judged for row in one.rows[:1] for key in row))
    rows = ({"repeat": one.fold.repeat + 1, "fold": one.fold.number + 1, **row} for one in judged for row in one.rows)
    atomic.write_csv(request.folder / f"{request.unit}.csv", rows, ("repeat", "fold", *fields))


def write_folds(request: Request, folds: Sequence[Fold]) -> None:
    """Writes folds.csv: the part of every patient in every fold."""
    rows = (
        {"repeat": fold.repeat + 1, "fold": fold.number + 1, "patient": patient, "part": part}
        for fold in folds
        for part, patients in fold.parts.items()
        for patient in patients
    )
    atomic.write_csv(request.folder / "folds.csv", rows, ("repeat", "fold", "patient", "part"))
