"""Figures of decisions when patients have several rows: a bootstrap that draws patients.

Rows of one patient resemble each other, so that intervals that count each row as another patient are too narrow.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from raspine.evaluation import confusion, intervals, resampling, weighted_figures
from raspine.evaluation.estimate import Estimate, undefined

Calls = NDArray[np.bool_]
Codes = NDArray[np.intp]

_RATIOS = ("lr_positive", "lr_negative", "odds_ratio")
_WIDEST = 1e6  # times the ratio; a wider interval says nothing, and its end may pass what a float holds
_TOO_WIDE = "no interval, since it would reach beyond a million times the ratio: there are too few patients"
_BOUNDS = {"balanced_accuracy": (0.0, 1.0), "mcc": (-1.0, 1.0), "kappa": (-1.0, 1.0)}


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """How patients are drawn.

    Attributes:
      resamples: how many.
      seed: of the draws.
      confidence: of the intervals, 0..1.
    """

    resamples: int = resampling.RESAMPLES
    seed: int = 0
    confidence: float = 0.95

    @property
    def options(self) -> tuple[int, int, float]:
        """resamples, seed, confidence, as `resampling` takes them."""
        return self.resamples, self.seed, self.confidence


def is_clustered(patients: Codes) -> bool:
    """Returns whether any patient has several rows.

    Args:
      patients: int [row], number of each row's patient.
    """
    return np.unique(patients).size < patients.size


def of_cells(called: Calls, positive: Calls, patients: Codes, bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Returns every figure that follows from the four cells, by name, as `intervals.of_cells` does.

    Shares take `resampling.shares`. F1 is a monotone function of tp / (tp + fp + fn) and takes the ends of that share.
    Ratios are resampled as logarithms.

    Args:
      called: bool [row], whether called positive.
      positive: bool [row], whether the outcome is positive.
      patients: int [row], number of each row's patient.
      bootstrap: how patients are drawn.
    """
    cells = confusion.of_calls(called, positive)
    shares = {
        "sensitivity": (positive & called, positive),
        "specificity": (~positive & ~called, ~positive),
        "ppv": (positive & called, called),
        "npv": (~positive & ~called, ~called),
        "accuracy": (positive == called, np.ones_like(called)),
        "f1": (positive & called, positive | called),
    }
    figures = {
        name: resampling.shares(counted, total, patients, *bootstrap.options)
        for name, (counted, total) in shares.items()
    }
    figures["f1"] = _f1(figures["f1"])
    for name in ("balanced_accuracy", "mcc", "kappa", *_RATIOS):
        figures[name] = _figure(name, cells, called, positive, patients, bootstrap)
    return {name: _explained(figure, cells.reason(name)) for name, figure in figures.items()}


def weighted(
    function: weighted_figures.Figure, patients: Codes, bootstrap: Bootstrap, bounds: tuple[float, float] = (0.0, 1.0)
) -> Estimate:
    """Returns a figure of weighted rows with its interval.

    Args:
      function: takes weights, float [resample, row], gives float [resample], NaN where undefined.
      patients: int [row], number of each row's patient.
      bootstrap: how patients are drawn.
      bounds: the ends of the figure's range.
    """
    return resampling.weighted(function, patients, *bootstrap.options, bounds=bounds)


def _figure(
    name: str, cells: confusion.Confusion, called: Calls, positive: Calls, patients: Codes, bootstrap: Bootstrap
) -> Estimate:
    value = float(getattr(cells, name))
    if math.isnan(value):
        return undefined(cells.reason(name), cells.n)
    if name not in _RATIOS:
        function = weighted_figures.of_decisions(called, positive, confusion.FORMULAS[name])
        return resampling.weighted(function, patients, *bootstrap.options, bounds=_BOUNDS[name])
    if not value:
        return Estimate(value, n=cells.n, note=intervals.ZERO_RATIO)
    function = weighted_figures.of_decisions(called, positive, _logarithm(confusion.FORMULAS[name]))
    found = resampling.weighted(function, patients, *bootstrap.options)
    if found.has_interval and found.interval[1] - found.value > math.log(_WIDEST):
        return Estimate(value, n=cells.n, note=_TOO_WIDE)
    ends = (math.exp(found.interval[0]), math.exp(found.interval[1])) if found.has_interval else found.interval
    method = found.method and f"{found.method} on the log scale"
    return dataclasses.replace(found, value=value, interval=ends, method=method)


def _logarithm(formula: weighted_figures.OfCells) -> weighted_figures.OfCells:
    def of(*cells: NDArray[np.float64]) -> NDArray[np.float64]:
        values = formula(*cells)
        return np.log(values, out=np.full(np.shape(values), math.nan), where=values > 0)

    return of


def _f1(jaccard: Estimate) -> Estimate:
    def of(share: float) -> float:
        return 2 * share / (1 + share)

    if not jaccard.is_defined:
        return jaccard
    ends = of(jaccard.interval[0]), of(jaccard.interval[1])
    return dataclasses.replace(jaccard, value=of(jaccard.value), interval=ends)


def _explained(figure: Estimate, reason: str) -> Estimate:
    return figure if figure.is_defined else dataclasses.replace(figure, note=reason or figure.note)
