"""Confidence intervals of what follows from four cells of independent decisions, each patient counting once.

What several films or studies of one patient do to them: `clustered`.
"""

import functools
import math
import statistics
from collections.abc import Callable

import numpy as np
from scipy import stats
from scipy.stats import contingency

from raspine.evaluation.confusion import Confusion
from raspine.evaluation.estimate import UNDEFINED, Estimate, Interval, undefined

RESAMPLES = 10_000
SHARE_METHODS = ("wilson", "clopper_pearson")
ZERO_RATIO = "no interval, since that of a ratio needs its logarithm, and 0 has none"
_ALIKE = "no interval, since its estimated variance is zero"


def normal_quantile(confidence: float) -> float:
    """Returns the two-sided standard normal quantile, 1.96 for 0.95.

    Raises:
      ValueError: the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1. Received: {confidence}.")
    return statistics.NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(counted: int, total: int, confidence: float = 0.95) -> Interval:
    """Returns Wilson's score interval of a binomial share, without continuity correction.

    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).

    Args:
      counted: patients with the property.
      total: patients looked at; NaN is returned for 0.
      confidence: 0..1.

    Raises:
      ValueError: counted is not between 0 and total.
    """
    return _share_interval(counted, total, confidence, "wilson")


def clopper_pearson(counted: int, total: int, confidence: float = 0.95) -> Interval:
    """Returns Clopper and Pearson's exact interval of a binomial share; it never covers less than it says.

    Clopper and Pearson, The use of confidence or fiducial limits, Biometrika 26 (1934).

    Args:
      counted: patients with the property.
      total: patients looked at; NaN is returned for 0.
      confidence: 0..1.

    Raises:
      ValueError: counted is not between 0 and total.
    """
    return _share_interval(counted, total, confidence, "exact")


def share(counted: int, total: int, confidence: float = 0.95, method: str = "wilson") -> Estimate:
    """Returns a binomial share with its interval.

    Args:
      counted: patients with the property.
      total: patients looked at.
      confidence: 0..1.
      method: `wilson` or `clopper_pearson`.

    Raises:
      ValueError: counted is not between 0 and total, or the method is another.
    """
    if method not in SHARE_METHODS:
        raise ValueError(f"the interval of a share is one of {', '.join(SHARE_METHODS)}. Received: {method}.")
    interval = (wilson if method == "wilson" else clopper_pearson)(counted, total, confidence)
    if not total:
        return undefined("undefined, there is nothing to count")
    return Estimate(counted / total, interval, total, method)


def f1(cells: Confusion, confidence: float = 0.95, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Returns F1 with a percentile bootstrap interval.

    Drawing n patients with replacement draws the four cells from a multinomial distribution, so the cells are resampled
    at once. Resamples without a positive patient or call have no F1 and are left out. A bootstrap of F1 0 or 1 would
    have no width and claim certainty; there the interval is Wilson's for tp / (tp + fp + fn), of which F1 is a
    monotone function.

    Args:
      cells: the decisions.
      confidence: 0..1.
      seed: of the resampling.
      resamples: how many.
    """
    value = cells.f1
    if math.isnan(value):
        return _missing(cells, "f1")
    tp, fn, fp, _ = np.random.default_rng(seed).multinomial(cells.n, np.array(cells.counts) / cells.n, resamples).T
    whole = 2 * tp + fp + fn
    values = (2 * tp)[whole > 0] / whole[whole > 0]
    if value in (0.0, 1.0) or not values.size:
        low, high = wilson(cells.tp, cells.tp + cells.fp + cells.fn, confidence)
        return Estimate(value, (2 * low / (1 + low), 2 * high / (1 + high)), cells.n, "wilson of tp / (tp + fp + fn)")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, (float(low), float(high)), cells.n, "percentile bootstrap")


