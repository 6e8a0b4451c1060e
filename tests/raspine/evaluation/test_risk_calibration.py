import math
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special, stats
from sklearn import calibration as reference
from sklearn import isotonic, metrics

from raspine.evaluation import calibration, resampling
from raspine.evaluation.scored import ScoresError

Cohort = tuple[np.ndarray, np.ndarray, np.ndarray]


def cohort(seed: int) -> Cohort:
    """Risks (many tied in every third cohort), outcomes of both kinds that overlap, and patients."""
    random = np.random.default_rng(seed)
    size = int(random.integers(4, 120))
    odds = np.concatenate([[-1.0, 1.0, 1.0, -1.0], random.normal(scale=1.5, size=size)])
    risks = np.clip(np.round(special.expit(odds), 1 if seed % 3 == 0 else 6), 0.05, 0.95)
    outcomes = np.concatenate([[1, 1, 0, 0], random.random(size) < special.expit(0.3 + 0.7 * odds[4:])]).astype(int)
    return risks, outcomes, np.append(np.arange(4), random.integers(0, 12, size))


@pytest.mark.parametrize("seed", range(60))
def test_recalibration_against_statsmodels(seed: int) -> None:
    risks, outcomes, _ = cohort(seed)
    odds, confidence = special.logit(risks), (0.95, 0.8)[seed % 2]
    large = sm.GLM(outcomes, np.ones(risks.size), family=sm.families.Binomial(), offset=odds)
    full = sm.Logit(outcomes, sm.add_constant(odds))
    for function, fitted in (
        (calibration.intercept, large.fit(tol=1e-12)),
        (calibration.slope, full.fit(disp=0, tol=1e-12, maxiter=200)),
    ):
        found = function(risks, outcomes, confidence=confidence)
        assert found.value == pytest.approx(fitted.params[-1], abs=1e-6)
        assert found.interval == pytest.approx(tuple(fitted.conf_int(1 - confidence)[-1]), abs=1e-6)
        assert (found.n, found.method, found.note) == (risks.size, "wald", "")


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_cluster_robust_errors_against_statsmodels(seed: int) -> None:
    risks, outcomes, patients = cohort(seed)
    odds, confidence = special.logit(risks), (0.95, 0.8)[seed % 2]
    large = sm.GLM(outcomes, np.ones(risks.size), family=sm.families.Binomial(), offset=odds)
    full = sm.Logit(outcomes, sm.add_constant(odds))
    clustered = {"cov_type": "cluster", "cov_kwds": {"groups": patients}, "use_t": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = (
            large.fit(tol=1e-12, **clustered).bse[-1],
            full.fit(disp=0, tol=1e-12, maxiter=200, **clustered).bse[-1],
        )
    # statsmodels takes rows for degrees of freedom.
    degrees = np.unique(patients).size - 1
    for function, error in zip((calibration.intercept, calibration.slope), errors, strict=True):
        half = stats.t.ppf((1 + confidence) / 2, degrees) * error
        found = function(risks, outcomes, patients, confidence)
        assert found.interval == pytest.approx((found.value - half, found.value + half), abs=1e-6)
        assert found.method == f"wald, cluster-robust, t with {degrees} degrees of freedom"


def test_patients_that_deviate_alike_leave_no_interval() -> None:
    intercept = calibration.intercept([0.3, 0.6, 0.3, 0.6], [0, 1, 0, 1], list("aabb"))
    assert intercept.value == pytest.approx(0.2209, abs=5e-5)
    slope = calibration.slope([0.3, 0.6, 0.7] * 2, [0, 1, 0, 0, 1, 0], list("aaabbb"))
    for found in (intercept, slope):
        assert found.is_defined
        assert not found.has_interval
        assert "robust variance is zero" in found.note


def test_the_recalibration_of_few_patients_covers_the_truth() -> None:
    random, covered, runs = np.random.default_rng(4), 0, 400
    for _ in range(runs):
        of = np.repeat(np.arange(6), 12)
        odds = random.normal(size=of.size)
        outcomes = random.random(of.size) < special.expit(odds)
        low, high = calibration.intercept(special.expit(odds), outcomes.astype(int), of).interval
        covered += low <= 0 <= high
    # Three binomial standard errors around 0.95 are 0.033; with the normal quantile it is below 0.9.
    assert 0.917 <= covered / runs <= 0.983


def test_a_perfectly_calibrated_model() -> None:
    # Of ten patients with risk 0.2 two are positive, of ten with 0.7 seven.
    risks, outcomes = np.repeat([0.2, 0.7], 10), np.repeat([1, 0, 1, 0], [2, 8, 7, 3])
    assert calibration.intercept(risks, outcomes).value == pytest.approx(0, abs=1e-9)
    assert calibration.slope(risks, outcomes).value == pytest.approx(1)
    assert calibration.expected_error(risks, outcomes).value == pytest.approx(0)
    # Risks whose log odds are doubled are twice as extreme.
    extreme = special.expit(2 * special.logit(risks))
    assert calibration.slope(extreme, outcomes).value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("risks", "outcomes", "reasons"),
    [
        ([0.1, 0.2, 0.7, 0.8], [0, 0, 1, 1], ("", "perfectly")),
        ([0.1, 0.2, 0.7, 0.8], [1, 1, 0, 0], ("", "perfectly")),
        ([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1], ("", "perfectly")),
        ([0.3, 0.3, 0.3], [0, 1, 0], ("", "all risks are the same")),
        ([0.1, 0.3], [1, 1], ("all 2 outcomes are positive", "all 2 outcomes are positive")),
        ([0.1, 0.3], [0, 0], ("all 2 outcomes are negative", "all 2 outcomes are negative")),
        ([0.0, 0.3, 0.4], [0, 1, 0], ("no log odds", "no log odds")),
        ([1.0, 0.3, 0.4], [0, 1, 0], ("no log odds", "no log odds")),
        ([0.3], [1], ("the only outcome is positive", "the only outcome is positive")),
    ],
)
def test_recalibration_that_is_undefined_says_why(risks: list, outcomes: list, reasons: tuple[str, str]) -> None:
    for function, reason in zip((calibration.intercept, calibration.slope), reasons, strict=True):
        found = function(risks, outcomes)
        assert math.isnan(found.value) == bool(reason)
        assert reason in found.note


