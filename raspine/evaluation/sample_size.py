"""How many cases an interval of wanted width needs, and how wide an interval given cases give.

Widths are full widths, from end to end. Cases are independent patients; `films` and `effective` translate between these
and films that share patients.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import integrate, special, stats

LARGEST = 10_000_000  # cases; what needs more is out of reach
_SPREAD = 9.0  # standard deviations around the mean count that matter to a mean width

ShareMethod = Literal["wilson", "clopper_pearson"]
Variance = Literal["hanley_mcneil", "binormal"]


class OutOfReachError(ValueError):
    """No sensible number of cases reaches what was asked for."""


@dataclasses.dataclass(frozen=True)
class Cases:
    """Patients with and without the disease.

    Attributes:
      positives: with it.
      negatives: without it.
    """

    positives: int
    negatives: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.positives + self.negatives


def share_width(n: int, share: float, confidence: float = 0.95, method: ShareMethod = "wilson") -> float:
    """Returns the mean width of the interval of a share, over all counts that n cases may give.

    Args:
      n: independent cases, at least 1.
      share: expected, between 0 and 1.
      confidence: 0..1.
      method: `wilson`, or `clopper_pearson`, which is wider unless the share is close to 0 or 1.

    Raises:
      ValueError: an argument is out of its range.
    """
    _positive("cases", n)
    _between("share", share, 0, 1)
    _between("confidence", confidence, 0, 1)
    reach = _SPREAD * math.sqrt(n * share * (1 - share)) + _SPREAD
    counts = np.arange(max(0, math.floor(n * share - reach)), min(n, math.ceil(n * share + reach)) + 1)
    widths = _wilson_widths(counts, n, confidence) if method == "wilson" else _exact_widths(counts, n, confidence)
    return float(stats.binom.pmf(counts, n, share) @ widths)


def share_cases(width: float, share: float, confidence: float = 0.95, method: ShareMethod = "wilson") -> int:
    """Returns the smallest number of cases whose interval of a share is on average no wider than wanted.

    Args:
      width: wanted, between 0 and 1.
      share: expected, between 0 and 1.
      confidence: 0..1.
      method: as in `share_width`.

    Raises:
      ValueError: an argument is out of its range.
    """
    _between("width", width, 0, 1)
    return smallest(lambda n: share_width(n, share, confidence, method) <= width)


def enrolled(needed: int, prevalence: float, certainty: float | None = None) -> int:
    """Returns how many patients to enrol so that enough of them have (or lack) the disease.

    Args:
      needed: patients that have it.
      prevalence: share of those enrolled who do, between 0 and 1.
      certainty: with which there are enough, between 0 and 1; None enrols so many that there are enough on average.

    Raises:
      ValueError: an argument is out of its range.
    """
    _positive("cases", needed)
    _between("prevalence", prevalence, 0, 1)
    if certainty is None:
        return math.ceil(needed / prevalence - 1e-9)
    _between("certainty", certainty, 0, 1)
    return smallest(lambda n: float(stats.binom.sf(needed - 1, n, prevalence)) >= certainty, needed)


def divided(total: int, prevalence: float) -> Cases:
    """Returns how many of so many patients have the disease and how many do not, at least one each.

    Args:
      total: patients, at least 2.
      prevalence: share of them with the disease, between 0 and 1.
    """
    positives = min(max(1, round(total * prevalence)), total - 1)
    return Cases(positives, total - positives)


def auc_error(auc: float, cases: Cases, variance: Variance = "hanley_mcneil") -> float:
    """Returns the standard error of an area under the ROC curve that is still to be measured.

    Both kinds are the variance of the Mann-Whitney statistic (Bamber, Journal of Mathematical Psychology 12 (1975));
    they differ in the chance that two patients of one class are both ranked rightly against one of the other:
    `hanley_mcneil` takes exponential scores (Hanley and McNeil, Radiology 143 (1982)), `binormal` normal scores of one
    variance in both classes.

    Args:
      auc: expected, between 0 and 1.
      cases: patients with and without the disease, at least one each.
      variance: `hanley_mcneil` or `binormal`.

    Raises:
      ValueError: an argument is out of its range.
    """
    _between("AUC", auc, 0, 1)
    _positive("positives", cases.positives)
    _positive("negatives", cases.negatives)
    if variance == "hanley_mcneil":
        two_positives, two_negatives = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    else:
        apart = special.ndtri(auc)
        both = stats.multivariate_normal.cdf([apart, apart], cov=[[1, 0.5], [0.5, 1]])
        two_positives = two_negatives = float(both)
    square = auc * (1 - auc)
    square += (cases.positives - 1) * (two_positives - auc**2) + (cases.negatives - 1) * (two_negatives - auc**2)
    return math.sqrt(square / (cases.positives * cases.negatives))


def auc_interval(
    auc: float, cases: Cases, confidence: float = 0.95, variance: Variance = "hanley_mcneil", logit: bool = True
) -> tuple[float, float]:
    """Returns the interval that an area under the ROC curve is expected to get.

    Args:
      auc: expected, between 0 and 1.
      cases: patients with and without the disease, at least one each.
      confidence: 0..1.
      variance: as in `auc_error`.
      logit: whether on the logit scale, as raspine's interval of an AUC; otherwise on the plain one, clipped to 0..1.

    Raises:
      ValueError: an argument is out of its range.
    """
    _between("confidence", confidence, 0, 1)
    half = special.ndtri((1 + confidence) / 2) * auc_error(auc, cases, variance)
    if not logit:
        return max(0.0, float(auc - half)), min(1.0, float(auc + half))
    middle, reach = special.logit(auc), half / (auc * (1 - auc))
    return float(special.expit(middle - reach)), float(special.expit(middle + reach))


def auc_cases(
    width: float,
    auc: float,
    prevalence: float,
    confidence: float = 0.95,
    variance: Variance = "hanley_mcneil",
    logit: bool = True,
) -> Cases:
    """Returns how many patients an interval of an AUC needs that is no wider than wanted.

    Args:
      width: wanted, between 0 and 1.
      auc: expected, between 0 and 1.
      prevalence: share of patients with the disease, between 0 and 1.
      confidence: 0..1.
      variance: as in `auc_error`.
      logit: as in `auc_interval`.

    Raises:
      ValueError: an argument is out of its range.
    """
    _between("width", width, 0, 1)
    _between("prevalence", prevalence, 0, 1)

    def is_enough(total: int) -> bool:
        low, high = auc_interval(auc, divided(total, prevalence), confidence, variance, logit)
        return high - low <= width

    return divided(smallest(is_enough, 2), prevalence)


def design_effect(size: float, icc: float, variation: float = 0.0) -> float:
    """Returns by how much films that share patients count less than films that do not.

    Kish, Survey Sampling (1965); with unequal numbers of films Eldridge, Ashby and Kerry, International Journal of
    Epidemiology 35 (2006).

    Args:
      size: films a patient on average, 1 or more.
      icc: intraclass correlation of two films of a patient, 0..1.
      variation: coefficient of variation of the films a patient, 0 when all have as many.

    Raises:
      ValueError: an argument is out of its range.
    """
    if not (size >= 1 and 0 <= icc <= 1 and variation >= 0):
        raise ValueError(
            "a design effect is of 1 film a patient or more, an ICC of 0 to 1 and a variation of 0 or more. "
            f"Received: {size}, {icc}, {variation}."
        )
    return 1 + ((1 + variation**2) * size - 1) * icc


def films(cases: int, size: float, icc: float, variation: float = 0.0) -> tuple[int, int]:
    """Returns how many films, and of how many patients, tell as much as so many independent cases.

    Args:
      cases: independent ones.
      size: films a patient on average, 1 or more.
      icc: intraclass correlation of two films of a patient, 0..1.
      variation: coefficient of variation of the films a patient.

    Raises:
      ValueError: an argument is out of its range.
    """
    _positive("cases", cases)
    patients = math.ceil(cases * design_effect(size, icc, variation) / size - 1e-9)
    return films_of(patients, size), patients


def films_of(patients: int, size: float) -> int:
    """Returns how many films so many patients have, rounded up.

    Args:
      patients: how many.
      size: films a patient on average, 1 or more.
    """
    return math.ceil(patients * size - 1e-9)


def effective(count: int, size: float, icc: float, variation: float = 0.0) -> int:
    """Returns how many independent cases so many films are worth, rounded down, at least 1.

    Args:
      count: films.
      size: films a patient on average, 1 or more.
      icc: intraclass correlation of two films of a patient, 0..1.
      variation: coefficient of variation of the films a patient.

    Raises:
      ValueError: an argument is out of its range.
    """
    _positive("films", count)
    return max(1, math.floor(count / design_effect(size, icc, variation) + 1e-9))


def bias_width(n: int, sd: float, confidence: float = 0.95) -> float:
    """Returns the width of Student's interval of a mean difference.

    Args:
      n: independent pairs of measurements, at least 2.
      sd: standard deviation of the differences, in mm or any unit.
      confidence: 0..1.

    Returns:
      The width in the unit of `sd`.

    Raises:
      ValueError: an argument is out of its range.
    """
    return 2 * _quantile(n, sd, confidence) * sd / math.sqrt(n)


def limits_width(n: int, sd: float, confidence: float = 0.95) -> float:
    """Returns the width of the interval of either 95 % limit of agreement.

    Bland and Altman, Measuring agreement in method comparison studies, Statistical Methods in Medical Research 8
    (1999): the variance of a limit is sd^2 (1 / n + 1.96^2 / (2 (n - 1))).

    Args:
      n: independent pairs of measurements, at least 2.
      sd: standard deviation of the differences, in mm or any unit.
      confidence: of the interval around each limit, 0..1; the limits stay those of 95 % of the differences.

    Returns:
      The width in the unit of `sd`.

    Raises:
      ValueError: an argument is out of its range.
    """
    z = float(special.ndtri(0.975))
    return 2 * _quantile(n, sd, confidence) * sd * math.sqrt(1 / n + z * z / (2 * (n - 1)))


def bias_pairs(width: float, sd: float, confidence: float = 0.95) -> int:
    """Returns the smallest number of pairs whose mean difference has an interval no wider than wanted.

    Args:
      width: wanted, in the unit of `sd`.
      sd: standard deviation of the differences.
      confidence: 0..1.

    Raises:
      ValueError: an argument is out of its range.
    """
    _above("width", width)
    return smallest(lambda n: bias_width(n, sd, confidence) <= width, 2)


def limits_pairs(width: float, sd: float, confidence: float = 0.95) -> int:
    """Returns the smallest number of pairs whose limits of agreement have intervals no wider than wanted.

    Arguments and errors are those of `bias_pairs`.
    """
    _above("width", width)
    return smallest(lambda n: limits_width(n, sd, confidence) <= width, 2)


def tost_power(n: int, sd: float, margin: float, bias: float = 0.0, alpha: float = 0.05) -> float:
    """Returns the chance that two one-sided paired t-tests call two measurements equivalent.

    Args:
      n: independent pairs, at least 2.
      sd: standard deviation of the differences, in mm or any unit.
      margin: of equivalence, in the unit of `sd`, on either side of zero.
      bias: true mean difference, in the unit of `sd`.
      alpha: of each of the two tests, between 0 and 0.5.

    Raises:
      ValueError: an argument is out of its range.
    """
    if n < 2:
        raise ValueError(f"a paired test needs 2 pairs or more. Received: {n}.")
    _above("standard deviation", sd)
    return equivalence_power(sd / math.sqrt(n), n - 1, margin, bias, alpha)


def equivalence_power(error: float, freedom: int, margin: float, bias: float = 0.0, alpha: float = 0.05) -> float:
    """Returns the exact power of two one-sided t-tests, over all values that the estimated error may take.

    Phillips, Power of the two one-sided tests procedure in bioequivalence, Journal of Pharmacokinetics and
    Biopharmaceutics 18 (1990), by integration instead of Owen's function.

    Args:
      error: true standard error of the mean difference.
      freedom: degrees of freedom of its estimate, at least 1.
      margin: of equivalence, on either side of zero.
      bias: true mean difference.
      alpha: of each of the two tests, between 0 and 0.5.

    Raises:
      ValueError: an argument is out of its range.
    """
    for name, value in (("standard error", error), ("margin", margin), ("degrees of freedom", freedom)):
        _above(name, value)
    _between("alpha", alpha, 0, 0.5)
    critical = float(special.stdtrit(freedom, 1 - alpha))
    # Estimated by true error; above this the interval is wider than the margins, and nothing is equivalent.
    end = margin / error / critical

    def at(ratio: float) -> float:
        room, shift = margin / error - critical * ratio, bias / error
        chance = special.ndtr(room - shift) - special.ndtr(-room - shift)
        return float(chance) * float(stats.chi.pdf(ratio * math.sqrt(freedom), freedom)) * math.sqrt(freedom)

    low, high = (float(stats.chi.ppf(tail, freedom)) / math.sqrt(freedom) for tail in (1e-14, 1 - 1e-14))
    if end <= low:
        return 0.0
    return min(1.0, float(integrate.quad(at, low, min(end, high), epsabs=1e-10, epsrel=1e-10, limit=200)[0]))


def tost_pairs(power: float, sd: float, margin: float, bias: float = 0.0, alpha: float = 0.05) -> int:
    """Returns the smallest number of pairs with which equivalence is found with the wanted power.

    Args:
      power: wanted, between 0 and 1.
      sd: standard deviation of the differences.
      margin: of equivalence, in the unit of `sd`.
      bias: true mean difference, smaller than the margin.
      alpha: of each of the two tests, between 0 and 0.5.

    Raises:
      ValueError: an argument is out of its range, or the bias is not smaller than the margin.
    """
    _check_reach(power, margin, bias)
    return smallest(lambda n: tost_power(n, sd, margin, bias, alpha) >= power, 2)


def clustered_bias_width(
    patients: int, sd: float, size: float, icc: float, variation: float = 0.0, confidence: float = 0.95
) -> float:
    """Returns the width of the interval of a mean difference whose films share patients.

    The films count as many independent ones as their design effect leaves, and t has patients - 1 degrees of freedom,
    as in `repeated_limits`.

    Args:
      patients: at least 2.
      sd: standard deviation of the differences, in mm or any unit.
      size: films a patient on average, 1 or more.
      icc: intraclass correlation of two films of a patient, 0..1.
      variation: coefficient of variation of the films a patient.
      confidence: 0..1.

    Returns:
      The width in the unit of `sd`.

    Raises:
      ValueError: an argument is out of its range.
    """
    return 2 * _quantile(patients, sd, confidence) * _clustered_error(patients, sd, size, icc, variation)


def clustered_bias_patients(
    width: float, sd: float, size: float, icc: float, variation: float = 0.0, confidence: float = 0.95
) -> int:
    """Returns the smallest number of patients whose films give a mean difference an interval no wider than wanted.

    Args:
      width: wanted, in the unit of `sd`.
      sd: standard deviation of the differences.
      size: films a patient on average, 1 or more.
      icc: intraclass correlation of two films of a patient, 0..1.
      variation: coefficient of variation of the films a patient.
      confidence: 0..1.

    Raises:
      ValueError: an argument is out of its range.
    """
    _above("width", width)
    return smallest(lambda n: clustered_bias_width(n, sd, size, icc, variation, confidence) <= width, 2)


def clustered_tost_power(
    patients: int,
    sd: float,
    margin: float,
    size: float,
    icc: float,
    variation: float = 0.0,
    bias: float = 0.0,
    alpha: float = 0.05,
) -> float:
    """Returns the chance that `equivalence.clustered_tost` calls two measurements equivalent.

    Args:
      patients: at least 2; t has one degree of freedom less.
      sd: standard deviation of the differences, in mm or any unit.
      margin: of equivalence, in the unit of `sd`, on either side of zero.
      size: films a patient on average, 1 or more.
      icc: intraclass correlation of two films of a patient, 0..1.
      variation: coefficient of variation of the films a patient.
      bias: true mean difference, in the unit of `sd`.
      alpha: of each of the two tests, between 0 and 0.5.

    Raises:
      ValueError: an argument is out of its range.
    """
    if patients < 2:
        raise ValueError(f"a test that allows for several films of a patient needs 2 patients. Received: {patients}.")
    _above("standard deviation", sd)
    error = _clustered_error(patients, sd, size, icc, variation)
    return equivalence_power(error, patients - 1, margin, bias, alpha)


def clustered_tost_patients(
    power: float,
    sd: float,
    margin: float,
    size: float,
    icc: float,
    variation: float = 0.0,
    bias: float = 0.0,
    alpha: float = 0.05,
) -> int:
    """Returns the smallest number of patients whose films show equivalence with the wanted power.

    Args:
      power: wanted, between 0 and 1.
      sd: standard deviation of the differences.
      margin: of equivalence, in the unit of `sd`.
      size: films a patient on average, 1 or more.
      icc: intraclass correlation of two films of a patient, 0..1.
      variation: coefficient of variation of the films a patient.
      bias: true mean difference, smaller than the margin.
      alpha: of each of the two tests, between 0 and 0.5.

    Raises:
      ValueError: an argument is out of its range, or the bias is not smaller than the margin.
    """
    _check_reach(power, margin, bias)
    return smallest(lambda n: clustered_tost_power(n, sd, margin, size, icc, variation, bias, alpha) >= power, 2)


def smallest(is_enough: Callable[[int], bool], start: int = 1) -> int:
    """Returns the smallest number from `start` on that is enough, of a property that more cases do not lose.

    Raises:
      OutOfReachError: not even LARGEST is enough.
    """
    low, high = start - 1, start
    while not is_enough(high):
        if high >= LARGEST:
            raise OutOfReachError(f"not even {LARGEST:,} cases reach what was asked for.")
        low, high = high, min(2 * high, LARGEST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _check_reach(power: float, margin: float, bias: float) -> None:
    _between("power", power, 0, 1)
    if not abs(bias) < margin:
        raise OutOfReachError(
            f"no number of pairs shows equivalence of a true bias not below the margin. Received: {bias}, {margin}."
        )


def _clustered_error(patients: int, sd: float, size: float, icc: float, variation: float) -> float:
    return sd * math.sqrt(design_effect(size, icc, variation) / (patients * size))


def _wilson_widths(counts: np.ndarray, n: int, confidence: float) -> np.ndarray:
    z = special.ndtri((1 + confidence) / 2)
    return 2 * z / (n + z * z) * np.sqrt(counts * (n - counts) / n + z * z / 4)


def _exact_widths(counts: np.ndarray, n: int, confidence: float) -> np.ndarray:
    tail = (1 - confidence) / 2
    low = np.where(counts > 0, special.betaincinv(np.maximum(counts, 1), n - counts + 1, tail), 0)
    high = np.where(counts < n, special.betaincinv(counts + 1, np.maximum(n - counts, 1), 1 - tail), 1)
    return high - low


def _quantile(n: int, sd: float, confidence: float) -> float:
    if n < 2:
        raise ValueError(f"a spread needs 2 pairs or more. Received: {n}.")
    _above("standard deviation", sd)
    _between("confidence", confidence, 0, 1)
    return float(special.stdtrit(n - 1, (1 + confidence) / 2))


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise ValueError(f"the {name} lies between {low} and {high}. Received: {value}.")


def _above(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"the {name} is a number above 0. Received: {value}.")


def _positive(name: str, count: int) -> None:
    if count < 1:
        raise ValueError(f"{name}: 1 or more. Received: {count}.")
