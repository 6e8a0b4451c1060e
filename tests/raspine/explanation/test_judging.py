import json
from typing import Any

import numpy as np
import pytest
import study_models
import study_shards

from raspine import risk
from raspine.explanation import cascade, explained, gradcam, judging, localisation, sanity, similarity, trust

STUDIES = 4


def _setting(others: int = 0, sign: int = 1, staged: bool = True, **model: Any) -> judging.Setting:
    trained = study_models.model(**model)
    rng = np.random.default_rng(0)
    records = [study_shards.study(f"S{number}", number % 2, rng) for number in range(STUDIES)]
    inputs = explained.network_inputs(trained, records)
    fresh = [sanity.randomised(trained.network, draw, inputs) for draw in range(1)]
    more = [study_models.model(**model, seed=4 + number) for number in range(others)]
    return judging.Setting(
        trained,
        gradcam.Explainer(trained.network),
        [gradcam.Explainer(one) for one in fresh],
        cascade.Cascade(trained.network, fresh[0], inputs) if staged else None,
        [judging.Other(f"training seed {4 + n}", one, gradcam.Explainer(one.network)) for n, one in enumerate(more)],
        records,
        sign,
    )


@pytest.fixture(scope="module")
def setting() -> judging.Setting:
    return _setting()


@pytest.fixture(scope="module")
def judged(setting: judging.Setting) -> dict[str, judging.Judged]:
    return judging.Judge(setting, ["layercam", "saliency"], list(trust.CHECKS)).judged()


def _check(one: judging.Judged, name: str) -> dict[str, Any]:
    return next(check for check in one.checks if check.name == name).to_dict()


def test_every_check_stands_once_and_all_is_json(judged: dict[str, judging.Judged]) -> None:
    assert list(judged) == ["layercam", "saliency"]
    for one in judged.values():
        assert [check.name for check in one.checks] == list(trust.NAMES)
        json.dumps([trust.entry(one.checks), one.to_dict()], allow_nan=False)
        assert _check(one, "energy")["note"] == "there are no masks."
        # Four patients are too few, whatever the figures.
        assert trust.verdict(one.checks) == "not enough data"


def test_randomisation_is_the_correlation_with_the_untrained_networks(
    setting: judging.Setting, judged: dict[str, judging.Judged]
) -> None:
    inputs = explained.network_inputs(setting.model, setting.records)
    for method, one in judged.items():
        own = explained.maps(setting.trained, inputs, method)
        drawn = [explained.maps(network, inputs, method) for network in setting.randomised]
        expected = np.nanmean([similarity.rank_correlations(own, maps) for maps in drawn])
        assert _check(one, "randomisation")["value"] == pytest.approx(expected, abs=1e-3)
        assert [stage["stage"] for stage in one.course] == list(cascade.STAGES)
        assert one.course[-1]["value"] == pytest.approx(expected, abs=1e-3)


def test_curves_begin_and_end_at_the_model_s_risks(setting: judging.Setting, judged: dict[str, judging.Judged]) -> None:
    risks = setting.model.risk(np.stack([record.slices for record in setting.records]))
    curves = judged["saliency"].curves
    assert curves is not None
    assert curves["n"] == STUDIES
    for key in ("map", "random_order", "randomised"):
        assert curves["deletion"][key][0] == pytest.approx(risks.mean(), abs=1e-3)
        assert curves["insertion"][key][-1] == pytest.approx(risks.mean(), abs=1e-3)
        assert curves["deletion"][key][-1] == pytest.approx(curves["insertion"][key][0], abs=1e-6)
    areas = {key: np.trapezoid(curves["deletion"][key], curves["share"]) for key in ("map", "random_order")}
    got = _check(judged["saliency"], "deletion")["value"]
    assert got == pytest.approx(areas["map"] - areas["random_order"], abs=1e-6)


def test_others_repeat_the_maps_of_a_per_slice_network_with_clinical_values() -> None:
    setting = _setting(others=2, sign=-1, staged=False, per_slice=True, columns=("age",))
    one = judging.Judge(setting, ["layercam"], ["repeatability", "insertion"]).judged()["layercam"]
    repeat = _check(one, "repeatability")
    assert "by networks of other training runs, 2 (training seed 4, training seed 5)" in repeat["note"]
    inputs = explained.network_inputs(setting.model, setting.records)
    maps = [
        explained.maps(network, inputs, "layercam", -1)
        for network in (setting.trained, *(other.explainer for other in setting.others))
    ]
    alike = [similarity.rank_correlations(maps[0], other) for other in maps[1:]]
    assert repeat["value"] == pytest.approx(np.nanmean(alike), abs=1e-3)
    assert _check(one, "randomisation")["note"] == "not asked for."
    assert one.course == []
    assert one.curves is not None
    clinical = np.stack([record.clinical for record in setting.records])
    against = 1 - setting.model.risk(np.stack([record.slices for record in setting.records]), clinical)
    if one.curves["n"] == STUDIES:
        assert one.curves["deletion"]["map"][0] == pytest.approx(against.mean(), abs=1e-3)


def test_what_was_repeated_without_others_is_said(setting: judging.Setting) -> None:
    found = judging.Judge(setting, ["gradcam", "smoothgrad"], ["repeatability"]).judged()
    assert (
        "noise of 0.1 of their deviation, by the same network alone"
        in _check(found["gradcam"], "repeatability")["note"]
    )
    smooth = _check(found["smoothgrad"], "repeatability")
    assert "another seed of SmoothGrad's noise alone" in smooth["note"]
    assert 0 < smooth["value"] < 1


def test_empty_maps_leave_nothing_to_say(setting: judging.Setting) -> None:
    model: risk.RiskModel = study_models.model()
    kernel, bias = model.network.get_layer("logit").get_weights()
    model.network.get_layer("logit").set_weights([-np.abs(kernel), bias])
    silent = judging.Setting(model, gradcam.Explainer(model.network), setting.randomised, None, [], setting.records)
    one = judging.Judge(silent, ["gradcam"], list(trust.CHECKS)).judged()["gradcam"]
    for name in ("randomisation", "repeatability", "deletion", "insertion"):
        found = _check(one, name)
        assert (found["value"], found["passed"]) == (None, None)
        assert "no study has a value." in found["note"]
    assert one.curves is not None
    assert one.curves["n"] == 0


def test_localisation_needs_more_than_untrained_networks_and_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    patients = tuple(f"P{number}" for number in range(20))
    low, high = rng.uniform(0.1, 0.2, (20, 2)), rng.uniform(0.5, 0.7, 20)
    good = localisation.Located(patients, high, low, high, low, np.full(20, 0.1))
    assert [check.passed for check in localisation.checks(good)] == [True, True]
    # Twice an untrained network's, but what any map would have.
    alike = high * rng.uniform(0.9, 1.1, 20)
    chance = localisation.Located(patients, high, low, high, low, alike)
    energy, auprc = localisation.checks(chance)
    assert (energy.passed, auprc.passed) == (False, False)
    assert energy.comparisons[0].passed is True
    assert energy.comparisons[0].estimate.value == pytest.approx(high.mean() / low.mean())
    empty = np.where(np.arange(20) < 11, np.nan, high)
    found = localisation.checks(localisation.Located(patients, empty, low, empty, low, np.full(20, 0.1)))[0]
    assert found.passed is None
    assert "20 studies with a mask, 11 with an empty map" in found.to_dict()["note"]
