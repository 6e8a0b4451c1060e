"""Area under the ROC curve with its interval, and the difference of two areas on the same patients.

DeLong, DeLong, Clarke-Pearson, Comparing the areas under two or more correlated receiver operating characteristic
curves, Biometrics 44 (1988); in O(n log n) through midranks after Sun and Xu, IEEE Signal Processing Letters 21 (2014).
Several studies of a patient: Obuchowski, Nonparametric analysis of clustered ROC curve data, Biometrics 53 (1997).
"""

import dataclasses
import math
import statistics

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from raspine.evaluation import clustered, scored
from raspine.evaluation.estimate import UNDEFINED, Estimate, Interval
from raspine.evaluation.intervals import normal_quantile

METHODS = ("delong_logit", "delong", "newcombe", "hanley_mcneil")

# Rounding leaves about 1e-32; one swapped pair among 100,000 patients of each class gives 1e-20.
_ROUNDING = 1e-24
_CLUSTERED = {"delong_logit": "obuchowski_logit", "delong": "obuchowski"}
_TOO_FEW = "the variance needs two patients with a positive and two with a negative outcome"
_ZERO = "the estimated variance is zero"

Placements = tuple[scored.Scores, scored.Scores]


@dataclasses.dataclass(frozen=True)
class Area(Estimate):
    """An area under the ROC curve, 0..1.

    Attributes:
      standard_error: DeLong's, or Obuchowski's of several rows a patient; NaN where it cannot be estimated.
    """

    standard_error: float = math.nan


@dataclasses.dataclass(frozen=True)
class Difference(Estimate):
    """The first area minus the second, on the same patients, -1..1.

    Attributes:
      p: two-sided, of no difference; NaN where the variance cannot be estimated.
    """

    p: float = math.nan


@dataclasses.dataclass(frozen=True, eq=False)
class _Case:
    """Checked outcomes, and the number of each row's patient."""

    positive: scored.Outcomes
    patients: NDArray[np.intp]

    @property
    def is_clustered(self) -> bool:
        return clustered.is_clustered(self.patients)

    @property
    def sizes(self) -> tuple[int, int]:
        """Patients with a positive, and patients with a negative row."""
        return np.unique(self.patients[self.positive]).size, np.unique(self.patients[~self.positive]).size

    @property
    def missing(self) -> str:
        reason = scored.one_class(self.positive)
        return reason and f"no ROC curve, {reason}"

    def quantile(self, confidence: float) -> float:
        """Returns the normal quantile; Student's, with one degree of freedom less than patients, of several rows."""
        if not self.is_clustered:
            return normal_quantile(confidence)
        return float(special.stdtrit(self.patients.max(), (1 + confidence) / 2))


def area(
    scores: ArrayLike,
    outcomes: ArrayLike,
    confidence: float = 0.95,
    method: str = "delong_logit",
    patients: ArrayLike | None = None,
) -> Area:
    """Returns the area under the ROC curve (ties count half) with its interval.

    `delong_logit` (recommended): DeLong's variance on the logit scale, so that the ends stay within 0..1 and the
    interval leans towards 1/2 (Pepe, The Statistical Evaluation of Medical Tests (2003), section 5.2). `delong`: the
    same variance on the plain scale, clipped; too narrow with few positives and a high area (`experiments.coverage`
    counts how often). `hanley_mcneil`: Hanley and McNeil's variance (Radiology 143 (1982)), clipped. `newcombe`:
    pseudo-score interval, method 5 in Newcombe, Statistics in Medicine 25 (2006) 559-573.

    When patients have several rows, DeLong's variance gives way to Obuchowski's (`obuchowski_logit`, `obuchowski`) and
    the normal quantile, too narrow with few patients, to Student's t with one degree of freedom less than patients.
    Where the variance is zero (perfect separation) or cannot be estimated (a single positive or negative patient) both
    give way to `newcombe`, counting patients. Newcombe's and Hanley and McNeil's intervals take rows as independent
    when they are asked for.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.
      confidence: 0..1.
      method: one of METHODS.
      patients: any [row], whom each row belongs to; None when each is another patient.

    Raises:
      ScoresError: scores, outcomes and patients do not fit.
      ValueError: the method is not known.
    """
    if method not in METHODS:
        raise ValueError(f"the interval of an AUC is one of {', '.join(METHODS)}. Received: {method}.")
    numbers, case = _checked(scores, outcomes, patients)
    normal_quantile(confidence)  # refuses what is no confidence, also where there is no interval
    if case.missing:
        return Area(math.nan, n=numbers.size, note=case.missing)
    placements = _placements(numbers, case.positive)
    value, variance = float(placements[0].mean()), _variance(placements, case)
    error = math.nan if math.isnan(variance) else math.sqrt(variance) if variance > _ROUNDING else 0.0
    interval, name, note = _interval(method, value, error, case, confidence)
    return Area(value, interval, numbers.size, name, note, error)


