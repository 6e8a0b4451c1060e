"""The numbers of a report, without digits that no measurement has: the verdict follows from what is left."""

from raspine import landmarks, risk

_MILLIMETRES, _SHARE = 2, 4  # decimals
_SPACING = 6  # digits, since a distance is a hundred pixels
_MOST = 17  # digits tell any two numbers apart


def length(distance: landmarks.Distance, millimetres: float) -> float:
    """Returns a finite distance to 0.01 mm, and finer where that would change which side of its threshold it is on."""
    for decimals in range(_MILLIMETRES, _MOST):
        shown = round(float(millimetres), decimals)
        if distance.is_positive(shown) == distance.is_positive(millimetres):
            return shown
    return float(millimetres)


def risk_and_threshold(value: float, threshold: float) -> tuple[float, float]:
    """Returns a risk to 0.0001 and its threshold in as many digits, and finer where the verdict needs it."""
    verdict = risk.verdict(value, threshold)
    for decimals in range(_SHARE, _MOST):
        shown, limit = round(float(value), decimals), float(f"{threshold:.{decimals}g}")
        if risk.verdict(shown, limit) == verdict:
            return shown, limit
    return float(value), float(threshold)


def percent(share: float) -> float:
    """Returns a share, 0..1, in per cent to 0.01 %."""
    return round(100.0 * float(share), _SHARE - 2)


def spacing(millimetres: float) -> float:
    """Returns a pixel spacing in mm, 6 digits."""
    return float(f"{millimetres:.{_SPACING}g}")


def position(millimetres: float) -> float:
    """Returns where a slice lies, to 0.01 mm."""
    return round(float(millimetres), _MILLIMETRES)
