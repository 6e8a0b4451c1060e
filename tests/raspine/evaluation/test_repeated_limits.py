import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from raspine.evaluation import bland_altman, repeated_limits

# Bland and Altman 2007, table 1: cardiac function by radionuclide ventriculography and by impedance cardiography, 12
# subjects; and how many pairs each subject has.
PAIRS = (5, 4, 6, 5, 6, 4, 4, 6, 3, 5, 6, 6)
RV = [
    7.83, 7.42, 7.89, 7.12, 7.88, 6.16, 7.26, 6.71, 6.54, 4.75, 5.24, 4.86, 4.78, 6.05, 5.42, 4.21, 3.61, 3.72, 3.87,
    3.92, 3.13, 2.98, 2.85, 3.17, 3.09, 3.12, 5.92, 6.42, 5.92, 6.27, 7.13, 6.62, 6.58, 6.93, 4.54, 4.81, 5.11, 5.29,
    5.39, 5.57, 4.48, 4.92, 3.97, 4.22, 4.65, 4.74, 4.44, 4.50, 6.78, 6.07, 6.52, 6.42, 6.41, 5.76, 5.06, 4.72, 4.90,
    4.80, 4.90, 5.10,
]  # fmt: skip
IC = [
    6.57, 5.62, 6.90, 6.57, 6.35, 4.06, 4.29, 4.26, 4.09, 4.71, 5.50, 5.08, 5.02, 6.01, 5.67, 4.14, 4.20, 4.61, 4.68,
    5.04, 3.03, 2.86, 2.77, 2.46, 2.32, 2.43, 5.90, 5.81, 5.70, 5.76, 5.09, 4.63, 4.61, 5.09, 4.72, 4.61, 4.36, 4.20,
    4.36, 4.20, 3.17, 3.12, 2.96, 4.35, 4.62, 3.16, 3.53, 3.53, 7.20, 6.09, 7.00, 7.10, 7.40, 6.80, 4.50, 4.20, 3.80,
    3.80, 4.20, 4.50,
]  # fmt: skip
SUBJECTS = [f"subject {number}" for number in np.repeat(np.arange(12), PAIRS)]


def test_published_example() -> None:
    # Mean squares 4.2090856 and 0.1707140, divisor 4.9818182; SD 0.9906241; limits at 1.96.
    found = repeated_limits.limits(RV, IC, SUBJECTS, coverage=2 * stats.norm.cdf(1.96) - 1)
    assert found.bias.value == pytest.approx(0.6021667, abs=5e-8)
    assert found.sd.value == pytest.approx(0.9906241, abs=5e-8)
    assert found.within_sd**2 == pytest.approx(0.1707140, abs=5e-8)
    assert found.between_sd**2 == pytest.approx((4.2090856 - 0.1707140) / 4.9818182, abs=2e-7)
    assert found.lower_limit.value == pytest.approx(-1.3394565, abs=1e-7)
    assert found.upper_limit.value == pytest.approx(2.5437899, abs=1e-7)
    assert (found.n_patients, found.bias.n) == (12, 60)


def test_published_intervals() -> None:
    # SimplyAgree's vignette, agree_nest on its data `reps`: 80 % limits -1.1626 (-4.8172 to 0.1811) and 2.5828 (1.2390
    # to 6.2374), 90 % intervals. It weighs subjects equally (Zou 2013), so its variances are put in by hand.
    first = [7.83, 7.42, 7.89, 7.12, 6.16, 7.26, 6.71, 4.75, 5.24, 4.86, 4.78, 6.05, 5.42, 4.21, 3.61, 3.72, 3.87, 3.92]
    second = [6.57, 5.62, 6.9, 6.57, 4.06, 4.29, 4.26, 4.71, 5.5, 5.08, 5.02, 6.01, 5.67, 4.14, 4.2, 4.61, 4.68, 5.04]
    differences, counts = np.subtract(first, second), np.array([4, 3, 6, 5])
    groups = np.split(differences, np.cumsum(counts)[:-1])
    means = np.array([group.mean() for group in groups])
    within = sum(((group - group.mean()) ** 2).sum() for group in groups) / 14
    parts = (means.var(ddof=1), 3), ((1 - (1 / counts).mean()) * within, 14)
    total = parts[0][0] + parts[1][0]
    spread = repeated_limits.variance_interval(parts, total, 0.9)
    quantiles = stats.norm.ppf([0.95, 0.9])
    lower, upper = repeated_limits.limit_intervals(means.mean(), parts[0][0] / 4, total, spread, *quantiles)
    assert lower == pytest.approx((-4.8172, 0.1811), abs=6e-5)
    assert upper == pytest.approx((1.2390, 6.2374), abs=6e-5)