def balanced_accuracy(cells: Confusion, confidence: float = 0.95, method: str = "wilson") -> Estimate:
    """Returns balanced accuracy; its interval recovers variances from those of sensitivity and specificity (MOVER).

    Zou and Donner, Construction of confidence limits about effect measures, Statistics in Medicine 27 (2008).

    Args:
      cells: the decisions.
      confidence: 0..1.
      method: of the two shares, `wilson` or `clopper_pearson`.
    """
    value = cells.balanced_accuracy
    if math.isnan(value):
        return _missing(cells, "balanced_accuracy")
    parts = [share(*cells.shares[name], confidence, method) for name in ("sensitivity", "specificity")]
    down = math.hypot(*(part.value - part.interval[0] for part in parts)) / 2
    up = math.hypot(*(part.interval[1] - part.value for part in parts)) / 2
    return Estimate(value, (max(0.0, value - down), min(1.0, value + up)), cells.n, f"MOVER of {method}")


def mcc(cells: Confusion, confidence: float = 0.95) -> Estimate:
    """Returns Matthews' correlation with an interval on Fisher's z scale.

    The variance is the delta method's for the phi coefficient: Bishop, Fienberg and Holland, Discrete Multivariate
    Analysis (1975), section 11.3; on the z scale after Itaya and others, Statistics in Medicine 44 (2025).

    Args:
      cells: the decisions.
      confidence: 0..1.
    """
    value, z = cells.mcc, normal_quantile(confidence)
    if math.isnan(value):
        return _missing(cells, "mcc")
    if 1 - abs(value) < 1e-12:
        return Estimate(value, n=cells.n, note=_ALIKE)
    half = z * math.sqrt(max(0.0, _phi_variance(cells, value))) / (1 - value**2)
    ends = (math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))
    return Estimate(value, ends, cells.n, "delta method, Fisher's z")


