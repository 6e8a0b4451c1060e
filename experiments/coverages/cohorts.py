"""Synthetic cohorts whose truth is known: patients with a risk, and films that share patients."""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import special

# Paper 1's test set and figures.
PATIENTS, POSITIVES = 67, 12
SENSITIVITY, SPECIFICITY, AUC = 0.75, 0.87, 0.82
# Paper 2's test set.
FILM_PATIENTS, FILMS = 86, 408
ICC = 0.5


@dataclasses.dataclass(frozen=True)
class Risks:
    """A cohort of patients.

    Attributes:
      positive: bool [patient], the outcome.
      called: bool [patient], the decision.
      scores: float [patient], a score independent of the decision.
    """

    positive: NDArray[np.bool_]
    called: NDArray[np.bool_]
    scores: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Films:
    """A cohort of films.

    Attributes:
      patient: intp [film].
      right: bool [film], whether the film counts for the share.
    """

    patient: NDArray[np.intp]
    right: NDArray[np.bool_]


def risks(rng: np.random.Generator, fixed: bool) -> Risks:
    """Draws a cohort of paper 1's size.

    Decisions hit with SENSITIVITY and SPECIFICITY. Scores are normal with equal variances (binormal), apart by what
    gives AUC.

    Args:
      rng: of the draws.
      fixed: whether there are exactly POSITIVES positive patients; otherwise each patient is with the same chance.
    """
    positive = np.arange(PATIENTS) < POSITIVES if fixed else rng.random(PATIENTS) < POSITIVES / PATIENTS
    called = rng.random(PATIENTS) < np.where(positive, SENSITIVITY, 1 - SPECIFICITY)
    scores = rng.normal(size=PATIENTS) + np.sqrt(2) * special.ndtri(AUC) * positive
    return Risks(positive, called, scores)


def films(rng: np.random.Generator, share: float, icc: float = ICC) -> Films:
    """Draws FILMS films of FILM_PATIENTS patients, one to some 20 films each.

    Beta-binomial: each patient has a chance of its own, beta with mean `share` and variance icc * share * (1 - share).
    The intraclass correlation of two films of a patient is then `icc` on the scale of 0 and 1 itself.

    Args:
      rng: of the draws.
      share: the truth, between 0 and 1.
      icc: between 0 and 1.
    """
    weights = rng.gamma(2.0, size=FILM_PATIENTS)
    sizes = 1 + rng.multinomial(FILMS - FILM_PATIENTS, weights / weights.sum())
    chances = rng.beta(share * (1 - icc) / icc, (1 - share) * (1 - icc) / icc, size=FILM_PATIENTS)
    patient = np.repeat(np.arange(FILM_PATIENTS), sizes)
    return Films(patient, rng.random(FILMS) < chances[patient])
