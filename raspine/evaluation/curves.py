"""Points of the ROC and of the precision-recall curve."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics

from raspine.evaluation import scored


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


def average_precision(scores: ArrayLike, outcomes: ArrayLike) -> float | None:
    """Returns the mean precision weighted by the steps of recall; None without positive patients.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    return float(metrics.average_precision_score(positive, numbers)) if positive.any() else None
