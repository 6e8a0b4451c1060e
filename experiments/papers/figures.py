"""A printed figure beside what follows from the same paper's own tables."""

import dataclasses
import math
from typing import Any

from raspine.evaluation.estimate import UNDEFINED, Interval

AGREES, DISAGREES, NOT_PRINTED, TAKEN = "agrees", "disagrees", "not printed", "taken as printed"


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a paper.

    Attributes:
      paper: 1 (deformity) or 2 (subluxation).
      group: the table or passage that it belongs to.
      name: of the figure.
      source: where the paper prints it, or what it is computed from.
      recomputed: from the paper's own counts.
      printed: as printed; None where the paper does not give it.
      unit: `%` or empty.
      interval: 95 %, in the unit of `recomputed`; NaN without one.
      method: of the interval.
      counted: out of `total`, for shares.
      total: 0 for what is no share.
      note: what a reader must know.
      decimals: to show.
      is_least: whether the printed figure is a lower limit.
      is_again: whether the printed figure is one that another row has already.
      is_taken: whether the value is the printed one, since nothing printed gives it.
    """

    paper: int
    group: str
    name: str
    source: str
    recomputed: float
    printed: str | None = None
    unit: str = ""
    interval: Interval = UNDEFINED
    method: str = ""
    counted: int = 0
    total: int = 0
    note: str = ""
    decimals: int = 4
    is_least: bool = False
    is_again: bool = False
    is_taken: bool = False

    @property
    def verdict(self) -> str:
        """Whether the printed figure is the recomputed one, rounded to the printed digits."""
        if self.printed is None:
            return NOT_PRINTED
        if self.is_taken:
            return TAKEN
        if self.is_least:
            return AGREES if self.recomputed >= float(self.printed) else DISAGREES
        return AGREES if is_rounded(self.recomputed, self.printed) else DISAGREES

    @property
    def remark(self) -> str:
        """What stands below the figure: its note, and whether only the last digit is wrong."""
        is_near = self.verdict == DISAGREES and not self.is_least and _apart(self.recomputed, str(self.printed)) < 1
        again = "the same printed figure as above" if self.is_again else ""
        return "; ".join(filter(None, [self.note, "in the last digit only" if is_near else "", again]))

    @property
    def text(self) -> str:
        """The recomputed figure with its interval, for people."""
        value = _short(self.recomputed, self.decimals)
        if math.isnan(self.interval[0]):
            return f"{value}{self._unit}"
        low, high = (f"{end:.{max(1, self.decimals - 1)}f}" for end in self.interval)
        return f"{value}{self._unit} [{low}, {high}]"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    @property
    def printed_text(self) -> str:
        """The printed figure, for people."""
        least = "at least " if self.is_least else ""
        return "-" if self.printed is None else f"{least}{self.printed}{self._unit}"

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; `ci` is None where there is no interval."""
        has_interval = not math.isnan(self.interval[0])
        return {
            "paper": self.paper,
            "group": self.group,
            "figure": self.name,
            "source": self.source,
            "printed": None if self.printed is None else float(self.printed),
            "printed_as": self.printed,
            "recomputed": self.recomputed,
            "ci": list(self.interval) if has_interval else None,
            "method": self.method,
            "unit": self.unit,
            "counted": self.counted if self.total else None,
            "total": self.total or None,
            "text": self.text,
            "verdict": self.verdict,
            "note": self.remark,
        }


def is_rounded(value: float, printed: str) -> bool:
    """Returns whether a printed number can come from a value by rounding to the printed digits."""
    return abs(value - float(printed)) <= half(printed)


def half(printed: str) -> float:
    """Returns half a unit of the last printed digit; a half may be rounded either way."""
    return 0.5 * unit(printed) * (1 + 1e-9)


def unit(printed: str) -> float:
    """Returns the worth of the last printed digit, 0.01 for 0.84."""
    return 10.0 ** -len(printed.partition(".")[2])


def _apart(value: float, printed: str) -> float:
    """Returns how many units of the last printed digit lie between."""
    return abs(value - float(printed)) / unit(printed)


def _short(value: float, decimals: int) -> str:
    if 0 < abs(value) < 10**-decimals:
        return f"{value:.1e}"
    return f"{value:.{decimals}f}"
