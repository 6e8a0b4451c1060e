import json
import math
from typing import Any

import confidenceinterval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from raspine.evaluation import (
    auc,
    calibration,
    classification,
    confusion,
    curves,
    intervals,
    resampling,
    scored,
    weighted_figures,
)
from raspine.evaluation.confusion import Confusion
from raspine.evaluation.scored import ScoresError

NAMES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")
SCORES = [0.9, 0.8, 0.6, 0.4, 0.2, 0.1]
OUTCOMES = [1, 1, 0, 1, 0, 0]


# Figures that follow from the papers' own tables, to the printed digits: value, Wilson's ends.
PAPERS = {
    "deformity": (
        (9, 3, 7, 48),
        {
            "sensitivity": (0.7500, 0.468, 0.911), "specificity": (0.8727, 0.760, 0.937),
            "accuracy": (0.8507, 0.747, 0.917), "ppv": (0.5625, 0.332, 0.769), "npv": (0.9412, 0.841, 0.980),
            "f1": (0.6429,), "balanced_accuracy": (0.8114,), "mcc": (0.5600,), "kappa": (0.5509,),
            "lr_positive": (5.8929,), "lr_negative": (0.2865,),
        },
    ),
    "ADI, clinician 1": (
        (68, 11, 141, 186),
        {
            "sensitivity": (0.8608, 0.768, 0.920), "specificity": (0.5688, 0.515, 0.621), "ppv": (0.3254, 0.265, 0.392),
            "npv": (0.9442, 0.903, 0.969), "accuracy": (0.6256, 0.578, 0.671), "f1": (0.4722,),
        },
    ),
    "ADI, clinician 2": (
        (83, 23, 126, 174),
        {
            "sensitivity": (0.7830, 0.695, 0.851), "specificity": (0.5800, 0.523, 0.634), "ppv": (0.3971, 0.333, 0.465),
            "npv": (0.8832, 0.831, 0.921), "accuracy": (0.6330, 0.585, 0.678), "f1": (0.5270,),
        },
    ),
    "SAC, clinician 1": (
        (14, 14, 1, 367),
        {
            "sensitivity": (0.5000, 0.326, 0.674), "specificity": (0.9973, 0.985, 1.000), "ppv": (0.9333, 0.702, 0.988),
            "npv": (0.9633, 0.939, 0.978), "accuracy": (0.9621, 0.938, 0.977), "f1": (0.6512,),
        },
    ),
    "SAC, clinician 2": (
        (1, 9, 14, 372),
        {
            "sensitivity": (0.1000, 0.018, 0.404), "specificity": (0.9637, 0.940, 0.978), "ppv": (0.0667, 0.012, 0.298),
            "npv": (0.9764, 0.956, 0.988), "accuracy": (0.9419, 0.914, 0.961), "f1": (0.0800,),
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAPERS)
def test_tables_of_the_papers(name: str) -> None:
    counts, expected = PAPERS[name]
    found = classification.decisions(Confusion(*counts))
    for figure, (value, *ends) in expected.items():
        assert found[figure] == pytest.approx(value, abs=5.1e-5)
        if ends:
            assert found[f"{figure}_ci"] == pytest.approx(ends, abs=5.1e-4)
        assert found[f"{figure}_ci"][0] < found[figure] < found[f"{figure}_ci"][1]
    assert tuple(found["confusion"].values()) == counts
    assert found["notes"] == []


@pytest.mark.parametrize("name", PAPERS)
def test_f1_is_the_binary_one_of_confidenceinterval(name: str) -> None:
    counts = PAPERS[name][0]
    called, outcomes = np.repeat([1, 0, 1, 0], counts), np.repeat([1, 1, 0, 0], counts)
    found = classification.verdicts(called, outcomes)
    value, _ = confidenceinterval.f1_score(outcomes, called, average="binary")
    assert found["f1"] == pytest.approx(value, abs=1e-6)
    for figure, scorer in (("sensitivity", "tpr_score"), ("specificity", "tnr_score"), ("ppv", "ppv_score")):
        value, ends = getattr(confidenceinterval, scorer)(outcomes, called)
        assert found[figure] == pytest.approx(value, abs=1e-6)
        assert found[f"{figure}_ci"] == pytest.approx(ends, abs=1e-6)


def test_exact_intervals_may_be_asked_for() -> None:
    found = classification.decisions(Confusion(9, 3, 7, 48), share_method="clopper_pearson")
    expected = stats.binomtest(9, 12).proportion_ci(method="exact")
    assert found["sensitivity_ci"] == pytest.approx([expected.low, expected.high])
    with pytest.raises(ValueError, match="wilson, clopper_pearson"):
        classification.decisions(Confusion(9, 3, 7, 48), share_method="wald")


def test_prevalence_of_the_mri_paper() -> None:
    scores, outcomes = np.repeat([1.0, 0.0, 1.0, 0.0], [9, 3, 7, 48]), np.repeat([1, 1, 0, 0], [9, 3, 7, 48])
    found = classification.summary(scores, outcomes, 0.5)
    assert (found["n"], found["positives"]) == (67, 12)
    assert found["prevalence"] == pytest.approx(0.1791, abs=5e-5)
    assert found["prevalence_ci"] == pytest.approx([0.106, 0.287], abs=5e-4)
    # One threshold: the area is the balanced accuracy.
    assert found["auc"] == pytest.approx(found["balanced_accuracy"])


def test_summary_by_hand() -> None:
    found = classification.summary(SCORES, OUTCOMES, 0.6, "Youden's index", seed=3)
    assert found["confusion"] == {"tp": 2, "fn": 1, "fp": 1, "tn": 2}  # 0.6 itself is called positive
    assert [found[name] for name in NAMES] == pytest.approx([2 / 3] * 6)
    assert found["auc"] == pytest.approx(8 / 9)
    assert found["auc_ci_method"] == "delong_logit"
    # Precision 1, 1, 3/4 at each of the three positives.
    assert found["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.36 + 0.04 + 0.01) / 6)
    assert (found["mean_risk"], found["calibration_gap"]) == (pytest.approx(0.5), pytest.approx(0.0))
    assert (found["threshold"], found["threshold_source"]) == (0.6, "Youden's index")
    assert found["notes"] == []
    assert [group["n"] for group in found["calibration_curve"]] == [1] * 6
    assert found == classification.summary(np.array(SCORES), np.array(OUTCOMES), 0.6, "Youden's index", seed=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 1)), min_size=1, max_size=30), st.integers(0, 10))
