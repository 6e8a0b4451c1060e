"""How old a phantom patient is, which sex, and at which machine the films were made; none of it shows in the films."""

from dataclasses import dataclass

import numpy as np

MACHINES = ("A", "B", "C")
FEMALE = 0.78
_STREAM = 400


@dataclass(frozen=True)
class Demography:
    """What the header says of a patient.

    Attributes:
        age: whole years.
        female: sex.
        machine: one of MACHINES.
    """

    age: int
    female: bool
    machine: str


def sample(seed: int, patient: int) -> Demography:
    """Draws a patient's groups from a stream of their own, so that they say nothing about anatomy and films.

    Args:
        seed: of the whole set.
        patient: number from 1.
    """
    g = np.random.default_rng([seed, patient, _STREAM])
    age = round(float(np.clip(g.normal(62.0, 13.0), 20.0, 95.0)))
    return Demography(age, bool(g.random() < FEMALE), MACHINES[int(g.integers(len(MACHINES)))])
