import dataclasses
import json
import math

import numpy as np
import pytest

from raspine import landmarks
from raspine.evaluation import agreement, classification, film_evidence, keypoints, resampling

SCHEMA = landmarks.ATLANTOAXIAL
LIMITS = keypoints.Limits()
OPTIONS = film_evidence.Options(resamples=300)


def films(count: int = 24, seed: int = 0) -> keypoints.Films:
    rng = np.random.default_rng(seed)
    x = np.cumsum(
        np.stack(
            [np.full(count, 50.0), rng.uniform(3, 12, count), np.full(count, 30.0), rng.uniform(30, 60, count)], 1
        ),
        1,
    )
    truth = np.stack([x, rng.uniform(90, 110, (count, 4))], -1)
    return keypoints.Films(
        names=tuple(f"F{number:05}" for number in range(count)),
        patients=tuple(f"P{number // 3:05}" for number in range(count)),
        positions=tuple(("neutral", "flexion", "")[number % 3] for number in range(count)),
        truth=truth,
        found=truth + rng.normal(0, 3, truth.shape),
        confidence=np.ones((count, 4)),
        spacing=np.full((count, 2), 0.4),
        size=np.full((count, 2), 400.0),
    )


def evidence(some: keypoints.Films, **changes: object) -> dict:
    given = {"annotators": {}, "groups": {}, "options": OPTIONS, **changes}
    return film_evidence.evidence(some, SCHEMA, LIMITS, **given)  # type: ignore[arg-type]


def test_intervals_draw_patients_around_the_figures_of_the_summary() -> None:
    some = films()
    found, summary = evidence(some), keypoints.summary(some, SCHEMA, LIMITS)
    people = np.repeat(some.patients, 4)
    expected = resampling.means(some.errors_mm.ravel(), people, 300, 0, 0.95)
    assert expected.value == pytest.approx(summary["mre_mm"])
    assert found["mre_mm_ci"] == pytest.approx(expected.interval)
    names = [name for name in found if name.endswith("_ci") and name.removesuffix("_ci") in summary]
    assert {"sdr_2mm_ci", "sdr_2_5mm_ci", "pck_ci", "adi_mae_mm_ci", "sac_bias_mm_ci", "adi_sensitivity_ci"} <= set(
        names
    )
    for name in names:
        if found[name] is not None:
            low, high = found[name]
            assert low <= summary[name.removesuffix("_ci")] <= high, name
    assert found["n_patients"] == 8


def test_diagnosis_is_that_of_the_verdicts() -> None:
    some = films()
    found = evidence(some)["diagnosis"]
    truth, model = (SCHEMA.measure(points, some.spacing)["adi"] > 3.0 for points in (some.truth, some.found))
    expected = classification.verdicts(model.astype(int), truth.astype(int), some.patients, resamples=300)
    assert found["adi"] == expected
    assert set(found) == {"adi", "sac", "verdict"}


def test_a_point_that_was_not_found_counts_against_rates_and_verdicts() -> None:
    some = films()
    found = some.found.copy()
    found[0, 0] = np.nan
    less = dataclasses.replace(some, found=found)
    groups = {"all": ["all"] * 24}
    before, after = (evidence(one, groups=groups)["groups"]["all"]["all"] for one in (some, less))
    hit = some.errors_mm[0, 0] <= 4
    assert after["sdr_4mm"] == pytest.approx(before["sdr_4mm"] - hit / 96)
    assert after["mre_mm"] == pytest.approx(np.delete(some.errors_mm.ravel(), 0).mean())
    assert (
        evidence(less)["diagnosis"]["adi"]["confusion"]["negative_without_verdict"]
        + evidence(less)["diagnosis"]["adi"]["confusion"]["positive_without_verdict"]
        == 1
    )


def test_groups_hold_the_films_of_each_level() -> None:
    some = films()
    levels = ["F"] * 9 + ["M"] * 15
    found = evidence(some, groups={"sex": levels})["groups"]["sex"]
    assert (found["F"]["n"], found["F"]["n_patients"], found["M"]["n_patients"]) == (9, 3, 5)
    assert found["F"]["mre_mm"] == pytest.approx(some.errors_mm[:9].mean())


def test_raters_are_compared_pairwise_with_the_papers_margins() -> None:
    some, rng = films(), np.random.default_rng(5)
    annotators = {name: some.truth + rng.normal(0, 1, some.truth.shape) for name in ("one", "two")}
    rows = evidence(some, annotators=annotators)["agreement"]
    pairs = {(row["distance"], row["first"], row["second"]) for row in rows}
    expected = {
        ("model", "consensus"),
        ("model", "one"),
        ("model", "two"),
        ("one", "two"),
        ("one", "consensus"),
        ("two", "consensus"),
    }
    assert pairs == {(distance, *pair) for distance in ("adi", "sac") for pair in expected}
    assert {row["distance"]: row["tost"]["margin"] for row in rows} == {"adi": 1.5, "sac": 2.0}
    model, one = (SCHEMA.measure(points, some.spacing)["sac"] for points in (some.found, annotators["one"]))
    by_hand = agreement.between(model, one, 2.0, some.patients)
    (row,) = [row for row in rows if (row["distance"], row["first"], row["second"]) == ("sac", "model", "one")]
    assert row["icc_a1"]["value"] == pytest.approx(by_hand.icc_a1.value)


def test_a_single_annotator_is_the_consensus() -> None:
    some = films()
    assert set(film_evidence.raters(some, SCHEMA, {"exact": some.truth})) == {"model", "consensus"}


def test_the_table_of_raters_has_only_known_distances() -> None:
    some = films(6)
    found = some.found.copy()
    found[2, 1] = np.nan  # ADI of film 2 is not measured
    rows = film_evidence.rater_rows(dataclasses.replace(some, found=found), SCHEMA, {})
    assert len(rows) == 2 * 2 * 6 - 1
    assert set(rows[0]) == set(film_evidence.RATER_FIELDS)


def test_films_without_spacing_have_reasons_instead_of_intervals() -> None:
    some = dataclasses.replace(films(), spacing=np.full((24, 2), math.nan))
    found = evidence(some)
    assert found["mre_mm_ci"] is None
    assert any("mm" in note for note in found["notes"])
    assert found["pck_ci"] is not None
    assert found["diagnosis"] == {}
    json.dumps(keypoints.as_json(found), allow_nan=False)
