"""The signs' distribution, the outcome's logistic rule, and the best AUC that any reader of the signs can reach."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RETRO_ODONTOID_WEIGHT = 5.0
SUBAXIAL_WEIGHT = 3.2
PREVALENCE_RANGE = (0.05, 0.95)
SAMPLE = 200_000
_SAMPLE_SEED = 20_240_607


@dataclass(frozen=True)
class Signs:
    """The two graded baseline signs, each 0 (absent) to 1: retro-odontoid signal, subaxial degeneration."""

    retro_odontoid: float
    subaxial: float


def sample_signs(generator: np.random.Generator, count: int) -> Floats:
    """Draws signs.

    Returns:
        float64 [count, 2]: retro-odontoid signal and subaxial degeneration, 0..1, independent of each other.
    """
    retro_odontoid = np.where(generator.random(count) < 0.4, 0.0, generator.uniform(0.15, 1.0, count))
    subaxial = np.where(generator.random(count) < 0.25, 0.0, generator.uniform(0.1, 1.0, count))
    return np.stack([retro_odontoid, subaxial], 1)


def score(signs: Floats, prevalence: float) -> Floats:
    """The logit of P(outcome = 1) given the signs.

    Args:
        signs: float64 [..., 2], as `sample_signs` draws them.
        prevalence: share of outcome 1 in the population.
    """
    weighted = np.asarray(signs) @ np.array([RETRO_ODONTOID_WEIGHT, SUBAXIAL_WEIGHT])
    return np.asarray(intercept(prevalence) + weighted, np.float64)


def probability(logit: Floats | float) -> Floats:
    """P(outcome = 1) of a logit."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(logit, np.float64))))


@functools.cache
def intercept(prevalence: float) -> float:
    """The constant of the logit that gives the population this prevalence, by bisection.

    Raises:
        ValueError: the prevalence lies outside 0.05..0.95.
    """
    low, high = PREVALENCE_RANGE
    if not low <= prevalence <= high:
        raise ValueError(f"prevalence must lie in {low}..{high}. Received: {prevalence}")
    weighted = _population() @ np.array([RETRO_ODONTOID_WEIGHT, SUBAXIAL_WEIGHT])
    below, above = -15.0, 15.0
    for _ in range(50):
        middle = (below + above) / 2
        if probability(middle + weighted).mean() < prevalence:
            below = middle
        else:
            above = middle
    return (below + above) / 2


@functools.cache
def bayes_auc(prevalence: float) -> float:
    """The population AUC of the logit: P(a positive scores above a negative), ties half.

    Every drawn pair of signs counts as a positive with weight p and as a negative with weight 1 - p, so that
    the outcomes' own randomness adds no noise.
    """
    logit = score(_population(), prevalence)
    values, index = np.unique(logit, return_inverse=True)
    positive = np.bincount(index, probability(logit), len(values))
    negative = np.bincount(index, 1 - probability(logit), len(values))
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))


@functools.cache
def _population() -> Floats:
    return sample_signs(np.random.default_rng(_SAMPLE_SEED), SAMPLE)
