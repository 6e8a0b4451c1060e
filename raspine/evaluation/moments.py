"""Sums of squares and products of paired values, of all films and without each patient in turn.

Pearson's r, Deming's line and the slope of a regression are functions of them; without a patient they are the whole's
sums less the patient's, so that leaving out each patient costs no loop.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from raspine.evaluation.paired import Paired

Array = NDArray[np.float64]

# A sum of squares or products below this share of the whole is what rounding left of 0.
NOTHING = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Means and centred sums of one or several samples.

    Attributes:
      x: float64 [sample], mean of the second rater's values, the horizontal axis.
      y: float64 [sample], mean of the first rater's values.
      xx: float64 [sample], sum of squares about the mean; 0 without variance.
      yy: float64 [sample], the same of y.
      xy: float64 [sample], sum of products about the means.
    """

    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array


def of_all(pairs: Paired) -> Moments:
    """Returns the moments of all pairs, arrays of one sample."""
    x, y = pairs.second.mean(keepdims=True), pairs.first.mean(keepdims=True)
    dx, dy = pairs.second - x, pairs.first - y
    xx, yy, xy = ((one * two).sum(keepdims=True) for one, two in ((dx, dx), (dy, dy), (dx, dy)))
    return Moments(x, y, xx, yy, _without_rounding(xy, np.sqrt(xx * yy)))


def without_each_patient(pairs: Paired) -> Moments:
    """Returns the moments without each patient in turn, float64 [patient]; NaN when nobody else is left."""
    centre_x, centre_y = pairs.second.mean(), pairs.first.mean()
    dx, dy = pairs.second - centre_x, pairs.first - centre_y
    n, sx, sy, sxx, syy, sxy = (
        terms.sum() - np.bincount(pairs.groups, terms)
        for terms in (np.ones_like(dx), dx, dy, dx * dx, dy * dy, dx * dy)
    )
    n = np.where(n > 0, n, np.nan)
    xx, yy = sxx - sx * sx / n, syy - sy * sy / n
    whole_x, whole_y = (dx * dx).sum(), (dy * dy).sum()
    xx, yy = _without_rounding(xx, whole_x), _without_rounding(yy, whole_y)
    xy = _without_rounding(sxy - sx * sy / n, np.sqrt(whole_x * whole_y))
    return Moments(centre_x + sx / n, centre_y + sy / n, xx, yy, xy)


def _without_rounding(sums: Array, whole: Array) -> Array:
    return np.where(np.abs(sums) <= NOTHING * whole, 0.0, sums)
