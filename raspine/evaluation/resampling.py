"""The bootstrap that draws patients: all films of a patient stay together.

Films of one patient resemble each other, so that drawing films would make intervals too narrow. Here patients are drawn
with replacement, and a drawn patient brings all films. A resample is a row of weights (how often each patient was
drawn), by which sums become matrix products. The same clusters and seed give the same resamples, whatever the figure,
so that figures of one evaluation can be compared.

Field and Welsh, Bootstrapping clustered data, Journal of the Royal Statistical Society B 69 (2007) 369-390.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import weighted_figures
from raspine.evaluation.estimate import Estimate
from raspine.evaluation.resampled import Bounds, Floats, Method, Resampled, ResampledShare

RESAMPLES = 2000
_CELLS = 2_000_000  # of a block of weights, 16 MB

Codes = NDArray[np.intp]


class ResamplingError(ValueError):
    """Rows that cannot be resampled."""


def draws(clusters: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Returns how often each cluster is drawn in each resample.

    Args:
      clusters: any [row], the patient of each film; columns of the answer are the sorted different ones.
      resamples: how many.
      seed: of the draws.

    Returns:
      float [resample, cluster], whole numbers from 0, each row sums to the number of clusters.

    Raises:
      ResamplingError: clusters is not a list, or a row has none.
    """
    return _draws(_codes(clusters)[1], resamples, seed).copy()


def shares(
    counted: ArrayLike,
    total: ArrayLike,
    clusters: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    method: Method = "t",
) -> Estimate:
    """Returns a share, sum of `counted` over sum of `total`, with its clustered bootstrap interval.

    A share of 0 or 1 has no spread in any resample; its interval is Wilson's, each patient counting once.

    Args:
      counted: bool or float [row], what counts for the share (a film called right), at most `total`.
      total: bool or float [row], what it is a share of (1 for a film that belongs to the denominator).
      clusters: any [row], the patient of each film.
      resamples: how many.
      seed: of the draws.
      confidence: 0..1.
      method: `t`, `percentile` or `bca`, see `Resampled.estimate`.

    Raises:
      ResamplingError: lengths differ, a number is not finite, or counted is not between 0 and total.
    """
    return resampled_shares(counted, total, clusters, resamples, seed).estimate(method, confidence)


