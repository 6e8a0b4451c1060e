"""Whether two raters agree within a margin on average: two one-sided paired t tests (TOST).

Schuirmann, A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of
average bioavailability, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987). Equivalence of means says nothing
about single films: with many films a wide scatter still passes, so read it beside limits of agreement.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from raspine.evaluation.estimate import Estimate, undefined
from raspine.evaluation.paired import ROUNDING, Paired, complete, is_constant, there_are

# The margins of the radiograph paper, mm, by distance.
MARGINS_MM = {"adi": 1.5, "sac": 2.0}


@dataclasses.dataclass(frozen=True)
class Equivalence:
    """The outcome of two one-sided tests.

    Attributes:
      margin: the mean difference is tested to lie between minus and plus this.
      difference: mean of first minus second; its interval has confidence 1 - 2 alpha, 90 % for 0.05, and lies within
        the margin exactly when both tests reject.
      p_lower: that the mean difference is at or below minus the margin; NaN where undefined.
      p_upper: that it is at or above the margin; NaN where undefined.
      freedom: degrees of freedom of t; 0 where undefined.
      alpha: level of each test.
      equivalent: both tests reject; None where undefined.
    """

    margin: float
    difference: Estimate
    p_lower: float = math.nan
    p_upper: float = math.nan
    freedom: int = 0
    alpha: float = 0.05
    equivalent: bool | None = None

    @property
    def p(self) -> float:
        """The larger p value, that of the procedure."""
        return max(self.p_lower, self.p_upper)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values, by the names of the attributes, and `p`."""
        tests = {"p": self.p, "p_lower": self.p_lower, "p_upper": self.p_upper}
        return {
            "margin": self.margin,
            "difference": self.difference.to_dict(),
            **{name: None if math.isnan(value) else value for name, value in tests.items()},
            "degrees_of_freedom": self.freedom,
            "alpha": self.alpha,
            "equivalent": self.equivalent,
        }


def tost(first: ArrayLike, second: ArrayLike, margin: float, alpha: float = 0.05) -> Equivalence:
    """Tests independent pairs.

    Args:
      first: float [film], NaN where missing.
      second: float [film], NaN where missing.
      margin: above 0, in the unit of the values.
      alpha: level of each test, 0..0.5.

    Raises:
      ValueError: lengths differ, a value is infinite, or margin or alpha is out of bounds.
    """
    _check(margin, alpha)
    pairs = complete(first, second)
    if pairs.n < 2:
        return Equivalence(margin, undefined(f"a test needs 2 pairs; {there_are(pairs.n)}.", pairs.n), alpha=alpha)
    error = float(pairs.differences.std(ddof=1)) / math.sqrt(pairs.n)
    return _test(pairs, margin, alpha, error, pairs.n - 1, "t")


def clustered_tost(
    first: ArrayLike, second: ArrayLike, margin: float, patients: Sequence[str], alpha: float = 0.05
) -> Equivalence:
    """Tests pairs of which several may come from one patient.

    The mean is over films; its standard error sums each patient's residuals before squaring (cluster-robust, Liang and
    Zeger, Longitudinal data analysis using generalized linear models, Biometrika 73, 1986, times patients / (patients -
    1)), and t has patients - 1 degrees of freedom. With one film a patient it is `tost`.

    Args:
      first: float [film], NaN where missing.
      second: float [film], NaN where missing.
      margin: above 0, in the unit of the values.
      patients: pseudonym of each film's patient.
      alpha: level of each test, 0..0.5.

    Raises:
      ValueError: lengths differ, a value is infinite, a film has no patient, or margin or alpha is out of bounds.
    """
    _check(margin, alpha)
    pairs = complete(first, second, patients)
    count = pairs.n_patients
    if count < 2:
        note = f"a test that allows for several films of a patient needs 2 patients; {there_are(count)}."
        return Equivalence(margin, undefined(note, pairs.n), alpha=alpha)
    residuals = np.bincount(pairs.groups, pairs.differences - pairs.differences.mean())
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / pairs.n
    return _test(pairs, margin, alpha, error, count - 1, f"t over {count} patients, cluster-robust")


def _check(margin: float, alpha: float) -> None:
    if not 0 < margin < math.inf:
        raise ValueError(f"a margin is above 0. Received: {margin}.")
    if not 0 < alpha < 0.5:
        raise ValueError(f"the level of a one-sided test lies between 0 and 0.5. Received: {alpha}.")


def _test(pairs: Paired, margin: float, alpha: float, error: float, freedom: int, method: str) -> Equivalence:
    mean = float(pairs.differences.mean())
    if is_constant(pairs.differences, pairs.scale) or error <= ROUNDING * pairs.scale:
        note = "the differences have no spread to test their mean against."
        return Equivalence(margin, Estimate(mean, n=pairs.n, note=note), alpha=alpha)
    half = float(stats.t.ppf(1 - alpha, freedom)) * error
    lower = float(stats.t.sf((mean + margin) / error, freedom))
    upper = float(stats.t.cdf((mean - margin) / error, freedom))
    difference = Estimate(
        mean, (mean - half, mean + half), pairs.n, f"{method}, {100 * (1 - 2 * alpha):.10g}% interval"
    )
    return Equivalence(margin, difference, lower, upper, freedom, alpha, max(lower, upper) < alpha)
