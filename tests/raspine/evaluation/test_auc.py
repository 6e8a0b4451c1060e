import math

import numpy as np
import pytest
from confidenceinterval import delong
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from raspine.evaluation import auc
from raspine.evaluation.scored import ScoresError

# Ratings 1 to 5 of 58 normal and 51 abnormal CT images: Hanley and McNeil, Radiology 143 (1982), table I.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
CT = np.concatenate([np.repeat(np.arange(1, 6), NORMAL), np.repeat(np.arange(1, 6), ABNORMAL)])
CT_OUTCOMES = np.repeat([0, 1], [58, 51])


@st.composite
def patients(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Scores with many ties, and at least two patients of each outcome."""
    outcomes = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), max_size=20))]
    scores = draw(st.lists(st.integers(-4, 4), min_size=len(outcomes), max_size=len(outcomes)))
    return np.array(scores, float), np.array(outcomes)


def compared(scores: NDArray[np.float64], outcomes: NDArray[np.int64]) -> NDArray[np.float64]:
    """1, 1/2 or 0 for each pair of a positive (row) and a negative patient (column)."""
    gap = np.subtract.outer(scores[outcomes == 1], scores[outcomes == 0])
    return (np.sign(gap) + 1) / 2


def slow_covariance(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """DeLong's covariance of two areas from their tables of pairs, term by term."""
    m, n = one.shape
    rows = sum((one[i].mean() - one.mean()) * (two[i].mean() - two.mean()) for i in range(m)) / (m - 1)
    columns = sum((one[:, j].mean() - one.mean()) * (two[:, j].mean() - two.mean()) for j in range(n)) / (n - 1)
    return float(rows / m + columns / n)


def test_published_example() -> None:
    # Stata's manual prints for these ratings: area 0.8932, DeLong's error 0.0307, interval 0.83295 to 0.95339.
    found = auc.area(CT, CT_OUTCOMES, method="delong")
    assert found.value == pytest.approx(0.8932, abs=5e-5)
    assert found.standard_error == pytest.approx(0.0307, abs=5e-5)
    assert found.interval == pytest.approx((0.83295, 0.95339), abs=5e-6)
    assert (found.method, found.note) == ("delong", "")


def test_by_hand() -> None:
    # Positives 3 and 1 over negatives 2 and 0: pairs [[1, 1], [0, 1]]. Both placements are (1, 1/2), whose variance is
    # 1/8; the area's variance is 1/8 / 2 + 1/8 / 2.
    found = auc.area([3, 1, 2, 0], [1, 1, 0, 0], method="delong")
    assert found.value == 0.75
    assert found.standard_error == pytest.approx(math.sqrt(1 / 8))
    assert found.interval == (pytest.approx(0.75 - 1.959964 * math.sqrt(1 / 8)), 1.0)


@given(patients())
def test_area_is_mann_whitneys_u_and_variance_delongs(some: tuple) -> None:
    scores, outcomes = some
    found = auc.area(scores, outcomes)
    positive, negative = scores[outcomes == 1], scores[outcomes == 0]
    u = stats.mannwhitneyu(positive, negative).statistic
    assert found.value == pytest.approx(u / (positive.size * negative.size))
    pairs = compared(scores, outcomes)
    assert found.standard_error == pytest.approx(math.sqrt(max(0.0, slow_covariance(pairs, pairs))), abs=1e-9)
    assert 0 <= found.interval[0] <= found.value <= found.interval[1] <= 1
    assert found.interval[0] < found.interval[1]


@given(patients())
def test_flipped_labels_mirror_the_area(some: tuple) -> None:
    scores, outcomes = some
    found, mirrored = auc.area(scores, outcomes), auc.area(scores, 1 - outcomes)
    assert mirrored.value == pytest.approx(1 - found.value)
    assert mirrored.interval == pytest.approx((1 - found.interval[1], 1 - found.interval[0]))
    assert auc.area(-scores, 1 - outcomes).value == pytest.approx(found.value)


@given(patients())
def test_only_the_order_of_scores_matters(some: tuple) -> None:
    scores, outcomes = some
    assert auc.area(1 / (1 + np.exp(-scores)), outcomes) == auc.area(scores, outcomes)
    order = np.random.default_rng(0).permutation(scores.size)
    assert auc.area(scores[order], outcomes[order]).value == pytest.approx(auc.area(scores, outcomes).value)


@settings(max_examples=50)
@given(patients(), st.integers(0, 2**32 - 1))
def test_difference_against_all_pairs(some: tuple, seed: int) -> None:
    first, outcomes = some
    second = first + np.random.default_rng(seed).integers(-3, 4, first.size)
    one, two = compared(first, outcomes), compared(second, outcomes)
    variance = slow_covariance(one, one) + slow_covariance(two, two) - 2 * slow_covariance(one, two)
    found = auc.difference(first, second, outcomes)
    assert found.value == pytest.approx(one.mean() - two.mean(), abs=1e-12)
    if variance > 1e-12:
        z = found.value / math.sqrt(variance)
        assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)))
        ends = found.value + np.array([-1, 1]) * stats.norm.ppf(0.975) * math.sqrt(variance)
        assert found.interval == pytest.approx(tuple(ends.clip(-1, 1)))
    opposite = auc.difference(second, first, outcomes)
    assert opposite.value == pytest.approx(-found.value)
    assert opposite.p == pytest.approx(found.p, nan_ok=True)


