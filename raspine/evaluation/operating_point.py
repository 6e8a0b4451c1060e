"""The threshold of a risk, chosen on validation data; a score equal to the threshold is called positive.

A threshold lies halfway between two neighbouring scores, so that it depends on no last digit. When everything is to be
called positive it is the lowest score.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import scored

_ADVICE = "Give the split more patients, stratify it by outcome, or name a threshold or the run to take it from."


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """A chosen threshold and what it does to the patients it was chosen on.

    Attributes:
      threshold: positive from here up.
      rule: how it was chosen, for people.
      n: patients it was chosen on.
      positives: those with a positive outcome.
      sensitivity: on these patients.
      specificity: on these patients; NaN without negative ones.
    """

    threshold: float
    rule: str
    n: int
    positives: int
    sensitivity: float
    specificity: float

    def __str__(self) -> str:
        return f"{self.rule}, {self.n} patients ({self.positives} positive)"


def youden(scores: ArrayLike, outcomes: ArrayLike) -> OperatingPoint:
    """Returns the threshold of the largest sensitivity + specificity; of equal ones the most sensitive.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.

    Raises:
      ScoresError: scores and outcomes do not fit, or one class is missing.
    """
    numbers, positive = scored.checked(scores, outcomes)
    if positive.all() or not positive.any():
        missing = "negative" if positive.any() else "positive"
        raise scored.ScoresError(
            f"Youden's threshold needs both outcomes. Received: {positive.size} patients, none {missing}. {_ADVICE}"
        )
    levels, tp, fp = _called(numbers, positive)
    # Counts, not shares: equal indices compare equal.
    index = tp * int((~positive).sum()) - fp * int(positive.sum())
    return _point(int(np.argmax(index)), levels, tp, fp, positive, "Youden's index")


def at_sensitivity(scores: ArrayLike, outcomes: ArrayLike, wanted: float) -> OperatingPoint:
    """Returns the highest threshold whose sensitivity is at least the wanted one.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.
      wanted: sensitivity above 0, up to 1.

    Raises:
      ScoresError: scores and outcomes do not fit, no outcome is positive, or the wanted sensitivity is not in reach.
    """
    numbers, positive = scored.checked(scores, outcomes)
    if not 0 < wanted <= 1:
        raise scored.ScoresError(f"a wanted sensitivity lies above 0 and up to 1. Received: {wanted}.")
    if not positive.any():
        raise scored.ScoresError(
            f"a wanted sensitivity needs positive patients. Received: {positive.size}, none positive. {_ADVICE}"
        )
    levels, tp, fp = _called(numbers, positive)
    enough = np.flatnonzero(tp >= wanted * positive.sum() - 1e-9)
    return _point(int(enough[-1]), levels, tp, fp, positive, f"sensitivity at least {wanted:g}")


def choose(scores: ArrayLike, outcomes: ArrayLike, sensitivity: float | None = None) -> OperatingPoint:
    """Returns the threshold for a wanted sensitivity, or Youden's when none is wanted.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.
      sensitivity: above 0, up to 1; None for Youden's index.

    Raises:
      ScoresError: see the two rules.
    """
    return youden(scores, outcomes) if sensitivity is None else at_sensitivity(scores, outcomes, sensitivity)


def _called(
    scores: scored.Scores, positive: scored.Outcomes
) -> tuple[scored.Scores, NDArray[np.intp], NDArray[np.intp]]:
    """Returns the distinct scores, and true and false positives when each is the lowest called positive."""
    levels, place = np.unique(scores, return_inverse=True)
    tp, fp = (np.bincount(place[rows], minlength=levels.size)[::-1].cumsum()[::-1] for rows in (positive, ~positive))
    return levels, tp, fp


def _point(
    lowest: int,
    levels: scored.Scores,
    tp: NDArray[np.intp],
    fp: NDArray[np.intp],
    positive: scored.Outcomes,
    rule: str,
) -> OperatingPoint:
    positives = int(positive.sum())
    negatives = positive.size - positives
    return OperatingPoint(
        threshold=_below(levels, lowest),
        rule=rule,
        n=positive.size,
        positives=positives,
        sensitivity=float(tp[lowest] / positives),
        specificity=float(1 - fp[lowest] / negatives) if negatives else math.nan,
    )


def _below(levels: scored.Scores, lowest: int) -> float:
    upper = float(levels[lowest])
    if lowest == 0:
        return upper
    lower = float(levels[lowest - 1])
    middle = lower / 2 + upper / 2
    # Between neighbouring floats there is no middle, and rounding to the lower one would call it positive.
    return middle if lower < middle <= upper else upper
