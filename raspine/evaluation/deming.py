"""Deming regression: the line between two raters who both err.

Least squares takes the horizontal values as free of error and so finds too flat a line between two raters; Deming's
weighs both errors. Linnet, Evaluation of regression procedures for methods comparison studies, Clinical Chemistry 39
(1993); intervals by the jackknife, as there.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import jackknife, moments
from raspine.evaluation.estimate import Estimate, undefined
from raspine.evaluation.intervals import normal_quantile
from raspine.evaluation.moments import Moments
from raspine.evaluation.paired import ROUNDING, Paired, complete, is_constant, there_are

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Line:
    """first = intercept + slope * second.

    Attributes:
      slope: 1 when the raters differ by no more than a shift.
      intercept: in the unit of the values.
      ratio: variance of the first rater's errors over that of the second's.
    """

    slope: Estimate
    intercept: Estimate
    ratio: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {"slope": self.slope.to_dict(), "intercept": self.intercept.to_dict(), "ratio": self.ratio}


def fit(
    first: ArrayLike,
    second: ArrayLike,
    ratio: float = 1.0,
    confidence: float = 0.95,
    patients: Sequence[str] | None = None,
) -> Line:
    """Returns the line with intervals by leaving out each pair, or each patient where patients repeat.

    t has as many degrees of freedom as there are pairs (patients) less the two parameters.

    Args:
      first: float [film], the vertical axis, NaN where missing.
      second: float [film], the horizontal axis, NaN where missing.
      ratio: variance of the first rater's errors over that of the second's.
      confidence: 0..1.
      patients: pseudonym of each film's patient; None: every film its own.

    Raises:
      ValueError: lengths differ, a value is infinite, a film has no patient, or ratio or confidence is out of bounds.
    """
    normal_quantile(confidence)  # Raises for a confidence out of bounds.
    if not 0 < ratio < np.inf:
        raise ValueError(f"the ratio of the errors' variances is above 0. Received: {ratio}.")
    pairs = complete(first, second, patients)
    reason = _reason(pairs)
    if not reason:
        slope, intercept = _line(moments.of_all(pairs), ratio)
        reason = (
            ""
            if np.isfinite(slope[0])
            else "the values spread without direction, or straight upwards: there is no line."
        )
    if reason:
        return Line(undefined(reason, pairs.n), undefined(reason, pairs.n), ratio)
    left = _line(moments.without_each_patient(pairs), ratio)
    return Line(
        _estimate(float(slope[0]), left[0], pairs, confidence),
        _estimate(float(intercept[0]), left[1], pairs, confidence),
        ratio,
    )


def _reason(pairs: Paired) -> str:
    if pairs.n < 2:
        return f"a line needs 2 pairs; {there_are(pairs.n)}."
    return (
        "the values of a rater do not vary: there is no line."
        if is_constant(pairs.first) or is_constant(pairs.second)
        else ""
    )


def _line(sums: Moments, ratio: float) -> tuple[Array, Array]:
    """Slopes and intercepts, float64 [sample]; NaN where a sample has no direction or points straight upwards."""
    tilt, across = sums.yy - ratio * sums.xx, 2 * np.sqrt(ratio) * sums.xy
    tilt = np.where(np.abs(tilt) <= moments.NOTHING * (sums.yy + ratio * sums.xx), 0.0, tilt)
    length = np.hypot(tilt, across)
    # Of the two equal forms, the one that adds instead of cancelling.
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(tilt > 0, (tilt + length) / (2 * sums.xy), 2 * ratio * sums.xy / (length - tilt))
    slope = np.where(np.isfinite(slope), slope, np.nan)
    return slope, sums.y - slope * sums.x


def _estimate(value: float, left_out: Array, pairs: Paired, confidence: float) -> Estimate:
    what, count = ("patients" if pairs.repeats else "pairs"), len(left_out)
    if count < jackknife.FEWEST:
        note = f"an interval needs {jackknife.FEWEST} {what}; {there_are(count)}."
        return Estimate(value, n=pairs.n, note=note)
    if not np.isfinite(left_out).all():
        return Estimate(value, n=pairs.n, note=f"when one of the {what} is left out, there is no line: no interval.")
    if jackknife.standard_error(left_out) <= ROUNDING * max(abs(value), pairs.scale):
        note = f"the line stays the same whichever of the {what} is left out, as when all lie on the line: no interval."
        return Estimate(value, n=pairs.n, note=note)
    method = f"jackknife over {what}, t with {count - 2} degrees of freedom"
    return Estimate(value, jackknife.interval(value, left_out, count - 2, confidence), pairs.n, method)
