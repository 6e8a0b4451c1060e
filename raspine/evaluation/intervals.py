"""Confidence intervals of shares and of F1, each patient counting once."""

import statistics

import numpy as np

from raspine.evaluation.confusion import Confusion

Interval = tuple[float, float]

RESAMPLES = 10_000


def normal_quantile(confidence: float) -> float:
    """Returns the two-sided standard normal quantile, 1.96 for 0.95.

    Raises:
      ValueError: the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1. Received: {confidence}.")
    return statistics.NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(counted: int, total: int, confidence: float = 0.95) -> Interval | None:
    """Returns Wilson's score interval of a binomial share, without continuity correction.

    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).

    Args:
      counted: patients with the property.
      total: patients looked at; None is returned for 0.
      confidence: 0..1.

    Raises:
      ValueError: counted is not between 0 and total.
    """
    if not 0 <= counted <= total:
        raise ValueError(f"a share counts 0 to total patients. Received: {counted} of {total}.")
    if not total:
        return None
    z = normal_quantile(confidence)
    scale = 1 + z * z / total
    centre = (counted + z * z / 2) / total / scale
    half = z / scale * np.sqrt(counted * (total - counted) / total + z * z / 4) / total
    # The ends are 0 and 1 exactly there; rounding would leave 1e-17.
    return (
        0.0 if counted == 0 else float(centre - half),
        1.0 if counted == total else float(centre + half),
    )


def f1(cells: Confusion, seed: int = 0, resamples: int = RESAMPLES, confidence: float = 0.95) -> Interval | None:
    """Returns a percentile bootstrap interval of F1.

    Drawing n patients with replacement draws the four cells from a multinomial distribution, so the cells are resampled
    at once. Resamples without a positive patient or call have no F1 and are left out. A bootstrap of F1 0 or 1 would
    have no width and claim certainty; there the interval is Wilson's for tp / (tp + fp + fn), of which F1 is a
    monotone function.

    Args:
      cells: the decisions; None is returned when F1 is undefined.
      seed: of the resampling.
      resamples: how many.
      confidence: 0..1.
    """
    if cells.f1 is None:
        return None
    if cells.f1 in (0.0, 1.0):
        return _f1_from_wilson(cells, confidence)
    shares = np.array([cells.tp, cells.fn, cells.fp, cells.tn]) / cells.n
    tp, fn, fp, _ = np.random.default_rng(seed).multinomial(cells.n, shares, size=resamples).T
    whole = 2 * tp + fp + fn
    values = (2 * tp)[whole > 0] / whole[whole > 0]
    if not values.size:
        return _f1_from_wilson(cells, confidence)
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _f1_from_wilson(cells: Confusion, confidence: float) -> Interval | None:
    jaccard = wilson(cells.tp, cells.tp + cells.fp + cells.fn, confidence)
    return None if jaccard is None else (2 * jaccard[0] / (1 + jaccard[0]), 2 * jaccard[1] / (1 + jaccard[1]))