def difference(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    confidence: float = 0.95,
    patients: ArrayLike | None = None,
) -> Difference:
    """Returns how much the first score's area exceeds the second's, by DeLong's paired comparison.

    When patients have several rows the variance is Obuchowski's, and interval and p take Student's t with one degree of
    freedom less than patients. Scores that rank all alike have p 1 and no interval: [0, 0] would claim certainty.

    Args:
      first: float [patient], higher for more risk.
      second: float [patient], of the same patients in the same order.
      outcomes: int [patient], 1 positive, 0 negative.
      confidence: 0..1.
      patients: any [row], whom each row belongs to; None when each is another patient.

    Raises:
      ScoresError: scores, outcomes and patients do not fit.
    """
    one, case = _checked(first, outcomes, patients)
    two, _ = scored.checked(second, outcomes)
    normal_quantile(confidence)
    if case.missing:
        return Difference(math.nan, n=one.size, note=case.missing)
    pairs = zip(_placements(one, case.positive), _placements(two, case.positive), strict=True)
    of_positive, of_negative = (here - there for here, there in pairs)
    if np.array_equal(_midranks(one), _midranks(two)):
        return Difference(0.0, n=one.size, note="no interval, since both scores rank the patients alike", p=1.0)
    gap, variance = float(of_positive.mean()), _variance((of_positive, of_negative), case)
    if math.isnan(variance) or variance <= _ROUNDING:
        reason = _TOO_FEW if math.isnan(variance) else _ZERO
        return Difference(gap, n=one.size, note=f"no interval and no p of the difference, since {reason}")
    error = math.sqrt(variance)
    interval = _clipped(gap, case.quantile(confidence) * error, -1.0)
    if case.is_clustered:
        return Difference(gap, interval, one.size, "obuchowski", p=2 * _student(case, -abs(gap) / error))
    return Difference(gap, interval, one.size, "delong", p=2 * statistics.NormalDist().cdf(-abs(gap) / error))


def hanley_mcneil(value: float, positives: int, negatives: int, confidence: float = 0.95) -> Interval:
    """Returns the interval of a printed area, from nothing but the numbers of patients.

    Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982).

    Args:
      value: area, 0..1.
      positives: patients with a positive outcome, 1 or more.
      negatives: patients with a negative outcome, 1 or more.
      confidence: 0..1.

    Raises:
      ValueError: the area is not between 0 and 1, or a class is empty.
    """
    if not (0 <= value <= 1 and min(positives, negatives) >= 1):
        raise ValueError(
            f"an area lies between 0 and 1, of 1 patient or more in each class. Received: {value}, {positives}, "
            f"{negatives}."
        )
    above = (positives - 1) * (value / (2 - value) - value**2)
    below = (negatives - 1) * (2 * value**2 / (1 + value) - value**2)
    error = math.sqrt((value * (1 - value) + above + below) / (positives * negatives))
    return _clipped(value, normal_quantile(confidence) * error, 0.0)


def _checked(scores: ArrayLike, outcomes: ArrayLike, patients: ArrayLike | None) -> tuple[scored.Scores, _Case]:
    numbers, positive = scored.checked(scores, outcomes)
    return numbers, _Case(positive, scored.patient_codes(patients, numbers.size))


def _student(case: _Case, t: float) -> float:
    """Returns the chance of a value below t, degrees of freedom one less than patients."""
    return float(special.stdtr(case.patients.max(), t))


def _interval(method: str, value: float, error: float, case: _Case, confidence: float) -> tuple[Interval, str, str]:
    """Returns the interval, the name of its method, and why it is another than was asked for."""
    z = normal_quantile(confidence)
    rows = int(case.positive.sum()), int((~case.positive).sum())
    if method == "newcombe":
        return _newcombe(value, *rows, z), method, ""
    if method == "hanley_mcneil":
        if 0 < value < 1:
            return hanley_mcneil(value, *rows, confidence), method, ""
        return UNDEFINED, "", f"no interval, since {_ZERO}"
    if not error > 0:
        reason = _TOO_FEW if math.isnan(error) else _ZERO
        return _newcombe(value, *case.sizes, z), "newcombe", f"interval by Newcombe's method 5, since {reason}"
    name = _CLUSTERED[method] if case.is_clustered else method
    half = case.quantile(confidence) * error
    return (_clipped(value, half, 0.0) if method == "delong" else _on_logit_scale(value, half)), name, ""


def _clipped(value: float, half: float, bottom: float) -> Interval:
    return max(bottom, value - half), min(1.0, value + half)


def _on_logit_scale(value: float, half: float) -> Interval:
    middle, reach = special.logit(value), half / (value * (1 - value))
    return float(special.expit(middle - reach)), float(special.expit(middle + reach))


def _placements(scores: scored.Scores, positive: scored.Outcomes) -> Placements:
    """Returns the share of negatives below each positive, and of positives above each negative; ties count half."""
    ranks = _midranks(scores)
    below = (ranks[positive] - _midranks(scores[positive])) / (~positive).sum()
    above = 1 - (ranks[~positive] - _midranks(scores[~positive])) / positive.sum()
    return below, above


def _midranks(values: scored.Scores) -> scored.Scores:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _variance(placements: Placements, case: _Case) -> float:
    """Returns Obuchowski's variance of the mean placement, DeLong's when each row is another patient.

    NaN when only one patient has a positive, or only one a negative row.
    """
    with_positive, with_negative = case.sizes
    if min(with_positive, with_negative) < 2:
        return math.nan
    count = int(case.patients.max()) + 1
    # What each patient adds to the area: the sum of its centred placements.
    of_positive, of_negative = (
        np.bincount(case.patients[rows], part - part.mean(), minlength=count) / part.size
        for part, rows in zip(placements, (case.positive, ~case.positive), strict=True)
    )
    return float(
        _unbiased(with_positive) * (of_positive @ of_positive)
        + _unbiased(with_negative) * (of_negative @ of_negative)
        + 2 * _unbiased(count) * (of_positive @ of_negative)
    )


def _unbiased(count: int) -> float:
    return count / (count - 1)


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
