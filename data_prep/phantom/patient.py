"""A random phantom patient: the sizes and habits that all films of one person share."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

Generator = np.random.Generator
Severity = Literal["stable", "unstable"]


class Position(StrEnum):
    """How the neck is held on a film."""

    NEUTRAL = "neutral"
    FLEXION = "flexion"
    EXTENSION = "extension"


# The bend between C7 and C2, the lean of C7, and the lean of the head beyond that of C2, in degrees: mean
# and SD. Positive lordosis is convex to the front; positive lean is forward.
NECK_HABIT = {
    Position.NEUTRAL: ((16.0, 9.0), (21.0, 6.0), (-4.0, 4.0)),
    Position.FLEXION: ((-10.0, 8.0), (25.0, 6.0), (4.0, 4.0)),
    Position.EXTENSION: ((36.0, 8.0), (19.0, 6.0), (-15.0, 5.0)),
}
SAC_RANGE_MM = (8.0, 24.0)


@dataclass(frozen=True)
class Neck:
    """The bends of one position, in radians."""

    lordosis: float
    base_lean: float
    nod: float


@dataclass(frozen=True)
class Patient:
    """What stays the same on every film of a patient. Lengths in mm unless a name says otherwise.

    Attributes:
        scale: factor on every bone's size, ADI and SAC apart.
        adi: atlantodental interval by position.
        ring_space: ADI + SAC: the atlas is a rigid ring, so what one gains the other loses.
        dens_tilt: tangent of the dens's backward tilt.
        atlas_level: height of the atlas's plane above the lower endplate of C2, at scale 1.
        trabecular, cortical: factors on the attenuation of spongy and compact bone (osteoporosis below 1).
        degeneration: 0..1, osteophytes, narrow discs and hard endplates.
        doubling: offset between the shadows of left and right structures (a rotated patient).
        jaw_shift: the mandible's offset (back, down) from its mean place.
    """

    scale: float
    adi: dict[Position, float]
    ring_space: float
    neck: dict[Position, Neck]
    body_depth: float
    body_height: float
    disc_height: float
    canal: float
    dens_depth: float
    dens_height: float
    dens_tilt: float
    atlas_level: float
    arch_height: float
    arch_depth: float
    tubercle_height: float
    tubercle_depth: float
    tubercle_turn: float
    spinous: float
    head_scale: float
    skull_shift: tuple[float, float]
    jaw_shift: tuple[float, float]
    mastoid_drop: float
    prevertebral: float
    airway: float
    neck_front: float
    neck_back: float
    neck_thickness: float
    shoulder_rise: float
    trabecular: float
    cortical: float
    degeneration: float
    doubling: tuple[float, float]
    fillings: int
    earring: bool
    detail_seed: int


def sample_patient(generator: Generator) -> Patient:
    """Draws a patient: sizes after adult cervical morphometry, ADI mostly 0.8-3 mm and at times up to 10."""
    g = generator
    adi = _sample_adi(g)
    return Patient(
        scale=float(np.clip(g.normal(1.0, 0.075), 0.83, 1.2)),
        adi=adi,
        ring_space=_between(g, 20.8, 3.2, SAC_RANGE_MM[0] + max(adi.values()), SAC_RANGE_MM[1] + min(adi.values())),
        neck=_sample_neck(g),
        body_depth=_between(g, 16.0, 1.3, 13.0, 19.5),
        body_height=_between(g, 12.6, 1.1, 10.0, 15.5),
        disc_height=_between(g, 5.2, 0.8, 3.2, 7.0),
        canal=_between(g, 17.0, 1.6, 13.5, 21.0),
        dens_depth=_between(g, 11.0, 0.9, 9.0, 13.5),
        dens_height=_between(g, 36.0, 2.4, 31.0, 42.0),
        dens_tilt=float(np.tan(np.radians(_between(g, 8.0, 6.0, -6.0, 22.0)))),
        atlas_level=_between(g, 27.2, 1.0, 25.0, 29.5),
        arch_height=_between(g, 10.8, 1.2, 8.0, 14.0),
        arch_depth=_between(g, 6.2, 0.9, 4.3, 8.6),
        tubercle_height=_between(g, 8.5, 1.7, 5.5, 13.0),
        tubercle_depth=_between(g, 6.2, 1.2, 3.8, 9.5),
        tubercle_turn=_between(g, 0.25, 0.3, -0.4, 0.9),
        spinous=_between(g, 1.0, 0.15, 0.65, 1.4),
        head_scale=_between(g, 1.0, 0.05, 0.88, 1.12),
        skull_shift=(_between(g, 0.0, 2.0, -4.0, 4.0), _between(g, 0.0, 1.6, -4.0, 3.0)),
        jaw_shift=(_between(g, 0.0, 5.0, -11.0, 9.0), _between(g, 0.0, 3.0, -6.0, 7.0)),
        mastoid_drop=_between(g, 0.0, 4.0, -8.0, 9.0),
        prevertebral=_between(g, 4.5, 1.2, 2.5, 8.0),
        airway=_between(g, 12.0, 3.0, 6.0, 20.0),
        neck_front=_between(g, 52.0, 7.0, 38.0, 70.0),
        neck_back=_between(g, 60.0, 8.0, 45.0, 82.0),
        neck_thickness=_between(g, 110.0, 13.0, 85.0, 150.0),
        shoulder_rise=_between(g, 0.0, 14.0, -32.0, 30.0),
        trabecular=_between(g, 0.95, 0.2, 0.45, 1.3),
        cortical=_between(g, 0.95, 0.15, 0.6, 1.25),
        degeneration=float(g.beta(1.2, 2.2)),
        doubling=(float(g.normal(0.0, 1.7)), float(g.normal(0.0, 1.3))),
        fillings=int(g.integers(0, 7)),
        earring=bool(g.random() < 0.12),
        detail_seed=int(g.integers(2**31)),
    )


def _between(generator: Generator, mean: float, deviation: float, low: float, high: float) -> float:
    return float(np.clip(generator.normal(mean, deviation), low, high))


def _sample_adi(generator: Generator) -> dict[Position, float]:
    unstable = generator.random() < 0.3
    neutral = float(generator.uniform(0.8, 2.9))
    flexion = neutral + float(generator.uniform(0.0, 0.5))
    if unstable:
        flexion = float(generator.uniform(3.0, 10.0))
        neutral = flexion - float(generator.uniform(0.2, 1.0)) * (flexion - 1.0)
    extension = float(generator.uniform(max(0.7, 0.5 * neutral), neutral))
    return {Position.NEUTRAL: neutral, Position.FLEXION: flexion, Position.EXTENSION: extension}


def _sample_neck(generator: Generator) -> dict[Position, Neck]:
    """One person's bends: the person's own habit is shared by the positions, the rest is the day's."""
    habit = generator.normal(size=3)
    neck = {}
    for position, parameters in NECK_HABIT.items():
        drawn = 0.6 * habit + 0.8 * generator.normal(size=3)
        degrees = [mean + spread * value for (mean, spread), value in zip(parameters, drawn, strict=True)]
        neck[position] = Neck(*(float(np.radians(value)) for value in degrees))
    return neck
