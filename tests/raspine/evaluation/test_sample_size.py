import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import proportion

from raspine.evaluation import auc, sample_size
from raspine.evaluation.sample_size import Cases


def _brute_width(n: int, share: float, confidence: float, method: str) -> float:
    width = 0.0
    for count in range(n + 1):
        low, high = proportion.proportion_confint(count, n, alpha=1 - confidence, method=method)
        width += math.comb(n, count) * share**count * (1 - share) ** (n - count) * (high - low)
    return width


@pytest.mark.parametrize("n", [1, 2, 12, 55, 200])
@pytest.mark.parametrize(("share", "confidence"), [(0.75, 0.95), (0.02, 0.9), (0.995, 0.99)])
def test_share_width_equals_statsmodels_averaged_over_all_counts(n: int, share: float, confidence: float) -> None:
    wilson = sample_size.share_width(n, share, confidence)
    exact = sample_size.share_width(n, share, confidence, "clopper_pearson")
    assert wilson == pytest.approx(_brute_width(n, share, confidence, "wilson"), abs=1e-9)
    assert exact == pytest.approx(_brute_width(n, share, confidence, "beta"), abs=1e-9)


@pytest.mark.parametrize("method", ["wilson", "clopper_pearson"])
@pytest.mark.parametrize("share", [0.5, 0.75, 0.97])
@pytest.mark.parametrize("width", [0.4, 0.2, 0.15])
def test_share_cases_are_the_smallest_of_all_that_suffice(method: Any, share: float, width: float) -> None:
    found = sample_size.share_cases(width, share, 0.95, method)
    enough = [sample_size.share_width(n, share, 0.95, method) <= width for n in range(1, found + 60)]
    assert enough == [False] * (found - 1) + [True] * 60


def test_many_cases_approach_walds_formula() -> None:
    # Wald's n = (2 z / width)^2 p (1 - p).
    theirs = proportion.samplesize_confint_proportion(0.75, 0.005, 0.05)
    assert sample_size.share_cases(0.01, 0.75) == pytest.approx(theirs, rel=0.001)


def test_paper_1_had_12_of_67() -> None:
    # The audit's Wilson interval of 9 of 12 is [0.468, 0.911]; the mean over all counts is a little narrower.
    assert sample_size.share_width(12, 0.75) == pytest.approx(0.4264, abs=1e-4)
    low, high = sample_size.auc_interval(0.82, Cases(12, 55), logit=False)
    assert (low, high) == pytest.approx((0.668, 0.972), abs=5e-4)
    assert (low, high) == pytest.approx(auc.hanley_mcneil(0.82, 12, 55), abs=1e-9)


def test_hanley_and_mcneils_worked_example() -> None:
    # Radiology 143 (1982), Table II and its text: 51 abnormal, 58 normal, area 0.893, standard error 0.032.
    assert sample_size.auc_error(0.893, Cases(51, 58)) == pytest.approx(0.032, abs=6e-4)


@pytest.mark.parametrize("area", [0.6, 0.82, 0.95])
def test_binormal_error_is_the_spread_of_simulated_areas(area: float) -> None:
    rng = np.random.default_rng(0)
    apart = math.sqrt(2) * stats.norm.ppf(area)
    positive = rng.normal(apart, 1, size=(20_000, 12))
    negative = rng.normal(size=(20_000, 30))
    found = (positive[:, :, None] > negative[:, None, :]).mean(axis=(1, 2))
    assert sample_size.auc_error(area, Cases(12, 30), "binormal") == pytest.approx(found.std(), rel=0.02)


def test_hanley_and_mcneils_error_is_that_of_exponential_scores() -> None:
    rng = np.random.default_rng(0)
    area = 0.82
    # P(positive > negative) of exponential scores is rate / (rate + 1).
    positive = rng.exponential(area / (1 - area), size=(20_000, 12))
    negative = rng.exponential(1, size=(20_000, 30))
    found = (positive[:, :, None] > negative[:, None, :]).mean(axis=(1, 2))
    assert sample_size.auc_error(area, Cases(12, 30)) == pytest.approx(found.std(), rel=0.02)


@pytest.mark.parametrize("variance", ["hanley_mcneil", "binormal"])
@pytest.mark.parametrize("logit", [True, False])
def test_auc_cases_are_the_smallest_of_all_that_suffice(variance: Any, logit: bool) -> None:
    found = sample_size.auc_cases(0.2, 0.82, 0.18, 0.95, variance, logit)

    def width(total: int) -> float:
        positives = max(1, round(total * 0.18))
        low, high = sample_size.auc_interval(0.82, Cases(positives, total - positives), 0.95, variance, logit)
        return high - low

    assert found.positives == round(found.total * 0.18)
    assert width(found.total) <= 0.2 < width(found.total - 1)
    assert all(width(total) <= 0.2 for total in range(found.total, found.total + 100))


