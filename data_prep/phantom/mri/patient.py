"""A random patient for MRI: anatomy that both studies share, the signs, the outcome and the clinical columns."""

from dataclasses import dataclass

import numpy as np

from data_prep.phantom.mri import bayes

Generator = np.random.Generator
SUBAXIAL_DISCS = ("C3", "C4", "C5", "C6")
_ANATOMY, _SIGNS, _OUTCOME, _CLINIC = range(101, 105)


@dataclass(frozen=True)
class Anatomy:
    """What carries no information about the outcome. Lengths in mm, angles in radians.

    Attributes:
        scale: factor on every length.
        lordosis: bend between C7 and C2, positive convex to the front.
        base_lean: forward lean of C7.
        nod: lean of the head beyond that of C2.
        shares: how the lordosis is shared by C6, C5, C4, C3 and C2; sums to 1.
        canal, cord: front-to-back diameters of the dural sac and the cord at C4.
        retrodental: gap between dens and dural sac.
        fat: thickness of the fat under the skin of the nape.
        disc_signal, marrow_signal: factors on the T2 signal of healthy discs and of marrow.
        stenosis: per disc from C3/C4 to C6/C7, how prone it is to wear; mean 1. The most prone one shows the sign.
        yaw, roll: how far the patient lies turned about the long axis and leans to a side.
        shift: (left, back, up) of C4 from the planned centre of the field.
        detail_seed: for small random features.
    """

    scale: float
    lordosis: float
    base_lean: float
    nod: float
    shares: tuple[float, ...]
    body_depth: float
    body_height: float
    disc_height: float
    canal: float
    cord: float
    atlantodental: float
    retrodental: float
    dens_tilt: float
    spinous: float
    prevertebral: float
    airway: float
    neck_front: float
    neck_back: float
    neck_width: float
    fat: float
    disc_signal: float
    marrow_signal: float
    stenosis: tuple[float, ...]
    yaw: float
    roll: float
    shift: tuple[float, float, float]
    detail_seed: int


@dataclass(frozen=True)
class Findings:
    """What a study shows of the disease, each 0..1; the last three belong to the deformity that follows.

    Attributes:
        retro_odontoid: signal behind the dens, a sign at baseline.
        subaxial: a degenerated disc between C3 and C7, a sign at baseline.
        pannus: mass around the dens.
        erosion: share of the dens that is eaten away.
        translocation: how far the dens has moved up, 1 is 7 mm.
    """

    retro_odontoid: float = 0.0
    subaxial: float = 0.0
    pannus: float = 0.0
    erosion: float = 0.0
    translocation: float = 0.0


@dataclass(frozen=True)
class Clinic:
    """Clinical columns; by construction they say nothing about the outcome."""

    age: int
    female: bool
    disease_duration: float
    rf: bool
    anti_ccp: bool
    biologic: bool


@dataclass(frozen=True)
class Patient:
    """A patient: the truth of the outcome, what each study shows, what the raters wrote."""

    anatomy: Anatomy
    baseline: Findings
    followup: Findings
    outcome: int
    bayes_score: float
    ratings: tuple[str, str]
    consensus: str
    clinic: Clinic
    interval_days: int


def sample_patient(seed: int, number: int, prevalence: float = 0.35, doubtful: float = 0.05) -> Patient:
    """Draws patient `number` of the set `seed`; no other patient plays a part.

    Args:
        seed: of the set.
        number: from 1.
        prevalence: share of outcome 1 in the population.
        doubtful: share of patients whose consensus is doubtful, whatever their signs.
    """
    signs = bayes.sample_signs(np.random.default_rng([seed, number, _SIGNS]), 1)[0]
    g = np.random.default_rng([seed, number, _OUTCOME])
    logit = float(bayes.score(signs, prevalence))
    outcome = int(g.random() < bayes.probability(logit))
    baseline = Findings(float(signs[0]), float(signs[1]))
    ratings, consensus = _sample_ratings(g, outcome, doubtful)
    return Patient(
        anatomy=sample_anatomy(np.random.default_rng([seed, number, _ANATOMY])),
        baseline=baseline,
        followup=_sample_followup(g, baseline, outcome),
        outcome=outcome,
        bayes_score=logit,
        ratings=ratings,
        consensus=consensus,
        clinic=_sample_clinic(np.random.default_rng([seed, number, _CLINIC])),
        interval_days=int(g.integers(1000, 2600)),
    )


