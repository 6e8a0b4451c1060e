import dataclasses
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data_prep.phantom.mri import bayes, scanner
from data_prep.phantom.mri import visit as visits
from data_prep.phantom.mri.anatomy import pose
from data_prep.phantom.mri.canvas import Canvas, Frame, Grid
from data_prep.phantom.mri.patient import Findings, sample_anatomy, sample_patient
from data_prep.phantom.mri.render import add_noise, render
from data_prep.phantom.mri.signal import tissues
from data_prep.phantom.mri.study import baseline_volume

MATRIX = 96
CLEAR = Findings()


def _render(findings: Findings, number: int = 1, matrix: int = MATRIX) -> tuple[np.ndarray, np.ndarray]:
    """The noiseless T2 stack of a patient who shows `findings`."""
    patient = sample_patient(5, number)
    session = visits.plan(5, number, patient, visits.BASELINE)
    grid = scanner.grids(session, session.scanner.protocol("t2"), matrix)[0]
    generator = np.random.default_rng(number)
    drawn = render(patient.anatomy, findings, grid, "t2", session.scanner, generator, spoiled=False)
    return drawn.signal, drawn.mask


def test_bayes_auc_agrees_with_counting_drawn_pairs() -> None:
    signs = bayes.sample_signs(np.random.default_rng(11), 60_000)
    logit = bayes.score(signs, 0.35)
    outcome = np.random.default_rng(12).random(len(logit)) < bayes.probability(logit)
    assert outcome.mean() == pytest.approx(0.35, abs=0.01)
    assert bayes.bayes_auc(0.35) == pytest.approx(roc_auc_score(outcome, logit), abs=0.006)
    positive, negative = logit[outcome][:1500], logit[~outcome][:1500]
    wins = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    assert bayes.bayes_auc(0.35) == pytest.approx(wins, abs=0.03)


@pytest.mark.parametrize("prevalence", [0.05, 0.2, 0.35, 0.6, 0.95])
def test_the_best_auc_is_good_and_not_perfect_at_any_prevalence(prevalence: float) -> None:
    assert 0.80 < bayes.bayes_auc(prevalence) < 0.90


def test_the_retro_odontoid_sign_carries_most_of_the_score() -> None:
    signs = bayes.sample_signs(np.random.default_rng(3), 20_000)
    shares = signs.var(0) * np.square([bayes.RETRO_ODONTOID_WEIGHT, bayes.SUBAXIAL_WEIGHT])
    assert 0.6 < shares[0] / shares.sum() < 0.75


def test_a_prevalence_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prevalence must lie in 0\.05\.\.0\.95\. Received: 1\.5"):
        bayes.intercept(1.5)


def test_outcomes_follow_the_prevalence_and_only_the_signs() -> None:
    patients = [sample_patient(2, number) for number in range(1, 1501)]
    outcome = np.array([patient.outcome for patient in patients])
    assert outcome.mean() == pytest.approx(0.35, abs=0.04)
    score = np.array([patient.bayes_score for patient in patients])
    assert roc_auc_score(outcome, score) == pytest.approx(bayes.bayes_auc(0.35), abs=0.03)
    sessions = [
        scanner.plan(patient.anatomy, np.random.default_rng([2, n, 201])) for n, patient in enumerate(patients, 1)
    ]
    confounders: dict[str, list[float]] = {
        "scanner": [float(session.scanner.name == "A") for session in sessions],
        "slices": [session.slices for session in sessions],
        "gain": [session.gain for session in sessions],
        "days": [patient.interval_days for patient in patients],
        "doubtful": [float(patient.consensus == "doubtful") for patient in patients],
    }
    for name in ("scale", "lordosis", "base_lean", "canal", "cord", "disc_signal", "disc_height", "retrodental", "fat"):
        confounders[name] = [getattr(patient.anatomy, name) for patient in patients]
    for name in ("age", "female", "disease_duration", "rf", "anti_ccp", "biologic"):
        confounders[name] = [float(getattr(patient.clinic, name)) for patient in patients]
    # Four standard errors of an AUC without information at these counts.
    bound = 4 * math.sqrt((len(outcome) + 1) / (12 * outcome.sum() * (1 - outcome).sum()))
    for name, values in confounders.items():
        assert roc_auc_score(outcome, values) == pytest.approx(0.5, abs=bound), name


