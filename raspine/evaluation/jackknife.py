"""Intervals from leaving out one patient at a time, with all films of that patient.

Films of one patient resemble each other, and formulas for independent pairs then promise too narrow intervals. Leaving
out whole patients needs no model of that resemblance (Linnet, Estimation of the linear relationship between the
measurements of two methods with proportional errors, Statistics in Medicine 9, 1990, for single pairs).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from raspine.evaluation.estimate import Interval

Array = NDArray[np.float64]

FEWEST = 3


def standard_error(left_out: Array) -> float:
    """Returns the jackknife standard error, which is that of the mean of the pseudo-values.

    Args:
      left_out: float64 [patient], the statistic without each of them.
    """
    count = len(left_out)
    return float(np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum()))


def interval(value: float, left_out: Array, freedom: int, confidence: float) -> Interval:
    """Returns value and t times the standard error to either side.

    Args:
      value: the statistic of all patients.
      left_out: float64 [patient], the statistic without each of them.
      freedom: degrees of freedom of t.
      confidence: 0..1.
    """
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * standard_error(left_out)
    return value - half, value + half


def correlation_interval(value: float, left_out: Array, confidence: float) -> tuple[Interval | None, str]:
    """Returns the interval of a correlation on Fisher's z, t with patients - 1 degrees of freedom.

    Args:
      value: -1..1, from all patients.
      left_out: float64 [patient], without each of them; NaN where undefined.
      confidence: 0..1.

    Returns:
      The interval and how it was made, or None and why there is none.
    """
    if len(left_out) < FEWEST:
        return None, f"an interval that respects patients needs {FEWEST} of them; there are {len(left_out)}."
    if not (np.abs(np.append(left_out, value)) < 1 - 1e-14).all():
        return None, "without one of the patients the statistic is undefined or exactly 1, so it has no interval."
    low, high = interval(float(np.arctanh(value)), np.arctanh(left_out), len(left_out) - 1, confidence)
    method = f"jackknife over patients on Fisher's z, t with {len(left_out) - 1} degrees of freedom"
    return (float(np.tanh(low)), float(np.tanh(high))), method
