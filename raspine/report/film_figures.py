"""Figures of films from their rows, with intervals that resample patients: for summaries that do not state them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine.evaluation import resampling
from raspine.report import facts, gather


def localisation(rows: Sequence[gather.Row]) -> dict[str, Any]:
    """Returns `n` films, `n_patients`, `mre_mm` and `sdr_2mm` with `_ci`; points that were not found count as wrong.

    Args:
      rows: of films.csv.
    """
    points = list(filter(facts.is_judged, rows))
    errors = facts.numbers(points, "error_mm")
    people = np.array([row.get("patient") or row["image"] for row in points], str)
    there = np.isfinite(errors)
    return {
        "n": len({row["image"] for row in points}),
        "n_patients": len(set(people.tolist())),
        **ratio("mre_mm", errors[there], people[there]),
        **ratio("sdr_2mm", (errors <= 2).astype(float), people, is_share=True),
    }


def deviation(rows: Sequence[gather.Row], name: str) -> dict[str, Any]:
    """Returns `NAME_mae_mm` of a distance with `_ci`.

    Args:
      rows: of films.csv.
      name: of the distance.
    """
    known = [row for row in rows if row.get("landmark") == name and row.get("error_mm")]
    errors = np.abs(facts.numbers(known, "error_mm"))
    return ratio(f"{name}_mae_mm", errors, np.array([row.get("patient") or row["image"] for row in known], str))


def ratio(name: str, values: NDArray[np.float64], people: NDArray[np.str_], is_share: bool = False) -> dict[str, Any]:
    """Returns a mean over rows as `NAME` and `NAME_ci`.

    Args:
      name: of the figure.
      values: float64 [row].
      people: [row], the patient of each.
      is_share: whether the values are 0 or 1.
    """
    if not len(values):
        return {name: None, f"{name}_ci": None}
    whole = np.ones_like(values)
    told = resampling.shares(values, whole, people) if is_share else resampling.means(values, people)
    found = told.to_dict()
    return {name: found["value"], f"{name}_ci": found["ci"]}
