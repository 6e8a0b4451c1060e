"""Intraclass correlation of single ratings, two-way: absolute agreement and consistency.

McGraw and Wong, Forming inferences about some intraclass correlation coefficients, Psychological Methods 1 (1996);
ICC(2,1) and ICC(3,1) of Shrout and Fleiss, Intraclass correlations: uses in assessing rater reliability, Psychological
Bulletin 86 (1979).
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from raspine.evaluation import jackknife
from raspine.evaluation.estimate import Estimate, Interval, undefined
from raspine.evaluation.intervals import normal_quantile
from raspine.evaluation.paired import ROUNDING, check_size, groups, there_are

Array = NDArray[np.float64]

# A narrower interval is none: the formula has nothing to make one from.
_NARROWEST = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class MeanSquares:
    """Two-way analysis of variance without repetition, of one or several samples.

    Attributes:
      subjects: float64 [sample], mean square between subjects.
      raters: float64 [sample], between raters.
      residual: float64 [sample], what neither explains.
      n: float64 [sample], subjects.
      k: raters.
    """

    subjects: Array
    raters: Array
    residual: Array
    n: Array
    k: int


def absolute(values: ArrayLike, confidence: float = 0.95, patients: Sequence[str] | None = None) -> Estimate:
    """Returns ICC(A,1): how much of a single rating's variance is the subject's, raters' shifts counting against it.

    Args:
      values: float [subject, rater]; a subject that lacks a rating is left out.
      confidence: 0..1.
      patients: pseudonym of each subject's (film's) patient; where they repeat, the interval is a jackknife over
        patients, else McGraw and Wong's from F.

    Raises:
      ValueError: fewer than two raters, an infinite value, a film without patient, or a confidence out of bounds.
    """
    return _estimate(values, confidence, patients, _absolute, _absolute_interval)


def consistency(values: ArrayLike, confidence: float = 0.95, patients: Sequence[str] | None = None) -> Estimate:
    """Returns ICC(C,1): the same as `absolute`, raters' shifts not counting; arguments and errors are the same too."""
    return _estimate(values, confidence, patients, _consistency, _consistency_interval)


def mean_squares(ratings: Array) -> MeanSquares:
    """Returns the analysis of variance of complete ratings, float64 [subject, rater], two subjects or more."""
    n, k = ratings.shape
    whole, rows, columns = ratings.mean(), ratings.mean(1), ratings.mean(0)
    residual = ratings - rows[:, None] - columns + whole
    squares = k * ((rows - whole) ** 2).sum() / (n - 1), n * ((columns - whole) ** 2).sum() / (k - 1)
    rest = (residual**2).sum() / ((n - 1) * (k - 1))
    subjects, raters, left, count = (np.array([value]) for value in (*squares, rest, float(n)))
    return MeanSquares(subjects, raters, left, count, k)


def _estimate(
    values: ArrayLike,
    confidence: float,
    patients: Sequence[str] | None,
    formula: Callable[[MeanSquares], Array],
    from_f: Callable[[MeanSquares, float, float], Interval],
) -> Estimate:
    normal_quantile(confidence)  # Raises for a confidence out of bounds.
    ratings, numbers = _complete(values, patients)
    n = len(ratings)
    if n < 2:
        return undefined(f"an intraclass correlation needs 2 films; {there_are(n)}.", n)
    rounding = float(ROUNDING * np.abs(ratings).max()) ** 2
    squares = _without_rounding(mean_squares(ratings), rounding)
    exact = squares.residual[0] == 0
    if exact and squares.subjects[0] == 0:
        return undefined("the films do not differ: there is no variance that the raters could agree on.", n)
    value = float(formula(squares)[0])
    if not np.isfinite(value):
        return undefined("too few films: the raters' values do not determine an intraclass correlation.", n)
    if exact:
        note = "the raters differ by nothing but the same shift on every film: no scatter to make an interval from."
        return Estimate(value, n=n, note=note)
    if numbers.max() + 1 < n:
        return jackknife.correlation(value, formula(_without_each_patient(ratings, numbers)), n, confidence)
    low, high = from_f(squares, value, (1 + confidence) / 2)
    # Few degrees of freedom drive both ends to one side of the value.
    if not (np.isfinite([low, high]).all() and low <= value <= high and high - low > _NARROWEST):
        note = "the raters' values vary too little, or too evenly, for the formula of an interval to hold."
        return Estimate(value, n=n, note=note)
    return Estimate(value, (low, high), n, "F (McGraw and Wong 1996)")