def sample_anatomy(g: Generator) -> Anatomy:
    """Draws sizes and habits after adult cervical morphometry."""
    stenosis = np.clip(g.normal([0.8, 0.95, 1.2, 1.05], 0.15), 0.5, 1.5)
    return Anatomy(
        scale=float(np.clip(g.normal(1.0, 0.06), 0.87, 1.14)),
        lordosis=float(np.radians(_between(g, 12.0, 9.0, -10.0, 34.0))),
        base_lean=float(np.radians(_between(g, 15.0, 5.0, 3.0, 28.0))),
        nod=float(np.radians(_between(g, -3.0, 4.0, -11.0, 7.0))),
        shares=tuple(float(share) for share in g.dirichlet(np.full(5, 12.0))),
        body_depth=_between(g, 15.8, 1.2, 13.0, 19.0),
        body_height=_between(g, 13.0, 0.9, 11.0, 15.5),
        disc_height=_between(g, 5.2, 0.5, 4.2, 6.6),
        canal=_between(g, 12.4, 1.0, 10.4, 15.0),
        cord=_between(g, 6.9, 0.5, 5.8, 8.0),
        atlantodental=_between(g, 1.6, 0.35, 0.9, 2.5),
        retrodental=_between(g, 3.6, 0.35, 2.8, 4.5),
        dens_tilt=float(np.radians(_between(g, 7.0, 5.0, -4.0, 18.0))),
        spinous=_between(g, 1.0, 0.12, 0.75, 1.3),
        prevertebral=_between(g, 5.0, 1.0, 3.0, 8.0),
        airway=_between(g, 6.0, 1.2, 3.5, 9.0),
        neck_front=_between(g, 50.0, 6.0, 38.0, 64.0),
        neck_back=_between(g, 56.0, 7.0, 43.0, 74.0),
        neck_width=_between(g, 60.0, 6.0, 48.0, 75.0),
        fat=_between(g, 8.0, 3.0, 3.5, 16.0),
        disc_signal=_between(g, 1.0, 0.07, 0.85, 1.15),
        marrow_signal=_between(g, 1.0, 0.15, 0.7, 1.35),
        stenosis=tuple(float(value) for value in stenosis / stenosis.mean()),
        yaw=float(np.radians(_between(g, 0.0, 2.0, -4.0, 4.0))),
        roll=float(np.radians(_between(g, 0.0, 1.5, -3.0, 3.0))),
        shift=(
            _between(g, 0.0, 1.5, -3.0, 3.0),
            _between(g, 0.0, 6.0, -12.0, 12.0),
            _between(g, 0.0, 6.0, -12.0, 12.0),
        ),
        detail_seed=int(g.integers(2**31)),
    )


def _sample_ratings(g: Generator, outcome: int, doubtful: float) -> tuple[tuple[str, str], str]:
    """Two raters who err at times, and the consensus; a doubtful consensus is independent of the signs."""
    unsure = g.random() < doubtful
    raters = []
    for _ in range(2):
        chance = g.random()
        slip = "doubtful" if chance < (0.6 if unsure else 0.03) else str(1 - outcome) if chance > 0.94 else str(outcome)
        raters.append(slip)
    return (raters[0], raters[1]), "doubtful" if unsure else str(outcome)


def _sample_followup(g: Generator, baseline: Findings, outcome: int) -> Findings:
    """The deformity stands out when the outcome is 1; otherwise the signs are much as they were."""
    drawn = g.uniform(0.5, 1.0, 3)
    wear = min(1.0, baseline.subaxial + float(g.uniform(0.0, 0.15)))
    if not outcome:
        return Findings(baseline.retro_odontoid, wear)
    return Findings(max(baseline.retro_odontoid, 0.6), wear, *(float(value) for value in drawn))


def _sample_clinic(g: Generator) -> Clinic:
    """Columns with the shares of a published cohort of rheumatoid arthritis, drawn without a look at the outcome."""
    age = round(_between(g, 52.0, 14.0, 19.0, 86.0))
    return Clinic(
        age=age,
        female=bool(g.random() < 0.86),
        disease_duration=round(float(min(g.gamma(1.6, 5.5), age - 16)), 1),
        rf=bool(g.random() < 0.44),
        anti_ccp=bool(g.random() < 0.29),
        biologic=bool(g.random() < 0.70),
    )


def _between(g: Generator, mean: float, deviation: float, low: float, high: float) -> float:
    return float(np.clip(g.normal(mean, deviation), low, high))
