import math

import numpy as np
import pytest
from scipy import special, stats

from raspine.evaluation import clustered, confusion, intervals, resampling
from raspine.evaluation.confusion import Confusion

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def films(seed: int, count: int = 80, patients: int = 15) -> Rows:
    """Calls, outcomes and patients of films."""
    random = np.random.default_rng(seed)
    of = np.append(np.arange(patients), random.integers(0, patients, count - patients))
    positive = (random.random(patients) < 0.5)[of] ^ (random.random(count) < 0.2)
    return positive ^ (random.random(count) < 0.25), positive, of


def slow(called: np.ndarray, positive: np.ndarray, of: np.ndarray, seed: int, resamples: int) -> list[Confusion]:
    """The tables of the same resamples, film by film."""
    tables = []
    for weights in resampling.draws(of, resamples, seed):
        rows = np.repeat(np.arange(of.size), weights[of].astype(int))
        tables.append(confusion.of_calls(called[rows], positive[rows]))
    return tables


@pytest.mark.parametrize("seed", range(5))
def test_intervals_are_those_of_resampling_film_by_film(seed: int) -> None:
    called, positive, of = films(seed)
    confidence = (0.95, 0.8)[seed % 2]
    found = clustered.of_cells(called, positive, of, clustered.Bootstrap(200, seed, confidence))
    plain = intervals.of_cells(confusion.of_calls(called, positive))
    tables = slow(called, positive, of, seed, 200)
    # Student's t with the patients less one, the spread enlarged by 15 / 14, as everywhere in resampling.
    enlarged = stats.t.ppf((1 + confidence) / 2, 14) * math.sqrt(15 / 14)
    for name in plain:
        assert found[name].value == pytest.approx(plain[name].value)
    for name, low in (("balanced_accuracy", 0), ("mcc", -1), ("kappa", -1)):
        values = [value for table in tables if not math.isnan(value := getattr(table, name))]
        share = (found[name].value - low) / (1 - low)
        step = enlarged * np.std(values) / (1 - low) / (share * (1 - share))
        ends = low + (1 - low) * special.expit(special.logit(share) + np.array([-step, step]))
        assert found[name].interval == pytest.approx(tuple(ends))
    for name in ("lr_positive", "lr_negative", "odds_ratio"):
        values = [math.log(value) for table in tables if (value := getattr(table, name)) > 0]
        half = enlarged * np.std(values)
        expected = found[name].value * np.exp([-half, half])
        assert found[name].interval == pytest.approx(tuple(expected))
    # F1 = 2 J / (1 + J), whose logit is the logit of J and log 2.
    jaccard = resampling.shares(positive & called, positive | called, of, 200, seed, confidence)
    assert found["f1"].interval == pytest.approx(tuple(2 * end / (1 + end) for end in jaccard.interval))
    assert found["sensitivity"] == resampling.shares(positive & called, positive, of, 200, seed, confidence)


def test_patients_with_a_film_each_are_told_from_others() -> None:
    assert not clustered.is_clustered(np.array([4, 0, 2]))
    assert clustered.is_clustered(np.array([4, 0, 4]))


def test_perfect_calls_have_intervals_of_shares_and_f1_alone() -> None:
    positive, of = np.repeat([True, False], [6, 9]), np.arange(15) // 3
    found = clustered.of_cells(positive, positive, of, clustered.Bootstrap(200))
    # Two patients are positive, all their films called so.
    expected = stats.binomtest(2, 2).proportion_ci(method="wilson").low
    assert found["sensitivity"].interval == pytest.approx((expected, 1.0))
    assert found["f1"].interval == pytest.approx((2 * expected / (1 + expected), 1.0))
    for name in ("mcc", "kappa", "balanced_accuracy"):
        assert found[name].value == 1.0
        assert not found[name].has_interval
        assert found[name].note
    assert found["lr_positive"].note == "no bound, since it divides by the false positives and there is none"
    assert found["lr_negative"].value == 0.0


def test_one_patient_alone_has_figures_without_intervals() -> None:
    called, positive, _ = films(3)
    found = clustered.of_cells(called, positive, np.zeros(80, int), clustered.Bootstrap(50))
    for figure in found.values():
        assert figure.is_defined
        assert not figure.has_interval
        assert "one patient" in figure.note


@pytest.mark.parametrize("outcome", [False, True])
def test_an_empty_class_is_undefined_with_the_reason(outcome: bool) -> None:
    called, _, of = films(4)
    found = clustered.of_cells(called, np.full(80, outcome), of, clustered.Bootstrap(50))
    word = "negative" if outcome else "positive"
    for name in ("specificity" if outcome else "sensitivity", "mcc", "lr_positive", "odds_ratio", "balanced_accuracy"):
        assert math.isnan(found[name].value)
        assert found[name].note == f"undefined, no outcome is {word}"
