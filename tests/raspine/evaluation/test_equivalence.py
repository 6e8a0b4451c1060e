import math
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from raspine.evaluation import equivalence


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two raters; n from 2 up; by turns smooth, tied, with an almost constant rater."""
    random = np.random.default_rng(seed)
    n = (2, 3, 5, 17, 60)[seed % 5]
    truth = random.gamma(2, 1.5, n)
    first, second = truth + random.normal(0.8, 1.2, n), truth + random.normal(0, 1, n)
    if seed % 3 == 1 and n > 3:
        first, second = np.round(first * 2) / 2, np.round(second * 2) / 2
    if seed % 3 == 2:
        second = 13 + 1e-6 * second
        first = 13 + first
    return first, second


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("margin", [0.5, 1.5])
def test_equal_to_statsmodels_and_scipy(seed: int, margin: float) -> None:
    first, second = data(seed)
    p, (_, p_lower, freedom), (_, p_upper, _) = ttost_paired(first, second, -margin, margin)
    found = equivalence.tost(first, second, margin)
    assert (found.p, found.p_lower, found.p_upper) == pytest.approx((p, p_lower, p_upper), abs=1e-9, rel=1e-6)
    assert found.freedom == freedom
    assert found.equivalent == (p < 0.05)
    expected = stats.ttest_rel(first, second).confidence_interval(0.9)
    assert found.difference.interval == pytest.approx(tuple(expected), abs=1e-6)
    within = -margin < found.difference.interval[0] and found.difference.interval[1] < margin
    assert within == found.equivalent


@pytest.mark.parametrize("seed", range(60))
def test_clustered_equals_statsmodels_cluster_robust_mean(seed: int) -> None:
    random, margin = np.random.default_rng(seed), 1.0
    first, second = data(seed)
    numbers = np.append([0, 1], random.integers(0, 12, len(first) - 2))
    differences, ones = first - second, np.ones(len(first))
    model = sm.OLS(differences, ones).fit(cov_type="cluster", cov_kwds={"groups": numbers}, use_t=True)
    freedom = len(np.unique(numbers)) - 1
    found = equivalence.clustered_tost(first, second, margin, [f"patient {number}" for number in numbers])
    mean, error = model.params[0], model.bse[0]
    half = stats.t.ppf(0.95, freedom) * error
    assert found.difference.interval == pytest.approx((mean - half, mean + half), abs=1e-6)
    assert found.difference.interval == pytest.approx(model.conf_int(0.1)[0], abs=1e-6)
    assert found.p_lower == pytest.approx(stats.t.sf((mean + margin) / error, freedom), abs=1e-9)
    assert found.p_upper == pytest.approx(stats.t.cdf((mean - margin) / error, freedom), abs=1e-9)
    assert found.freedom == freedom
    assert "cluster-robust" in found.difference.method


def test_with_a_film_a_patient_both_are_one_test() -> None:
    first, second = data(4)
    alone = equivalence.clustered_tost(first, second, 1.5, [str(number) for number in range(len(first))])
    simple = equivalence.tost(first, second, 1.5)
    assert (alone.p, alone.freedom, alone.equivalent) == pytest.approx((simple.p, simple.freedom, simple.equivalent))
    assert alone.difference.interval == pytest.approx(simple.difference.interval)


def test_another_level_changes_the_interval_and_the_verdict() -> None:
    first, second = data(4)
    p = equivalence.tost(first, second, 1.5).p
    assert 0 < p < 0.05
    strict = equivalence.tost(first, second, 1.5, alpha=p / 2)
    assert strict.equivalent is False
    assert strict.difference.interval[1] > 1.5


@pytest.mark.parametrize(
    ("first", "second", "part"),
    [
        ([], [], "there are 0"),
        ([1.0], [1.2], "there is 1"),
        ([1.0, 2.0], [np.nan, 2.0], "there is 1"),
        ([1.1, 2.3, 3.7], [1.0, 2.2, 3.6], "no spread"),
        ([1.0, 2.0], [1.0, 2.0], "no spread"),
    ],
)
def test_undefined_is_no_verdict(first: list, second: list, part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tests = (
            equivalence.tost(first, second, 1.0),
            equivalence.clustered_tost(first, second, 1.0, [str(number) for number in range(len(first))]),
        )
    for found in tests:
        assert found.equivalent is None
        assert math.isnan(found.p)
        assert part in found.difference.note
        plain = found.to_dict()
        assert (plain["p"], plain["p_lower"], plain["equivalent"]) == (None, None, None)
        assert plain["difference"]["ci"] is None


def test_one_patient_is_no_sample_of_patients() -> None:
    found = equivalence.clustered_tost([1, 2, 3], [1, 2, 4], 1.0, ["a"] * 3)
    assert found.equivalent is None
    assert "there is 1" in found.difference.note


@pytest.mark.parametrize(("margin", "alpha"), [(0, 0.05), (-1, 0.05), (math.nan, 0.05), (1, 0), (1, 0.5)])
def test_margin_or_level_out_of_bounds(margin: float, alpha: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        equivalence.tost([1, 2], [1, 3], margin, alpha)


def test_margins_of_the_paper() -> None:
    assert equivalence.MARGINS_MM == {"adi": 1.5, "sac": 2.0}


@pytest.mark.parametrize(("alpha", "level"), [(0.05, "90%"), (0.025, "95%"), (0.001, "99.8%"), (0.0005, "99.9%")])
def test_the_interval_says_its_own_confidence(alpha: float, level: str) -> None:
    assert equivalence.tost(*data(4), 1.5, alpha).difference.method.endswith(f", {level} interval")