def _without_rounding(squares: MeanSquares, rounding: float) -> MeanSquares:
    parts = squares.subjects, squares.raters, squares.residual
    subjects, raters, residual = (np.where(part <= rounding, 0.0, part) for part in parts)
    return dataclasses.replace(squares, subjects=subjects, raters=raters, residual=residual)


def _complete(values: ArrayLike, patients: Sequence[str] | None) -> tuple[Array, NDArray[np.intp]]:
    ratings = np.asarray(values, np.float64)
    if ratings.ndim != 2 or ratings.shape[1] < 2:
        raise ValueError(f"ratings are a table of subjects by two or more raters. Received: shape {ratings.shape}.")
    check_size(ratings, "ratings are")
    kept = np.asarray(~np.isnan(ratings).any(1))
    return ratings[kept], groups(patients, kept)


def _without_each_patient(ratings: Array, numbers: NDArray[np.intp]) -> MeanSquares:
    """The analysis of variance without each patient, from the whole's sums less the patient's."""
    centred = ratings - ratings.mean()
    k = ratings.shape[1]

    def rest(terms: Array) -> Array:
        return terms.sum() - np.bincount(numbers, terms)

    n = rest(np.ones(len(centred)))
    columns = np.stack([rest(centred[:, rater]) for rater in range(k)])
    with np.errstate(divide="ignore", invalid="ignore"):
        correction = columns.sum(0) ** 2 / (n * k)
        rows = rest(centred.sum(1) ** 2) / k - correction
        between = (columns**2).sum(0) / n - correction
        residual = np.maximum(rest((centred**2).sum(1)) - correction - rows - between, 0)
        return MeanSquares(rows / (n - 1), between / (k - 1), residual / ((n - 1) * (k - 1)), n, k)


def _absolute(squares: MeanSquares) -> Array:
    r, c, e, n, k = squares.subjects, squares.raters, squares.residual, squares.n, squares.k
    with np.errstate(divide="ignore", invalid="ignore"):
        return (r - e) / (r + (k - 1) * e + k / n * (c - e))


def _consistency(squares: MeanSquares) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (squares.subjects - squares.residual) / (squares.subjects + (squares.k - 1) * squares.residual)


def _absolute_interval(squares: MeanSquares, value: float, level: float) -> Interval:
    r, c, e, n = (part[0] for part in (squares.subjects, squares.raters, squares.residual, squares.n))
    k = squares.k
    # McGraw and Wong's a and b, both multiplied by n (1 - ICC), which is 0 at an ICC of 1.
    a, b = k * value, n * (1 - value) + k * value * (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (a * c + b * e) ** 2 / ((a * c) ** 2 / (k - 1) + (b * e) ** 2 / ((n - 1) * (k - 1)))
    low_f, high_f = (float(stats.f.ppf(level, *pair)) for pair in ((n - 1, freedom), (freedom, n - 1)))
    spread = k * c + (k * n - k - n) * e
    with np.errstate(divide="ignore", invalid="ignore"):
        low = n * (r - low_f * e) / (low_f * spread + n * r)
        high = n * (high_f * r - e) / (spread + n * high_f * r)
    return float(low), float(high)


def _consistency_interval(squares: MeanSquares, value: float, level: float) -> Interval:
    n, k = float(squares.n[0]), squares.k
    ratio = float(squares.subjects[0] / squares.residual[0])
    freedoms = n - 1, (n - 1) * (k - 1)
    low, high = ratio / stats.f.ppf(level, *freedoms), ratio * stats.f.ppf(level, *freedoms[::-1])
    return float((low - 1) / (low + k - 1)), float((high - 1) / (high + k - 1))