def test_the_clinical_columns_have_the_cohorts_shares() -> None:
    clinics = [sample_patient(4, number).clinic for number in range(1, 801)]
    for name, mean, deviation in (("age", 52, 14), ("female", 0.86, 0.35), ("rf", 0.44, 0.5), ("biologic", 0.7, 0.46)):
        values = np.array([float(getattr(clinic, name)) for clinic in clinics])
        assert values.mean() == pytest.approx(mean, abs=4 * deviation / math.sqrt(len(clinics))), name
    assert all(0 <= clinic.disease_duration <= clinic.age - 16 for clinic in clinics)


def test_raters_err_at_times_and_doubt_comes_from_the_flag() -> None:
    sure = [sample_patient(6, number, doubtful=0.0) for number in range(1, 301)]
    assert all(patient.consensus == str(patient.outcome) for patient in sure)
    agree = np.mean([patient.ratings[0] == patient.ratings[1] for patient in sure])
    assert 0.7 < agree < 0.95
    assert {sample_patient(6, number, doubtful=1.0).consensus for number in range(1, 20)} == {"doubtful"}


@pytest.mark.parametrize(("findings", "label"), [(Findings(retro_odontoid=1.0), 1), (Findings(subaxial=1.0), 2)])
def test_a_sign_changes_pixels_in_its_mask_alone(findings: Findings, label: int) -> None:
    for number in (1, 2, 3):
        clear, empty = _render(CLEAR, number)
        shown, mask = _render(findings, number)
        assert not empty.any()
        assert set(np.unique(mask)) == {0, label}
        np.testing.assert_array_equal(shown[mask == 0], clear[mask == 0])
        assert (shown != clear)[mask == label].mean() > 0.6


def test_the_retro_odontoid_sign_brightens_with_its_grade_in_the_middle_slices() -> None:
    clear, _ = _render(CLEAR, matrix=256)
    rises = []
    for grade in (0.3, 0.6, 1.0):
        shown, mask = _render(Findings(retro_odontoid=grade), matrix=256)
        middle = len(mask) // 2
        sign = mask == 1
        assert sign[middle - 3 : middle + 3].sum() > 0.6 * sign.sum()
        rises.append(float((shown - clear)[sign & (shown > clear)].mean()))
    noise = max(machine.noise for machine in scanner.SCANNERS)
    assert rises == sorted(rises)
    assert noise < rises[0] < 8 * noise < rises[2]


def test_the_sign_lies_behind_the_dens_and_has_its_size() -> None:
    patient = sample_patient(5, 1)
    _, affine, *_ = baseline_volume(5, 1, 256)
    _, mask = _render(Findings(retro_odontoid=1.0), matrix=256)
    number, row, column = np.argwhere(mask == 1).T
    index = np.stack([column, row, number, np.ones(len(row))])
    place = (scanner.anatomy_from_patient(patient.anatomy) @ affine @ index)[:3].T
    dens = pose(patient.anatomy, CLEAR).dens
    low, high = dens.place(5.5, 16.0), dens.place(5.5, 34.0)
    assert low[1] < place[:, 2].mean() < high[1]
    assert abs(place[:, 1].mean() - (low[0] + high[0]) / 2) < 4
    assert 10 < np.ptp(place[:, 2]) < 20
    assert np.abs(place[:, 0]).max() < 10


def test_a_worn_disc_is_darker_and_its_endplates_brighter_than_healthy_ones() -> None:
    clear, _ = _render(CLEAR)
    for grade in (0.3, 1.0):
        shown, mask = _render(Findings(subaxial=grade))
        change = (shown - clear)[mask == 2]
        assert (change < -0.05 * grade).mean() > 0.15
        assert (change > 0.05 * grade).mean() > 0.15


