"""How closely two raters' values lie on a line (Pearson) or in the same order (Spearman).

A correlation is no agreement: a rater who always reads 2 mm more correlates perfectly. Read it beside limits of
agreement.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from raspine.evaluation import jackknife, moments
from raspine.evaluation.estimate import UNDEFINED, Estimate, undefined
from raspine.evaluation.intervals import normal_quantile
from raspine.evaluation.paired import Paired, complete, is_constant, there_are

Array = NDArray[np.float64]

FEWEST_FOR_INTERVAL = 4

# Beyond this, sums less a patient's may have lost the digits that tell r from 1, and r is computed anew.
_CLOSE = 0.99


def pearson(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, patients: Sequence[str] | None = None
) -> Estimate:
    """Returns Pearson's r with Fisher's interval, standard error 1 / sqrt(n - 3).

    Fisher, On the "probable error" of a coefficient of correlation deduced from a small sample, Metron 1 (1921). Where
    patients repeat, the interval is a jackknife over patients instead.

    Args:
      first: float [film], NaN where missing.
      second: float [film], NaN where missing.
      confidence: 0..1.
      patients: pseudonym of each film's patient; None: every film its own.

    Raises:
      ValueError: lengths differ, a value is infinite, a film has no patient, or the confidence is out of bounds.
    """
    pairs = complete(first, second, patients)
    return _estimate(pairs, confidence, _pearson, _pearson_left_out, lambda r: 1.0, "Fisher's z")


def spearman(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, patients: Sequence[str] | None = None
) -> Estimate:
    """Returns Spearman's rank correlation, ties at their mid-rank, with the interval of Bonett and Wright.

    Fisher's z with the squared standard error (1 + r^2 / 2) / (n - 3): Bonett and Wright, Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations, Psychometrika 65 (2000). Where patients repeat, the interval
    is a jackknife over patients instead. Arguments and errors are those of `pearson`.
    """
    pairs = complete(first, second, patients)
    method = "Bonett and Wright 2000"
    return _estimate(pairs, confidence, _spearman, _spearman_left_out, lambda r: 1 + r * r / 2, method)


def _estimate(
    pairs: Paired,
    confidence: float,
    statistic: Callable[[Array, Array], float],
    left_out: Callable[[Paired], Array],
    inflation: Callable[[float], float],
    method: str,
) -> Estimate:
    quantile = normal_quantile(confidence)
    if pairs.n < 2:
        return undefined(f"a correlation needs 2 pairs; {there_are(pairs.n)}.", pairs.n)
    if is_constant(pairs.first) or is_constant(pairs.second):
        return undefined("the values of a rater do not vary: there is nothing to correlate.", pairs.n)
    value = statistic(pairs.first, pairs.second)
    if pairs.repeats:
        return jackknife.correlation(value, left_out(pairs), pairs.n, confidence)
    if pairs.n < FEWEST_FOR_INTERVAL:
        note = f"an interval needs {FEWEST_FOR_INTERVAL} pairs; {there_are(pairs.n)}."
        return Estimate(value, n=pairs.n, note=note)
    if 1 - abs(value) < 1e-14:
        note = "the correlation is exactly 1 or -1, from which no interval can be computed."
        return Estimate(value, UNDEFINED, pairs.n, note=note)
    half = quantile * np.sqrt(inflation(value) / (pairs.n - 3))
    ends = np.tanh(np.arctanh(value) + np.array([-half, half]))
    return Estimate(value, (float(ends[0]), float(ends[1])), pairs.n, method)


def _pearson(first: Array, second: Array) -> float:
    return float(stats.pearsonr(first, second).statistic)


def _pearson_left_out(pairs: Paired) -> Array:
    left = moments.without_each_patient(pairs)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = left.xy / np.sqrt(left.xx * left.yy)
    for patient in np.flatnonzero(~(np.abs(values) < _CLOSE)):
        rest = pairs.groups != patient
        values[patient] = _pearson_or_nan(pairs.first[rest], pairs.second[rest])
    return values


def _pearson_or_nan(first: Array, second: Array) -> float:
    if is_constant(first) or is_constant(second):
        return np.nan
    return float(np.corrcoef(first, second)[0, 1])


def _spearman(first: Array, second: Array) -> float:
    return _pearson(stats.rankdata(first), stats.rankdata(second))


def _spearman_left_out(pairs: Paired) -> Array:
    ranks = stats.rankdata(pairs.first), stats.rankdata(pairs.second)
    values = np.full(pairs.n_patients, np.nan)
    order = np.argsort(pairs.groups, kind="stable")
    for patient, own in enumerate(np.split(order, np.cumsum(np.bincount(pairs.groups))[:-1])):
        rest = pairs.groups != patient
        one = _ranks_without(ranks[0], pairs.first, own)[rest]
        two = _ranks_without(ranks[1], pairs.second, own)[rest]
        # Of n ranks the mean is (n + 1) / 2, ties or not.
        one, two = one - (len(one) + 1) / 2, two - (len(two) + 1) / 2
        scale = np.sqrt((one @ one) * (two @ two))
        values[patient] = one @ two / scale if scale else np.nan
    return values


def _ranks_without(ranks: Array, values: Array, own: NDArray[np.intp]) -> Array:
    """Mid-ranks once the films `own` are gone: each takes along one rank from those above and half from equals."""
    gone = np.sort(values[own])
    return ranks - (np.searchsorted(gone, values, "left") + np.searchsorted(gone, values, "right")) / 2
