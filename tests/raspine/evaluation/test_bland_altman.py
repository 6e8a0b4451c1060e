import dataclasses
import math
import warnings

import numpy as np
import pytest
from scipy import optimize, stats

from raspine.evaluation import bland_altman

# Bland and Altman 1986, table 1: peak expiratory flow, first reading of each meter, litres a minute.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two raters; n from 2 up; by turns smooth, tied, with an almost constant rater."""
    random = np.random.default_rng(seed)
    n = (2, 3, 5, 12, 40)[seed % 5]
    truth = random.gamma(2, 1.5, n)
    first, second = truth * 1.1 + random.normal(0.3, 1, n), truth + random.normal(0, 1, n)
    if seed % 3 == 1 and n > 3:
        first, second = np.round(first * 2) / 2, np.round(second * 2) / 2
    if seed % 3 == 2:
        first, second = 13 + 1e-6 * first, 13 + second
    return first, second


def by_integration(n: int, level: float) -> float:
    """The factor g with P(mean + g sd < 1.96) = 1 - level for n standard normal differences, over sd's density."""
    z, chi = stats.norm.ppf(0.975), stats.chi(n - 1, scale=1 / math.sqrt(n - 1))
    # The trapezoid rule over the logarithm, where the integrand is smooth and vanishes at both ends.
    low, high = np.log(chi.ppf([1e-14, 1 - 1e-14]))
    logarithm = np.linspace(low, high, 4001)
    sd, step = np.exp(logarithm), logarithm[1] - logarithm[0]
    weights = chi.pdf(sd) * sd * step

    def below(factor: float) -> float:
        return float(weights @ stats.norm.cdf((z - factor * sd) * math.sqrt(n))) - (1 - level)

    return float(optimize.brentq(below, 1e-3, 200, xtol=1e-12))


@pytest.fixture(scope="module")
def factors() -> dict[int, tuple[float, float]]:
    return {n: (by_integration(n, 0.025), by_integration(n, 0.975)) for n in (2, 3, 5, 12, 40)}


@pytest.mark.parametrize("seed", range(60))
def test_equal_to_scipy_and_to_integration(seed: int, factors: dict[int, tuple[float, float]]) -> None:
    first, second = data(seed)
    differences, n = first - second, len(first)
    found = bland_altman.limits(first, second)
    mean, sd = differences.mean(), math.sqrt(np.var(differences, ddof=1))
    assert (found.bias.value, found.sd.value) == pytest.approx((mean, sd), abs=1e-9)
    assert found.lower_limit.value == pytest.approx(mean - stats.norm.ppf(0.975) * sd, abs=1e-6)
    assert found.upper_limit.value == pytest.approx(mean + stats.norm.ppf(0.975) * sd, abs=1e-6)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert found.bias.interval == pytest.approx(tuple(expected), rel=1e-6)
    chi = stats.chi2.ppf([0.975, 0.025], n - 1)
    assert found.sd.interval == pytest.approx(tuple(sd * np.sqrt((n - 1) / chi)), rel=1e-6)
    near, far = factors[n]
    assert found.upper_limit.interval == pytest.approx((mean + near * sd, mean + far * sd), rel=1e-6, abs=1e-6)
    assert found.lower_limit.interval == pytest.approx((mean - far * sd, mean - near * sd), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("n", "published"), [(10, 2.911), (20, 2.396), (30, 2.220)])
def test_exact_limits_are_the_published_tolerance_factors(n: int, published: float) -> None:
    # NIST/SEMATECH e-Handbook 7.2.6.3 (Natrella 1963): one-sided, 95 % of the values with 95 % confidence.
    values = np.random.default_rng(n).normal(size=n)
    found = bland_altman.limits(values, np.zeros(n), confidence=0.9, coverage=0.9)
    assert (found.upper_limit.interval[1] - found.bias.value) / found.sd.value == pytest.approx(published, abs=1e-3)