def test_summary_is_json_and_agrees_with_scikit_learn(some: list, threshold: int) -> None:
    scores, outcomes = np.array(some, float).T / [[10], [1]]
    found = classification.summary(scores, outcomes, threshold / 10)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    called = scores >= threshold / 10
    scorers = (
        ("sensitivity", metrics.recall_score), ("ppv", metrics.precision_score), ("f1", metrics.f1_score),
        ("mcc", metrics.matthews_corrcoef), ("accuracy", metrics.accuracy_score),
    )  # fmt: skip
    for name, scorer in scorers:
        if found[name] is not None:
            assert found[name] == pytest.approx(scorer(outcomes, called))
    if found["auc"] is not None:
        assert found["auc"] == pytest.approx(metrics.roc_auc_score(outcomes, scores))
    for name in (*NAMES, "prevalence", "auc"):
        assert (found[f"{name}_ci"] is None) == (found[name] is None)
        if found[name] is not None and name != "f1":
            low, high = found[f"{name}_ci"]
            assert low <= found[name] <= high
    explained = " ".join(found["notes"])
    for name in found:
        if name.endswith("_ci") and found[name] is None:
            assert name[:-3] in explained


def test_empty_denominators_are_null_with_the_reason() -> None:
    found = classification.summary([0.1, 0.2], [0, 0], 0.5)
    empty = {name for name in found if found[name] is None}
    names = (
        "sensitivity", "ppv", "f1", "auc", "average_precision", "balanced_accuracy", "mcc", "kappa", "lr_positive",
        "lr_negative", "odds_ratio", "brier_scaled", "calibration_intercept", "calibration_slope",
    )  # fmt: skip
    assert empty == {part for name in names for part in (name, f"{name}_ci")} | {"auc_ci_method", "auc_se"}
    assert found["notes"] == [
        "auc: no ROC curve, all 2 outcomes are negative.",
        "average_precision, sensitivity, balanced_accuracy, mcc, lr_positive, lr_negative, odds_ratio: undefined, no "
        "outcome is positive.",
        "ppv: undefined, nothing is called positive.",
        "f1: undefined, no outcome is positive and nothing is called positive.",
        "kappa: undefined, all outcomes and all calls are the same.",
        "brier_scaled, calibration_intercept, calibration_slope: undefined, all 2 outcomes are negative.",
    ]


