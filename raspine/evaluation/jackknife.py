"""Intervals from leaving out one patient at a time, with all films of that patient.

Films of one patient resemble each other, and formulas for independent pairs then promise too narrow intervals. Leaving
out whole patients needs no model of that resemblance (Linnet, Estimation of the linear relationship between the
measurements of two methods with proportional errors, Statistics in Medicine 9, 1990, for single pairs).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from raspine.evaluation.estimate import Estimate, Interval
from raspine.evaluation.paired import there_are

Array = NDArray[np.float64]

FEWEST = 3

# Closer to 1 or -1 a correlation is what rounding left of it.
_NEAREST = 1e-9
# A smaller standard error is that of a statistic that does not change with who is left out.
NO_ERROR = 1e-12
UNMOVED = "the result stays the same whichever patient is left out, which says nothing about its error: no interval."


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


def too_few(patients: int) -> str:
    """Returns the note of a result that too few patients leave without interval."""
    return f"an interval that allows for several films of a patient needs {FEWEST} patients; {there_are(patients)}."


def correlation(value: float, left_out: Array, n: int, confidence: float) -> Estimate:
    """Returns a correlation with its interval on Fisher's z, t with patients - 1 degrees of freedom, or with a reason.

    Args:
      value: -1..1, from all patients.
      left_out: float64 [patient], without each of them; NaN where undefined.
      n: films.
      confidence: 0..1.
    """
    if len(left_out) < FEWEST:
        return Estimate(value, n=n, note=too_few(len(left_out)))
    if not (np.abs(np.append(left_out, value)) < 1 - _NEAREST).all():
        note = (
            "when one of the patients is left out, the result is undefined or exactly 1 or -1, "
            "as with only 2 films left: no interval."
        )
        return Estimate(value, n=n, note=note)
    scores = np.arctanh(left_out)
    if standard_error(scores) <= NO_ERROR:
        return Estimate(value, n=n, note=UNMOVED)
    low, high = interval(float(np.arctanh(value)), scores, len(left_out) - 1, confidence)
    method = f"jackknife over patients on Fisher's z, t with {len(left_out) - 1} degrees of freedom"
    return Estimate(value, (float(np.tanh(low)), float(np.tanh(high))), n, method)
