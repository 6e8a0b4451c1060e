"""The exact coverage of an interval of a binomial share: every possible count with its probability."""

from collections.abc import Callable

import numpy as np
from scipy import stats

_NEGLIGIBLE = 1e-13  # probability of a count that is not worth an interval

OfCount = Callable[[int, int], tuple[float, float]]


def coverage(share: float, n: int, interval: OfCount) -> float:
    """Returns the probability that an interval holds the share.

    Args:
      share: the truth, 0..1.
      n: patients, at least 1.
      interval: takes the count and n, gives low and high.
    """
    counts = np.arange(n + 1)
    chances = stats.binom.pmf(counts, n, share)
    likely = chances > _NEGLIGIBLE
    ends = np.array([interval(int(count), n) for count in counts[likely]])
    holds = (ends[:, 0] <= share) & (share <= ends[:, 1])
    return float(chances[likely][holds].sum())


def coverage_of_random_n(share: float, patients: int, chance: float, interval: OfCount) -> float:
    """Returns the same where the denominator is binomial itself, given that it is not empty.

    Args:
      share: the truth, 0..1.
      patients: in the cohort.
      chance: of each patient to belong to the denominator.
      interval: takes the count and n, gives low and high.
    """
    sizes = np.arange(1, patients + 1)
    weights = stats.binom.pmf(sizes, patients, chance)
    likely = weights > _NEGLIGIBLE
    of_size = np.array([coverage(share, int(n), interval) for n in sizes[likely]])
    return float(weights[likely] @ of_size / weights.sum())
