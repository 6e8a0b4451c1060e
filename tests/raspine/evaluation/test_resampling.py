import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from raspine.evaluation import resampled, resampling, weighted_figures
from raspine.evaluation.estimate import Estimate


def _films(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray, np.ndarray]:
    """Clusters of unequal size, a share with some rows outside the denominator, and tied scores."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(rng.integers(5, 30), size=rng.integers(40, 90))
    counted = rng.random(clusters.size) < 0.6
    total = rng.random(clusters.size) < 0.9
    return rng, clusters, counted & total, total


def _plain_resamples(clusters: np.ndarray, resamples: int, seed: int) -> Iterator[list[int]]:
    """The same resamples as row numbers, film by film."""
    names = sorted(set(clusters.tolist()))
    for weights in resampling.draws(clusters, resamples, seed):
        rows: list[int] = []
        for name, times in zip(names, weights, strict=True):
            rows += int(times) * np.flatnonzero(clusters == name).tolist()
        yield rows


def test_draws_draw_as_many_clusters_as_there_are() -> None:
    weights = resampling.draws(["b", "a", "b", "c"], resamples=500, seed=3)
    assert weights.shape == (500, 3)
    assert (weights.sum(axis=1) == 3).all()
    assert (weights == np.round(weights)).all()
    assert abs(weights.mean() - 1) < 1e-12
    # Each count is binomial (3, 1/3).
    assert abs((weights == 0).mean() - 8 / 27) < 0.03


def test_same_seed_same_draws_and_another_seed_others() -> None:
    clusters = np.arange(20)
    first = resampling.draws(clusters, 50, seed=1)
    first[0, 0] = 99
    again = resampling.draws(clusters, 50, seed=1)
    assert again[0, 0] != 99
    assert not np.array_equal(again, resampling.draws(clusters, 50, seed=2))


@pytest.mark.parametrize("seed", range(50))
def test_shares_and_means_equal_a_plain_bootstrap_of_the_same_resamples(seed: int) -> None:
    rng, clusters, counted, total = _films(seed)
    confidence = (0.95, 0.8)[seed % 2]
    ends = [50 * (1 - confidence), 50 * (1 + confidence)]
    values = rng.normal(size=clusters.size)
    of_share, of_mean = [], []
    for rows in _plain_resamples(clusters, 60, seed):
        of_share.append(sum(counted[row] for row in rows) / sum(total[row] for row in rows))
        of_mean.append(sum(values[row] for row in rows) / len(rows))
    share = resampling.shares(counted, total, clusters, 60, seed, confidence, "percentile")
    mean = resampling.means(values, clusters, 60, seed, confidence, "percentile")
    assert share.value == pytest.approx(counted.sum() / total.sum(), abs=1e-12)
    assert share.interval == pytest.approx(np.percentile(of_share, ends), abs=1e-10)
    assert mean.value == pytest.approx(values.mean(), abs=1e-12)
    assert mean.interval == pytest.approx(np.percentile(of_mean, ends), abs=1e-10)
    assert share.n == total.sum()


@pytest.mark.parametrize("seed", range(50))
def test_weighted_auc_and_cells_equal_scikit_learn_on_repeated_rows(seed: int) -> None:
    rng, clusters, outcomes, _ = _films(seed)
    scores = np.round(rng.normal(size=clusters.size) + outcomes, 1)
    called = scores > 0.5
    weights = resampling.draws(clusters, 8, seed)[:, np.unique(clusters, return_inverse=True)[1]]
    cells = {
        metrics.f1_score: weighted_figures.f1,
        metrics.balanced_accuracy_score: weighted_figures.balanced_accuracy,
        metrics.matthews_corrcoef: weighted_figures.mcc,
        metrics.cohen_kappa_score: weighted_figures.kappa,
    }
    areas = weighted_figures.auc(scores, outcomes)(weights)
    for area, one in zip(areas, weights, strict=True):
        rows = np.repeat(np.arange(one.size), one.astype(int))
        assert area == pytest.approx(metrics.roc_auc_score(outcomes[rows], scores[rows]), abs=1e-12)
    for theirs, ours in cells.items():
        found = weighted_figures.of_decisions(called, outcomes, ours)(weights)
        for value, one in zip(found, weights, strict=True):
            rows = np.repeat(np.arange(one.size), one.astype(int))
            assert value == pytest.approx(theirs(outcomes[rows], called[rows]), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_statistic_of_row_numbers_equals_weights(seed: int) -> None:
    rng, clusters, outcomes, _ = _films(seed)
    scores = np.round(rng.normal(size=clusters.size) + outcomes, 1)

    def of_rows(rows: np.ndarray) -> float:
        return metrics.roc_auc_score(outcomes[rows], scores[rows])

    quickly = weighted_figures.auc(scores, outcomes)
    for method, confidence in zip(resampled.METHODS, (0.95, 0.8, 0.99), strict=True):
        slow = resampling.statistic(of_rows, clusters, 40, seed, confidence, method, bounds=(0, 1))
        quick = resampling.weighted(quickly, clusters, 40, seed, confidence, method, bounds=(0, 1))
        whole = resampling.resampled(quickly, clusters, 40, seed, bounds=(0, 1))
        assert quick == whole.estimate(method, confidence)
        assert quick.value == pytest.approx(slow.value, abs=1e-12)
        assert quick.interval == pytest.approx(slow.interval, abs=1e-9)


@pytest.mark.parametrize("seed", range(50))
def test_bca_equals_scipy_with_the_same_resamples(seed: int) -> None:
    _, clusters, counted, total = _films(seed)
    confidence = (0.95, 0.8)[seed % 2]
    found = resampling.resampled_shares(counted, total, clusters, 300, seed)
    codes = np.unique(clusters, return_inverse=True)[1]
    parts, wholes = np.bincount(codes, counted), np.bincount(codes, total)

    def ratio(part: np.ndarray, whole: np.ndarray, axis: int = -1) -> np.ndarray:
        return part.sum(axis=axis) / whole.sum(axis=axis)

    # scipy takes over the distribution it is given when it draws nothing itself.
    given = stats._resampling.BootstrapResult(None, found.values, None)
    theirs = stats.bootstrap(
        (parts, wholes), ratio, paired=True, vectorized=True, n_resamples=0, bootstrap_result=given, method="BCa",
        confidence_level=confidence,
    )  # fmt: skip
    assert found.estimate("bca", confidence).interval == pytest.approx(tuple(theirs.confidence_interval), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_t_is_the_textbook_interval_of_a_mean(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=30)
    confidence = (0.95, 0.8)[seed % 2]
    found = resampling.means(values, np.arange(30), 20_000, seed, confidence)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert found.interval == pytest.approx((theirs.low, theirs.high), abs=0.02 * values.std())


def test_t_with_bounds_stays_within_them() -> None:
    scores, outcomes = [1, 2, 3, 2.5, 4, 5, 6], [0, 0, 0, 1, 1, 1, 1]
    found = resampling.weighted(weighted_figures.auc(scores, outcomes), np.arange(7), bounds=(0, 1))
    assert 0 < found.interval[0] < found.value < found.interval[1] < 1
    assert "logit" in found.method


def test_correlation_may_lie_between_minus_one_and_one() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=40)
    two = -one + 0.2 * rng.normal(size=40)
    found = resampling.statistic(lambda rows: np.corrcoef(one[rows], two[rows])[0, 1], np.arange(40), bounds=(-1, 1))
    assert -1 < found.interval[0] < found.value < found.interval[1] < -0.9


def test_one_film_a_patient_is_the_ordinary_bootstrap() -> None:
    counted = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1])
    found = resampling.shares(counted, np.ones(10), list("abcdefghij"), method="percentile", resamples=20_000)
    assert found.interval == pytest.approx(stats.binom.ppf([0.025, 0.975], 10, 0.7) / 10)
    assert found.method.startswith("bootstrap, ")


def test_clusters_widen_the_interval() -> None:
    patients = np.repeat(np.arange(30), 5)
    right = np.repeat(np.arange(30) % 3 > 0, 5)
    together = resampling.shares(right, np.ones(150), patients)
    alone = resampling.shares(right, np.ones(150), np.arange(150))
    ratio = np.diff(together.interval) / np.diff(alone.interval)
    assert ratio == pytest.approx(math.sqrt(5), rel=0.1)
    assert together.method.startswith("bootstrap of 30 patients")


def test_all_or_none_has_wilsons_interval_over_patients() -> None:
    patients = np.repeat(np.arange(10), 3)
    for value in (0, 1):
        for confidence in (0.95, 0.8):
            found = resampling.shares(np.full(30, value), np.ones(30), patients, confidence=confidence)
            theirs = stats.binomtest(10 * value, 10).proportion_ci(confidence, "wilson")
            assert found.value == value
            assert found.interval == pytest.approx((theirs.low, theirs.high))
            assert found.note


def test_patients_outside_the_denominator_do_not_carry_the_share() -> None:
    found = resampling.resampled_shares([1, 1, 0, 0], [1, 1, 0, 0], [1, 2, 3, 4])
    assert (found.n, found.clusters, found.carrying) == (2, 4, 2)
    # A resample without patients 1 and 2 has no share.
    assert found.undefined == pytest.approx(2000 / 16, abs=40)


@pytest.mark.parametrize("method", resampled.METHODS)
def test_undefined_resamples_are_left_out_counted_and_told(method: Any) -> None:
    # Two positive patients of ten: a tenth of the resamples lack both.
    outcomes = np.arange(10) < 2
    scores = np.array([5, 3, 4, 1, 2, 0, 2, 1, 0, 3.5])
    found = resampling.resampled(weighted_figures.auc(scores, outcomes), np.arange(10), bounds=(0, 1))
    assert found.undefined == np.isnan(found.values).sum() > 100
    estimate = found.estimate(method)
    assert estimate.has_interval
    assert f"{found.undefined} of 2000" in estimate.note


def test_few_undefined_resamples_are_not_worth_a_note() -> None:
    values = np.linspace(0, 1, 1000)
    values[:40] = math.nan
    found = resampled.Resampled(0.5, values, lambda: values, 1000, 1000, 1000)
    assert found.estimate("percentile").note == ""
    assert found.undefined == 40


def test_what_has_no_interval_says_why() -> None:
    one_patient = resampling.shares([1, 0], [1, 1], ["a", "a"])
    assert one_patient.value == 0.5
    assert not one_patient.has_interval
    assert "one patient" in one_patient.note
    alike = resampling.means([2.0, 2.0, 2.0], [1, 2, 3])
    assert alike.value == 2
    assert not alike.has_interval
    assert "same value" in alike.note
    perfect = resampling.weighted(weighted_figures.auc([1, 2, 3, 4], [0, 0, 1, 1]), np.arange(4), bounds=(0, 1))
    assert perfect.value == 1
    assert not perfect.has_interval


@pytest.mark.parametrize(
    "found",
    [
        resampling.shares([], [], []),
        resampling.shares([0, 0], [0, 0], [1, 2]),
        resampling.means([], []),
        resampling.weighted(weighted_figures.auc([1, 2], [1, 1]), [1, 2]),
    ],
)
def test_undefined_figures_are_nan_with_a_reason(found: Estimate) -> None:
    assert math.isnan(found.value)
    assert not found.has_interval
    assert found.note
    assert found.to_dict()["value"] is None


def test_two_patients_are_enough() -> None:
    values, patients = [1.0, 2.0, 4.0], ["a", "a", "b"]
    # A resample is a twice (mean 1.5), b twice (mean 4) or both (7 / 3).
    assert resampling.means(values, patients, method="percentile").interval == (1.5, 4.0)
    assert resampling.means(values, patients, method="bca").interval == (1.5, 4.0)
    found = resampling.means(values, patients)
    assert found.interval[0] < 1.5 < 4 < found.interval[1]


def test_nonsense_is_refused() -> None:
    with pytest.raises(resampling.ResamplingError, match="one length"):
        resampling.shares([1], [1], [1, 2])
    with pytest.raises(resampling.ResamplingError, match="one length"):
        resampling.shares([1, 1], [1, 1, 1], [1, 2])
    with pytest.raises(resampling.ResamplingError, match="finite"):
        resampling.means([math.nan, 1], [1, 2])
    with pytest.raises(resampling.ResamplingError, match="0 to total"):
        resampling.shares([2, 0], [1, 1], [1, 2])
    with pytest.raises(resampling.ResamplingError, match="None"):
        resampling.means([1, 2], np.array(["a", None]))
    with pytest.raises(resampling.ResamplingError, match="one patient a row"):
        resampling.means([1, 2], [["a"], ["b"]])
    with pytest.raises(resampling.ResamplingError, match="resample"):
        resampling.draws([1, 2], resamples=0)
    with pytest.raises(ValueError, match="percentile"):
        resampling.means([1, 2], [1, 2], method="basic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        resampling.means([1, 2], [1, 2], confidence=95)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, clusters, outcomes, _ = _films(1)
    figure = weighted_figures.auc(rng.normal(size=clusters.size), outcomes)
    whole = resampling.resampled(figure, clusters, 100).values
    monkeypatch.setattr(resampling, "_CELLS", 150)
    assert np.array_equal(resampling.resampled(figure, clusters, 100).values, whole)


def test_an_error_s_interval_ends_at_nothing() -> None:
    values, patients = [0.1, 9.0, 0.2, 0.1], ["a", "b", "c", "d"]
    free, held = (resampling.means(values, patients, lowest=lowest) for lowest in (-math.inf, 0.0))
    assert free.interval[0] < 0
    assert held.interval == (0.0, free.interval[1])