def test_near_separation_converges() -> None:
    risks = np.concatenate([np.full(50, 0.001), np.full(50, 0.999), [0.5, 0.50001]])
    outcomes = np.repeat([0, 1, 1, 0], [50, 50, 1, 1])
    found = calibration.slope(risks, outcomes)
    fitted = sm.Logit(outcomes, sm.add_constant(special.logit(risks))).fit(disp=0, maxiter=500, tol=1e-12)
    assert found.value == pytest.approx(fitted.params[-1], rel=1e-5)


@pytest.mark.parametrize("seed", range(50))
def test_brier_scores_against_scikit_learn(seed: int) -> None:
    risks, outcomes, patients = cohort(seed)
    found = calibration.brier(risks, outcomes, patients, resamples=50)
    assert found.value == pytest.approx(metrics.brier_score_loss(outcomes, risks))
    worst = metrics.brier_score_loss(outcomes, np.full(risks.size, outcomes.mean()))
    scaled = calibration.scaled_brier(risks, outcomes, patients, resamples=50)
    assert scaled.value == pytest.approx(1 - found.value / worst)
    for figure in (found, scaled):
        assert figure.interval[0] < figure.value < figure.interval[1] <= 1


def test_the_bootstrap_of_the_scaled_brier_score_is_that_of_resampled_rows() -> None:
    risks, outcomes, patients = cohort(7)
    codes = np.unique(patients, return_inverse=True)[1]
    values = []
    for weights in resampling.draws(codes, 200, 5):
        rows = np.repeat(np.arange(risks.size), weights[codes].astype(int))
        drawn = outcomes[rows]
        values.append(1 - np.mean((risks[rows] - drawn) ** 2) / (drawn.mean() * (1 - drawn.mean())))
    count = codes.max() + 1
    for confidence in (0.95, 0.8):
        found = calibration.scaled_brier(risks, outcomes, patients, confidence, 5, 200)
        half = stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(values) * math.sqrt(count / (count - 1))
        assert found.interval == pytest.approx((found.value - half, min(1, found.value + half)))
    squares = (risks - outcomes) ** 2
    plain = calibration.brier(risks, outcomes, patients, 0.8, 5, 200)
    assert plain == resampling.shares(squares, np.ones(risks.size), patients, 200, 5, 0.8)