def means(
    values: ArrayLike,
    clusters: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    method: Method = "t",
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> Estimate:
    """Returns the mean over all rows with its clustered bootstrap interval.

    Args:
      values: float [row], any unit, finite.
      clusters: any [row], the patient of each film.
      resamples: how many.
      seed: of the draws.
      confidence: 0..1.
      method: `t`, `percentile` or `bca`, see `Resampled.estimate`.
      lowest: what the mean cannot be below, 0 of errors; the interval ends there.
      highest: what it cannot be above.

    Raises:
      ResamplingError: lengths differ or a value is not finite.
    """
    numbers = _numbers(values, "values")
    parts = _ratio(numbers, np.ones_like(numbers), clusters, resamples, seed)
    found = Resampled(*parts).estimate(method, confidence)
    low, high = found.interval
    return dataclasses.replace(found, interval=(max(lowest, low), min(highest, high))) if found.has_interval else found


def statistic(
    function: Callable[[Codes], float],
    clusters: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    method: Method = "t",
    bounds: Bounds | None = None,
) -> Estimate:
    """Returns any figure of the rows with its clustered bootstrap interval; one call a resample.

    Args:
      function: takes row numbers, intp [drawn row] (repeated as often as drawn), and gives the figure; NaN where it is
        undefined.
      clusters: any [row], the patient of each film.
      resamples: how many.
      seed: of the draws.
      confidence: 0..1.
      method: `t`, `percentile` or `bca`, see `Resampled.estimate`.
      bounds: the ends of the figure's range, (0, 1) for a share or an AUC, (-1, 1) for a correlation; None for none.

    Raises:
      ResamplingError: clusters is not a list, or a row has none.
    """

    def of_each(weights: Floats) -> Floats:
        rows = np.arange(weights.shape[1])
        return np.array([function(np.repeat(rows, one)) for one in weights.astype(np.intp)], np.float64)

    return weighted(of_each, clusters, resamples, seed, confidence, method, bounds)


def weighted(
    function: Callable[[Floats], Floats],
    clusters: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    method: Method = "t",
    bounds: Bounds | None = None,
) -> Estimate:
    """Returns a figure that takes the weights of its rows, with its clustered bootstrap interval.

    `weighted_figures` has such functions: area under the ROC curve, F1 and what else follows from the four cells.

    Args:
      function: takes weights, float [resample, row], and gives the figure of each resample, float [resample], NaN where
        it is undefined. A row drawn k times has weight k.
      clusters: any [row], the patient of each film.
      resamples: how many.
      seed: of the draws.
      confidence: 0..1.
      method: `t`, `percentile` or `bca`, see `Resampled.estimate`.
      bounds: the ends of the figure's range, (0, 1) for a share or an AUC, (-1, 1) for a correlation; None for none.

    Raises:
      ResamplingError: clusters is not a list, or a row has none.
    """
    return resampled(function, clusters, resamples, seed, bounds).estimate(method, confidence)


def resampled(
    function: Callable[[Floats], Floats],
    clusters: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    bounds: Bounds | None = None,
) -> Resampled:
    """Returns what `weighted` makes its interval of: the figure and its resamples.

    Raises:
      ResamplingError: clusters is not a list, or a row has none.
    """
    codes, count = _codes(clusters)
    value = float(function(np.ones((1, codes.size)))[0]) if codes.size else math.nan
    values = _over(function, _draws(count, resamples, seed), codes)
    return Resampled(
        value, values, lambda: _over(function, _without_each(count), codes), codes.size, count, count, bounds
    )


def resampled_shares(
    counted: ArrayLike, total: ArrayLike, clusters: ArrayLike, resamples: int = RESAMPLES, seed: int = 0
) -> ResampledShare:
    """Returns what `shares` makes its interval of: the share and its resamples.

    Raises:
      ResamplingError: lengths differ, a number is not finite, or counted is not between 0 and total.
    """
    part, whole = _numbers(counted, "counted"), _numbers(total, "total")
    if part.shape == whole.shape and ((part < 0) | (part > whole)).any():
        row = int(np.flatnonzero((part < 0) | (part > whole))[0])
        raise ResamplingError(f"a share counts 0 to total. Received: {part[row]} of {whole[row]} in row {row}.")
    parts = _ratio(part, whole, clusters, resamples, seed)
    return ResampledShare(*parts, bounds=(0.0, 1.0))


def _ratio(
    part: Floats, whole: Floats, clusters: ArrayLike, resamples: int, seed: int
) -> tuple[float, Floats, Callable[[], Floats], int, int, int]:
    """Returns the fields of `Resampled` for a ratio of sums."""
    codes, count = _codes(clusters)
    if not codes.size == part.size == whole.size:
        raise ResamplingError(
            f"rows and their patients are lists of one length. Received: {part.size}, {whole.size}, {codes.size}."
        )
    sums = np.stack([np.bincount(codes, one, minlength=count) for one in (part, whole)], axis=1)

    def of(weights: Floats) -> Floats:
        upper, lower = (weights @ sums).T
        return weighted_figures.ratio(upper, lower)

    value = float(of(np.ones((1, count)))[0])
    rows, carrying = int((whole > 0).sum()), int((sums[:, 1] > 0).sum())
    return value, of(_draws(count, resamples, seed)), lambda: of(_without_each(count)), rows, count, carrying


def _numbers(values: ArrayLike, name: str) -> Floats:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1:
        raise ResamplingError(f"{name} is a list, one number a row. Received shape: {numbers.shape}.")
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ResamplingError(f"{name} are finite numbers. Received: {numbers[row]} in row {row}; leave such rows out.")
    return numbers


def _codes(clusters: ArrayLike) -> tuple[Codes, int]:
    """Returns the number of each row's cluster, and how many clusters there are."""
    names = np.asarray(clusters)
    if names.ndim != 1:
        raise ResamplingError(f"clusters is a list, one patient a row. Received shape: {names.shape}.")
    if names.dtype == object and any(name is None for name in names):
        raise ResamplingError("every row has a patient. Received: None.")
    different, codes = np.unique(names, return_inverse=True)
    return codes.astype(np.intp), different.size


def _draws(count: int, resamples: int, seed: int) -> Floats:
    if resamples < 1:
        raise ResamplingError(f"there is at least one resample. Received: {resamples}.")
    return (_kept if count * resamples <= _CELLS else _drawn)(count, resamples, seed)


def _drawn(count: int, resamples: int, seed: int) -> Floats:
    if not count:
        return np.zeros((resamples, 0))
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    drawn += np.arange(resamples)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)


@functools.lru_cache(maxsize=1)
def _kept(count: int, resamples: int, seed: int) -> Floats:
    """Returns the last draws again: all figures of an evaluation ask for the same."""
    drawn = _drawn(count, resamples, seed)
    drawn.setflags(write=False)
    return drawn


def _without_each(count: int) -> Floats:
    return 1 - np.eye(count)


def _over(function: Callable[[Floats], Floats], weights: Floats, codes: Codes) -> Floats:
    """Returns the figure for each row of cluster weights, in blocks that bound the memory."""
    parts = [np.asarray(function(block[:, codes]), np.float64) for block in _blocks(weights, codes.size)]
    return np.concatenate(parts) if parts else np.empty(0)


def _blocks(weights: Floats, rows: int) -> Iterator[Floats]:
    step = max(1, _CELLS // max(1, rows))
    for start in range(0, len(weights), step):
        yield weights[start : start + step]