def test_published_peak_flows() -> None:
    # Bland and Altman 1986: bias -2.1, SD 38.8, limits (two SDs) -79.7 and 75.5, interval of the bias -22.0 to 17.8.
    found = bland_altman.limits(WRIGHT, MINI, coverage=2 * stats.norm.cdf(2) - 1)
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.sd.value == pytest.approx(38.8, abs=0.05)
    assert found.lower_limit.value == pytest.approx(-79.7, abs=0.1)
    assert found.upper_limit.value == pytest.approx(75.5, abs=0.1)
    assert found.bias.interval == pytest.approx((-22.0, 17.8), abs=0.1)


def test_published_approximate_intervals() -> None:
    # SimplyAgree's vignette: 80 % limits of its data `reps` with 90 % intervals after Bland and Altman 1999.
    first = [7.83, 7.42, 7.89, 7.12, 6.16, 7.26, 6.71, 4.75, 5.24, 4.86, 4.78, 6.05, 5.42, 4.21, 3.61, 3.72, 3.87, 3.92]
    second = [6.57, 5.62, 6.9, 6.57, 4.06, 4.29, 4.26, 4.71, 5.5, 5.08, 5.02, 6.01, 5.67, 4.14, 4.2, 4.61, 4.68, 5.04]
    found = bland_altman.limits(first, second, 0.9, 0.8, intervals="approximate")
    assert found.lower_limit.value == pytest.approx(-1.1214, abs=5e-5)
    assert found.upper_limit.value == pytest.approx(1.9980, abs=5e-5)
    assert found.lower_limit.interval == pytest.approx((-1.8037, -0.4391), abs=6e-5)
    assert found.upper_limit.interval == pytest.approx((1.3157, 2.6803), abs=6e-5)
    assert "1999" in found.upper_limit.method
    assert "Carkeet 2015" in bland_altman.limits(first, second).upper_limit.method


def test_exact_limits_cover_as_promised_and_the_approximation_leans_inwards() -> None:
    # An interval's ends are the mean and so many deviations, whatever the sample, so 40,000 samples of 8 cost no loop.
    # Of a coverage of 0.95 the standard error is 0.0011, of a tail of 0.025 it is 0.0008; four of them are allowed.
    z, random = stats.norm.ppf(0.975), np.random.default_rng(1)
    samples = random.normal(size=(40_000, 8))
    means, deviations = samples.mean(1), samples.std(1, ddof=1)
    tails = {}
    for kind in ("exact", "approximate"):
        found = bland_altman.limits(samples[0], np.zeros(8), intervals=kind)
        near, far = ((end - found.bias.value) / found.sd.value for end in found.upper_limit.interval)
        tails[kind] = (means + far * deviations < z).mean(), (means + near * deviations > z).mean()
    assert tails["exact"] == pytest.approx((0.025, 0.025), abs=0.0031)
    assert sum(tails["exact"]) == pytest.approx(0.05, abs=0.0044)
    assert tails["approximate"][0] > 2 * 0.025


@pytest.mark.parametrize(("first", "second", "part"), [([], [], "there are 0"), ([1.0], [np.nan], "there are 0")])
def test_no_pair_is_no_figure(first: list, second: list, part: str) -> None:
    for found in vars(bland_altman.limits(first, second)).values():
        assert math.isnan(found.value)
        assert part in found.note


def test_one_pair_has_a_difference_and_no_limits() -> None:
    found = bland_altman.limits([3.0, np.nan], [2.5, 1.0])
    assert found.bias.value == 0.5
    assert not found.bias.has_interval
    assert not found.upper_limit.is_defined
    assert "there is 1" in found.bias.note


def test_equal_differences_have_no_interval() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bland_altman.limits([1.1, 2.3, 3.7], [1.0, 2.2, 3.6])
    assert [part.value for part in vars(found).values()] == pytest.approx([0.1, 0, 0.1, 0.1])
    for part in vars(found).values():
        assert not part.has_interval
        assert "equal" in part.note


