"""The figures that two runs are compared by, as a value for each row of either run."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.comparisons.runs import Evaluated, Key
from raspine.report import gather, wording

WITHIN_MM = 2.0
Floats = NDArray[np.float64]
_CODES = {"positive": 1.0, "negative": 0.0}


@dataclasses.dataclass(frozen=True)
class Column:
    """A figure that is a mean over rows.

    Attributes:
      name: as in comparison.csv.
      title: for people, with its unit.
      keys: of the rows that it rests on.
      value: of one row of a run; NaN where the row has none.
      is_share: whether values are 0 or 1; others are sizes of errors, none below 0.
      higher_is_better: which way is good.
    """

    name: str
    title: str
    keys: Sequence[Key]
    value: Callable[[gather.Row], float]
    is_share: bool = False
    higher_is_better: bool = False

    def of(self, run: Evaluated) -> Floats:
        """Returns float64 [row], a run's values in the order of the keys."""
        return np.array([self.value(run.rows[key]) for key in self.keys], np.float64)


def of_films(run: Evaluated, films: Sequence[str]) -> list[Column]:
    """Returns the figures of landmark models: errors, points within 2 mm, and each distance.

    Args:
      run: any of the runs; all have the same truth.
      films: those to compare.
    """
    wanted = set(films)
    keys = [key for key in run.rows if key[0] in wanted]
    distances = dict.fromkeys(key[1] for key in keys if run.rows[key].get("true_mm"))
    points = [key for key in keys if key[1] not in distances and run.rows[key].get("true_x")]
    scored = [key for key in points if run.rows[key].get("error_mm") or not run.rows[key].get("predicted_x")]
    columns = [
        Column("error_mm", "mean radial error, mm", scored, _error),
        Column("sdr_2mm", f"points within {WITHIN_MM:g} mm", scored, _within, True, True),
    ]
    for name in distances:
        columns += _of_distance(name, [key for key in keys if key[1] == name and run.rows[key].get("true_mm")], run)
    return columns


def of_studies(run: Evaluated, studies: Sequence[str]) -> list[Column]:
    """Returns the figures of risk models that are means: Brier score and decisions at each run's own threshold.

    Args:
      run: any of the runs; all have the same outcomes.
      studies: those to compare.
    """
    wanted = set(studies)
    known = [key for key, row in run.rows.items() if key[0] in wanted and row.get("outcome") in ("0", "1")]
    positive = [key for key in known if run.rows[key]["outcome"] == "1"]
    negative = [key for key in known if run.rows[key]["outcome"] == "0"]
    return [
        Column("brier", "Brier score", known, _squared),
        Column("accuracy", "accuracy", known, _right_study, True, True),
        Column("sensitivity", "sensitivity", positive, _right_study, True, True),
        Column("specificity", "specificity", negative, _right_study, True, True),
    ]


def _of_distance(name: str, keys: Sequence[Key], run: Evaluated) -> list[Column]:
    title, truth = name.upper(), [run.rows[key].get("true_verdict", "") for key in keys]
    ruled = [key for key, code in zip(keys, truth, strict=True) if code in _CODES]
    positive = [key for key in ruled if run.rows[key]["true_verdict"] == "positive"]
    negative = [key for key in ruled if run.rows[key]["true_verdict"] == "negative"]
    columns = [Column(f"{name}_mae_mm", f"{title}, mean absolute error, mm", keys, _absolute)]
    for part, rows in (("accuracy", ruled), ("sensitivity", positive), ("specificity", negative)):
        if ruled:
            columns.append(Column(f"{name}_{part}", f"{title}, {part}", rows, _right_film, True, True))
    return columns


def _error(row: gather.Row) -> float:
    return wording.as_number(row.get("error_mm") or None)


def _within(row: gather.Row) -> float:
    error = _error(row)
    return float(not math.isnan(error) and error <= WITHIN_MM)  # not found is not within


def _absolute(row: gather.Row) -> float:
    return abs(_error(row))


def _right_film(row: gather.Row) -> float:
    return float(row.get("predicted_verdict") == row["true_verdict"])


def _squared(row: gather.Row) -> float:
    return (wording.as_number(row.get("risk")) - int(row["outcome"])) ** 2


def _right_study(row: gather.Row) -> float:
    return float(_CODES.get(row.get("verdict", "")) == int(row["outcome"]))