def test_scores_beyond_a_risk_have_no_calibration() -> None:
    found = classification.summary([-2.0, 0.5, 3.0], [0, 0, 1], 0.0)
    assert (found["brier"], found["mean_risk"], found["calibration_gap"]) == (None, None, None)
    assert (found["calibration_slope"], found["calibration_curve"]) == (None, None)
    assert any("calibration_slope" in note and "between 0 and 1" in note for note in found["notes"])
    with pytest.raises(ScoresError, match="-2 to 3"):
        classification.calibration([-2.0, 0.5, 3.0], [0, 0, 1])


def test_threshold_applies_to_single_precision_scores_as_saved() -> None:
    scores = np.array([0.1, 0.7], np.float32)
    threshold = json.loads(json.dumps(float(scores[1])))
    assert confusion.at(scores, [0, 1], threshold) == Confusion(tp=1, fn=0, fp=0, tn=1)


def test_infinite_thresholds_call_all_or_none_and_nan_is_refused() -> None:
    assert confusion.at(SCORES, OUTCOMES, math.inf) == Confusion(0, 3, 0, 3)
    assert confusion.at(SCORES, OUTCOMES, -math.inf) == Confusion(3, 0, 3, 0)
    with pytest.raises(ScoresError, match="nan"):
        confusion.at(SCORES, OUTCOMES, math.nan)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="'fp': -1"):
        Confusion(1, 2, -1, 3)


def test_large_tables_do_not_overflow() -> None:
    # Products of four such counts pass 64 bits.
    assert Confusion(10**6, 0, 0, 10**6).mcc == pytest.approx(1.0)


def test_roc_points_are_the_rates_at_their_thresholds() -> None:
    curve = curves.roc(SCORES, OUTCOMES)
    assert curve is not None
    for x, y, threshold in zip(curve.x, curve.y, curve.thresholds, strict=True):
        cells = confusion.at(SCORES, OUTCOMES, threshold)
        assert (x, y) == (pytest.approx(cells.fp / 3), pytest.approx(cells.tp / 3))
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(8 / 9)


def test_precision_and_recall_are_the_shares_at_their_thresholds() -> None:
    curve = curves.precision_recall(SCORES, OUTCOMES)
    assert curve is not None
    assert (curve.x[-1], curve.y[-1], curve.thresholds[-1]) == (0.0, 1.0, math.inf)
    for x, y, threshold in zip(curve.x[:-1], curve.y[:-1], curve.thresholds[:-1], strict=True):
        cells = confusion.at(SCORES, OUTCOMES, threshold)
        assert (x, y) == (pytest.approx(cells.tp / 3), pytest.approx(cells.tp / (cells.tp + cells.fp)))


def test_curves_need_their_classes() -> None:
    assert curves.roc([0.1, 0.2], [1, 1]) is None
    assert curves.roc([0.1, 0.2], [0, 0]) is None
    assert curves.precision_recall([0.1, 0.2], [0, 0]) is None
    for outcome, word in ((0, "positive"), (1, "negative")):
        found = curves.average_precision([0.1, 0.2], [outcome] * 2)
        assert math.isnan(found.value)
        assert found.note == f"undefined, no outcome is {word}"
        assert np.isnan(curves.weighted_average_precision([0.1, 0.2], [outcome] * 2)(np.ones((3, 2)))).all()


