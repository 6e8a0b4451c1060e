"""Points of the ROC and of the precision-recall curve, and the average precision."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from sklearn import metrics

from raspine.evaluation import intervals, scored, weighted_figures
from raspine.evaluation.estimate import Estimate, undefined


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """A curve over all thresholds.

    Attributes:
      x: float64 [point]: 1 - specificity, or recall.
      y: float64 [point]: sensitivity, or precision.
      thresholds: float64 [point]: positive from here up; infinite where nothing is called positive.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc(scores: ArrayLike, outcomes: ArrayLike) -> Curve | None:
    """Returns sensitivity over 1 - specificity; None without positive or without negative patients.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    if positive.all() or not positive.any():
        return None
    return Curve(*metrics.roc_curve(positive, numbers))


def precision_recall(scores: ArrayLike, outcomes: ArrayLike) -> Curve | None:
    """Returns precision (PPV) over recall (sensitivity), from recall 1 to 0; None without positive patients.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    if not positive.any():
        return None
    precision, recall, thresholds = metrics.precision_recall_curve(positive, numbers)
    return Curve(recall, precision, np.append(thresholds, np.inf))


def average_precision(scores: ArrayLike, outcomes: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Returns the mean precision weighted by the steps of recall, with an interval on the logit scale.

    Without negative patients every score has a precision of 1, which says nothing of the score: it is undefined there.

    The variance is that of a share of as many trials as there are positive patients: Boyd, Eng and Page, Area under the
    precision-recall curve: point estimates and confidence intervals, ECML PKDD (2013). At 1, which has no logit, the
    interval is Wilson's of the same share.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.
      confidence: 0..1.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    count, z = int(positive.sum()), intervals.normal_quantile(confidence)
    if not count:
        return undefined("undefined, no outcome is positive", positive.size)
    if positive.all():
        return undefined("undefined, no outcome is negative", positive.size)
    value = float(metrics.average_precision_score(positive, numbers))
    if 1 - value < 1e-12:
        note = "interval is Wilson's, since the usual one does not exist for an average precision of 1"
        return Estimate(1.0, intervals.wilson(count, count, confidence), positive.size, "wilson", note)
    half = z / np.sqrt(count * value * (1 - value))
    low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Estimate(value, (float(low), float(high)), positive.size, "logit")


def weighted_average_precision(scores: ArrayLike, outcomes: ArrayLike) -> weighted_figures.Figure:
    """Returns the function of weights, float [set, row], that gives the average precision of each set.

    NaN where no positive or no negative patient has weight.

    Args:
      scores: float [row], higher for more risk.
      outcomes: int [row], 1 positive, 0 negative.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    order = np.argsort(-numbers, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(numbers[order])), numbers.size - 1)
    is_positive = positive[order].astype(np.float64)

    def of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        ranked = weights[:, order]
        called, right = (np.cumsum(part, axis=1)[:, ends] for part in (ranked, ranked * is_positive))
        steps = np.diff(right, axis=1, prepend=0)
        area = (steps * right / np.where(called > 0, called, 1)).sum(axis=1)
        has_negatives = called[:, -1] > right[:, -1]
        return weighted_figures.ratio(area, np.where(has_negatives, right[:, -1], 0))

    return of