def test_a_score_does_not_differ_from_itself_on_another_scale() -> None:
    found = auc.difference(CT, np.exp(CT), CT_OUTCOMES)
    assert (found.value, found.has_interval, found.method, found.p) == (0.0, False, "", 1.0)
    assert found.note == "no interval, since both scores rank the patients alike"


@pytest.mark.parametrize(
    ("first", "second", "outcomes", "patients", "gap"),
    [
        # Both separate the outcomes, in another order.
        ([3, 2, 4, 1], [4, 1, 3, 2], [1, 0, 1, 0], "aabb", 0.0),
        # What the two patients add cancels.
        ([2, 4, 1, 5, 3, 0], [4, 2, 1, 0, 5, 3], [1, 0, 1, 0, 1, 0], "aaabbb", -4 / 9),
    ],
)
def test_scores_that_rank_otherwise_are_not_said_to_rank_alike(
    first: list, second: list, outcomes: list, patients: str, gap: float
) -> None:
    found = auc.difference(first, second, outcomes, patients=list(patients))
    assert (found.value, found.has_interval) == (pytest.approx(gap), False)
    assert math.isnan(found.p)
    assert "variance is zero" in found.note
    assert "alike" not in found.note


def test_opposite_perfect_scores_have_no_p() -> None:
    found = auc.difference([0, 1, 2, 3], [3, 2, 1, 0], [0, 0, 1, 1])
    assert found.value == 1.0
    assert not found.has_interval
    assert math.isnan(found.p)
    assert "zero" in found.note


@pytest.mark.parametrize(("outcome", "word"), [(0, "negative"), (1, "positive")])
def test_one_class_missing_gives_no_area_and_the_reason(outcome: int, word: str) -> None:
    scores, outcomes = [0.1, 0.2, 0.3], [outcome] * 3
    for found in (auc.area(scores, outcomes), auc.difference(scores, scores, outcomes)):
        assert not found.is_defined
        assert not found.has_interval
        assert found.note == f"no ROC curve, all 3 outcomes are {word}"
    assert auc.area([0.1], [outcome]).note == f"no ROC curve, the only outcome is {word}"
    assert math.isnan(auc.area(scores, outcomes).standard_error)


@pytest.mark.parametrize(("positives", "negatives"), [(2, 2), (12, 55), (1, 40)])
def test_perfect_separation_has_an_interval_with_width(positives: int, negatives: int) -> None:
    found = auc.area(np.arange(positives + negatives), np.repeat([0, 1], [negatives, positives]))
    assert found.value == 1.0
    assert found.method == "newcombe"
    assert "Newcombe" in found.note
    low, high = found.interval
    assert high == 1.0
    # The lower end solves Newcombe's equation.
    more = (positives + negatives) / 2 - 1
    variance = low * (1 - low) * (1 + more * ((1 - low) / (2 - low) + low / (1 + low))) / (positives * negatives)
    assert (1 - low) ** 2 == pytest.approx(stats.norm.ppf(0.975) ** 2 * variance)


