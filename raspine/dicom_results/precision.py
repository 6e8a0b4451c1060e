"""The numbers of a report, without digits that no measurement has: the verdict follows from what is left."""

from raspine import landmarks, printed

_MILLIMETRES, _SHARE = 2, 4  # decimals
_SPACING = 6  # digits, since a distance is a hundred pixels


def length(distance: landmarks.Distance, millimetres: float) -> float:
    """Returns a finite distance to 0.01 mm, and finer where that would change which side of its threshold it is on."""
    return float(printed.length_digits(distance, float(millimetres), _MILLIMETRES))


def risk_and_threshold(value: float, threshold: float) -> tuple[float, float]:
    """Returns a risk to 0.0001 and its threshold in as many digits, and finer where the verdict needs it."""
    shown, limit = printed.risk_digits(float(value), float(threshold), _SHARE)
    return float(shown), float(limit)


def percent(share: float) -> float:
    """Returns a share, 0..1, in per cent to 0.01 %."""
    return round(100.0 * float(share), _SHARE - 2)


def spacing(millimetres: float) -> float:
    """Returns a pixel spacing in mm, 6 digits."""
    return float(f"{millimetres:.{_SPACING}g}")


def position(millimetres: float) -> float:
    """Returns where a slice lies, to 0.01 mm."""
    return round(float(millimetres), _MILLIMETRES)
