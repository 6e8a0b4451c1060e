"""Means, and ratios of means, over studies of which some have no value, with intervals that resample patients.

A map that is empty has no place, and a network may give empty maps of some studies only: then a value is NaN and counts
nowhere.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import resampling
from raspine.evaluation.estimate import Estimate, undefined

Floats = NDArray[np.float64]


def mean(
    values: ArrayLike, patients: Sequence[str], seed: int = 0, bounds: resampling.Bounds | None = None
) -> Estimate:
    """Returns the mean over studies; `n` counts patients, the interval is Student's t over resampled patients.

    Args:
      values: float [study] or [study, repeat], NaN where undefined; all that are defined weigh the same.
      patients: each study's patient.
      seed: of the resamples.
      bounds: between which the mean lies by its definition, (-1, 1) for correlations; None for none.

    Raises:
      ValueError: there are not as many patients as studies.
    """
    sums, counts = _totals(values, patients)
    rows = np.flatnonzero(counts).tolist()

    def of(weights: Floats) -> Floats:
        return _over(weights @ sums[rows], weights @ counts[rows])

    return _estimate(of, [patients[row] for row in rows], "t", seed, bounds)


def ratio(above: ArrayLike, below: ArrayLike, patients: Sequence[str], seed: int = 0) -> Estimate:
    """Returns the mean of `above` over the mean of `below`; `n` counts patients, the interval is that of percentiles.

    Args:
      above: float [study] or [study, repeat], NaN where undefined; all that are defined weigh the same.
      below: the same, with repeats of its own.
      patients: each study's patient.
      seed: of the resamples.

    Raises:
      ValueError: there are not as many patients as studies.
    """
    (upper, uppers), (lower, lowers) = _totals(above, patients), _totals(below, patients)
    rows = np.flatnonzero(uppers + lowers).tolist()

    def of(weights: Floats) -> Floats:
        means = [
            _over(weights @ sums[rows], weights @ counts[rows]) for sums, counts in ((upper, uppers), (lower, lowers))
        ]
        return _over(*means)

    found = _estimate(of, [patients[row] for row in rows], "percentile", seed)
    fewest = min(len({patients[row] for row in np.flatnonzero(counts).tolist()}) for counts in (uppers, lowers))
    return dataclasses.replace(found, n=fewest)


def _totals(values: ArrayLike, patients: Sequence[str]) -> tuple[Floats, Floats]:
    """Returns the sum and the number of the values that are defined, float64 [study]."""
    array = np.asarray(values, np.float64)
    if len(array) != len(patients):
        raise ValueError(f"every study needs a patient. Received: {len(array)} studies, {len(patients)} patients.")
    table = array.reshape(len(array), -1)
    defined = ~np.isnan(table)
    return np.where(defined, table, 0).sum(1), defined.sum(1).astype(np.float64)


def _over(above: Floats, below: Floats) -> Floats:
    """Returns the quotient, NaN where `below` is 0 or either is undefined."""
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below != 0)


def _estimate(
    of: Callable[[Floats], Floats],
    patients: Sequence[str],
    method: resampling.Method,
    seed: int,
    bounds: resampling.Bounds | None = None,
) -> Estimate:
    if not patients:
        return undefined("no study has a value.")
    found = resampling.weighted(of, patients, seed=seed, method=method, bounds=bounds)
    if not found.is_defined:
        return undefined("there is nothing to divide by.", len(set(patients)))
    return dataclasses.replace(found, n=len(set(patients)))