def data(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two raters and patients' numbers; unequal and equal numbers of films; by turns smooth, tied, almost constant."""
    random = np.random.default_rng(seed)
    patients = (2, 3, 8, 25)[seed % 4]
    counts = np.full(patients, 3) if seed % 5 == 0 else np.append(random.integers(1, 7, patients - 1), 4)
    numbers = np.repeat(np.arange(patients), counts)
    truth = random.gamma(2, 1.5, len(numbers))
    first = truth + random.normal(0.4, (0, 0.8)[seed % 2], patients)[numbers] + random.normal(0, 0.7, len(numbers))
    second = truth + random.normal(0, 0.5, len(numbers))
    if seed % 3 == 1:
        first, second = np.round(first * 2) / 2, np.round(second * 2) / 2
    if seed % 3 == 2:
        second = 13 + 1e-6 * second
    return first, second, numbers


@pytest.mark.parametrize("seed", range(60))
def test_components_equal_statsmodels_analysis_of_variance(seed: int) -> None:
    first, second, numbers = data(seed)
    frame = pd.DataFrame({"difference": first - second, "patient": numbers})
    table = anova_lm(ols("difference ~ C(patient)", frame).fit())
    between_square, within = table["mean_sq"]
    counts, films, patients = np.bincount(numbers), len(numbers), numbers[-1] + 1
    m = (films**2 - (counts**2).sum()) / ((patients - 1) * films)
    between = max((between_square - within) / m, 0)
    found = repeated_limits.limits(first, second, [f"p{number}" for number in numbers])
    assert found.within_sd == pytest.approx(math.sqrt(within), abs=1e-6)
    assert found.between_sd**2 == pytest.approx(between, abs=1e-6)
    assert found.sd.value == pytest.approx(math.sqrt(between + within), abs=1e-6)
    assert found.bias.value == pytest.approx(frame["difference"].mean(), abs=1e-6)
    assert found.upper_limit.value == pytest.approx(found.bias.value + stats.norm.ppf(0.975) * found.sd.value, abs=1e-6)
    for part in (found.bias, found.sd, found.lower_limit, found.upper_limit):
        assert part.interval[0] < part.value < part.interval[1]


@pytest.mark.parametrize("seed", range(10))
def test_with_equal_numbers_of_films_the_bias_is_a_t_test_of_patients_means(seed: int) -> None:
    random, numbers = np.random.default_rng(seed), np.repeat(np.arange(9), 3)
    first, second = 2 * random.normal(size=9)[numbers] + random.normal(size=27), random.normal(size=27)
    means = np.bincount(numbers, first - second) / 3
    found = repeated_limits.limits(first, second, [str(number) for number in numbers])
    assert found.between_sd > 0
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert found.bias.interval == pytest.approx(tuple(expected), abs=1e-6)


def test_variance_interval_of_one_part_is_chi_squareds() -> None:
    low, high = repeated_limits.variance_interval([(2.0, 9)], 2.0, 0.95)
    assert (low, high) == pytest.approx(tuple(18 / stats.chi2.ppf([0.975, 0.025], 9)))


def test_limits_cover_with_several_films_a_patient_and_ignoring_patients_does_not() -> None:
    # The radiograph paper's design in small: 1 to 8 films, half of the variance between patients. 800 cohorts: the
    # method is approximate, so it may cover 0.94 to 0.97; with four standard errors of 0.0077 that is 0.91 to 1.
    random, truth = np.random.default_rng(0), stats.norm.ppf(0.975)
    numbers = np.repeat(np.arange(30), random.integers(1, 9, 30))
    names = [str(number) for number in numbers]
    noise = random.normal(size=(800, 30))[:, numbers] + random.normal(size=(800, len(numbers)))
    covered = np.zeros((800, 2), bool)
    for cohort, differences in zip(covered, noise / math.sqrt(2), strict=True):
        zero = np.zeros_like(differences)
        for kind, limits in enumerate(
            (repeated_limits.limits(differences, zero, names), bland_altman.limits(differences, zero))
        ):
            cohort[kind] = limits.upper_limit.interval[0] <= truth <= limits.upper_limit.interval[1]
    assert covered[:, 0].mean() > 0.91
    assert covered[:, 1].mean() < 0.85


@pytest.mark.parametrize(
    ("first", "second", "patients", "part"),
    [
        ([], [], [], "there are 0"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], ["a", "a", "a"], "there is 1"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], ["a", "b", "c"], "more than one film"),
        ([1.0, 2.0, np.nan], [1.0, 2.5, 4.0], ["a", "b", "b"], "more than one film"),
    ],
)
def test_undefined_says_why(first: list, second: list, patients: list, part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = repeated_limits.limits(first, second, patients)
    for estimate in (found.bias, found.sd, found.lower_limit, found.upper_limit):
        assert math.isnan(estimate.value)
        assert part in estimate.note
    assert found.to_dict()["between_sd"] is None


def test_equal_differences_have_no_interval() -> None:
    found = repeated_limits.limits([1.1, 2.3, 3.7], [1.0, 2.2, 3.6], ["a", "a", "b"])
    assert found.upper_limit.value == pytest.approx(0.1)
    assert not found.upper_limit.has_interval
    assert "equal" in found.upper_limit.note
    assert (found.between_sd, found.within_sd) == (0, 0)


def test_patients_who_differ_less_than_their_films_have_no_variance_of_their_own() -> None:
    found = repeated_limits.limits([0.0, 2.0, 0.0, 2.0], [0.0] * 4, list("aabb"))
    assert (found.between_sd, found.within_sd) == (0, pytest.approx(math.sqrt(2)))
    assert list(found.to_dict())[-3:] == ["between_sd", "within_sd", "n_patients"]
