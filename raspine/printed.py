"""Numbers as people read them: with as many digits as it takes for a verdict to follow from what is printed."""

import math

from raspine import landmarks, risk

_MOST = 17  # digits tell any two numbers apart
_DIGITS = 3  # of a risk and its threshold


def label(distance: landmarks.Distance, millimetres: float) -> str:
    """Returns a distance in mm, e.g. `ADI 3.4 mm`; `ADI 3.04 mm` where a threshold is 3 mm."""
    name = distance.name.upper()
    return f"{name} {length_digits(distance, millimetres)} mm" if math.isfinite(millimetres) else f"{name} not measured"


def rule(distance: landmarks.Distance) -> str:
    """Returns when a distance is positive, e.g. `positive > 3 mm`; '' for one that is only reported."""
    limit = distance.threshold_mm
    return "" if limit is None else f"positive {distance.comparison} {_exact(limit)} mm"


def risk_line(value: float, threshold: float) -> str:
    """Returns a risk with its verdict, e.g. `Risk 0.730: positive (positive from 0.4 on)`."""
    return f"{risk_verdict(value, threshold)} ({risk_rule(value, threshold)})"


def risk_verdict(value: float, threshold: float) -> str:
    """Returns a risk with its verdict alone, e.g. `Risk 0.730: positive`."""
    return f"Risk {risk_digits(value, threshold)[0]}: {risk.verdict(value, threshold)}"


def risk_rule(value: float, threshold: float) -> str:
    """Returns when a risk is positive, with the digits that `risk_verdict` needs, e.g. `positive from 0.4 on`."""
    return f"positive from {risk_digits(value, threshold)[1]} on"


def risk_digits(value: float, threshold: float, least: int = _DIGITS) -> tuple[str, str]:
    """Returns a risk and its threshold in `least` digits, or in more where the verdict needs them."""
    verdict = risk.verdict(value, threshold)
    for digits in range(least, _MOST):
        shown, limit = f"{value:.{digits}f}", f"{threshold:.{digits}g}"
        if risk.verdict(float(shown), float(limit)) == verdict:
            return shown, limit
    return repr(float(value)), repr(float(threshold))


def length_digits(distance: landmarks.Distance, millimetres: float, least: int = 1) -> str:
    """Returns a finite distance in mm with `least` decimals, or with more where the verdict needs them."""
    for decimals in range(least, _MOST):
        shown = f"{millimetres:.{decimals}f}"
        if distance.is_positive(float(shown)) == distance.is_positive(millimetres):
            return shown
    return repr(float(millimetres))


def _exact(value: float) -> str:
    return short if float(short := f"{value:g}") == value else repr(value)