@pytest.mark.parametrize("seed", range(50))
def test_average_precision_and_boyds_interval(seed: int) -> None:
    random = np.random.default_rng(seed)
    outcomes = np.append(random.integers(0, 2, random.integers(1, 40)), [1, 0])
    scores = np.round(random.normal(size=outcomes.size) + outcomes, seed % 3)
    confidence = (0.95, 0.8)[seed % 2]
    found = curves.average_precision(scores, outcomes, confidence)
    assert found.value == pytest.approx(metrics.average_precision_score(outcomes, scores))
    weighted = curves.weighted_average_precision(scores, outcomes)
    assert weighted(np.ones((1, outcomes.size)))[0] == pytest.approx(found.value)
    weights = random.integers(0, 3, (4, outcomes.size))
    for row, value in zip(weights, weighted(weights.astype(float)), strict=True):
        if 0 < outcomes @ row < row.sum():
            assert value == pytest.approx(metrics.average_precision_score(outcomes, scores, sample_weight=row))
        else:
            assert math.isnan(value)
    if found.value < 1:
        # A logistic regression on nothing but a constant, of as many trials as there are positive patients.
        spread = 1 / math.sqrt(outcomes.sum() * found.value * (1 - found.value))
        ends = stats.logistic.cdf(
            stats.logistic.ppf(found.value) + stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2]) * spread
        )
        assert found.interval == pytest.approx(tuple(ends))
    else:
        expected = stats.binomtest(int(outcomes.sum()), int(outcomes.sum())).proportion_ci(confidence, "wilson")
        assert found.interval == pytest.approx((expected.low, 1.0))
        assert "Wilson" in found.note