def test_a_follow_up_with_outcome_one_shows_more_than_its_baseline() -> None:
    patients = [sample_patient(8, number) for number in range(1, 41)]
    for patient in patients:
        assert patient.interval_days >= 1000
        assert patient.followup.subaxial >= patient.baseline.subaxial
        deformity = (patient.followup.pannus, patient.followup.erosion, patient.followup.translocation)
        assert all(value >= 0.5 for value in deformity) if patient.outcome else deformity == (0, 0, 0)
        assert patient.baseline == dataclasses.replace(patient.baseline, pannus=0, erosion=0, translocation=0)
    assert {patient.outcome for patient in patients} == {0, 1}


def test_translocation_brings_the_head_down_on_the_dens() -> None:
    anatomy = sample_anatomy(np.random.default_rng(1))
    before, after = pose(anatomy, CLEAR), pose(anatomy, Findings(translocation=1.0))
    assert before.dens == after.dens
    assert math.dist(before.head.centre, after.head.centre) == pytest.approx(7.0)
    assert after.head.centre[1] < before.head.centre[1]


def test_a_painted_ball_has_the_volume_of_a_ball() -> None:
    affine = np.diag([0.5, -0.5, 0.5, 1.0])
    affine[:3, 3] = (-10, 10, -10)
    canvas = Canvas(Grid((41, 41, 41), affine), np.eye(4), tissues("t2"))
    canvas.solid(Frame((0.0, 0.0), 0.3), (6.0, 6.0, 6.0), (("fluid", 0.0),))
    assert canvas.signal.sum() * 0.5**3 == pytest.approx(4 / 3 * math.pi * 6**3, rel=0.02)
    assert canvas.signal[20, 20, 20] == 1.0
    assert canvas.signal[0].max() == 0.0


def test_noise_is_rician() -> None:
    machine = scanner.SCANNERS[0]
    generator = np.random.default_rng(1)
    silent = add_noise(np.zeros((4, 200, 200), np.float32), machine, generator)
    assert silent.mean() == pytest.approx(machine.noise * math.sqrt(math.pi / 2), rel=0.01)
    loud = add_noise(np.ones((4, 200, 200), np.float32), machine, generator)
    assert loud.std() == pytest.approx(machine.noise, rel=0.01)


def test_a_stack_is_canonical_and_plausible() -> None:
    for number in range(1, 7):
        voxels, affine, outcome, score, mask = baseline_volume(9, number, 64)
        patient = sample_patient(9, number)
        assert (outcome, score) == (patient.outcome, patient.bayes_score)
        assert voxels.dtype == np.float32
        assert voxels.shape == mask.shape
        assert 11 <= len(voxels) <= 17
        across = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        np.testing.assert_allclose(across.T @ across, np.eye(3), atol=1e-12)
        assert across[1, 0] > 0.98
        assert across[2, 1] < -0.98
        assert across[0, 2] > 0.98
        assert 3 <= np.linalg.norm(affine[:3, 2]) <= 4


def test_the_scanners_own_pixels_have_the_sizes_of_cervical_protocols() -> None:
    for machine in scanner.SCANNERS:
        protocol = machine.protocol("t2")
        assert protocol.field * 0.94 / protocol.matrix > 0.5
        assert protocol.field * 1.08 / protocol.matrix < 0.91
        assert protocol.thickness < protocol.pitch
        assert 1 <= protocol.echo_time < protocol.repetition_time


def test_fat_and_fluid_trade_places_between_the_contrasts() -> None:
    t2, t1, stir = tissues("t2"), tissues("t1"), tissues("stir")
    assert t2["fluid"] > t2["fat"] > t2["muscle"]
    assert t1["fat"] > t1["cord"] > t1["fluid"]
    assert stir["fluid"] > stir["muscle"] > stir["fat"]
