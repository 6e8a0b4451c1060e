"""Two models' decisions on the same patients: McNemar's test and the differences of their shares."""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from raspine.evaluation import clustered, intervals, resampling, scored
from raspine.evaluation.estimate import Estimate, undefined


@dataclasses.dataclass(frozen=True)
class McNemar:
    """A test of whether two models are wrong equally often; only patients on whom they differ count.

    Attributes:
      first_only: patients whom only the first model calls right.
      second_only: patients whom only the second model calls right.
      p_exact: two-sided binomial p.
      p_mid: two-sided mid-p, less conservative (recommended by Fagerland, Lydersen and Laake, BMC Medical Research
        Methodology 13 (2013)).
      chi2: with continuity correction (Edwards, Psychometrika 13 (1948)); NaN when the models never differ.
      p_chi2: of chi2, one degree of freedom; NaN when the models never differ.
      note: why something is undefined; empty otherwise.
    """

    first_only: int
    second_only: int
    p_exact: float
    p_mid: float
    chi2: float
    p_chi2: float
    note: str = ""


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """Returns McNemar's test (Psychometrika 12 (1947)) from the two discordant counts.

    Args:
      first_only: patients whom only the first model calls right.
      second_only: patients whom only the second model calls right.

    Raises:
      ValueError: a count is negative.
    """
    if min(first_only, second_only) < 0:
        raise ValueError(f"counts start at 0. Received: {first_only}, {second_only}.")
    differing, fewer = first_only + second_only, min(first_only, second_only)
    if not differing:
        return McNemar(0, 0, 1.0, 1.0, math.nan, math.nan, "no chi2, since the two models never differ")
    exact = float(stats.binomtest(fewer, differing, 0.5).pvalue)
    at_value = float(stats.binom.pmf(fewer, differing, 0.5))
    mid = exact - at_value if first_only != second_only else 1 - at_value / 2
    chi2 = max(0, abs(first_only - second_only) - 1) ** 2 / differing
    return McNemar(first_only, second_only, exact, mid, chi2, float(stats.chi2.sf(chi2, 1)))


def share_difference(both: int, first_only: int, second_only: int, neither: int, confidence: float = 0.95) -> Estimate:
    """Returns the first share minus the second of the same patients, with Newcombe's interval.

    Method 10 in Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired
    data, Statistics in Medicine 17 (1998) 2635-2650: Wilson's intervals of both shares, joined through their
    correlation.

    Args:
      both: patients who count for both shares.
      first_only: patients who count for the first alone.
      second_only: patients who count for the second alone.
      neither: patients who count for none.
      confidence: 0..1.

    Raises:
      ValueError: a count is negative.
    """
    counts = both, first_only, second_only, neither
    if min(counts) < 0:
        raise ValueError(f"counts start at 0. Received: {counts}.")
    total = sum(counts)
    if not total:
        return undefined("undefined, there is nothing to count")
    first, second = (intervals.share(both + alone, total, confidence) for alone in (first_only, second_only))
    gap, phi = (first_only - second_only) / total, _correlation(*counts)
    ends = (
        gap - _joined(first.value - first.interval[0], second.interval[1] - second.value, phi),
        gap + _joined(second.value - second.interval[0], first.interval[1] - first.value, phi),
    )
    return Estimate(gap, (max(-1.0, ends[0]), min(1.0, ends[1])), total, "newcombe, method 10")


def compare(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    patients: ArrayLike | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = resampling.RESAMPLES,
) -> dict[str, Any]:
    """Returns how the first model's sensitivity, specificity and accuracy differ from the second's, ready for JSON.

    For each: `NAME_difference`, `NAME_difference_ci` (Newcombe's; of several rows a patient the clustered bootstrap's),
    and `NAME_mcnemar` (its counts and p, which take rows as independent). Each is None where no row is of the class;
    `notes` says why something is missing.

    Args:
      first: int or bool [row], 1 where the first model calls positive at its threshold.
      second: int or bool [row], 1 where the second model calls positive at its threshold.
      outcomes: int [row], 1 positive, 0 negative.
      patients: any [row], whom each row belongs to; None when each is another patient.
      confidence: 0..1.
      seed: of the bootstrap.
      resamples: how many.

    Raises:
      ScoresError: calls, outcomes and patients do not fit.
    """
    one, positive = _calls(first, outcomes)
    two, _ = _calls(second, outcomes)
    codes = scored.patient_codes(patients, one.size)
    is_clustered = clustered.is_clustered(codes)
    right = one == positive, two == positive
    result: dict[str, Any] = {}
    notes = []
    for name, rows in {"sensitivity": positive, "specificity": ~positive, "accuracy": np.full(one.size, True)}.items():
        names = f"{name}_difference", f"{name}_difference_ci", f"{name}_mcnemar"
        if not rows.any():
            result |= dict.fromkeys(names)
            notes.append(f"{name}: undefined, no outcome is {'positive' if name == 'sensitivity' else 'negative'}.")
            continue
        here = right[0][rows], right[1][rows]
        test = mcnemar(int((here[0] & ~here[1]).sum()), int((~here[0] & here[1]).sum()))
        if is_clustered:
            values = 1.0 * here[0] - here[1]
            gap = resampling.means(values, codes[rows], resamples, seed, confidence, lowest=-1.0, highest=1.0)
        else:
            both, neither = int((here[0] & here[1]).sum()), int((~here[0] & ~here[1]).sum())
            gap = share_difference(both, test.first_only, test.second_only, neither, confidence)
        plain = gap.to_dict()
        test_facts = {key: _plain(value) for key, value in vars(test).items() if key != "note"}
        result |= dict(zip(names, (plain["value"], plain["ci"], test_facts), strict=True))
        notes += [f"{name}: {text}." for text in (gap.note.rstrip("."), test.note) if text]
    if is_clustered:
        notes.append(
            "patients have several rows: intervals of differences come from a bootstrap that draws patients, McNemar's "
            "p takes rows as independent."
        )
    return {**result, "notes": notes}


def _calls(called: ArrayLike, outcomes: ArrayLike) -> tuple[NDArray[np.bool_], scored.Outcomes]:
    numbers, positive = scored.checked(called, outcomes)
    if not np.isin(numbers, (0, 1)).all():
        raise scored.ScoresError("a call is 0 or 1.")
    return numbers.astype(bool), positive


def _correlation(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Returns the correlation of the two shares, corrected for continuity where it is positive; 0 where undefined."""
    margins = (both + first_only, second_only + neither, both + second_only, first_only + neither)
    if not all(margins):
        return 0.0
    product = float(both * neither - first_only * second_only)
    if product > 0:
        product = max(product - (both + first_only + second_only + neither) / 2, 0.0)
    return product / math.prod(math.sqrt(margin) for margin in margins)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
