import json
import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from raspine.evaluation import icc
from raspine.evaluation.estimate import Estimate

BOTH = pytest.mark.parametrize("statistic", [icc.absolute, icc.consistency])

# Shrout and Fleiss 1979, table 2: six targets, four judges.
TARGETS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def data(seed: int) -> np.ndarray:
    """Ratings [subject, rater]; by turns smooth, tied, with an almost constant rater, with missing ones."""
    random = np.random.default_rng(seed)
    n, k = (2, 3, 5, 12, 40)[seed % 5], 2 + seed % 3
    k = 3 if n == 2 else k
    ratings = random.normal(13, 2, (n, 1)) + random.normal(0, 0.5, (1, k)) + random.normal(0, 1.2, (n, k))
    if seed % 4 == 1 and n > 2:
        ratings = np.round(ratings)
    if seed % 4 == 2:
        ratings[:, -1] = 13 + 1e-6 * ratings[:, -1]
    if seed % 4 == 3 and n > 5:
        ratings[random.integers(0, n, 3), random.integers(0, k, 3)] = np.nan
    return ratings


def reference(ratings: np.ndarray) -> pd.DataFrame:
    n, k = ratings.shape
    frame = pd.DataFrame({"subject": np.repeat(np.arange(n), k), "rater": np.tile(np.arange(k), n)})
    frame["rating"] = ratings.ravel()
    table = pingouin.intraclass_corr(frame, "subject", "rater", "rating", nan_policy="omit")
    return table.set_index("Type")


@pytest.mark.parametrize("seed", range(60))
def test_equal_to_pingouin(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pingouin.options, "round.column.CI95", 12)
    ratings = data(seed)
    expected = reference(ratings)
    for name, statistic in (("ICC(A,1)", icc.absolute), ("ICC(C,1)", icc.consistency)):
        found = statistic(ratings)
        assert found.value == pytest.approx(expected.loc[name, "ICC"], abs=1e-6)
        low, high = expected.loc[name, "CI95"]
        assert found.has_interval == (low <= found.value <= high)
        if found.has_interval:
            assert found.interval == pytest.approx((low, high), abs=1e-6)
        assert found.n == (~np.isnan(ratings).any(1)).sum()


@pytest.mark.parametrize("seed", range(10))
def test_two_subjects_two_raters_by_the_formulas_of_mcgraw_and_wong(seed: int) -> None:
    # pingouin wants five ratings; these are the a, b, v of McGraw and Wong's table 7, from the four numbers.
    (p, q), (r, s) = ratings = np.random.default_rng(seed).normal(3, 1, (2, 2))
    rows, columns, rest = (p + q - r - s) ** 2 / 4, (p - q + r - s) ** 2 / 4, (p - q - r + s) ** 2 / 4
    value = (rows - rest) / (rows + rest + columns - rest)
    a, b = 2 * value / (2 * (1 - value)), 1 + 2 * value / (2 * (1 - value))
    v = (a * columns + b * rest) ** 2 / ((a * columns) ** 2 + (b * rest) ** 2)
    one, two = stats.f.ppf(0.975, 1, v), stats.f.ppf(0.975, v, 1)
    low = 2 * (rows - one * rest) / (one * 2 * columns + 2 * rows)
    high = 2 * (two * rows - rest) / (2 * columns + 2 * two * rows)
    found = icc.absolute(ratings)
    assert found.value == pytest.approx(value, abs=1e-9)
    # Of v near 0 the quantiles of F are 0 or infinite, and both ends meet: that is no interval.
    assert found.has_interval == (high - low > 1e-12) == (seed != 3)
    if found.has_interval:
        assert found.interval == pytest.approx((low, high), abs=1e-6)


def test_published_example_of_shrout_and_fleiss() -> None:
    agreement, consistency = icc.absolute(TARGETS), icc.consistency(TARGETS)
    assert (round(agreement.value, 2), round(consistency.value, 2)) == (0.29, 0.71)
    assert agreement.interval == pytest.approx((0.019, 0.761), abs=5e-4)
    assert consistency.interval == pytest.approx((0.342, 0.946), abs=5e-4)
    squares = icc.mean_squares(np.array(TARGETS, float))
    published = [squares.subjects[0], squares.raters[0], squares.residual[0]]
    assert np.round(published, 2) == pytest.approx([11.24, 32.49, 1.02])


