"""A figure over its bootstrap resamples, and the intervals that follow from them."""

import dataclasses
import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import special

from raspine.evaluation import estimate, intervals
from raspine.evaluation.estimate import UNDEFINED, Estimate, Interval

Floats = NDArray[np.float64]
Method = Literal["t", "percentile", "bca"]
Bounds = tuple[float, float]

METHODS: tuple[Method, ...] = get_args(Method)
TOLERATED = 0.05  # of the resamples may be undefined without a word
_SAME = 1e-12  # relative; below it a spread is rounding
_NAMES = {"percentile": "percentiles", "bca": "BCa"}


@dataclasses.dataclass(frozen=True)
class Resampled:
    """A figure, the same figure of each resample of the patients, and what its intervals need.

    Attributes:
      value: the figure of the data; NaN where it is undefined.
      values: float [resample], NaN where a resample has no such figure.
      without: gives float [cluster], the figure with each cluster left out (the jackknife); called for BCa alone.
      n: rows (films, studies) that the figure rests on.
      clusters: how many were drawn from.
      carrying: how many clusters the figure depends on, at most `clusters`.
      bounds: between which ends the figure lies by its definition; None for a length or a mean.
    """

    value: float
    values: Floats
    without: Callable[[], Floats]
    n: int
    clusters: int
    carrying: int
    bounds: Bounds | None = None

    def estimate(self, method: Method = "t", confidence: float = 0.95) -> Estimate:
        """Returns the figure with its interval.

        `percentile`: quantiles of the resamples. `bca`: bias-corrected and accelerated, the acceleration from leaving
        out one cluster at a time (Efron, Better bootstrap confidence intervals, JASA 82 (1987)). `t`: the value and
        Student's quantile (one degree of freedom less than clusters that carry the figure) times the resamples'
        standard deviation, on the logit scale where the figure has bounds, so that the ends stay within.

        Args:
          method: one of METHODS.
          confidence: 0..1.

        Raises:
          ValueError: the method is unknown or the confidence is not between 0 and 1.
        """
        if method not in METHODS:
            raise ValueError(f"a bootstrap interval is one of {', '.join(METHODS)}. Received: '{method}'.")
        intervals.normal_quantile(confidence)  # refuses what is no confidence
        if math.isnan(self.value):
            return estimate.undefined("the figure is undefined on these data.", self.n)
        obstacle = self._obstacle()
        if obstacle:
            return Estimate(self.value, n=self.n, note=f"no interval: {obstacle}.")
        interval = {"t": self._t, "percentile": self._percentile, "bca": self._bca}[method](confidence)
        if any(map(math.isnan, interval)):
            return Estimate(self.value, n=self.n, note="no interval: BCa needs the figure without each patient.")
        return Estimate(self.value, interval, self.n, self._text(method), self._note())

    @property
    def undefined(self) -> int:
        """How many resamples have no such figure; they are left out."""
        return int(np.isnan(self.values).sum())

    def _obstacle(self) -> str:
        known = self._known()
        if self.clusters < 2:
            return "all rows are of one patient, and a bootstrap draws patients"
        if known.size < 2:
            return "the figure is undefined in the resamples"
        # A bootstrap of no spread would claim certainty.
        if np.ptp(known) <= _SAME * max(1.0, abs(self.value)):
            return "every resample of the patients gives the same value"
        if self.bounds and not self.bounds[0] < self.value < self.bounds[1]:
            return "the value is the end of its range"
        return ""

    def _known(self) -> Floats:
        return self.values[~np.isnan(self.values)]

    def _percentile(self, confidence: float) -> Interval:
        low, high = np.quantile(self._known(), [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def _bca(self, confidence: float) -> Interval:
        known, without = self._known(), self.without()
        # Resamples that hit the value count half, as in scipy.stats.bootstrap.
        below = ((known < self.value).mean() + (known <= self.value).mean()) / 2
        acceleration = _acceleration(without[~np.isnan(without)])
        if not 0 < below < 1 or math.isnan(acceleration):
            return UNDEFINED
        bias, z = special.ndtri(below), special.ndtri((1 + confidence) / 2)
        shifted = bias + np.array([-z, z])
        low, high = np.quantile(known, special.ndtr(bias + shifted / (1 - acceleration * shifted)))
        return float(low), float(high)

    def _t(self, confidence: float) -> Interval:
        carrying = max(self.carrying, 2)
        # The plain bootstrap's variance is that of a sample divided by n instead of n - 1.
        error = float(self._known().std()) * math.sqrt(carrying / (carrying - 1))
        half = float(special.stdtrit(carrying - 1, (1 + confidence) / 2)) * error
        if self.bounds is None:
            return self.value - half, self.value + half
        low, high = self.bounds
        share = (self.value - low) / (high - low)
        step = half / (high - low) / (share * (1 - share))
        ends = special.expit(special.logit(share) + np.array([-step, step]))
        return float(low + (high - low) * ends[0]), float(low + (high - low) * ends[1])

    def _text(self, method: str) -> str:
        name = _NAMES.get(method, "t on the logit scale" if self.bounds else "t")
        return (
            f"bootstrap of {self.clusters} patients, {self._known().size} resamples, {name}"
            if self.clusters < self.n
            else f"bootstrap, {self._known().size} resamples, {name}"
        )

    def _note(self) -> str:
        if self.undefined <= TOLERATED * self.values.size:
            return ""
        return f"undefined in {self.undefined} of {self.values.size} resamples, which were left out of the interval."


class ResampledShare(Resampled):
    """A share over its resamples: a share of 0 or 1 has an interval too."""

    def estimate(self, method: Method = "t", confidence: float = 0.95) -> Estimate:
        """Returns the share with its interval.

        A share of 0 or 1 has no spread in any resample. Its interval is Wilson's, each patient that carries it counting
        once: right when all films of a patient agree, too wide when they do not.

        Args:
          method: one of METHODS.
          confidence: 0..1.

        Raises:
          ValueError: the method is unknown or the confidence is not between 0 and 1.
        """
        if math.isnan(self.value):
            return estimate.undefined("there is nothing to take a share of.", self.n)
        found = super().estimate(method, confidence)
        if self.value not in (0.0, 1.0) or self.clusters < 2:
            return found
        return Estimate(
            self.value,
            intervals.wilson(int(self.value) * self.carrying, self.carrying, confidence),
            self.n,
            f"Wilson over {self.carrying} patients",
            "every resample gives the same figure, so the interval is Wilson's, each patient counting once.",
        )


def _acceleration(without: Floats) -> float:
    """Returns a sixth of the skewness of the leave-one-cluster-out values' influence; NaN without any spread."""
    if not without.size:
        return math.nan
    away = without.mean() - without
    spread = float((away**2).sum())
    return float((away**3).sum() / (6 * spread**1.5)) if spread > 0 else math.nan
