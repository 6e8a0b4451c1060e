"""Every pair of runs, figure by figure."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.comparisons import columns
from experiments.comparisons.runs import Evaluated, Key
from raspine.evaluation import auc, model_difference
from raspine.evaluation.estimate import Estimate
from raspine.report import wording

FIELDS = (
    "figure", "title", "first", "second", "n", "patients", "first_value", "first_low", "first_high", "second_value",
    "second_low", "second_high", "difference", "difference_low", "difference_high", "p", "p_holm", "test", "note",
)  # fmt: skip
_TESTS = {"delong": "DeLong, paired", "obuchowski": "Obuchowski, paired, patients as clusters"}


@dataclasses.dataclass(frozen=True)
class Pair:
    """One figure of two runs.

    Attributes:
      figure: its name.
      title: for people.
      first, second: names of the runs.
      rows: that it rests on.
      patients: behind them.
      found: both values, the difference and p.
      p_holm: adjusted for the number of pairs and figures; NaN without p.
      higher_is_better: which way is good.
    """

    figure: str
    title: str
    first: str
    second: str
    rows: int
    patients: int
    found: model_difference.Difference
    p_holm: float = math.nan
    higher_is_better: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; None for NaN."""
        names = ("figure", "title", "first", "second", "rows", "patients", "higher_is_better")
        own = {name: getattr(self, name) for name in names}
        sides = self.found.to_dict()
        values = {
            f"{side}_value" if side != "difference" else side: sides.pop(side)
            for side in ("first", "second", "difference")
        }
        return {**own, **values, **sides, "p_holm": _known(self.p_holm)}

    def to_row(self) -> dict[str, Any]:
        """Returns the row of FIELDS for comparison.csv."""
        row: dict[str, Any] = {
            "figure": self.figure, "title": self.title, "first": self.first, "second": self.second, "n": self.rows,
            "patients": self.patients, "p": _cell(self.found.p), "p_holm": _cell(self.p_holm),
            "test": self.found.test, "note": self.found.note or self.found.difference.note,
        }  # fmt: skip
        for side in ("first", "second", "difference"):
            estimate: Estimate = getattr(self.found, side)
            name = side if side == "difference" else f"{side}_value"
            row |= {name: _cell(estimate.value)}
            row |= dict(zip((f"{side}_low", f"{side}_high"), map(_cell, estimate.interval), strict=True))
        return row


def compare(runs: Sequence[Evaluated], cases: Sequence[str], seed: int, confidence: float) -> list[Pair]:
    """Returns all pairs of runs by all figures, p values adjusted over all of them.

    Args:
      runs: at least two, of one task.
      cases: films or studies to compare.
      seed: of bootstrap and permutations.
      confidence: of the intervals, 0..1.
    """
    found = [
        pair
        for first, second in itertools.combinations(runs, 2)
        for pair in _pair(first, second, cases, seed, confidence)
    ]
    adjusted = model_difference.holm([pair.found.p for pair in found])
    return [dataclasses.replace(pair, p_holm=float(p)) for pair, p in zip(found, adjusted, strict=True)]


def _pair(first: Evaluated, second: Evaluated, cases: Sequence[str], seed: int, confidence: float) -> list[Pair]:
    is_film = first.kind == "films"
    figures = columns.of_films(first, cases) if is_film else columns.of_studies(first, cases)
    found = [] if is_film else [_areas(first, second, figures[0].keys, confidence)]
    return found + [_means(first, second, column, seed, confidence) for column in figures]


def _means(first: Evaluated, second: Evaluated, column: columns.Column, seed: int, confidence: float) -> Pair:
    one, two, people = column.of(first), column.of(second), _patients(first, column.keys)
    both = ~(np.isnan(one) | np.isnan(two))
    result = model_difference.of_means(
        one[both], two[both], people[both], seed, confidence, column.is_share, not column.is_share
    )
    if left := int((~both).sum()):
        note = (
            f"{left} of {both.size} are left out, since one of the runs has no value: see the other figures for them."
        )
        result = dataclasses.replace(result, note=" ".join(filter(None, [note, result.note])))
    names = first.name, second.name
    return Pair(
        column.name, column.title, *names, int(both.sum()), len(set(people[both].tolist())), result,
        higher_is_better=column.higher_is_better,
    )  # fmt: skip


def _areas(first: Evaluated, second: Evaluated, keys: Sequence[Key], confidence: float) -> Pair:
    """Compares the areas under two ROC curves."""
    outcomes = np.array([int(first.rows[key]["outcome"]) for key in keys])
    scores = [np.array([wording.as_number(run.rows[key].get("risk")) for key in keys]) for run in (first, second)]
    people = _patients(first, keys)
    one, two = (auc.area(values, outcomes, confidence, patients=people) for values in scores)
    gap = auc.difference(scores[0], scores[1], outcomes, confidence, people)
    result = model_difference.Difference(one, two, gap, gap.p, _TESTS.get(gap.method, ""), gap.note)
    about = "auc", "area under the ROC curve", first.name, second.name
    return Pair(*about, len(keys), len(set(people.tolist())), result, higher_is_better=True)


def _patients(run: Evaluated, keys: Sequence[Key]) -> Any:
    return np.array([run.rows[key].get("patient") or key[0] for key in keys], object).astype(str)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cell(value: float) -> str | None:
    return None if math.isnan(value) else f"{value:.6g}"
