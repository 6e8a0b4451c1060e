"""Limits of agreement: within which bounds two raters' differences lie, and how sure that is.

Differences are first minus second. The limits are their mean and 1.96 standard deviations to either side: Bland and
Altman, Statistical methods for assessing agreement between two methods of clinical measurement, Lancet 327 (1986).

The interval of a limit is exact for normal differences by default. A limit is a percentile of the normal distribution,
whose exact interval comes from the noncentral t: Carkeet, Exact parametric confidence intervals for Bland-Altman limits
of agreement, Optometry and Vision Science 92 (2015), limits taken one at a time; Shieh, The appropriateness of
Bland-Altman's approximate confidence intervals for limits of agreement, BMC Medical Research Methodology 18 (2018). The
well-known approximation (Bland and Altman, Measuring agreement in method comparison studies, Statistical Methods in
Medical Research 8, 1999) is symmetric, so its outer end is too near for small samples; it is there for comparison.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from raspine.evaluation import jackknife, moments
from raspine.evaluation.estimate import UNDEFINED, Estimate, Interval, undefined
from raspine.evaluation.intervals import normal_quantile
from raspine.evaluation.moments import Moments
from raspine.evaluation.paired import Paired, complete, is_constant, there_are

Array = NDArray[np.float64]

COVERAGE = 0.95


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bias and limits of agreement, in the unit of the values.

    Attributes:
      bias: mean difference.
      sd: standard deviation of a single difference.
      lower_limit: bias less 1.96 sd.
      upper_limit: bias and 1.96 sd.
    """

    bias: Estimate
    sd: Estimate
    lower_limit: Estimate
    upper_limit: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values, by the names of the attributes."""
        return {field.name: getattr(self, field.name).to_dict() for field in dataclasses.fields(Limits)}


def assemble(values: Sequence[float], spans: Sequence[Interval], methods: Sequence[str], n: int) -> Limits:
    """Joins bias, deviation, lower and upper limit, in this order, with their intervals and how those were made."""
    parts = zip(values, spans, methods, strict=True)
    return Limits(*[Estimate(value, span, n, method) for value, span, method in parts])


def without_spread(bias: float, n: int) -> Limits:
    """Returns the limits of differences that are all equal: known without error, as far as these data can say."""
    note = "the differences are all equal: there is no spread to make an interval from."
    return Limits(*[Estimate(value, n=n, note=note) for value in (bias, 0.0, bias, bias)])


def limits(
    first: ArrayLike,
    second: ArrayLike,
    confidence: float = 0.95,
    coverage: float = COVERAGE,
    intervals: Literal["exact", "approximate"] = "exact",
) -> Limits:
    """Returns limits of agreement of independent pairs.

    Bias with Student's t, deviation with chi-squared, limits as the module says.

    Args:
      first: float [film], NaN where missing.
      second: float [film], NaN where missing.
      confidence: 0..1, of the intervals.
      coverage: 0..1, share of differences between the limits.
      intervals: of the limits: `exact` (Carkeet 2015) or `approximate` (Bland and Altman 1999).

    Raises:
      ValueError: lengths differ, a value is infinite, a share is out of bounds, or `intervals` is something else.
    """
    normal_quantile(confidence)  # Raises for a confidence out of bounds.
    z, pairs = normal_quantile(coverage), complete(first, second)
    if intervals not in ("exact", "approximate"):
        raise ValueError(f"intervals are 'exact' or 'approximate'. Received: {intervals!r}.")
    if pairs.n < 2:
        return _too_few(pairs)
    bias, sd = float(pairs.differences.mean()), float(pairs.differences.std(ddof=1))
    values = bias, sd, bias - z * sd, bias + z * sd
    if sd == 0 or is_constant(pairs.differences, pairs.scale):
        return without_spread(bias, pairs.n)
    near, far = _exact(pairs.n, z, confidence) if intervals == "exact" else _approximate(pairs.n, z, confidence)
    t = float(stats.t.ppf((1 + confidence) / 2, pairs.n - 1)) / math.sqrt(pairs.n)
    spans = (
        (bias - t * sd, bias + t * sd), _chi_squared(sd, pairs.n - 1, confidence),
        (bias - far * sd, bias - near * sd), (bias + near * sd, bias + far * sd),
    )  # fmt: skip
    limit = "noncentral t (Carkeet 2015)" if intervals == "exact" else "t (Bland and Altman 1999)"
    return assemble(values, spans, ("t", "chi-squared", limit, limit), pairs.n)


def slope(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, patients: Sequence[str] | None = None
) -> Estimate:
    """Returns the slope of the difference over the mean of both raters; 0 when the bias does not grow with size.

    Bland and Altman 1999, section 3.2. The interval is that of least squares; where patients repeat, a jackknife over
    patients, t with patients - 2 degrees of freedom.

    Args:
      first: float [film], NaN where missing.
      second: float [film], NaN where missing.
      confidence: 0..1.
      patients: pseudonym of each film's patient; None: every film its own.

    Raises:
      ValueError: lengths differ, a value is infinite, a film has no patient, or the confidence is out of bounds.
    """
    normal_quantile(confidence)  # Raises for a confidence out of bounds.
    pairs = complete(first, second, patients)
    if pairs.n < 2:
        return undefined(f"a slope needs 2 pairs; {there_are(pairs.n)}.", pairs.n)
    means = (pairs.first + pairs.second) / 2
    if is_constant(means, pairs.scale):
        return undefined("the means of the two raters do not vary from film to film: there is no slope.", pairs.n)
    line = stats.linregress(means, pairs.differences)
    if pairs.n < 3:
        return Estimate(float(line.slope), n=pairs.n, note=f"an interval needs 3 pairs; {there_are(pairs.n)}.")
    residual = pairs.differences - line.intercept - line.slope * means
    if is_constant(residual, pairs.scale):
        note = "the differences lie exactly on a line: there is no scatter to make an interval from."
        return Estimate(float(line.slope), n=pairs.n, note=note)
    if pairs.repeats:
        return _clustered_slope(float(line.slope), pairs, confidence)
    half = float(stats.t.ppf((1 + confidence) / 2, pairs.n - 2) * line.stderr)
    return Estimate(float(line.slope), (float(line.slope) - half, float(line.slope) + half), pairs.n, "t")


def _too_few(pairs: Paired) -> Limits:
    note = f"limits of agreement need 2 pairs; {there_are(pairs.n)}."
    missing = undefined(note, pairs.n)
    bias = Estimate(float(pairs.differences[0]), UNDEFINED, 1, note=note) if pairs.n else missing
    return Limits(bias, missing, missing, missing)


def _exact(n: int, z: float, confidence: float) -> Interval:
    """How many standard deviations the ends of a limit's interval are from the bias, near and far one."""
    levels = [(1 - confidence) / 2, (1 + confidence) / 2]
    near, far = stats.nct.ppf(levels, n - 1, z * math.sqrt(n)) / math.sqrt(n)
    return float(near), float(far)