def test_the_scaled_brier_score_s_interval_ends_at_1() -> None:
    risks, outcomes = [0.02, 0.02, 0.02, 0.98, 0.98, 0.6], [0, 0, 0, 1, 1, 1]
    found = calibration.scaled_brier(risks, outcomes)
    assert found.value < found.interval[1] == 1.0


def test_the_scaled_brier_score_needs_both_outcomes() -> None:
    found = calibration.scaled_brier([0.1, 0.2], [0, 0])
    assert math.isnan(found.value)
    assert found.note == "undefined, all 2 outcomes are negative"


@pytest.mark.parametrize("strategy", calibration.STRATEGIES)
@pytest.mark.parametrize("seed", range(30))
def test_groups_against_scikit_learn(seed: int, strategy: str) -> None:
    risks, outcomes, _ = cohort(seed)
    confidence = (0.95, 0.8)[seed % 2]
    found = calibration.groups(risks, outcomes, 5, strategy, confidence)
    observed, mean = reference.calibration_curve(outcomes, risks, n_bins=5, strategy=strategy)
    assert [group.mean_risk for group in found] == pytest.approx(mean.tolist())
    assert [group.observed for group in found] == pytest.approx(observed.tolist())
    assert sum(group.n for group in found) == risks.size
    for group in found:
        expected = stats.binomtest(round(group.observed * group.n), group.n).proportion_ci(confidence, "wilson")
        assert group.interval == pytest.approx((expected.low, expected.high), abs=1e-12)
    gaps = sum(group.n * abs(group.mean_risk - group.observed) for group in found) / risks.size
    assert calibration.expected_error(risks, outcomes, 5, strategy).value == pytest.approx(gaps)


def test_constant_risks_are_one_group() -> None:
    (group,) = calibration.groups([0.4, 0.4, 0.4], [0, 1, 0])
    assert (group.n, group.mean_risk, group.observed) == (3, pytest.approx(0.4), pytest.approx(1 / 3))
    assert calibration.expected_error([0.4, 0.4, 0.4], [0, 1, 0]).value == pytest.approx(0.4 - 1 / 3)


def test_the_smooth_curve_is_isotonic() -> None:
    risks, outcomes, _ = cohort(8)
    levels, shares = calibration.smooth(risks, outcomes)
    assert (np.diff(levels) > 0).all()
    assert (np.diff(shares) >= 0).all()
    order = np.argsort(levels)
    counts = np.array([(risks == level).sum() for level in levels])
    means = np.array([outcomes[risks == level].mean() for level in levels])
    expected = isotonic.isotonic_regression(means[order], sample_weight=counts[order])
    np.testing.assert_allclose(shares, expected, atol=1e-6)


@pytest.mark.parametrize(("count", "strategy"), [(0, "quantile"), (5, "kmeans")])
def test_groups_that_make_no_sense_are_refused(count: int, strategy: str) -> None:
    with pytest.raises(ValueError, match=strategy):
        calibration.groups([0.1, 0.2], [0, 1], count, strategy)
    with pytest.raises(ScoresError, match=r"1\.2"):
        calibration.groups([0.1, 1.2], [0, 1])
