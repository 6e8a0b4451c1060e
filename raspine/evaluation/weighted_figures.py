"""Figures of weighted rows, many sets of weights at once: what a bootstrap needs of a classifier.

Each function here returns a function of weights, float [set, row], for `resampling.weighted`.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import scored

Floats = NDArray[np.float64]
Figure = Callable[[Floats], Floats]
OfCells = Callable[[Floats, Floats, Floats, Floats], Floats]


def auc(scores: ArrayLike, outcomes: ArrayLike) -> Figure:
    """Returns the function of weights that gives the area under the ROC curve; ties count half.

    NaN where a class has no weight.

    Args:
      scores: float [row], higher for more risk.
      outcomes: int [row], 1 positive, 0 negative.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-np.inf))
    is_positive = positive[order]

    def of(weights: Floats) -> Floats:
        ranked = weights[:, order]
        above = np.add.reduceat(ranked * is_positive, starts, axis=1)
        below = np.add.reduceat(ranked * ~is_positive, starts, axis=1)
        beaten = np.cumsum(below, axis=1) - below / 2
        return ratio((above * beaten).sum(axis=1), above.sum(axis=1) * below.sum(axis=1))

    return of


def of_decisions(called: ArrayLike, outcomes: ArrayLike, figure: OfCells) -> Figure:
    """Returns the function of weights that gives a figure of the four cells, `f1` for example.

    Args:
      called: int [row], 1 called positive, 0 called negative.
      outcomes: int [row], 1 positive, 0 negative.
      figure: takes tp, fn, fp, tn, each float [set].

    Raises:
      ScoresError: calls and outcomes do not fit.
    """
    calls, positive = scored.checked(called, outcomes)
    yes = calls.astype(bool)
    cells = np.stack([positive & yes, positive & ~yes, ~positive & yes, ~positive & ~yes], axis=1).astype(np.float64)

    def of(weights: Floats) -> Floats:
        tp, fn, fp, tn = (weights @ cells).T
        return figure(tp, fn, fp, tn)

    return of


def f1(tp: Floats, fn: Floats, fp: Floats, tn: Floats) -> Floats:
    """Returns F1 of the positive class; NaN where nothing is positive and nothing was called so."""
    return ratio(2 * tp, 2 * tp + fp + fn)


def balanced_accuracy(tp: Floats, fn: Floats, fp: Floats, tn: Floats) -> Floats:
    """Returns the mean of sensitivity and specificity; NaN where a class is empty."""
    return (ratio(tp, tp + fn) + ratio(tn, tn + fp)) / 2


def mcc(tp: Floats, fn: Floats, fp: Floats, tn: Floats) -> Floats:
    """Returns Matthews' correlation of decision and outcome; NaN where either is always the same."""
    return ratio(tp * tn - fp * fn, np.sqrt((tp + fn) * (tp + fp) * (tn + fn) * (tn + fp)))


def kappa(tp: Floats, fn: Floats, fp: Floats, tn: Floats) -> Floats:
    """Returns Cohen's kappa; NaN where agreement by chance is certain."""
    n = tp + fn + fp + tn
    chance = (tp + fn) * (tp + fp) + (tn + fp) * (tn + fn)
    return ratio(n * (tp + tn) - chance, n * n - chance)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Returns part / whole, NaN where there is no whole."""
    return np.divide(part, whole, out=np.full(np.shape(whole), math.nan), where=whole > 0)
