"""Whether risks mean what they say: Brier score, logistic recalibration, and the calibration curve.

Van Calster and others, Calibration: the Achilles heel of predictive analytics, BMC Medicine 17 (2019).
"""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from sklearn import isotonic

from raspine.evaluation import intervals, resampling, scored, weighted_figures
from raspine.evaluation.estimate import Estimate, Interval, undefined

GROUPS = 10
STRATEGIES = ("quantile", "uniform")
_STEPS = 100
_ROUNDING = 1e-12  # of the model's variance; a robust one below it is zero
_ALIKE = "no interval, since the patients deviate alike and the robust variance is zero: it would claim certainty"

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Group:
    """Patients of similar risk.

    Attributes:
      n: how many.
      mean_risk: 0..1, what the model says of them on average.
      observed: 0..1, the share with a positive outcome.
      interval: Wilson's, of the share.
    """

    n: int
    mean_risk: float
    observed: float
    interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values: `n`, `mean_risk`, `observed`, `observed_ci`."""
        return {
            "n": self.n,
            "mean_risk": self.mean_risk,
            "observed": self.observed,
            "observed_ci": list(self.interval),
        }


def checked(risks: ArrayLike, outcomes: ArrayLike) -> tuple[scored.Scores, scored.Outcomes]:
    """Returns risks and outcomes as arrays of one length.

    Args:
      risks: float [patient], 0..1.
      outcomes: int [patient], 1 positive, 0 negative.

    Raises:
      ScoresError: risks and outcomes do not fit, or a score is no risk.
    """
    numbers, positive = scored.checked(risks, outcomes)
    if numbers.min() < 0 or numbers.max() > 1:
        raise scored.ScoresError(f"risks lie between 0 and 1. Received: {numbers.min():g} to {numbers.max():g}.")
    return numbers, positive


def brier(
    risks: ArrayLike,
    outcomes: ArrayLike,
    patients: ArrayLike | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = resampling.RESAMPLES,
) -> Estimate:
    """Returns the mean squared distance of risk and outcome (0 is best) with a bootstrap interval.

    Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950).

    Args:
      risks: float [row], 0..1.
      outcomes: int [row], 1 positive, 0 negative.
      patients: any [row], whom each row belongs to; None when each is another patient.
      confidence: 0..1.
      seed: of the bootstrap.
      resamples: how many.

    Raises:
      ScoresError: risks, outcomes and patients do not fit.
    """
    numbers, positive = checked(risks, outcomes)
    codes = scored.patient_codes(patients, numbers.size)
    return resampling.shares((numbers - positive) ** 2, np.ones(numbers.size), codes, resamples, seed, confidence)


def scaled_brier(
    risks: ArrayLike,
    outcomes: ArrayLike,
    patients: ArrayLike | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = resampling.RESAMPLES,
) -> Estimate:
    """Returns 1 - Brier score / the Brier score of giving everybody the prevalence: 1 is best, 0 no better than that.

    Steyerberg and others, Assessing the performance of prediction models, Epidemiology 21 (2010).

    Args:
      risks: float [row], 0..1.
      outcomes: int [row], 1 positive, 0 negative.
      patients: any [row], whom each row belongs to; None when each is another patient.
      confidence: 0..1.
      seed: of the bootstrap.
      resamples: how many.

    Raises:
      ScoresError: risks, outcomes and patients do not fit.
    """
    numbers, positive = checked(risks, outcomes)
    codes = scored.patient_codes(patients, numbers.size)
    if reason := scored.one_class(positive):
        return undefined(f"undefined, {reason}", numbers.size)
    squares = (numbers - positive) ** 2

    def of(weights: Array) -> Array:
        total = weights.sum(axis=1)
        share = weights @ positive / total
        return 1 - weighted_figures.ratio(weights @ squares / total, share * (1 - share))

    found = resampling.weighted(of, codes, resamples, seed, confidence)
    # NaN stays NaN.
    return dataclasses.replace(found, interval=(found.interval[0], float(np.minimum(found.interval[1], 1.0))))


def intercept(
    risks: ArrayLike, outcomes: ArrayLike, patients: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """Returns calibration in the large: what must be added to the log odds so that the mean risk is right; 0 is best.

    The intercept of an unpenalised logistic regression with the log odds of the risks as offset, with Wald's interval.
    When patients have several rows the standard error is the cluster-robust one (Liang and Zeger, Biometrika 73
    (1986)), and the interval takes Student's t with one degree of freedom less than patients; the normal quantile makes
    it too narrow when they are few.

    Args:
      risks: float [row], 0..1.
      outcomes: int [row], 1 positive, 0 negative.
      patients: any [row], whom each row belongs to; None when each is another patient.
      confidence: 0..1.

    Raises:
      ScoresError: risks, outcomes and patients do not fit.
    """
    numbers, positive = checked(risks, outcomes)
    codes = scored.patient_codes(patients, numbers.size)
    if reason := _no_log_odds(numbers) or scored.one_class(positive):
        return undefined(f"undefined, {reason}", numbers.size)
    design = np.ones((numbers.size, 1))
    return _coefficient(design, special.logit(numbers), positive, codes, confidence)


def slope(
    risks: ArrayLike, outcomes: ArrayLike, patients: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """Returns the calibration slope: 1 is best, below 1 the risks are too extreme, above 1 too timid.

    The slope of an unpenalised logistic regression of the outcome on the log odds of the risks (Cox, Two further
    applications of a model for binary regression, Biometrika 45 (1958)), with Wald's interval. When patients have
    several rows the standard error is the cluster-robust one, and the interval takes Student's t as in `intercept`.

    Args:
      risks: float [row], 0..1.
      outcomes: int [row], 1 positive, 0 negative.
      patients: any [row], whom each row belongs to; None when each is another patient.
      confidence: 0..1.

    Raises:
      ScoresError: risks, outcomes and patients do not fit.
    """
    numbers, positive = checked(risks, outcomes)
    codes = scored.patient_codes(patients, numbers.size)
    reason = _no_log_odds(numbers) or scored.one_class(positive) or _no_slope(numbers, positive)
    if reason:
        return undefined(f"undefined, {reason}", numbers.size)
    design = np.stack([np.ones(numbers.size), special.logit(numbers)], axis=1)
    return _coefficient(design, np.zeros(numbers.size), positive, codes, confidence)


def groups(
    risks: ArrayLike,
    outcomes: ArrayLike,
    count: int = GROUPS,
    strategy: str = "quantile",
    confidence: float = 0.95,
) -> tuple[Group, ...]:
    """Returns the points of the calibration curve, from low to high risk; empty groups are left out.

    Args:
      risks: float [patient], 0..1.
      outcomes: int [patient], 1 positive, 0 negative.
      count: of groups, 1 or more.
      strategy: `quantile`, about equally many patients in each (equal risks stay together), or `uniform`, equally wide.
      confidence: of Wilson's intervals, 0..1.

    Raises:
      ScoresError: risks and outcomes do not fit.
      ValueError: count or strategy make no sense.
    """
    numbers, positive = checked(risks, outcomes)
    if count < 1 or strategy not in STRATEGIES:
        raise ValueError(f"groups are 1 or more, by {' or '.join(STRATEGIES)}. Received: {count}, {strategy}.")
    shares = np.linspace(0, 1, count + 1)
    edges = np.percentile(numbers, shares * 100) if strategy == "quantile" else shares
    place = np.searchsorted(edges[1:-1], numbers)
    return tuple(_group(numbers[place == one], positive[place == one], confidence) for one in np.unique(place))


def expected_error(risks: ArrayLike, outcomes: ArrayLike, count: int = GROUPS, strategy: str = "quantile") -> Estimate:
    """Returns the expected calibration error: mean distance of risk and observed share over the groups.

    Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI (2015). It has
    no interval: a bootstrap of a distance from 0 would lie above the value itself.

    Args:
      risks: float [patient], 0..1.
      outcomes: int [patient], 1 positive, 0 negative.
      count: of groups, 1 or more.
      strategy: `quantile` or `uniform`.

    Raises:
      ScoresError: risks and outcomes do not fit.
      ValueError: count or strategy make no sense.
    """
    found = groups(risks, outcomes, count, strategy)
    total = sum(group.n for group in found)
    value = sum(group.n * abs(group.mean_risk - group.observed) for group in found) / total
    return Estimate(value, n=total)


def smooth(risks: ArrayLike, outcomes: ArrayLike) -> tuple[Array, Array]:
    """Returns the calibration curve without groups: isotonic regression of the outcome on the risk.

    Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates, KDD (2002).

    Args:
      risks: float [patient], 0..1.
      outcomes: int [patient], 1 positive, 0 negative.

    Returns:
      float64 [point], the different risks, rising; float64 [point], the share of positive outcomes at each.

    Raises:
      ScoresError: risks and outcomes do not fit.
    """
    numbers, positive = checked(risks, outcomes)
    levels = np.unique(numbers)
    fitted = isotonic.IsotonicRegression(y_min=0, y_max=1).fit(numbers, positive.astype(np.float64))
    return levels, np.asarray(fitted.predict(levels), np.float64)


def _group(risks: scored.Scores, positive: scored.Outcomes, confidence: float) -> Group:
    share = intervals.share(int(positive.sum()), positive.size, confidence)
    return Group(share.n, float(risks.mean()), share.value, share.interval)


def _no_log_odds(risks: scored.Scores) -> str:
    return "a risk of 0 or 1 has no log odds" if risks.min() == 0 or risks.max() == 1 else ""


def _no_slope(risks: scored.Scores, positive: scored.Outcomes) -> str:
    """Returns why the regression has no finite slope (Albert and Anderson, Biometrika 71 (1984)); empty if it has."""
    odds = special.logit(risks)
    above, below = odds[positive], odds[~positive]
    if odds.min() == odds.max():
        return "all risks are the same"
    if below.max() <= above.min() or above.max() <= below.min():
        return "the risks separate the outcomes perfectly, and the slope has no bound"
    return ""


def _coefficient(
    design: Array, offset: Array, positive: scored.Outcomes, codes: NDArray[np.intp], confidence: float
) -> Estimate:
    """Returns the last coefficient of a logistic regression with Wald's interval."""
    fitted = _fit(design, offset, positive)
    if fitted is None:
        return undefined("undefined, the logistic regression did not converge", positive.size)
    coefficients, residuals, bread = fitted
    clusters = int(codes.max()) + 1
    value, variance = float(coefficients[-1]), bread[-1, -1]
    quantile, method = intervals.normal_quantile(confidence), "wald"
    if clusters < codes.size:
        if clusters < 2:
            return Estimate(value, n=positive.size, note="no interval, since all rows are of one patient")
        variance = _robust(design, residuals, bread, codes)[-1, -1]
        if variance <= _ROUNDING * bread[-1, -1]:
            return Estimate(value, n=positive.size, note=_ALIKE)
        quantile = float(special.stdtrit(clusters - 1, (1 + confidence) / 2))
        method = f"wald, cluster-robust, t with {clusters - 1} degrees of freedom"
    half = quantile * math.sqrt(variance)
    return Estimate(value, (value - half, value + half), positive.size, method)


