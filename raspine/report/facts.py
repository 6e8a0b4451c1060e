"""Columns of the evaluation's tables as arrays, the way the statistics take them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from raspine.report import gather, wording

Array = NDArray[np.float64]
CODES = {"positive": 1.0, "negative": 0.0}


@dataclasses.dataclass(frozen=True, eq=False)
class Distance:
    """A measured distance of the films that have a true one.

    Attributes:
      name: as `adi`.
      films, patients, positions: of each row.
      truth, found: float64 [film], mm; found is NaN where it was not measured.
      verdict: float64 [film], 1 positive, 0 negative, NaN unknown: by the true distance.
    """

    name: str
    films: Sequence[str]
    patients: Sequence[str]
    positions: Sequence[str]
    truth: Array
    found: Array
    verdict: Array


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """Risks of the studies whose outcome is known.

    Attributes:
      studies, patients: of each row.
      risks: float64 [study].
      outcomes: int64 [study], 1 or 0.
    """

    studies: Sequence[str]
    patients: Sequence[str]
    risks: Array
    outcomes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.risks)


def distances(run: gather.Run) -> list[Distance]:
    """Returns the distances in the order of the rows."""
    names = dict.fromkeys(row["landmark"] for row in run.films if row.get("true_mm"))
    return [_distance(name, [row for row in run.films if row.get("landmark") == name]) for name in names]


def _distance(name: str, rows: Sequence[gather.Row]) -> Distance:
    known = [row for row in rows if math.isfinite(wording.as_number(row.get("true_mm")))]
    return Distance(
        name=name,
        films=[row.get("image", "") for row in known],
        patients=[row.get("patient", "") for row in known],
        positions=[row.get("position", "") for row in known],
        truth=numbers(known, "true_mm"),
        found=numbers(known, "predicted_mm"),
        verdict=np.array([CODES.get(row.get("true_verdict", ""), math.nan) for row in known]),
    )


def landmark_rows(run: gather.Run) -> list[gather.Row]:
    """Returns the rows of landmarks, without those of distances."""
    named = {distance.name for distance in distances(run)}
    return [row for row in run.films if row.get("landmark") not in named and not row.get("predicted_mm")]


def is_judged(row: gather.Row) -> bool:
    """Returns whether something can be said of a point in mm: not without label, nor of one found without spacing."""
    return bool(row.get("true_x") and (row.get("error_mm") or not row.get("predicted_x")))


def errors_by_landmark(run: gather.Run) -> dict[str, Array]:
    """Returns each landmark's radial errors in mm; NaN where it was not found."""
    found: dict[str, list[float]] = {}
    for row in landmark_rows(run):
        if is_judged(row):
            found.setdefault(row["landmark"], []).append(wording.as_number(row.get("error_mm")))
    return {name: np.array(values) for name, values in found.items()}


def scored(run: gather.Run) -> Scored:
    """Returns the studies with a known outcome and a risk."""
    rows = [
        row
        for row in run.studies
        if row.get("outcome") in ("0", "1") and math.isfinite(wording.as_number(row.get("risk")))
    ]
    return Scored(
        studies=[row.get("study", "") for row in rows],
        patients=[row.get("patient", "") for row in rows],
        risks=numbers(rows, "risk"),
        outcomes=np.array([int(row["outcome"]) for row in rows], np.int64),
    )


def numbers(rows: Sequence[Mapping[str, str]], key: str) -> Array:
    """Returns a column as float64 [row], NaN where a cell is empty or no number."""
    return np.array([wording.as_number(row.get(key) or None) for row in rows], np.float64)


@dataclasses.dataclass(frozen=True)
class ClassSizes:
    """How many patients have a positive and how many a negative film or study; one patient can count for both."""

    positives: int
    negatives: int


def class_sizes(run: gather.Run) -> ClassSizes | None:
    """Returns the patients of each class, None where a case has no patient or no case is known.

    A film is positive when one of its true distances is, and negative when all are.
    """
    verdicts = _study_verdicts(run) if run.studies else _film_verdicts(run)
    if not verdicts or not all(patient for patient, _ in verdicts):
        return None
    return ClassSizes(*(len({patient for patient, called in verdicts if called is what}) for what in (True, False)))


def _study_verdicts(run: gather.Run) -> list[tuple[str, bool | None]]:
    known = {"1": True, "0": False}
    return [(row.get("patient", ""), known[row["outcome"]]) for row in run.studies if row.get("outcome") in known]


def _film_verdicts(run: gather.Run) -> list[tuple[str, bool | None]]:
    found: dict[str, tuple[str, set[str]]] = {}
    for row in run.films:
        if row.get("true_mm"):
            found.setdefault(row["image"], (row.get("patient", ""), set()))[1].add(row.get("true_verdict", ""))
    return [
        (patient, True if "positive" in verdicts else False if verdicts == {"negative"} else None)
        for patient, verdicts in found.values()
        if verdicts & set(CODES)
    ]
