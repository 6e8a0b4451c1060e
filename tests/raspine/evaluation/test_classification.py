import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from raspine.evaluation import classification, confusion, curves
from raspine.evaluation.confusion import Confusion
from raspine.evaluation.scored import ScoresError

NAMES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")
SCORES = [0.9, 0.8, 0.6, 0.4, 0.2, 0.1]
OUTCOMES = [1, 1, 0, 1, 0, 0]


def test_table_of_the_mri_paper() -> None:
    # Figures that follow from its table (9, 3, 7, 48); what it prints for accuracy, NPV and F1 does not.
    found = classification.decisions(Confusion(tp=9, fn=3, fp=7, tn=48))
    expected = {
        "sensitivity": (0.7500, 0.468, 0.911),
        "specificity": (0.8727, 0.760, 0.937),
        "accuracy": (0.8507, 0.747, 0.917),
        "ppv": (0.5625, 0.332, 0.769),
        "npv": (0.9412, 0.841, 0.980),
    }
    for name, (value, *ends) in expected.items():
        assert found[name] == pytest.approx(value, abs=5e-5)
        assert found[f"{name}_ci"] == pytest.approx(ends, abs=5e-4)
    assert found["f1"] == pytest.approx(0.6429, abs=5e-5)
    assert found["balanced_accuracy"] == pytest.approx(0.811, abs=5e-4)
    assert found["mcc"] == pytest.approx(0.560, abs=5e-4)
    assert found["f1_ci"][0] < found["f1"] < found["f1_ci"][1]
    assert found["confusion"] == {"tp": 9, "fn": 3, "fp": 7, "tn": 48}


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
    assert found["auc_ci_method"] == "delong"
    # Precision 1, 1, 3/4 at each of the three positives.
    assert found["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.36 + 0.04 + 0.01) / 6)
    assert (found["mean_risk"], found["calibration_gap"]) == (pytest.approx(0.5), pytest.approx(0.0))
    assert (found["threshold"], found["threshold_source"]) == (0.6, "Youden's index")
    assert found["notes"] == []
    assert found == classification.summary(np.array(SCORES), np.array(OUTCOMES), 0.6, "Youden's index", seed=3)


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


def test_empty_denominators_are_none() -> None:
    found = classification.summary([0.1, 0.2], [0, 0], 0.5)
    empty = {name for name in found if found[name] is None}
    pairs = {part for name in ("sensitivity", "ppv", "f1", "auc") for part in (name, f"{name}_ci")}
    assert empty == pairs | {"auc_ci_method", "auc_se", "average_precision", "balanced_accuracy", "mcc"}
    assert found["notes"] == ["no ROC curve: all 2 outcomes are negative."]


def test_scores_beyond_a_risk_have_no_calibration() -> None:
    found = classification.summary([-2.0, 0.5, 3.0], [0, 0, 1], 0.0)
    assert (found["brier"], found["mean_risk"], found["calibration_gap"]) == (None, None, None)
    assert any("between 0 and 1" in note for note in found["notes"])
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
    assert curves.average_precision([0.1, 0.2], [0, 0]) is None
