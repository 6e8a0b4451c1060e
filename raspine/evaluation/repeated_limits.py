"""Limits of agreement where patients have several films, and what is measured differs between those.

A single difference varies between patients and within one: Bland and Altman, Agreement between methods of measurement
with multiple observations per individual, Journal of Biopharmaceutical Statistics 17 (2007), true value varies; numbers
of films may be unequal. Intervals join those of the mean and of both variances (MOVER, method of variance estimates
recovery): Zou, Confidence interval estimation for the Bland-Altman limits of agreement with multiple observations per
individual, Statistical Methods in Medical Research 22 (2013).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from raspine.evaluation.bland_altman import COVERAGE, Limits, assemble, without_spread
from raspine.evaluation.estimate import Interval, undefined
from raspine.evaluation.intervals import normal_quantile
from raspine.evaluation.paired import Paired, complete, is_constant, there_are


@dataclasses.dataclass(frozen=True)
class RepeatedLimits(Limits):
    """Limits of agreement where patients have several films.

    Attributes:
      between_sd: standard deviation of the patients' mean differences; part of `sd`; NaN where undefined.
      within_sd: standard deviation of one patient's differences; the other part.
      n_patients: how many patients.
    """

    between_sd: float = math.nan
    within_sd: float = math.nan
    n_patients: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values, by the names of the attributes."""
        parts = {"between_sd": self.between_sd, "within_sd": self.within_sd}
        plain = {name: None if math.isnan(value) else value for name, value in parts.items()}
        return {**super().to_dict(), **plain, "n_patients": self.n_patients}


@dataclasses.dataclass(frozen=True)
class _Components:
    """One-way analysis of variance of differences by patient: variances; `m` stands for a patient's number of films."""

    bias: float
    between: float
    within: float
    mean_square: float
    m: float
    bias_variance: float
    patients: int
    films: int

    @property
    def total(self) -> float:
        return self.between + self.within

    @property
    def parts(self) -> tuple[tuple[float, int], ...]:
        """Independent variances whose sum estimates the total, with their degrees of freedom."""
        within = (1 - 1 / self.m) * self.within
        return (self.mean_square / self.m, self.patients - 1), (within, self.films - self.patients)


def limits(
    first: ArrayLike,
    second: ArrayLike,
    patients: Sequence[str],
    confidence: float = 0.95,
    coverage: float = COVERAGE,
) -> RepeatedLimits:
    """Returns limits of agreement with films nested in patients.

    Limits and deviation have intervals by MOVER, the bias by t with patients - 1 degrees of freedom.

    Args:
      first: float [film], NaN where missing.
      second: float [film], NaN where missing.
      patients: pseudonym of each film's patient.
      confidence: 0..1, of the intervals.
      coverage: 0..1, share of differences between the limits.

    Raises:
      ValueError: lengths differ, a value is infinite, a film has no patient, or a share is out of bounds.
    """
    z, z_confidence = normal_quantile(coverage), normal_quantile(confidence)
    pairs = complete(first, second, patients)
    if pairs.n_patients < 2 or not pairs.repeats:
        reason = _why_not(pairs)
        missing = Limits(*[undefined(reason, pairs.n)] * 4)
        return RepeatedLimits(**vars(missing), n_patients=pairs.n_patients)
    parts = _components(pairs)
    if parts.total == 0 or is_constant(pairs.differences, pairs.scale):
        same = without_spread(parts.bias, pairs.n)
        return RepeatedLimits(**vars(same), between_sd=0.0, within_sd=0.0, n_patients=parts.patients)
    sd = math.sqrt(parts.total)
    spread = variance_interval(parts.parts, parts.total, confidence)
    lower, upper = limit_intervals(parts.bias, parts.bias_variance, parts.total, spread, z_confidence, z)
    half = float(stats.t.ppf((1 + confidence) / 2, parts.patients - 1)) * math.sqrt(parts.bias_variance)
    whole = assemble(
        (parts.bias, sd, parts.bias - z * sd, parts.bias + z * sd),
        ((parts.bias - half, parts.bias + half), (math.sqrt(spread[0]), math.sqrt(spread[1])), lower, upper),
        (f"t with {parts.patients - 1} degrees of freedom, patients as clusters", *("MOVER (Zou 2013)",) * 3),
        pairs.n,
    )
    between, within = math.sqrt(parts.between), math.sqrt(parts.within)
    return RepeatedLimits(**vars(whole), between_sd=between, within_sd=within, n_patients=parts.patients)


def variance_interval(parts: Sequence[tuple[float, int]], total: float, confidence: float) -> Interval:
    """Returns the interval of a sum of independent variances, recovered from the chi-squared interval of each (MOVER).

    Zou 2013, after Graybill and Wang, Confidence intervals on nonnegative linear combinations of variances, JASA 75
    (1980).

    Args:
      parts: variance and degrees of freedom of each.
      total: their sum, or a better estimate of it.
      confidence: 0..1.
    """
    variances, freedoms = (np.array(column, np.float64) for column in zip(*parts, strict=True))
    level = (1 + confidence) / 2
    down = variances * (1 - freedoms / stats.chi2.ppf(level, freedoms))
    up = variances * (freedoms / stats.chi2.ppf(1 - level, freedoms) - 1)
    low, high = total - math.sqrt(float(down @ down)), total + math.sqrt(float(up @ up))
    return max(low, 0.0), high


def limit_intervals(
    bias: float, bias_variance: float, total: float, spread: Interval, z_confidence: float, z: float
) -> tuple[Interval, Interval]:
    """Returns the intervals of lower and upper limit, joined from those of bias and variance (MOVER, Zou 2013).

    Args:
      bias: mean difference.
      bias_variance: square of its standard error.
      total: variance of a single difference.
      spread: interval of that variance.
      z_confidence: normal quantile of the confidence, 1.96 for 0.95.
      z: normal quantile of the limits, 1.96 for 95 % of differences.
    """
    sd = math.sqrt(total)
    inner, outer = (math.hypot(z_confidence * math.sqrt(bias_variance), z * (sd - math.sqrt(end))) for end in spread)
    lower, upper = bias - z * sd, bias + z * sd
    return (lower - outer, lower + inner), (upper - inner, upper + outer)


def _why_not(pairs: Paired) -> str:
    if pairs.n_patients < 2:
        return f"how much patients differ can be told from 2 of them on; {there_are(pairs.n_patients)}."
    return "no patient has more than one film: read the limits of agreement that take films as independent."


def _components(pairs: Paired) -> _Components:
    differences, films, patients = pairs.differences, pairs.n, pairs.n_patients
    counts = np.bincount(pairs.groups)
    means, bias = np.bincount(pairs.groups, differences) / counts, float(differences.mean())
    within = float(((differences - means[pairs.groups]) ** 2).sum()) / (films - patients)
    mean_square = float((counts * (means - bias) ** 2).sum()) / (patients - 1)
    m = (films - float((counts**2).sum()) / films) / (patients - 1)
    between = max((mean_square - within) / m, 0.0)
    bias_variance = within / films + between * float((counts**2).sum()) / films**2
    return _Components(bias, between, within, mean_square, m, bias_variance, patients, films)
