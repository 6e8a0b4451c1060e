"""Figures as charts receive them, and as they are written."""

import math
from collections.abc import Mapping
from typing import Any

from raspine.evaluation import estimate
from raspine.evaluation.estimate import Estimate
from raspine.report import wording

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
    value, *ends = (wording.number(figure, digits) for figure in (known.value, *known.interval))
    return f"{value} [{', '.join(ends)}]" if known.is_defined and known.has_interval else value


def short(value: float, digits: int = 3) -> str:
    """Returns a number with so many significant digits and a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def cells(number: Number) -> tuple[float, float, float]:
    """Returns value, lower and upper end for a table; NaN where unknown."""
    known = estimate_of(number)
    return known.value, *known.interval