@BOTH
@pytest.mark.parametrize(
    ("ratings", "part"),
    [
        (np.empty((0, 2)), "there are 0"),
        ([[1.0, 2.0]], "there is 1"),
        ([[1.0, 2.0], [np.nan, 3.0]], "there is 1"),
        ([[3.0, 3.0], [3.0, 3.0]], "no variance"),
        ([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]], "no variance"),
        ([[0.3, 1.0], [0.1 + 0.2, 1.0]], "no variance"),
    ],
)
def test_undefined_says_why(statistic: Callable[..., Estimate], ratings: list, part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistic(ratings)
    assert math.isnan(found.value)
    assert part in found.note


@BOTH
def test_raters_who_agree_exactly_or_but_for_a_shift_have_no_interval(statistic: Callable[..., Estimate]) -> None:
    same = statistic([[1.0, 1.0], [2.5, 2.5], [4.0, 4.0]])
    assert same.value == 1
    shifted = statistic([[1.1, 1.4], [2.5, 2.8], [4.0, 4.3]])
    # Mean squares by hand: subjects 2 * 6.31 / 3, raters 3 * 2 * 0.15^2.
    subjects, raters = 2 * 6.31 / 3, 6 * 0.15**2
    assert shifted.value == pytest.approx(1 if statistic is icc.consistency else subjects / (subjects + 2 / 3 * raters))
    for found in (same, shifted):
        assert not found.has_interval
        assert "shift" in found.note


@BOTH
@pytest.mark.parametrize("seed", range(8))
def test_with_patients_the_interval_is_a_jackknife(statistic: Callable[..., Estimate], seed: int) -> None:
    random = np.random.default_rng(seed)
    numbers = np.append(np.arange(8), random.integers(0, 8, 30))
    k = 2 + seed % 2
    ratings = random.normal(3, 1, (8, 1))[numbers] + random.normal(0, 0.8, (38, k)) + 0.4 * np.arange(k)
    z = np.arctanh([statistic(ratings[numbers != one]).value for one in range(8)])
    half = stats.t.ppf(0.975, 7) * math.sqrt(7 / 8 * ((z - z.mean()) ** 2).sum())
    centre = math.atanh(statistic(ratings).value)
    found = statistic(ratings, patients=[str(number) for number in numbers])
    assert found.value == statistic(ratings).value
    assert found.interval == pytest.approx((math.tanh(centre - half), math.tanh(centre + half)), abs=1e-6)


@BOTH
def test_two_patients_have_no_interval(statistic: Callable[..., Estimate]) -> None:
    found = statistic(TARGETS, patients=list("aabbbb"))
    assert found.is_defined
    assert not found.has_interval
    assert "there are 2" in found.note


@pytest.mark.parametrize("ratings", [[1.0, 2.0], [[1.0], [2.0]], [[1.0, np.inf], [2.0, 3.0]]])
def test_input_that_makes_no_sense(ratings: list) -> None:
    with pytest.raises(ValueError, match="ratings are"):
        icc.absolute(ratings)


@pytest.mark.parametrize("ratings", [[[1, 2], [2, 1]], [[1.1, 2.3], [2.3, 1.1]], [[1000.1, 1000.3], [1000.3, 1000.1]]])
def test_two_films_that_raters_exchange_have_no_agreement(ratings: list) -> None:
    # Mean squares of subjects and of raters are 0: the denominator of ICC(A,1) is 0 for two films and two raters.
    found = icc.absolute(ratings)
    assert not found.is_defined
    assert "too few films" in found.note
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["value"] is None
    same = icc.consistency(ratings)
    assert same.value == pytest.approx(-1)
    assert not same.has_interval
    assert "vary too little" in same.note
    assert same.method == ""


def test_films_whose_means_do_not_differ_have_no_interval() -> None:
    # McGraw and Wong's degrees of freedom are 0 / 0 here.
    found = icc.absolute([[1.0, 2.0], [2.0, 1.0], [1.5, 1.5]])
    assert found.value == pytest.approx(-3)
    assert not found.has_interval
    assert found.note


@pytest.mark.parametrize("seed", range(50))
@BOTH
def test_small_whole_ratings_give_numbers_or_reasons(statistic: Callable[..., Estimate], seed: int) -> None:
    random = np.random.default_rng(seed)
    for n in (2, 3, 4, 6):
        ratings = random.integers(1, 4, (n, 2)).astype(float)
        for patients in (None, list("aabbcc")[:n]):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = statistic(ratings, patients=patients)
            assert not math.isinf(found.value)
            assert not any(map(math.isinf, found.interval))
            assert bool(found.method) == found.has_interval
            if found.has_interval:
                assert found.interval[1] - found.interval[0] > 1e-12
            else:
                assert found.note


@BOTH
def test_a_result_that_no_patient_changes_has_no_interval(statistic: Callable[..., Estimate]) -> None:
    ratings = np.column_stack([[1.0, 2, 3, 4, 5, 9], [3.0] * 6])
    ratings[:, 1] += statistic is icc.absolute and ratings[:, 0].mean() - 3
    found = icc.consistency(ratings, patients=list("aabbcc"))
    assert found.value == pytest.approx(0, abs=1e-12)
    assert not found.has_interval
    assert "whichever patient is left out" in found.note
    assert statistic(ratings).has_interval


@BOTH
def test_films_read_alike_beside_a_distant_patient_have_no_interval(statistic: Callable[..., Estimate]) -> None:
    # Without the distant patient all agree; the sums less that patient's leave 1 - ICC at up to 5e-13 of rounding.
    ratings = [[3.0, 3.0], [3.1, 3.1], [3.2, 3.2], [3.4, 3.4], [30.3, 24.1], [31.9, 21.4]]
    found = statistic(ratings, patients=list("abcdee"))
    assert found.is_defined
    assert not found.has_interval
    assert "exactly 1" in found.note


def test_an_interval_that_misses_the_value_is_none() -> None:
    # McGraw and Wong's interval would be -0.5789 to -0.5789, around a value of -0.5517.
    found = icc.absolute([[5, 1], [4, 1], [2, 4], [5, 1]])
    assert found.value == pytest.approx(-16 / 29)
    assert not found.has_interval


def test_ratings_too_large_to_square_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 1e\+60 in size. Received: 1e\+200"):
        icc.absolute([[1e200, 1.0], [2.0, 3.0]])