def kappa(cells: Confusion, confidence: float = 0.95) -> Estimate:
    """Returns Cohen's kappa of decision and outcome with a normal interval, clipped to -1..1.

    Fleiss, Cohen and Everitt, Large sample standard errors of kappa and weighted kappa, Psychological Bulletin 72
    (1969).

    Args:
      cells: the decisions.
      confidence: 0..1.
    """
    value, z = cells.kappa, normal_quantile(confidence)
    if math.isnan(value):
        return _missing(cells, "kappa")
    table = np.array([[cells.tp, cells.fn], [cells.fp, cells.tn]]) / cells.n
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    chance = float(rows @ columns)
    diagonal = sum(table[k, k] * (1 - (rows[k] + columns[k]) * (1 - value)) ** 2 for k in (0, 1))
    beside = sum(table[i, 1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in (0, 1)) * (1 - value) ** 2
    spread = diagonal + beside - (value - chance * (1 - value)) ** 2
    if spread < 1e-12:
        return Estimate(value, n=cells.n, note=_ALIKE)
    half = z * math.sqrt(spread / cells.n) / (1 - chance)
    return Estimate(value, (max(-1.0, value - half), min(1.0, value + half)), cells.n, "Fleiss, Cohen and Everitt")


def lr_positive(cells: Confusion, confidence: float = 0.95) -> Estimate:
    """Returns the likelihood ratio of a positive call, sensitivity / (1 - specificity), with the log interval.

    Simel, Samsa and Matchar, Likelihood ratios with confidence, Journal of Clinical Epidemiology 44 (1991).

    Args:
      cells: the decisions.
      confidence: 0..1.
    """
    return _likelihood_ratio(cells, "lr_positive", cells.tp, cells.fp, confidence)


def lr_negative(cells: Confusion, confidence: float = 0.95) -> Estimate:
    """Returns the likelihood ratio of a negative call, (1 - sensitivity) / specificity, with the log interval.

    Simel, Samsa and Matchar, Likelihood ratios with confidence, Journal of Clinical Epidemiology 44 (1991).

    Args:
      cells: the decisions.
      confidence: 0..1.
    """
    return _likelihood_ratio(cells, "lr_negative", cells.fn, cells.tn, confidence)


def odds_ratio(cells: Confusion, confidence: float = 0.95) -> Estimate:
    """Returns the diagnostic odds ratio, tp * tn / (fp * fn), with Woolf's log interval.

    Woolf, On estimating the relation between blood group and disease, Annals of Human Genetics 19 (1955).

    Args:
      cells: the decisions.
      confidence: 0..1.
    """
    value = cells.odds_ratio
    if math.isnan(value):
        return _missing(cells, "odds_ratio")
    if not value:
        return Estimate(value, n=cells.n, note=ZERO_RATIO)
    table = [[cells.tp, cells.fp], [cells.fn, cells.tn]]
    ends = contingency.odds_ratio(table, kind="sample").confidence_interval(confidence)
    return Estimate(value, (float(ends.low), float(ends.high)), cells.n, "Woolf, log scale")


def of_cells(cells: Confusion, confidence: float = 0.95, method: str = "wilson", seed: int = 0) -> dict[str, Estimate]:
    """Returns every figure that follows from the four cells, by name.

    Args:
      cells: the decisions.
      confidence: of all intervals, 0..1.
      method: of the shares, `wilson` or `clopper_pearson`.
      seed: of the bootstrap of F1.
    """
    shares = {name: _named_share(cells, name, confidence, method) for name in cells.shares}
    others: dict[str, Callable[..., Estimate]] = {
        "f1": functools.partial(f1, seed=seed),
        "balanced_accuracy": functools.partial(balanced_accuracy, method=method),
        "mcc": mcc,
        "kappa": kappa,
        "lr_positive": lr_positive,
        "lr_negative": lr_negative,
        "odds_ratio": odds_ratio,
    }
    return shares | {name: function(cells, confidence=confidence) for name, function in others.items()}


def _share_interval(counted: int, total: int, confidence: float, method: str) -> Interval:
    if not 0 <= counted <= total:
        raise ValueError(f"a share counts 0 to total patients. Received: {counted} of {total}.")
    normal_quantile(confidence)
    if not total:
        return UNDEFINED
    ends = stats.binomtest(counted, total).proportion_ci(confidence, method)
    return float(ends.low), float(ends.high)


def _named_share(cells: Confusion, name: str, confidence: float, method: str) -> Estimate:
    counted, total = cells.shares[name]
    return share(counted, total, confidence, method) if total else _missing(cells, name)


def _missing(cells: Confusion, name: str) -> Estimate:
    return undefined(cells.reason(name), cells.n)


def _phi_variance(cells: Confusion, phi: float) -> float:
    tp, fn, fp, tn = np.array(cells.counts) / cells.n
    positive, negative, called, passed = tp + fn, fp + tn, tp + fp, fn + tn
    outcome, call = positive * negative, called * passed
    tilt = (positive - negative) * (called - passed) / math.sqrt(outcome * call)
    lean = (positive - negative) ** 2 / outcome + (called - passed) ** 2 / call
    return float(1 - phi**2 + phi * (1 + phi**2 / 2) * tilt - 0.75 * phi**2 * lean) / cells.n


def _likelihood_ratio(cells: Confusion, name: str, of_positive: int, of_negative: int, confidence: float) -> Estimate:
    value = getattr(cells, name)
    if math.isnan(value):
        return _missing(cells, name)
    if not of_positive:
        return Estimate(value, n=cells.n, note=ZERO_RATIO)
    positives, negatives = cells.tp + cells.fn, cells.fp + cells.tn
    if of_positive + of_negative == cells.n:
        same = "positive" if name == "lr_positive" else "negative"
        return Estimate(value, n=cells.n, note=f"no interval, since everything is called {same}")
    ends = contingency.relative_risk(of_positive, positives, of_negative, negatives).confidence_interval(confidence)
    return Estimate(value, (float(ends.low), float(ends.high)), cells.n, "Simel, log scale")
