"""Films measured twice, as their charts receive them: pairs, whose film each is, and in which group."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from raspine.report.charts import style
from raspine.report.charts.svg import Hover


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Films with both measurements.

    Attributes:
      reference: float64 [film].
      measured: float64 [film].
      films: [film], pseudonyms; empty where unknown.
      patients: [film], pseudonyms; empty where unknown.
      groups: [film], such as the position; empty where unknown.
      missing: films left out for want of a measurement.
    """

    reference: NDArray[np.float64]
    measured: NDArray[np.float64]
    films: tuple[str, ...]
    patients: tuple[str, ...]
    groups: tuple[str, ...]
    missing: int

    def hover(self, place: int, names: tuple[str, str], unit: str) -> Hover:
        """Returns what the point of a film tells."""
        data = {"film": self.films, "patient": self.patients, "group": self.groups}
        known = {key: words[place] for key, words in data.items() if words[place]}
        who = ", ".join(value if key == "group" else f"{key} {value}" for key, value in known.items())
        figures = f"{names[0]} {self.reference[place]:.2f} {unit}, {names[1]} {self.measured[place]:.2f} {unit}"
        return Hover(f"{who}: {figures}" if who else figures, known)

    def draw(
        self, axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], names: tuple[str, str], unit: str
    ) -> tuple[list[Line2D | Patch], dict[str, list[Hover]]]:
        """Draws a point a film, each group in its look; returns the key, and what the points of each line tell.

        Args:
          axes: to draw on.
          x: float64 [film].
          y: float64 [film].
          names: whose values are reference and measured.
          unit: of both.
        """
        keys: list[Line2D | Patch] = []
        hovers = {}
        for row, (group, some, look) in enumerate(self.by_group()):
            axes.plot(x[some], y[some], gid=f"points{row}", zorder=3, **look.points())
            hovers[f"points{row}"] = [self.hover(int(place), names, unit) for place in some]
            keys.append(Line2D([], [], label=f"{group or 'films'} (n = {some.size})", **look.points()))
        return keys, hovers

    def by_group(self) -> list[tuple[str, NDArray[np.int64], style.Look]]:
        """Returns each group with its films and its look; beyond four, the rarest share the last look."""
        names, counts = np.unique(np.array(self.groups), return_counts=True)
        ranked = [str(names[place]) for place in np.lexsort((names, -counts))]
        kept = ranked if len(ranked) <= len(style.LOOKS) else [*ranked[: len(style.LOOKS) - 1], "others"]
        shown = [group if group in kept else "others" for group in self.groups]
        members = {group: np.flatnonzero(np.array(shown) == group) for group in sorted(kept)}
        return [(group, films, look) for (group, films), look in zip(members.items(), style.LOOKS, strict=False)]


def pairs(
    reference: ArrayLike,
    measured: ArrayLike,
    films: Sequence[str] | None,
    patients: Sequence[str] | None,
    groups: Sequence[str] | None,
) -> Pairs:
    """Returns the films with both measurements.

    Args:
      reference: float [film]; NaN where not measured.
      measured: float [film]; NaN where not measured.
      films: [film], pseudonyms.
      patients: [film], pseudonyms.
      groups: [film], such as the position.

    Raises:
      ValueError: the lengths differ.
    """
    left, right = (np.atleast_1d(np.asarray(values, float)) for values in (reference, measured))
    words = [left.size * ("",) if given is None else tuple(map(str, given)) for given in (films, patients, groups)]
    sizes = [left.size, right.size, *map(len, words)]
    if len(set(sizes)) > 1:
        raise ValueError(f"a film has an entry in each list. Received lengths: {sizes}.")
    both = np.flatnonzero(np.isfinite(left) & np.isfinite(right))
    some = [tuple(given[place] for place in both) for given in words]
    return Pairs(left[both], right[both], some[0], some[1], some[2], left.size - both.size)
