"""A figure over the folds of a cross-validation: its mean, and an interval that knows that the folds share patients."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from raspine.evaluation.estimate import UNDEFINED, Estimate, Interval, undefined
from raspine.evaluation.paired import check_size, is_constant

Bounds = tuple[float, float]
ANY: Bounds = (-math.inf, math.inf)
SHARE: Bounds = (0.0, 1.0)
METHOD = "corrected resampled t (Nadeau and Bengio 2003)"


def mean(figures: ArrayLike, test_to_train: float, bounds: Bounds = ANY, confidence: float = 0.95) -> Estimate:
    """Returns the mean over folds with the corrected resampled t interval.

    The training parts of two folds overlap, so the folds' figures are correlated and their variance over J folds says
    too little. Nadeau and Bengio (Inference for the generalization error, Machine Learning 52 (2003) 239-281) multiply
    it by 1 / J + n_test / n_train instead of 1 / J, with J - 1 degrees of freedom; Bouckaert and Frank (PAKDD 2004) do
    so with repeated cross-validation.

    Args:
      figures: float [fold]; NaN where a fold has none, which is left out.
      test_to_train: patients who test over patients who do not, in a fold.
      bounds: the values that the figure can have; the interval is cut there.
      confidence: 0..1.

    Raises:
      ValueError: a figure is infinite or beyond 1e60, or test_to_train or confidence is out of its range.
    """
    if not (test_to_train >= 0 and math.isfinite(test_to_train) and 0 < confidence < 1):
        raise ValueError(
            "test_to_train is a number from 0 and a confidence lies between 0 and 1. "
            f"Received: {test_to_train}, {confidence}."
        )
    known, folds = _known(figures)
    if not known.size:
        return undefined(f"none of {folds} folds has this figure." if folds > 1 else "no fold has this figure.")
    missing, reason = _missing(folds - known.size, folds), _reason(known)
    if reason:
        note = f"{missing} {reason[0].upper()}{reason[1:]}" if missing else reason
        return Estimate(float(known.mean()), UNDEFINED, known.size, "", note)
    error = math.sqrt((1 / known.size + test_to_train) * known.var(ddof=1))
    half = float(stats.t.ppf((1 + confidence) / 2, known.size - 1)) * error
    return Estimate(float(known.mean()), _cut(float(known.mean()), half, bounds), known.size, METHOD, missing)


def deviation(figures: ArrayLike) -> float:
    """Returns the sample deviation over folds; NaN with fewer than two figures.

    Args:
      figures: float [fold]; NaN where a fold has none.

    Raises:
      ValueError: a figure is infinite or beyond 1e60.
    """
    known, _ = _known(figures)
    return float(known.std(ddof=1)) if known.size > 1 else math.nan


def _known(figures: ArrayLike) -> tuple[np.ndarray, int]:
    """The figures of the folds that have one, and how many folds there are."""
    every = np.ravel(np.asarray(figures, np.float64))
    check_size(every, "the figures of folds are")
    return every[~np.isnan(every)], every.size


def _missing(count: int, folds: int) -> str:
    return f"{count} of {folds} folds {'does' if count == 1 else 'do'} not have this figure." if count else ""


def _reason(known: np.ndarray) -> str:
    if known.size < 2:
        return "no interval: only a single fold has this figure."
    return "no interval: all folds have the same figure." if is_constant(known) else ""


def _cut(centre: float, half: float, bounds: Bounds) -> Interval:
    return max(bounds[0], centre - half), min(bounds[1], centre + half)