def _robust(design: Array, residuals: Array, bread: Array, codes: NDArray[np.intp]) -> Array:
    """Returns the cluster-robust variance of the coefficients, with the usual correction for few clusters."""
    clusters = int(codes.max()) + 1
    scores = np.stack([np.bincount(codes, column * residuals) for column in design.T], axis=1)
    correction = clusters / (clusters - 1) * (codes.size - 1) / (codes.size - design.shape[1])
    return np.asarray(correction * (bread @ scores.T @ scores @ bread))


def _fit(design: Array, offset: Array, positive: scored.Outcomes) -> tuple[Array, Array, Array] | None:
    """Returns coefficients, residuals and the inverse information by Newton's steps, halved where they overshoot."""
    coefficients, outcomes = np.zeros(design.shape[1]), positive.astype(np.float64)

    def loss(some: Array) -> float:
        odds = offset + design @ some
        return float(np.logaddexp(0, odds).sum() - odds @ outcomes)

    for _ in range(_STEPS):
        fitted = special.expit(offset + design @ coefficients)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        try:
            step = np.linalg.solve(information, design.T @ (outcomes - fitted))
        except np.linalg.LinAlgError:
            return None
        if np.abs(step).max() < 1e-10 * (1 + np.abs(coefficients).max()):
            return coefficients, outcomes - fitted, np.linalg.inv(information)
        while loss(coefficients + step) > loss(coefficients) + 1e-9 and np.abs(step).max() > 1e-14:
            step = step / 2
        coefficients = coefficients + step
    return None
