"""Area under the ROC curve with DeLong's interval, and the difference of two areas on the same patients.

DeLong, DeLong, Clarke-Pearson, Comparing the areas under two or more correlated receiver operating characteristic
curves, Biometrics 44 (1988); in O(n log n) through midranks after Sun and Xu, IEEE Signal Processing Letters 21 (2014).
"""

import dataclasses
import math
import statistics

import numpy as np
from numpy.typing import ArrayLike

from raspine.evaluation import scored
from raspine.evaluation.intervals import Interval, normal_quantile

# Rounding leaves about 1e-32; one swapped pair among 100,000 patients of each class gives 1e-20.
_ROUNDING = 1e-24
_TOO_FEW = "DeLong's variance needs two positive and two negative patients"


@dataclasses.dataclass(frozen=True)
class Area:
    """An area under the ROC curve.

    Attributes:
      value: 0..1; None without positive or without negative patients.
      interval: its ends, within 0..1; None when there is no area.
      standard_error: DeLong's; None where it cannot be estimated.
      method: `delong`, `newcombe` or empty.
      note: why something is missing or another method was used; empty otherwise.
    """

    value: float | None
    interval: Interval | None
    standard_error: float | None
    method: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Difference:
    """The first area minus the second, on the same patients.

    Attributes:
      value: -1..1; None without positive or without negative patients.
      interval: its ends, within -1..1; None where the variance cannot be estimated.
      p: two-sided, of no difference; None where the variance cannot be estimated.
      note: why something is missing; empty otherwise.
    """

    value: float | None
    interval: Interval | None
    p: float | None
    note: str = ""


def area(scores: ArrayLike, outcomes: ArrayLike, confidence: float = 0.95) -> Area:
    """Returns the area under the ROC curve (ties count half) with its interval.

    The interval is DeLong's, clipped to 0..1. Where DeLong's variance is zero (perfect separation) or cannot be
    estimated (a single positive or negative patient) it is Newcombe's pseudo-score interval instead (method 5 in
    Statistics in Medicine 25 (2006) 559-573). With few positives and a high area DeLong's interval is too narrow: of
    normal scores with 6 positive and 40 negative patients and area 0.96 it holds the truth in 85 % of samples, with 12
    and 55 and area 0.80 in 91 %.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.
      confidence: 0..1.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    z = normal_quantile(confidence)
    missing = _missing_class(positive)
    if missing:
        return Area(None, None, None, "", missing)
    placements = _placements(numbers, positive)
    value, variance = float(placements[0].mean()), _variance(placements)
    if variance > _ROUNDING:
        error = math.sqrt(variance)
        return Area(value, (max(0.0, value - z * error), min(1.0, value + z * error)), error, "delong")
    interval = _newcombe(value, int(positive.sum()), int((~positive).sum()), z)
    if math.isnan(variance):
        return Area(value, interval, None, "newcombe", f"{_TOO_FEW}: interval of the AUC by Newcombe's method 5.")
    return Area(
        value, interval, 0.0, "newcombe", "DeLong's variance is zero: interval of the AUC by Newcombe's method 5."
    )


def difference(first: ArrayLike, second: ArrayLike, outcomes: ArrayLike, confidence: float = 0.95) -> Difference:
    """Returns how much the first score's area exceeds the second's, by DeLong's paired comparison.

    Args:
      first: float [patient], higher for more risk.
      second: float [patient], of the same patients in the same order.
      outcomes: int [patient], 1 positive, 0 negative.
      confidence: 0..1.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    one, positive = scored.checked(first, outcomes)
    two, _ = scored.checked(second, outcomes)
    z = normal_quantile(confidence)
    missing = _missing_class(positive)
    if missing:
        return Difference(None, None, None, missing)
    pairs = zip(_placements(one, positive), _placements(two, positive), strict=True)
    of_positive, of_negative = (here - there for here, there in pairs)
    gap, variance = float(of_positive.mean()), _variance((of_positive, of_negative))
    if math.isnan(variance):
        return Difference(gap, None, None, f"{_TOO_FEW}: no interval of the difference.")
    if variance <= _ROUNDING:
        if abs(gap) < 1e-12:
            return Difference(0.0, (0.0, 0.0), 1.0, "both scores rank the patients alike.")
        return Difference(gap, None, None, "DeLong's variance of the difference is zero: no interval.")
    error = math.sqrt(variance)
    p = 2 * statistics.NormalDist().cdf(-abs(gap) / error)
    return Difference(gap, (max(-1.0, gap - z * error), min(1.0, gap + z * error)), p)


def _missing_class(positive: scored.Outcomes) -> str:
    if positive.all() or not positive.any():
        only = "positive" if positive.any() else "negative"
        return f"no ROC curve: all {positive.size} outcomes are {only}."
    return ""


def _placements(scores: scored.Scores, positive: scored.Outcomes) -> tuple[scored.Scores, scored.Scores]:
    """Returns the share of negatives below each positive, and of positives above each negative; ties count half."""
    ranks = _midranks(scores)
    below = (ranks[positive] - _midranks(scores[positive])) / (~positive).sum()
    above = 1 - (ranks[~positive] - _midranks(scores[~positive])) / positive.sum()
    return below, above


def _midranks(values: scored.Scores) -> scored.Scores:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _variance(placements: tuple[scored.Scores, scored.Scores]) -> float:
    """Returns DeLong's variance of the mean placement; NaN when a class has a single patient."""
    if min(part.size for part in placements) < 2:
        return math.nan
    return float(sum(np.var(part, ddof=1) / part.size for part in placements))


def _newcombe(value: float, positives: int, negatives: int, z: float) -> Interval:
    """Returns where |theta - value| = z * sqrt(variance(theta)) on either side of the value, by bisection."""
    more = (positives + negatives) / 2 - 1

    def inside(theta: float) -> bool:
        spread = 1 + more * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (theta - value) ** 2 <= z * z * theta * (1 - theta) * spread / (positives * negatives)

    def end(outside: float) -> float:
        within = value
        for _ in range(60):
            middle = (within + outside) / 2
            within, outside = (middle, outside) if inside(middle) else (within, middle)
        return within

    return (end(0.0) if value > 0 else 0.0), (end(1.0) if value < 1 else 1.0)