def test_enrolled() -> None:
    assert sample_size.enrolled(12, 12 / 67) == 67
    assert sample_size.enrolled(10, 0.3) == 34
    surely = sample_size.enrolled(10, 0.3, 0.9)
    assert stats.binom.sf(9, surely, 0.3) >= 0.9 > stats.binom.sf(9, surely - 1, 0.3)


def test_design_effect_of_paper_2() -> None:
    # 408 films of 86 patients with ICC 0.5 tell as much as 142 independent ones.
    size = 408 / 86
    assert 408 / sample_size.design_effect(size, 0.5) == pytest.approx(142.06, abs=0.01)
    assert sample_size.effective(408, size, 0.5) == 142
    assert sample_size.films(142, size, 0.5) == (408, 86)
    assert sample_size.design_effect(7, 0) == 1
    assert sample_size.design_effect(7, 1) == 7
    # Eldridge, Ashby and Kerry (2006): 1 + ((cv^2 + 1) m - 1) ICC.
    assert sample_size.design_effect(10, 0.05, 0.6) == pytest.approx(1 + (1.36 * 10 - 1) * 0.05)
    assert sample_size.films(25, 1, 0) == (25, 25)


def test_design_effect_is_the_variance_of_simulated_cluster_means() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array([1, 2, 3, 4, 5, 6, 7] * 4)
    patient = np.repeat(np.arange(sizes.size), sizes)
    values = rng.normal(size=(20_000, sizes.size))[:, patient] + rng.normal(size=(20_000, patient.size))
    variation = sizes.std() / sizes.mean()
    expected = 2 * sample_size.design_effect(sizes.mean(), 0.5, variation) / patient.size
    assert values.mean(axis=1).var() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("n", [2, 10, 67])