def test_intervals_cover_the_true_area() -> None:
    # Normal scores a distance d apart have the area Phi(d / sqrt(2)).
    generator, outcomes, distance, runs = np.random.default_rng(5), np.repeat([0, 1], [60, 30]), 1.2, 400
    truth = stats.norm.cdf(distance / math.sqrt(2))
    found = [auc.area(generator.normal(size=90) + distance * outcomes, outcomes).interval for _ in range(runs)]
    covered = sum(low <= truth <= high for low, high in found) / runs
    # Three binomial standard errors around 0.95 are 0.033.
    assert 0.915 <= covered <= 0.985


def test_wider_confidence_is_a_wider_interval() -> None:
    narrow, wide = (auc.area(CT, CT_OUTCOMES, confidence).interval for confidence in (0.9, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("scores", "outcomes", "message"),
    [
        ([], [], "no score"),
        ([0.1, 0.2], [0], r"\(2,\), \(1,\)"),
        ([[0.1]], [[0]], "two lists"),
        ([0.1, math.nan], [0, 1], "nan in row 1"),
        ([math.inf, 0.1], [0, 1], "inf in row 0"),
        ([0.1, 0.2, 0.3], [0, 1, -1], "-1 in row 2"),
    ],
)
def test_bad_input_is_named(scores: list, outcomes: list, message: str) -> None:
    with pytest.raises(ScoresError, match=message):
        auc.area(scores, outcomes)


@pytest.mark.parametrize("seed", range(60))
def test_delong_against_confidenceinterval(seed: int) -> None:
    random = np.random.default_rng(seed)
    outcomes = np.concatenate([[0, 0, 1, 1], random.integers(0, 2, random.integers(0, 60))])
    # Every other data set has many ties.
    scores = random.normal(size=outcomes.size) + outcomes * random.uniform(0, 2)
    scores = np.round(scores) if seed % 2 else scores
    value, variance = delong.delong_roc_variance(outcomes.astype(bool), scores)
    error = math.sqrt(max(float(variance), 0))
    found = auc.area(scores, outcomes, method="delong")
    assert found.value == pytest.approx(value, abs=1e-6)
    assert found.standard_error == pytest.approx(error, abs=1e-6)
    if error > 1e-6:
        half = stats.norm.ppf(0.975) * error
        assert found.interval == pytest.approx((max(0, value - half), min(1, value + half)), abs=2e-6)
        logit = stats.logistic.ppf(value) + np.array([-1, 1]) * half / (value * (1 - value))
        on_scale = auc.area(scores, outcomes)
        assert on_scale.method == "delong_logit"
        assert on_scale.interval == pytest.approx(tuple(stats.logistic.cdf(logit)), abs=2e-6)


def test_the_difference_against_confidenceinterval() -> None:
    random = np.random.default_rng(1)
    outcomes = np.repeat([0, 1], [40, 25])
    for _ in range(50):
        first = random.normal(size=65) + outcomes
        second = np.round(first + random.normal(size=65), 1)
        order = np.argsort(-outcomes, kind="stable")
        values, covariance = delong.fastDeLong_no_weights(np.stack([first, second])[:, order], 25)
        found = auc.difference(first, second, outcomes)
        assert found.value == pytest.approx(values[0] - values[1], abs=1e-6)
        assert math.log10(found.p) == pytest.approx(delong.calc_pvalue(values, covariance).item(), abs=1e-4)


def test_hanley_and_mcneil() -> None:
    # Area 0.75 of 2 and 3 patients: Q1 = 0.6, Q2 = 9/14; (3/16 + 1 * (0.6 - 9/16) + 2 * (9/14 - 9/16)) / 6.
    low, high = auc.hanley_mcneil(0.75, 2, 3, confidence=0.5)
    error = math.sqrt((0.1875 + 0.0375 + 2 * (9 / 14 - 0.5625)) / 6)
    assert (low, high) == pytest.approx((0.75 - 0.6744898 * error, 0.75 + 0.6744898 * error))
    # The MRI paper prints 0.82 of 12 and 55 patients.
    assert auc.hanley_mcneil(0.82, 12, 55) == pytest.approx((0.668, 0.972), abs=5e-4)
    named = auc.area(CT, CT_OUTCOMES, method="hanley_mcneil")
    assert named.interval == pytest.approx(auc.hanley_mcneil(named.value, 51, 58))
    with pytest.raises(ValueError, match=r"Received: 1\.2"):
        auc.hanley_mcneil(1.2, 3, 3)


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_intervals_have_the_confidence_that_is_asked_for(confidence: float) -> None:
    z, student = stats.norm.ppf((1 + confidence) / 2), stats.t.ppf((1 + confidence) / 2, 54)
    pairs_of_rows = np.arange(109) // 2
    for quantile, of in ((z, None), (student, pairs_of_rows)):
        found = auc.area(CT, CT_OUTCOMES, confidence, "delong", of)
        half = quantile * found.standard_error
        assert found.interval == pytest.approx((found.value - half, min(1, found.value + half)))
        logit, reach = stats.logistic.ppf(found.value), half / (found.value * (1 - found.value))
        expected = stats.logistic.cdf([logit - reach, logit + reach])
        assert auc.area(CT, CT_OUTCOMES, confidence, patients=of).interval == pytest.approx(tuple(expected))
    hanley = auc.area(CT, CT_OUTCOMES, confidence, "hanley_mcneil").interval
    assert hanley == auc.hanley_mcneil(auc.area(CT, CT_OUTCOMES).value, 51, 58, confidence)
    other = CT + np.random.default_rng(0).normal(size=109)
    for quantile, usual, of in ((z, 1.959964, None), (student, stats.t.ppf(0.975, 54), pairs_of_rows)):
        plain = auc.difference(CT, other, CT_OUTCOMES, patients=of)
        found_gap = auc.difference(CT, other, CT_OUTCOMES, confidence, of)
        half = (plain.interval[1] - plain.value) * quantile / usual
        assert found_gap.interval == pytest.approx((plain.value - half, plain.value + half))
        assert found_gap.p == plain.p


def test_one_swapped_pair_of_many_is_not_taken_for_rounding() -> None:
    # One placement of each class is 1 - 1 / n: the variance is 2 / n ** 4.
    n = 100_000
    scores = np.arange(2 * n)
    scores[[n - 1, n]] = scores[[n, n - 1]]
    found = auc.area(scores, np.repeat([0, 1], n))
    assert found.standard_error == pytest.approx(math.sqrt(2) / n**2, rel=1e-4)
    assert (found.method, found.note) == ("delong_logit", "")


def test_newcombe_may_be_asked_for_and_others_are_refused() -> None:
    found = auc.area(CT, CT_OUTCOMES, method="newcombe")
    assert (found.method, found.note) == ("newcombe", "")
    more, z = 109 / 2 - 1, stats.norm.ppf(0.975)
    for end in found.interval:
        spread = end * (1 - end) * (1 + more * ((1 - end) / (2 - end) + end / (1 + end))) / (51 * 58)
        assert (end - found.value) ** 2 == pytest.approx(z * z * spread)
    with pytest.raises(ValueError, match="bootstrap"):
        auc.area(CT, CT_OUTCOMES, method="bootstrap")


def obuchowski(scores: np.ndarray, outcomes: np.ndarray, patients: np.ndarray) -> float:
    """Her variance, patient by patient and pair by pair."""
    pairs = compared(scores, outcomes)
    theta, m, n = pairs.mean(), *pairs.shape
    of_positive, of_negative = patients[outcomes == 1], patients[outcomes == 0]
    everybody = np.unique(patients)
    x = {p: sum(pairs[i].mean() - theta for i in np.flatnonzero(of_positive == p)) for p in everybody}
    y = {p: sum(pairs[:, j].mean() - theta for j in np.flatnonzero(of_negative == p)) for p in everybody}
    i10, i01, i = len(set(of_positive)), len(set(of_negative)), len(everybody)
    s10 = i10 / ((i10 - 1) * m) * sum(v * v for v in x.values())
    s01 = i01 / ((i01 - 1) * n) * sum(v * v for v in y.values())
    s11 = i / (i - 1) * sum(x[p] * y[p] for p in everybody)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


@pytest.mark.parametrize("seed", range(50))
def test_several_rows_a_patient_against_obuchowski_by_hand(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = int(random.integers(8, 50))
    patients = np.concatenate([[0, 0, 1, 1, 2, 2], random.integers(0, 8, rows - 6)])
    outcomes = np.concatenate([[0, 1, 0, 1, 0, 1], random.integers(0, 2, rows - 6)])
    scores = np.round(random.normal(size=rows) + outcomes + random.normal(size=8)[patients], seed % 3)
    found = auc.area(scores, outcomes, method="delong", patients=patients)
    assert found.method == "obuchowski"
    error = math.sqrt(obuchowski(scores, outcomes, patients))
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    half = stats.t.ppf(0.975, np.unique(patients).size - 1) * error
    assert found.interval == pytest.approx((max(0, found.value - half), min(1, found.value + half)))
    if 0 < found.value < 1:
        ends = stats.logistic.ppf(found.value) + np.array([-1, 1]) * half / (found.value * (1 - found.value))
        on_scale = auc.area(scores, outcomes, patients=patients)
        assert on_scale.interval == pytest.approx(tuple(stats.logistic.cdf(ends)))
    assert auc.area(scores, outcomes, patients=[f"p{p}" for p in patients]).method == "obuchowski_logit"
    alone = auc.area(scores, outcomes, patients=np.arange(rows))
    assert alone == auc.area(scores, outcomes)


def test_the_paired_difference_of_rows_that_are_copies_is_that_of_their_patients() -> None:
    random = np.random.default_rng(2)
    outcomes = np.repeat([0, 1], [30, 20])
    first = random.normal(size=50) + outcomes
    second = first + random.normal(size=50)
    one = auc.difference(first, second, outcomes)
    here, there, truth = (np.repeat(values, 3) for values in (first, second, outcomes))
    copies = auc.difference(here, there, truth, patients=np.repeat(np.arange(50), 3))
    # The same variance, with Student's t of 50 patients.
    z = stats.norm.isf(one.p / 2)
    half = one.value / z * stats.t.ppf(0.975, 49)
    assert copies.value == pytest.approx(one.value)
    assert copies.p == pytest.approx(2 * stats.t.sf(abs(z), 49))
    assert copies.interval == pytest.approx((one.value - abs(half), one.value + abs(half)))
    assert copies.method == "obuchowski"
    assert auc.difference(here, there, truth).p < one.p


def test_one_patient_with_all_positive_rows_falls_back_to_newcombe() -> None:
    scores, outcomes = [0.9, 0.2, 0.6, 0.4, 0.3, 0.1], [1, 1, 1, 0, 0, 0]
    found = auc.area(scores, outcomes, patients=["a", "a", "a", "b", "c", "d"])
    assert found.method == "newcombe"
    assert math.isnan(found.standard_error)
    # It counts one patient against three.
    alone = auc.area(scores, outcomes, method="newcombe").interval
    assert found.interval[0] < alone[0] < alone[1] < found.interval[1]


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (2, 2), (12, 55)])
def test_constant_scores_rank_nobody(positives: int, negatives: int) -> None:
    found = auc.area([0.3] * (positives + negatives), np.repeat([0, 1], [negatives, positives]))
    assert (found.value, found.method) == (0.5, "newcombe")
    assert 0 <= found.interval[0] < 0.5 < found.interval[1] <= 1
    assert found.note.startswith("interval by Newcombe's method 5")


def test_patients_fit_the_rows() -> None:
    with pytest.raises(ScoresError, match="one a row"):
        auc.area([0.1, 0.2], [0, 1], patients=["a"])


def cohort(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, outcomes and patients of two to five rows a patient, alike within a patient."""
    of = np.repeat(np.arange(count), random.integers(2, 6, count))
    outcomes = (random.random(count) < 0.5)[of] ^ (random.random(of.size) < 0.25)
    scores = 0.8 * random.normal(size=count)[of] + 0.8 * random.normal(size=of.size) + 1.2 * outcomes
    return scores, outcomes.astype(int), of


def test_the_interval_of_few_patients_covers_the_true_area() -> None:
    # Scores of two patients differ by a normal of spread 0.8 * 2. Pairs of one patient count less the more there are.
    truth, random = stats.norm.cdf(1.2 / 1.6), np.random.default_rng(1)
    found = []
    for _ in range(1000):
        scores, outcomes, of = cohort(random, 8)
        found.append(auc.area(scores, outcomes, patients=of))
    covered = np.mean([one.interval[0] <= truth <= one.interval[1] for one in found])
    # Three binomial standard errors around 0.95 are 0.021.
    assert 0.929 <= covered <= 0.971
