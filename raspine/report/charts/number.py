"""Figures as charts receive them, and as they are written."""

import math
from collections.abc import Mapping
from typing import Any

from raspine.evaluation import estimate
from raspine.evaluation.estimate import Estimate

Number = Estimate | Mapping[str, Any] | float | None

_UNKNOWN = "not given"


def estimate_of(number: Number) -> Estimate:
    """Returns the estimate that a number stands for; None and NaN become an undefined one.

    Args:
      number: an Estimate, its `to_dict`, a bare number, or None.

    Raises:
      KeyError: a mapping has no `value`.
    """
    if isinstance(number, Estimate):
        return number
    if isinstance(number, Mapping):
        return _from_mapping(number)
    if number is None or math.isnan(number):
        return estimate.undefined(_UNKNOWN)
    return Estimate(float(number))


def _from_mapping(number: Mapping[str, Any]) -> Estimate:
    value, ends, n = number["value"], number.get("ci"), int(number.get("n") or 0)
    note = str(number.get("note") or "")
    if value is None or math.isnan(value):
        return estimate.undefined(note or _UNKNOWN, n)
    if ends is None or any(end is None for end in ends):
        return Estimate(float(value), n=n, note=note)
    return Estimate(float(value), (float(ends[0]), float(ends[1])), n, str(number.get("method") or ""), note)


def text(number: Number, digits: int = 2) -> str:
    """Returns `0.82 [0.70, 0.91]`, `0.82` without interval, or a dash."""
    known = estimate_of(number)
    if not known.is_defined:
        return "–"
    if not known.has_interval:
        return plain(known.value, digits)
    low, high = known.interval
    return f"{plain(known.value, digits)} [{plain(low, digits)}, {plain(high, digits)}]"


def plain(value: float, digits: int = 2) -> str:
    """Returns a number with so many decimals, a true minus sign, and a dash for NaN."""
    if math.isnan(value):
        return "–"
    written = f"{value:.{digits}f}"
    return written.lstrip("-") if float(written) == 0 else written.replace("-", "−")


def cells(number: Number) -> tuple[float, float, float]:
    """Returns value, lower and upper end for a table; NaN where unknown."""
    known = estimate_of(number)
    return known.value, *known.interval