@pytest.mark.parametrize("seed", range(60))
def test_slope_equals_a_straight_fit(seed: int) -> None:
    first, second = data(seed)
    means, differences, n = (first + second) / 2, first - second, len(first)
    found = bland_altman.slope(first, second)
    expected = np.polynomial.Polynomial.fit(means, differences, 1).convert().coef
    assert found.value == pytest.approx(expected[1], abs=1e-6)
    if n > 2:
        residual = differences - expected[0] - expected[1] * means
        error = math.sqrt(residual @ residual / (n - 2) / ((means - means.mean()) ** 2).sum())
        half = stats.t.ppf(0.975, n - 2) * error
        assert found.interval == pytest.approx((expected[1] - half, expected[1] + half), rel=1e-6, abs=1e-6)
    else:
        assert "3 pairs" in found.note


@pytest.mark.parametrize("seed", range(10))
def test_slope_leaves_out_whole_patients(seed: int) -> None:
    first, second = data(15 * seed + 4)
    numbers = np.append(np.arange(8), np.random.default_rng(seed).integers(0, 8, len(first) - 8))
    left = [bland_altman.slope(first[numbers != one], second[numbers != one]).value for one in range(8)]
    half = stats.t.ppf(0.975, 6) * math.sqrt(7 / 8 * ((np.array(left) - np.mean(left)) ** 2).sum())
    found = bland_altman.slope(first, second, patients=[str(number) for number in numbers])
    assert found.value == pytest.approx(bland_altman.slope(first, second).value)
    assert found.interval == pytest.approx((found.value - half, found.value + half), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second", "patients", "part", "defined"),
    [
        ([1.0], [2.0], None, "there is 1", False),
        ([1.0, 2.0], [2.0, 1.0], None, "do not vary from film to film", False),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], None, "on a line", True),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], ["a", "a", "b"], "on a line", True),
        ([1.0, 2.0, 4.0, 3.0], [1.0, 2.0, 3.0, 5.0], ["a", "a", "b", "b"], "there are 2", True),
        ([1.0, 1.0, 4.0, 3.0], [2.0, 2.0, 3.0, 5.0], ["a", "b", "c", "c"], "no slope", True),
    ],
)
def test_slope_undefined(first: list, second: list, patients: list | None, part: str, defined: bool) -> None:
    found = bland_altman.slope(first, second, patients=patients)
    assert found.is_defined == defined
    assert not found.has_interval
    assert part in found.note


def test_shares_out_of_bounds_and_json() -> None:
    for confidence, coverage in ((1.0, 0.95), (0.95, 0.0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            bland_altman.limits(WRIGHT, MINI, confidence, coverage)
    with pytest.raises(ValueError, match="'exact' or"):
        bland_altman.limits(WRIGHT, MINI, intervals="Exact")  # type: ignore[arg-type]
    names = [field.name for field in dataclasses.fields(bland_altman.Limits)]
    assert list(bland_altman.limits(WRIGHT, MINI).to_dict()) == names == ["bias", "sd", "lower_limit", "upper_limit"]


def test_values_too_large_to_square_are_refused_and_tiny_ones_have_limits_or_a_reason() -> None:
    for call in (bland_altman.limits, bland_altman.slope):
        with pytest.raises(ValueError, match=r"'first' is at most 1e\+60 in size. Received: 3e\+200"):
            call([1e200, 3e200, -2e200], [0.0, 1.0, 2.0])
    large = bland_altman.limits([1e60, 3e59, -2e59], [0.0, 1.0, 2.0])
    assert all(np.isfinite([part.value, *part.interval]).all() for part in vars(large).values())
    for part in vars(bland_altman.limits([1e-200, 3e-200], [0.0, 0.0])).values():
        assert part.note
        assert not part.has_interval


def test_a_slope_that_no_patient_changes_has_no_interval() -> None:
    means, differences = np.array([0.0, 0, 1, 1] * 3), np.array([0.0, 1, 0, 1] * 3)
    found = bland_altman.slope(means + differences / 2, means - differences / 2, patients=list("aaaabbbbcccc"))
    assert found.value == pytest.approx(0, abs=1e-12)
    assert not found.has_interval
    assert "whichever patient is left out" in found.note