def many_films(seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores and outcomes of 400 films of 86 patients, alike within a patient."""
    random = np.random.default_rng(seed)
    patients = np.append(np.arange(86), random.integers(0, 86, 314))
    outcomes = (random.random(86) < 0.4)[patients] ^ (random.random(400) < 0.1)
    shift = random.normal(size=86)[patients]
    scores = stats.logistic.cdf(shift + random.normal(size=400) + 1.5 * outcomes - 1)
    return scores, outcomes.astype(int), [f"p{number}" for number in patients]


def test_films_of_one_patient_widen_the_intervals_and_leave_the_figures() -> None:
    scores, outcomes, patients = many_films(0)
    alone = classification.summary(scores, outcomes, 0.5)
    found = classification.summary(scores, outcomes, 0.5, patients=patients, resamples=500)
    assert set(found) == {*alone, "auc_ci_bootstrap"}
    names = [name for name in found if f"{name}_ci" in found]
    assert len(names) == 21
    for name in names:
        assert found[name] == pytest.approx(alone[name])
    for name in ("sensitivity", "specificity", "accuracy", "f1", "auc", "average_precision", "brier", "kappa"):
        width, plain = (np.diff(one[f"{name}_ci"])[0] for one in (found, alone))
        assert width > 1.1 * plain
    assert found["auc_ci_method"] == "obuchowski_logit"
    assert found["auc_ci_bootstrap"] == pytest.approx(found["auc_ci"], abs=0.01)
    assert found["notes"][0].startswith("400 rows of 86 patients: intervals come from a bootstrap that draws patients")
    assert found == classification.summary(scores, outcomes, 0.5, patients=patients, resamples=500)


@pytest.mark.parametrize("share_method", ["wilson", "clopper_pearson"])
def test_everything_in_a_summary_has_the_confidence_methods_and_seed_that_are_asked_for(share_method: str) -> None:
    some = [0.9, 0.8, 0.65, 0.4, 0.3, 0.1, 0.05], [1, 1, 0, 1, 0, 0, 0]
    found = classification.summary(
        *some, 0.6, seed=4, confidence=0.8, auc_method="newcombe", share_method=share_method, resamples=300
    )
    expected = {
        "auc": auc.area(*some, 0.8, "newcombe"), "average_precision": curves.average_precision(*some, 0.8),
        "prevalence": intervals.share(3, 7, 0.8, share_method),
        **intervals.of_cells(confusion.at(*some, 0.6), 0.8, share_method, seed=4),
        "brier": calibration.brier(*some, None, 0.8, 4, 300),
        "brier_scaled": calibration.scaled_brier(*some, None, 0.8, 4, 300),
        "mean_risk": resampling.shares(some[0], np.ones(7), range(7), 300, 4, 0.8),
        "calibration_intercept": calibration.intercept(*some, confidence=0.8),
        "calibration_slope": calibration.slope(*some, confidence=0.8),
    }  # fmt: skip
    # The mean risk is 3.2 / 7, the prevalence 3 / 7.
    gap = resampling.weighted(lambda w: w @ np.subtract(*some) / w.sum(axis=1), range(7), 300, 4, 0.8, "t", (-1, 1))
    assert gap.value == pytest.approx(0.2 / 7)
    for name, figure in (expected | {"calibration_gap": gap}).items():
        plain = figure.to_dict()
        assert (found[name], found[f"{name}_ci"]) == (pytest.approx(plain["value"]), pytest.approx(plain["ci"]))
    assert found["calibration_curve"] == [group.to_dict() for group in calibration.groups(*some, confidence=0.8)]
    assert found["confidence"] == 0.8
    trust = classification.calibration(*some, seed=4, confidence=0.8, resamples=300)
    assert {name: found[name] for name in trust if name != "notes"} == {
        name: value for name, value in trust.items() if name != "notes"
    }


def test_films_of_one_patient_take_the_confidence_that_is_asked_for() -> None:
    scores, outcomes, patients = many_films(2)
    options = {"patients": patients, "seed": 4, "confidence": 0.8, "resamples": 300}
    found = classification.summary(scores, outcomes, 0.5, **options)
    drawn = 300, 4, 0.8
    precision = resampling.weighted(
        curves.weighted_average_precision(scores, outcomes), patients, *drawn, bounds=(0, 1)
    )
    area = resampling.weighted(weighted_figures.auc(scores, outcomes), patients, *drawn, bounds=(0, 1))
    expected = {
        "prevalence_ci": resampling.shares(outcomes, np.ones(400), patients, *drawn),
        "average_precision_ci": precision, "auc_ci_bootstrap": area,
        "auc_ci": auc.area(scores, outcomes, 0.8, patients=patients),
        "calibration_slope_ci": calibration.slope(scores, outcomes, patients, 0.8),
        "accuracy_ci": resampling.shares((scores >= 0.5) == outcomes, np.ones(400), patients, *drawn),
    }  # fmt: skip
    for name, figure in expected.items():
        assert found[name] == pytest.approx(list(figure.interval)), name
    called = classification.verdicts(scores >= 0.5, outcomes, share_method="clopper_pearson", **options)
    assert called["accuracy_ci"] == found["accuracy_ci"]
    assert called["f1_ci"] == found["f1_ci"]
    apart = classification.decisions(confusion.at(scores, outcomes, 0.5), 4, 0.8, "clopper_pearson")
    for name in ("accuracy", "f1", "kappa"):
        assert called[f"{name}_ci_unclustered"] == apart[f"{name}_ci"]


def test_patients_whose_films_have_no_truth_are_not_counted() -> None:
    found = classification.verdicts([1, 0, 1, 0], [1, -1, 0, 1], ["a", "b", "c", "c"])
    assert (found["n"], found["n_patients"]) == (3, 2)


def test_one_film_a_patient_is_the_plain_summary() -> None:
    names = [f"p{number}" for number in range(6)]
    assert classification.summary(SCORES, OUTCOMES, 0.5, patients=names) == classification.summary(
        SCORES, OUTCOMES, 0.5
    )


def test_films_without_verdict_count_as_wrong() -> None:
    found = classification.verdicts([1, 1, -1, 0, -1, 0, 1, 1], [1, 1, 1, 1, 0, 0, 0, -1])
    assert (found["n"], found["n_patients"]) == (7, 7)
    assert found["confusion"] == {
        "tp": 2, "fn": 2, "fp": 2, "tn": 1, "positive_without_verdict": 1, "negative_without_verdict": 1,
    }  # fmt: skip
    assert (found["sensitivity"], found["specificity"]) == (0.5, pytest.approx(1 / 3))
    assert "2 without verdict count as wrong." in found["notes"]
    assert found["sensitivity_ci"] == found["sensitivity_ci_unclustered"]


def test_verdicts_of_films_are_clustered_by_patient() -> None:
    scores, outcomes, patients = many_films(1)
    found = classification.verdicts(scores > 0.5, outcomes, patients, resamples=500)
    plain = classification.decisions(confusion.at(scores, outcomes, 0.5))
    names = (
        "sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "balanced_accuracy", "mcc", "kappa",
        "lr_positive", "lr_negative",
    )  # fmt: skip
    for name in names:
        assert found[name] == pytest.approx(plain[name])
        assert found[f"{name}_ci_unclustered"] == plain[f"{name}_ci"]
        low, high = found[f"{name}_ci"]
        assert low < found[name] < high
        assert found[f"{name}_ci"] != plain[f"{name}_ci"]
    assert found["n_patients"] == 86
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("outcome", [0, 1, -1])
def test_verdicts_of_one_class_or_none_are_null_with_the_reason(outcome: int) -> None:
    found = classification.verdicts([1, 0, 1, 1], [outcome] * 4, ["a", "a", "b", "c"])
    json.dumps(found, allow_nan=False)
    explained = " ".join(found["notes"])
    for name in ("sensitivity", "specificity", "mcc", "lr_positive", "balanced_accuracy"):
        assert found[name] is not None or name in explained


@pytest.mark.parametrize(
    ("found", "truth", "message"), [([1, 2], [0, 1], "1 .positive."), ([1, 0], [1], "Received: 2, 1")]
)
def test_verdicts_that_make_no_sense_are_refused(found: list, truth: list, message: str) -> None:
    with pytest.raises(ScoresError, match=message):
        classification.verdicts(found, truth)


def test_ratios_of_few_patients_at_a_high_confidence_do_not_overflow() -> None:
    called, truth, patients = (
        [1, 1, 0, 0, 1, 0, 1, 0, 0, 0],
        [1, 0, 1, 0, 1, 0, 1, 0, 0, 1],
        [0, 0, 0, 0, 1, 1, 1, 1, 1, 0],
    )
    found = classification.verdicts(called, truth, patients, confidence=0.999)
    json.dumps(found, allow_nan=False)
    assert found["lr_positive"] == pytest.approx((3 / 5) / (1 / 5))
    assert found["lr_positive_ci"] is None
    assert any("lr_positive" in note and "too few patients" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("patients", "received"),
    [
        (["a", None, "b"], "None in row 1"),
        (np.array(["a", "b", None], object), "None in row 2"),
        ([1.0, 2.0, math.nan], "nan in row 2"),
        (np.array([1.0, math.nan, 2.0]), "nan in row 1"),
        (["a", math.nan, "b"], "nan in row 1"),
        (["", "a", "b"], "'' in row 0"),
        (np.array(["a", " ", "b"]), "' ' in row 1"),
    ],
)
def test_rows_without_a_patient_are_named(patients: Any, received: str) -> None:
    with pytest.raises(ScoresError, match=f"every row has a patient. Received: {received}"):
        scored.patient_codes(patients, 3)


def test_patients_of_several_types_compare_as_text() -> None:
    mixed = ["p", 7, "7", 12, "p"]
    forms: list[Any] = [mixed, np.array(mixed, object), tuple(mixed), np.array([str(one) for one in mixed])]
    for patients in forms:
        assert scored.patient_codes(patients, 5).tolist() == [2, 1, 1, 0, 2]
    for numbers in ([10, 9, 10], np.array([10, 9, 10]), np.array([10, 9, 10], object), [10.0, 9.0, 10]):
        assert scored.patient_codes(numbers, 3).tolist() == [1, 0, 1]
