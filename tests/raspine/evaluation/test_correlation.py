import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from raspine.evaluation import correlation
from raspine.evaluation.estimate import Estimate

NORMAL = stats.norm.ppf(0.975)


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two raters: n from 2 up; by turns smooth, tied, with an almost constant rater."""
    random = np.random.default_rng(seed)
    n = (2, 3, 4, 7, 40)[seed % 5]
    truth = random.gamma(2, 1.5, n)
    first, second = (truth + random.normal(0, 1, n) for _ in range(2))
    if seed % 3 == 1 and n > 4:
        first, second = np.round(first), np.round(second * 2) / 2
    if seed % 3 == 2:
        second = 13 + second * 1e-6
    return first, second


@pytest.mark.parametrize("seed", range(60))
def test_pearson_equals_numpy_and_scipys_interval(seed: int) -> None:
    first, second = data(seed)
    found = correlation.pearson(first, second)
    assert found.value == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-6)
    assert found.n == len(first)
    if len(first) >= 4:
        expected = stats.pearsonr(first, second).confidence_interval()
        assert found.interval == pytest.approx(tuple(expected), abs=1e-6)
    else:
        assert not found.has_interval
        assert "4 pairs" in found.note


@pytest.mark.parametrize("seed", range(60))
def test_spearman_equals_pandas(seed: int) -> None:
    first, second = data(seed)
    found = correlation.spearman(first, second)
    frame = pd.DataFrame({"first": first, "second": second})
    expected = frame.rank().corr().iloc[0, 1]
    assert found.value == pytest.approx(expected, abs=1e-6)
    assert found.value == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-6)
    if len(first) >= 4 and abs(expected) < 0.999:
        half = NORMAL * math.sqrt((1 + expected**2 / 2) / (len(first) - 3))
        ends = np.tanh([np.arctanh(expected) - half, np.arctanh(expected) + half])
        assert found.interval == pytest.approx(tuple(ends), abs=1e-6)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_values_equal_pingouins(method: str) -> None:
    first, second = data(44)
    found = {"pearson": correlation.pearson, "spearman": correlation.spearman}[method](first, second)
    assert found.value == pytest.approx(float(pingouin.corr(first, second, method=method)["r"].iloc[0]), abs=1e-6)


def test_another_confidence() -> None:
    first, second = data(44)
    expected = stats.pearsonr(first, second).confidence_interval(0.9)
    assert correlation.pearson(first, second, confidence=0.9).interval == pytest.approx(tuple(expected), abs=1e-9)


def test_published_interval_of_spearman() -> None:
    # The example of ci.spear in Bonett's R package statpsych: 0.8699639, 0.5840951 to 0.9638297.
    first = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    second = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    found = correlation.spearman(first, second)
    assert found.value == pytest.approx(0.8699639, abs=5e-8)
    assert found.interval == pytest.approx((0.5840951, 0.9638297), abs=5e-8)


def test_raters_who_almost_agree_have_intervals_all_the_same() -> None:
    # 1 - r is some 1e-8: no rounding, which leaves 1e-15.
    random, numbers = np.random.default_rng(0), np.arange(12) // 2
    first = np.arange(12.0)
    second = first + 6e-4 * random.normal(size=12)
    expected = stats.pearsonr(first, second)
    assert 1e-9 < 1 - expected.statistic < 1e-7
    found = correlation.pearson(first, second)
    assert np.arctanh(found.interval) == pytest.approx(np.arctanh(expected.confidence_interval()), abs=1e-6)
    z = np.arctanh([stats.pearsonr(first[numbers != one], second[numbers != one]).statistic for one in range(6)])
    half = stats.t.ppf(0.975, 5) * math.sqrt(5 / 6 * ((z - z.mean()) ** 2).sum())
    centre = math.atanh(expected.statistic)
    found = correlation.pearson(first, second, patients=[str(number) for number in numbers])
    assert np.arctanh(found.interval) == pytest.approx((centre - half, centre + half), abs=1e-6)
    # Of 200 ranks two neighbours changed places: r is 1 - 12 / (200 (200^2 - 1)).
    ranks = np.arange(200.0)
    value, half = 1 - 12 / (200 * (200**2 - 1)), NORMAL * math.sqrt(1.5 / 197)
    found = correlation.spearman(ranks, [1.0, 0.0, *ranks[2:]])
    ends = math.atanh(value) - half, math.atanh(value) + half
    assert np.arctanh(found.interval) == pytest.approx(ends, abs=1e-5)


BOTH = pytest.mark.parametrize("statistic", [correlation.pearson, correlation.spearman])


@BOTH
@pytest.mark.parametrize(
    ("first", "second", "part"),
    [
        ([], [], "there are 0"),
        ([1.0], [2.0], "there is 1"),
        ([1.0, np.nan], [2.0, 3.0], "there is 1"),
        ([3.0, 3.0, 3.0], [1.0, 2.0, 3.0], "do not vary"),
        ([1.0, 2.0], [0.3, 0.1 + 0.2], "do not vary"),
    ],
)
def test_undefined_says_why(statistic: Callable[..., Estimate], first: list, second: list, part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistic(first, second)
    assert math.isnan(found.value)
    assert part in found.note


@BOTH
def test_a_perfect_correlation_has_no_interval(statistic: Callable[..., Estimate]) -> None:
    found = statistic([1.0, 2.0, 3.0, 4.5, 6.0], [2.0, 4.0, 6.0, 9.0, 12.0])
    assert found.value == pytest.approx(1)
    assert not found.has_interval
    assert "no interval can be computed" in found.note


@BOTH
def test_a_confidence_out_of_bounds(statistic: Callable[..., Estimate]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistic([1, 2, 3], [1, 2, 4], confidence=95)


@BOTH
@pytest.mark.parametrize("seed", range(12))
def test_with_patients_the_interval_is_a_jackknife(statistic: Callable[..., Estimate], seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = data(5 * seed + 4)
    numbers = random.integers(0, 9, len(first))
    names = [f"patient {number}" for number in numbers]
    single = stats.pearsonr if statistic is correlation.pearson else stats.spearmanr
    left = [single(first[numbers != one], second[numbers != one]).statistic for one in np.unique(numbers)]
    z, count = np.arctanh(left), len(left)
    half = stats.t.ppf(0.975, count - 1) * math.sqrt((count - 1) / count * ((z - z.mean()) ** 2).sum())
    centre = math.atanh(single(first, second).statistic)
    found = statistic(first, second, patients=names)
    assert found.value == statistic(first, second).value
    assert found.interval == pytest.approx((math.tanh(centre - half), math.tanh(centre + half)), abs=1e-6)
    assert found.method.endswith(f"over patients on Fisher's z, t with {count - 1} degrees of freedom")


@BOTH
def test_patients_with_a_film_each_change_nothing(statistic: Callable[..., Estimate]) -> None:
    first, second = data(4)
    names = [str(number) for number in range(len(first))]
    assert statistic(first, second, patients=names) == statistic(first, second)


@BOTH
def test_too_few_patients_or_one_who_carries_all_variance(statistic: Callable[..., Estimate]) -> None:
    first, second = [1.0, 2.0, 3.0, 5.0], [1.0, 3.0, 2.0, 4.0]
    few = statistic(first, second, patients=["a", "a", "b", "b"])
    assert few.is_defined
    assert not few.has_interval
    assert "there are 2" in few.note
    alone = statistic([1.0, 2.0, 3.0, 3.0, 3.0], [*second, 4.0], patients=["a", "a", "b", "c", "d"])
    assert alone.is_defined
    assert not alone.has_interval
    assert "undefined" in alone.note
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert statistic([*second, 4.0], [1.0, 2.0, 3.0, 3.0, 3.0], patients=["a", "a", "b", "c", "d"]) == alone


def test_the_interval_covers_with_several_films_a_patient() -> None:
    # 400 cohorts: a true coverage of 0.95 stays within 4 standard errors of 0.011, so 0.906 to 0.994; intervals that
    # ignore patients cover near 0.81 here.
    random, truth = np.random.default_rng(0), 0.98 / 1.34
    numbers = np.repeat(np.arange(40), random.integers(1, 9, 40))
    names = [str(number) for number in numbers]
    covered = np.zeros((400, 2), bool)
    for cohort in covered:
        size = 0.7 * random.normal(size=40)[numbers] + 0.7 * random.normal(size=len(numbers))
        errors = random.normal(size=(2, 40))[:, numbers] + random.normal(size=(2, len(numbers)))
        first, second = size + 0.6 / math.sqrt(2) * errors
        for kind, patients in enumerate((names, None)):
            low, high = correlation.pearson(first, second, patients=patients).interval
            cohort[kind] = low <= truth <= high
    assert 0.906 < covered[:, 0].mean() < 0.994
    assert covered[:, 1].mean() < 0.88


@BOTH
@pytest.mark.parametrize("seed", range(60))
def test_two_films_left_have_no_spread_to_make_an_interval_from(statistic: Callable[..., Estimate], seed: int) -> None:
    # Without the patient of four films a film of each of two others stays, whose r is 1 or -1 but for rounding.
    random = np.random.default_rng(seed)
    first, second = np.round(random.normal(3, 10.0 ** random.integers(-1, 3), (2, 6)), int(random.integers(1, 6)))
    found = statistic(first, second, patients=list("aaaabc"))
    assert found.is_defined
    assert not found.has_interval
    assert "only 2 films left" in found.note


def test_collinear_rest_beside_a_distant_patient_has_no_interval() -> None:
    # The distant patient's squares are 1e9 times the others', so that sums less theirs tell r from 1 by 2e-8.
    first, far = [3.0, 3.1, 3.2, 3.4, 3000.3, 3001.9], [2400.1, 2100.4]
    found = correlation.pearson(first, [1.3, 1.4, 1.5, 1.7, *far], patients=list("abcdee"))
    assert not found.has_interval
    second = [1.3, 1.5, 1.4, 1.7, *far]
    near = correlation.pearson(first, second, patients=list("abcdee"))
    out = [[0], [1], [2], [3], [4, 5]]
    z = np.arctanh([stats.pearsonr(np.delete(first, i), np.delete(second, i)).statistic for i in out])
    half = stats.t.ppf(0.975, 4) * math.sqrt(4 / 5 * ((z - z.mean()) ** 2).sum())
    centre = math.atanh(near.value)
    assert near.interval == pytest.approx((math.tanh(centre - half), math.tanh(centre + half)), abs=1e-6)


def test_a_correlation_that_no_patient_changes_has_no_interval() -> None:
    # Each patient's four films are the same square, so that r is 0 whoever is left out.
    found = correlation.pearson([0.0, 0, 1, 1] * 3, [0.0, 1, 0, 1] * 3, patients=list("aaaabbbbcccc"))
    assert found.value == pytest.approx(0, abs=1e-12)
    assert not found.has_interval
    assert "whichever patient is left out" in found.note
    # Moved by a millionth each, they do change it, if little.
    moved = 1e-6 * np.random.default_rng(0).normal(size=12)
    assert correlation.pearson(moved + [0, 0, 1, 1] * 3, [0.0, 1, 0, 1] * 3, patients=list("aaaabbbbcccc")).has_interval
