import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from statsmodels.stats import contingency_tables, inter_rater, proportion

from raspine.evaluation import intervals
from raspine.evaluation.confusion import Confusion

PAPER = Confusion(tp=9, fn=3, fp=7, tn=48)


@given(st.integers(1, 2000), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_shares_against_statsmodels(total: int, data: st.DataObject, confidence: float) -> None:
    counted = data.draw(st.integers(0, total))
    for method, name in (("wilson", "wilson"), ("clopper_pearson", "beta")):
        expected = proportion.proportion_confint(counted, total, 1 - confidence, name)
        found = intervals.share(counted, total, confidence, method)
        assert found.interval == pytest.approx(expected, abs=1e-9)
        assert (found.value, found.n, found.method) == (counted / total, total, method)
    assert intervals.wilson(counted, total, confidence) == intervals.share(counted, total, confidence).interval


def test_shares_at_the_ends() -> None:
    assert np.isnan(intervals.wilson(0, 0)).all()
    assert np.isnan(intervals.clopper_pearson(0, 0)).all()
    assert "nothing to count" in intervals.share(0, 0).note
    for interval in (intervals.wilson, intervals.clopper_pearson):
        for total in range(1, 60):
            assert interval(0, total)[0] == 0.0
            assert interval(total, total)[1] == 1.0
    with pytest.raises(ValueError, match="wald"):
        intervals.share(1, 2, method="wald")


@pytest.mark.parametrize(("counted", "total"), [(-1, 3), (4, 3)])
def test_impossible_shares_are_refused(counted: int, total: int) -> None:
    with pytest.raises(ValueError, match=f"{counted} of {total}"):
        intervals.wilson(counted, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        intervals.wilson(1, 2, confidence)


def exact_f1(cells: Confusion) -> tuple[np.ndarray, np.ndarray]:
    """F1 and probability of every table that n patients drawn with replacement can give."""
    n = cells.n
    tables = [t for t in itertools.product(range(n + 1), repeat=3) if sum(t) <= n and sum(t) > 0]
    counts = np.array([(*table, n - sum(table)) for table in tables])
    shares = np.array([cells.tp, cells.fn, cells.fp, cells.tn]) / n
    return 2 * counts[:, 0] / (2 * counts[:, 0] + counts[:, 1] + counts[:, 2]), stats.multinomial.pmf(counts, n, shares)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_f1_bootstrap_against_every_possible_resample(confidence: float) -> None:
    cells = Confusion(tp=5, fn=3, fp=2, tn=10)
    values, chances = exact_f1(cells)
    found = intervals.f1(cells, confidence, resamples=200_000)
    for end, tail in zip(found.interval, ((1 - confidence) / 2, (1 + confidence) / 2), strict=True):
        # The end is the quantile of the whole distribution, up to the noise of 200,000 draws (0.00035).
        below, upto = (chances[rows].sum() / chances.sum() for rows in (values < end - 1e-9, values <= end + 1e-9))
        assert below - 0.0015 <= tail <= upto + 0.0015


def test_f1_bootstrap_against_resampling_patients() -> None:
    found = np.repeat([1, 0, 1, 0], [9, 3, 7, 48])
    truth = np.repeat([1, 1, 0, 0], [9, 3, 7, 48])
    rows = np.random.default_rng(1).integers(0, 67, (20_000, 67))
    both = (found[rows] & truth[rows]).sum(axis=1)
    slow = np.quantile(2 * both / (found[rows].sum(axis=1) + truth[rows].sum(axis=1)), [0.025, 0.975])
    assert intervals.f1(PAPER, seed=2).interval == pytest.approx(tuple(slow), abs=0.015)


def test_f1_bootstrap_is_seeded() -> None:
    assert intervals.f1(PAPER, seed=4) == intervals.f1(PAPER, seed=4)
    assert intervals.f1(PAPER, seed=4, resamples=200) != intervals.f1(PAPER, seed=5, resamples=200)


def test_f1_bootstrap_covers_the_true_f1() -> None:
    # 30 % positive, sensitivity 0.8, specificity 0.9: F1 = 2 * 0.24 / (2 * 0.24 + 0.06 + 0.07).
    shares, runs = [0.24, 0.06, 0.07, 0.63], 400
    tables = np.random.default_rng(9).multinomial(200, shares, size=runs)
    ends = [intervals.f1(Confusion(*map(int, table)), resamples=1000) for table in tables]
    covered = sum(e.interval[0] <= 0.48 / 0.61 <= e.interval[1] for e in ends) / runs
    assert 0.91 <= covered <= 0.985


def test_f1_without_width_takes_wilsons_interval() -> None:
    # F1 is 2 J / (1 + J) of J = tp / (tp + fp + fn).
    for cells, counted, total in ((Confusion(0, 3, 2, 10), 0, 5), (Confusion(4, 0, 0, 10), 4, 4)):
        jaccard = stats.binomtest(counted, total).proportion_ci(method="wilson")
        expected = (2 * jaccard.low / (1 + jaccard.low), 2 * jaccard.high / (1 + jaccard.high))
        assert intervals.f1(cells).interval == pytest.approx(expected, abs=1e-12)


def test_f1_is_undefined_without_positives() -> None:
    found = intervals.f1(Confusion(0, 0, 0, 9))
    assert not found.is_defined
    assert found.note == "undefined, no outcome is positive and nothing is called positive"


def rows_of(cells: Confusion) -> tuple[np.ndarray, np.ndarray]:
    """Calls and outcomes, one a patient."""
    return np.repeat([1, 0, 1, 0], cells.counts), np.repeat([1, 1, 0, 0], cells.counts)


def tables(count: int) -> list[Confusion]:
    """Random tables, small ones with empty cells among them."""
    random = np.random.default_rng(3)
    return [Confusion(*map(int, random.integers(0, random.choice([2, 4, 30]), 4))) for _ in range(count)]


@pytest.mark.parametrize("cells", [PAPER, Confusion(68, 11, 141, 186), *tables(60)])
def test_figures_against_other_libraries_or_undefined_with_a_reason(cells: Confusion) -> None:
    found = intervals.of_cells(cells)
    for figure in found.values():
        assert figure.is_defined or figure.note
        assert figure.has_interval or figure.note
        if figure.has_interval:
            low, high = figure.interval
            assert low <= figure.value + 1e-12
            assert figure.value <= high + 1e-12 or figure.method == "percentile bootstrap"
    if not cells.n:
        assert not any(figure.is_defined for figure in found.values())
        return
    called, outcomes = rows_of(cells)
    scorers = {
        "sensitivity": metrics.recall_score, "ppv": metrics.precision_score, "accuracy": metrics.accuracy_score,
        "f1": metrics.f1_score, "mcc": metrics.matthews_corrcoef, "kappa": metrics.cohen_kappa_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
    }  # fmt: skip
    for name, scorer in scorers.items():
        if found[name].is_defined:
            assert found[name].value == pytest.approx(scorer(outcomes, called), abs=1e-9)


@pytest.mark.parametrize("cells", [cells for cells in tables(200) if cells.n])
def test_kappa_and_its_interval_against_statsmodels(cells: Confusion) -> None:
    found = intervals.kappa(cells)
    if max(cells.tp, cells.tn) == cells.n:
        assert found.note == "undefined, all outcomes and all calls are the same"
        return
    with np.errstate(invalid="ignore"):
        expected = inter_rater.cohens_kappa(np.array([[cells.tp, cells.fn], [cells.fp, cells.tn]]))
    assert found.value == pytest.approx(expected.kappa, abs=1e-9)
    if expected.std_kappa > 1e-6:
        half = stats.norm.ppf(0.975) * expected.std_kappa
        ends = (max(-1, found.value - half), min(1, found.value + half))
        assert found.interval == pytest.approx(ends, abs=1e-7)
    else:
        assert not found.has_interval
        assert "variance is zero" in found.note


@pytest.mark.parametrize("cells", [PAPER, *tables(200)])
def test_ratios_against_statsmodels(cells: Confusion) -> None:
    tp, fn, fp, tn = cells.counts
    # Ratio of the shares called positive (negative) among positive and negative outcomes.
    for figure, table in (
        (intervals.lr_positive(cells), [[tp, fn], [fp, tn]]),
        (intervals.lr_negative(cells), [[fn, tp], [tn, fp]]),
    ):
        if min(tp + fn, fp + tn, table[1][0]) == 0:
            assert math.isnan(figure.value)
            assert figure.note
        elif table[0][0] == 0:
            assert (figure.value, figure.note) == (0.0, intervals.ZERO_RATIO)
        elif table[0][1] == table[1][1] == 0:
            assert (figure.value, figure.has_interval) == (1.0, False)
            assert "everything is called" in figure.note
        else:
            expected = contingency_tables.Table2x2(table, shift_zeros=False)
            assert figure.value == pytest.approx(expected.riskratio)
            assert figure.interval == pytest.approx(expected.riskratio_confint(), rel=1e-9)
    odds = intervals.odds_ratio(cells)
    if min(cells.counts):
        expected = contingency_tables.Table2x2([[tp, fp], [fn, tn]], shift_zeros=False)
        assert odds.value == pytest.approx(expected.oddsratio)
        assert odds.interval == pytest.approx(expected.oddsratio_confint(), rel=1e-9)
    else:
        assert odds.note


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_all_figures_have_the_confidence_method_and_seed_that_are_asked_for(confidence: float) -> None:
    found, usual = intervals.of_cells(PAPER, confidence, "clopper_pearson", seed=5), intervals.of_cells(PAPER)
    exact = {}
    for name, (counted, total) in PAPER.shares.items():
        exact[name] = stats.binomtest(counted, total).proportion_ci(confidence, "exact")
        assert found[name].interval == pytest.approx(tuple(exact[name]))
    parts = [(found[name].value, *exact[name]) for name in ("sensitivity", "specificity")]
    value = found["balanced_accuracy"].value
    down, up = (math.hypot(*(part[0] - part[end] for part in parts)) / 2 for end in (1, 2))
    assert found["balanced_accuracy"].interval == pytest.approx((value - down, value + up))
    assert found["f1"] == intervals.f1(PAPER, confidence, seed=5) != intervals.f1(PAPER, confidence)
    # On its own scale each of the others reaches as many standard errors as the normal quantile says.
    wider = stats.norm.ppf((1 + confidence) / 2) / stats.norm.ppf(0.975)
    scales = {
        "mcc": np.arctanh,
        "kappa": np.positive,
        "lr_positive": np.log,
        "lr_negative": np.log,
        "odds_ratio": np.log,
    }
    for name, scale in scales.items():
        middle, ends = scale(found[name].value), scale(usual[name].interval)
        assert scale(found[name].interval) == pytest.approx(middle + (ends - middle) * wider)


def phi_of(shares: np.ndarray) -> float:
    tp, fn, fp, tn = shares
    return (tp * tn - fp * fn) / math.sqrt((tp + fn) * (fp + tn) * (tp + fp) * (fn + tn))


@pytest.mark.parametrize("cells", [PAPER, *(cells for cells in tables(200) if min(cells.counts))])
def test_the_variance_of_mcc_is_the_delta_method_s(cells: Confusion) -> None:
    # Gradient of phi over the multinomial shares, by central differences.
    shares = np.array(cells.counts) / cells.n
    steps = 1e-6 * np.eye(4)
    slope = np.array([(phi_of(shares + step) - phi_of(shares - step)) / 2e-6 for step in steps])
    variance = (shares @ slope**2 - (shares @ slope) ** 2) / cells.n
    found = intervals.mcc(cells)
    half = stats.norm.ppf(0.975) * math.sqrt(variance) / (1 - found.value**2)
    assert found.interval == pytest.approx(tuple(np.tanh(np.arctanh(found.value) + np.array([-half, half]))), abs=1e-6)


def test_a_perfect_table_has_no_interval_of_mcc_and_kappa_but_of_balanced_accuracy() -> None:
    found = intervals.of_cells(Confusion(5, 0, 0, 20))
    for name in ("mcc", "kappa"):
        assert found[name].value == 1.0
        assert not found[name].has_interval
        assert "variance is zero" in found[name].note
    # Recovered from Wilson's 5 of 5 and 20 of 20.
    down = [1 - stats.binomtest(n, n).proportion_ci(method="wilson").low for n in (5, 20)]
    assert found["balanced_accuracy"].interval == pytest.approx((1 - math.hypot(*down) / 2, 1.0))


def test_balanced_accuracy_covers_the_truth() -> None:
    random, runs = np.random.default_rng(6), 1000
    tp, tn = random.binomial(12, 0.75, runs), random.binomial(55, 0.87, runs)
    ends = [
        intervals.balanced_accuracy(Confusion(int(a), 12 - int(a), 55 - int(b), int(b))).interval
        for a, b in zip(tp, tn, strict=True)
    ]
    covered = sum(low <= 0.81 <= high for low, high in ends) / runs
    # Three binomial standard errors around 0.95 are 0.021.
    assert 0.929 <= covered <= 0.98


def test_likelihood_ratios_of_calls_that_are_all_alike_have_no_interval() -> None:
    for figure, word in (
        (intervals.lr_positive(Confusion(5, 0, 10, 0)), "positive"),
        (intervals.lr_negative(Confusion(0, 5, 0, 10)), "negative"),
    ):
        assert (figure.value, figure.has_interval, figure.method) == (1.0, False, "")
        assert figure.note == f"no interval, since everything is called {word}"


def test_no_interval_of_a_small_table_is_without_width() -> None:
    for counts in itertools.product(range(4), repeat=4):
        for name, figure in intervals.of_cells(Confusion(*counts)).items():
            low, high = figure.interval
            assert low < high if figure.has_interval else figure.note, (counts, name)