def _approximate(n: int, z: float, confidence: float) -> Interval:
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * math.sqrt(1 / n + z * z / (2 * (n - 1)))
    return z - half, z + half


def _chi_squared(sd: float, freedom: int, confidence: float) -> Interval:
    high, low = stats.chi2.ppf([(1 - confidence) / 2, (1 + confidence) / 2], freedom)
    return sd * math.sqrt(freedom / low), sd * math.sqrt(freedom / high)


def _clustered_slope(value: float, pairs: Paired, confidence: float) -> Estimate:
    left = _slopes(moments.without_each_patient(pairs))
    if len(left) < jackknife.FEWEST:
        return Estimate(value, n=pairs.n, note=jackknife.too_few(len(left)))
    if not np.isfinite(left).all():
        return Estimate(value, n=pairs.n, note="when one of the patients is left out, there is no slope: no interval.")
    if jackknife.standard_error(left) <= jackknife.NO_ERROR * max(1.0, abs(value)):
        return Estimate(value, n=pairs.n, note=jackknife.UNMOVED)
    method = f"jackknife over patients, t with {len(left) - 2} degrees of freedom"
    return Estimate(value, jackknife.interval(value, left, len(left) - 2, confidence), pairs.n, method)


def _slopes(sums: Moments) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * (sums.yy - sums.xx) / (sums.yy + sums.xx + 2 * sums.xy)
