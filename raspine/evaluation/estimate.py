"""A statistic with its interval, and the reason where one of them is undefined."""

import dataclasses
import math
from typing import Any

Interval = tuple[float, float]
UNDEFINED: Interval = (math.nan, math.nan)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number that a reader may rely on, or NaN with the reason.

    Attributes:
      value: the statistic; NaN where it is undefined.
      interval: its ends; NaN where there is none.
      n: how many films, patients or pairs it rests on.
      method: how the interval was made, for people; empty without interval.
      note: why value or interval is missing, or what a reader must know; never empty when something is NaN that was
        asked for.
    """

    value: float
    interval: Interval = UNDEFINED
    n: int = 0
    method: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if math.isnan(self.value) and not self.note:
            raise ValueError("an undefined statistic says why: give a note.")

    @property
    def is_defined(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return not any(map(math.isnan, self.interval))

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values: `value`, `ci` [low, high], `n`, `method`, `note`; None for NaN."""
        return {
            "value": _number(self.value),
            "ci": [_number(end) for end in self.interval] if self.has_interval else None,
            "n": self.n,
            "method": self.method,
            "note": self.note,
        }


def undefined(note: str, n: int = 0) -> Estimate:
    """Returns NaN with its reason."""
    return Estimate(math.nan, n=n, note=note)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