def test_bias_width_is_that_of_students_interval(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert sample_size.bias_width(n, values.std(ddof=1), 0.9) == pytest.approx(theirs.high - theirs.low)


def test_limits_width_is_bland_and_altmans() -> None:
    # Bland and Altman (1986): 17 pairs, SD 38.8 l/min, standard error of a limit sqrt(3 / n) SD = 16.3, t = 2.12.
    assert sample_size.limits_width(17, 38.8) == pytest.approx(2 * 2.12 * 16.3, rel=0.02)


def test_limits_width_is_the_spread_of_simulated_limits() -> None:
    values = np.random.default_rng(0).normal(size=(40_000, 60))
    upper = values.mean(axis=1) + 1.96 * values.std(axis=1, ddof=1)
    expected = sample_size.limits_width(60, 1.0) / 2 / stats.t.ppf(0.975, 59)
    assert upper.std() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("sd", [0.5, 2.0])
def test_pairs_are_the_smallest_that_suffice(sd: float) -> None:
    for width_of, pairs_of in (
        (sample_size.bias_width, sample_size.bias_pairs),
        (sample_size.limits_width, sample_size.limits_pairs),
    ):
        found = pairs_of(0.9, sd)
        assert width_of(found, sd) <= 0.9 < width_of(found - 1, sd)


@pytest.mark.parametrize(
    ("variation", "n", "power"),
    # R's PowerTOST, 2 x 2 crossover, theta0 0.95: its documented sampleN.TOST and power.TOST examples.
    [(0.30, 40, 0.815845), (0.25, 28, 0.807439), (0.25, 24, 0.7391155)],
)
def test_equivalence_power_equals_powertost(variation: float, n: int, power: float) -> None:
    sd = math.sqrt(math.log(1 + variation**2))
    found = sample_size.equivalence_power(sd * math.sqrt(2 / n), n - 2, math.log(1.25), math.log(0.95))
    assert found == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize(("n", "bias"), [(5, 0.0), (12, 0.5), (20, -0.5), (20, 1.5)])
def test_tost_power_is_the_share_of_simulated_studies(n: int, bias: float) -> None:
    values = np.random.default_rng(n).normal(bias, 2, size=(40_000, n))
    mean, error = values.mean(axis=1), values.std(axis=1, ddof=1) / math.sqrt(n)
    reach = stats.t.ppf(0.95, n - 1) * error
    share = ((mean - reach > -1.5) & (mean + reach < 1.5)).mean()
    assert sample_size.tost_power(n, 2.0, 1.5, bias) == pytest.approx(share, abs=0.008)


def test_tost_power_at_the_margin_is_alpha_and_of_hopeless_studies_nothing() -> None:
    assert sample_size.tost_power(2000, 1.0, 1.5, bias=1.5) == pytest.approx(0.05, abs=1e-6)
    assert sample_size.tost_power(2, 100.0, 1.5) < 1e-3
    assert sample_size.tost_power(5000, 1.0, 1.5) == pytest.approx(1.0)


def test_tost_pairs_are_the_smallest_that_suffice() -> None:
    found = sample_size.tost_pairs(0.9, 2.0, 1.5, 0.3)
    powers = [sample_size.tost_power(n, 2.0, 1.5, 0.3) for n in range(2, found + 20)]
    assert [power >= 0.9 for power in powers] == [False] * (found - 2) + [True] * 20
    with pytest.raises(sample_size.OutOfReachError, match="margin"):
        sample_size.tost_pairs(0.9, 2.0, 1.5, -1.5)


def test_out_of_reach_is_said() -> None:
    with pytest.raises(sample_size.OutOfReachError, match="10,000,000"):
        sample_size.bias_pairs(1e-4, 1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample_size.share_width(0, 0.5),
        lambda: sample_size.share_width(5, 1.0),
        lambda: sample_size.share_cases(0.0, 0.5),
        lambda: sample_size.share_cases(0.1, 0.5, 95),
        lambda: sample_size.auc_error(1.0, Cases(5, 5)),
        lambda: sample_size.auc_error(0.8, Cases(0, 5)),
        lambda: sample_size.auc_cases(0.1, 0.8, 0.0),
        lambda: sample_size.enrolled(5, 0.0),
        lambda: sample_size.design_effect(0.5, 0.5),
        lambda: sample_size.design_effect(2, 1.5),
        lambda: sample_size.bias_width(1, 1.0),
        lambda: sample_size.bias_width(5, 0.0),
        lambda: sample_size.limits_pairs(-1.0, 1.0),
        lambda: sample_size.tost_power(1, 1.0, 1.0),
        lambda: sample_size.tost_power(5, 1.0, 0.0),
        lambda: sample_size.tost_power(5, 1.0, 1.0, alpha=0.6),
        lambda: sample_size.tost_pairs(1.0, 1.0, 1.0),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"Received: "):
        call()


@pytest.mark.parametrize(("size", "icc"), [(4, 0.5), (2, 0.2), (3, 0.0)])
def test_clustered_power_is_the_share_of_simulated_studies(size: int, icc: float) -> None:
    random, patients, margin = np.random.default_rng(size), 9, 1.8
    shared = math.sqrt(icc) * random.normal(0, 2, (40_000, patients, 1))
    values = shared + math.sqrt(1 - icc) * random.normal(0, 2, (40_000, patients, size))
    # With as many films of each patient the cluster-robust error is that of the patients' means.
    means = values.mean(2)
    reach = stats.t.ppf(0.95, patients - 1) * stats.sem(means, axis=1)
    centre = means.mean(1)
    share = ((centre - reach > -margin) & (centre + reach < margin)).mean()
    assert sample_size.clustered_tost_power(patients, 2.0, margin, size, icc) == pytest.approx(share, abs=0.01)
    half = sample_size.clustered_bias_width(patients, 2.0, size, icc) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, patients - 1) * centre.std(), rel=0.02)


def test_clustered_counts_are_the_smallest_that_suffice() -> None:
    found = sample_size.clustered_tost_patients(0.9, 2.0, 2.0, 4.7, 0.5, 0.4)
    powers = [sample_size.clustered_tost_power(n, 2.0, 2.0, 4.7, 0.5, 0.4) for n in (found - 1, found)]
    assert powers[0] < 0.9 <= powers[1]
    found = sample_size.clustered_bias_patients(1.0, 2.0, 4.7, 0.5)
    widths = [sample_size.clustered_bias_width(n, 2.0, 4.7, 0.5) for n in (found - 1, found)]
    assert widths[0] > 1 >= widths[1]


@pytest.mark.parametrize("n", [2, 5, 20])
def test_a_film_a_patient_is_an_independent_case(n: int) -> None:
    power = sample_size.tost_power(n, 2.0, 1.5, 0.2)
    assert sample_size.clustered_tost_power(n, 2.0, 1.5, 1, 0, bias=0.2) == pytest.approx(power)
    assert sample_size.clustered_bias_width(n, 2.0, 1, 0) == pytest.approx(sample_size.bias_width(n, 2.0))
    assert sample_size.clustered_tost_patients(0.8, 2.0, 1.5, 1, 0) == sample_size.tost_pairs(0.8, 2.0, 1.5)
    assert sample_size.clustered_bias_patients(0.8, 2.0, 1, 0) == sample_size.bias_pairs(0.8, 2.0)


def test_clustered_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: 1"):
        sample_size.clustered_tost_power(1, 2.0, 1.5, 4, 0.5)
    with pytest.raises(sample_size.OutOfReachError, match="margin"):
        sample_size.clustered_tost_patients(0.9, 2.0, 1.5, 4, 0.5, bias=1.5)
