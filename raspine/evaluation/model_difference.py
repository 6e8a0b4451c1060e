"""Two models on the same films or studies: the difference of a figure that is a mean over rows, patient by patient."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import resampling
from raspine.evaluation.estimate import Estimate, undefined

SWAPS = 20_000
TEST = "permutation: both models' answers swapped patient by patient"
_ALL = 14  # patients up to which all swaps are tried
_BLOCK = 2_000_000  # cells of a block of swaps, 16 MB
Floats = NDArray[np.float64]


class DifferenceError(ValueError):
    """Rows that cannot be compared."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """A figure of two models.

    Attributes:
      first: of the first model, with its interval.
      second: of the second model.
      difference: first less second, on the same rows.
      p: two-sided, of no difference; NaN where it is undefined.
      test: that gave p.
      note: why p is NaN, or what a reader must know; empty otherwise.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    p: float
    test: str = TEST
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; None for NaN."""
        sides = {name: getattr(self, name).to_dict() for name in ("first", "second", "difference")}
        return {**sides, "p": None if math.isnan(self.p) else self.p, "test": self.test, "note": self.note}


def of_means(
    first: ArrayLike,
    second: ArrayLike,
    patients: ArrayLike,
    seed: int = 0,
    confidence: float = 0.95,
    is_share: bool = False,
    is_error: bool = False,
) -> Difference:
    """Compares the means of two models over the rows that both have.

    An error in mm, a point within 2 mm (0 or 1), a film called right (0 or 1), a squared error of a risk: each is a
    value a row. Intervals come from a bootstrap of patients, p from swapping the models' answers patient by patient.

    Args:
      first: float [row], the first model's values; NaN where it has none.
      second: float [row], the second model's of the same rows.
      patients: any [row].
      seed: of bootstrap and swaps.
      confidence: of the intervals, 0..1.
      is_share: whether values lie between 0 and 1, so that their mean is a share.
      is_error: whether values are sizes of errors, none below 0.

    Raises:
      DifferenceError: lengths differ, or a value is infinite.
    """
    one, two = (np.asarray(values, np.float64) for values in (first, second))
    people = np.asarray(patients)
    if one.ndim != 1 or not one.shape == two.shape == people.shape:
        raise DifferenceError(
            f"rows are lists of one length. Received shapes: {one.shape}, {two.shape}, {people.shape}."
        )
    if np.isinf(one).any() or np.isinf(two).any():
        raise DifferenceError("values are finite, or NaN where there is none. Received: infinite ones.")
    both = ~(np.isnan(one) | np.isnan(two))
    one, two, people = one[both], two[both], people[both]
    if not both.any():
        missing = undefined("no row has a value of both models.")
        return Difference(missing, missing, missing, math.nan, note=missing.note)
    sides = [_mean(values, people, seed, confidence, is_share, is_error) for values in (one, two)]
    reach = 1.0 if is_share else math.inf
    difference = resampling.means(one - two, people, seed=seed, confidence=confidence, lowest=-reach, highest=reach)
    p, note = permutation(one - two, people, seed)
    return Difference(sides[0], sides[1], difference, p, note=note)


def permutation(differences: ArrayLike, patients: ArrayLike, seed: int = 0, swaps: int = SWAPS) -> tuple[float, str]:
    """Returns the two-sided p of no difference, with a note where the models never differ.

    If the models are alike, either could have given the answers of any patient, so the sign of each patient's
    difference is as likely plus as minus (Fisher's randomisation test). With few patients all swaps are tried;
    otherwise that many random ones, the observed one counted among them (Phipson and Smyth, Statistical Applications
    in Genetics and Molecular Biology 9 (2010)).

    Args:
      differences: float [row], first less second.
      patients: any [row].
      seed: of the swaps.
      swaps: how many random ones.
    """
    _, codes = np.unique(np.asarray(patients), return_inverse=True)
    sums = np.bincount(codes, np.asarray(differences, np.float64))
    sums = sums[np.abs(sums) > 1e-12]
    if not sums.size:
        return 1.0, "the models do not differ in any patient's sum."
    observed = abs(float(sums.sum())) * (1 - 1e-12)
    if sums.size <= _ALL:
        signs = 1 - 2.0 * ((np.arange(2**sums.size)[:, None] >> np.arange(sums.size)) & 1)
        return float((np.abs(signs @ sums) >= observed).mean()), _few(sums.size)
    generator, reached = np.random.default_rng(seed), 0
    block = max(1, _BLOCK // sums.size)
    for start in range(0, swaps, block):
        signs = 1 - 2.0 * generator.integers(0, 2, (min(block, swaps - start), sums.size))
        reached += int((np.abs(signs @ sums) >= observed).sum())
    return (reached + 1) / (swaps + 1), ""


def _few(patients: int) -> str:
    """Returns a warning where so few patients differ that p cannot be small."""
    least = 2.0 ** (1 - patients)
    return f"only {patients} patients differ, so p cannot be below {least:.2g}." if least > 0.05 else ""


def holm(p_values: ArrayLike) -> Floats:
    """Returns p values adjusted for their number (Holm, Scandinavian Journal of Statistics 6 (1979)).

    Args:
      p_values: float [test]; NaN for one that does not count.
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")  # NaN last
    count = int((~np.isnan(given)).sum())
    raised = np.maximum.accumulate(given[order[:count]] * np.arange(count, 0, -1))
    adjusted = np.full(given.shape, math.nan)
    adjusted[order[:count]] = np.minimum(1.0, raised)
    return adjusted


def _mean(
    values: Floats, patients: NDArray[Any], seed: int, confidence: float, is_share: bool, is_error: bool
) -> Estimate:
    if not is_share:
        lowest = 0.0 if is_error else -math.inf
        return resampling.means(values, patients, seed=seed, confidence=confidence, lowest=lowest)
    return resampling.shares(values, np.ones_like(values), patients, seed=seed, confidence=confidence)
