"""The picture of a coverage study: a dot an interval, with the band that a recommended one must reach."""

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from raspine.evaluation import intervals
from raspine.report.charts.style import BLACK, BLUE, GREEN, VERMILLION

_ROW, _FRAME, _WIDTH = 0.24, 0.9, 9.0  # inches


def draw(rows: Sequence[dict[str, Any]], band: tuple[float, float], path: pathlib.Path) -> None:
    """Writes a PNG with a panel a situation.

    Args:
      rows: as `study.run` gives them.
      band: that recommended intervals must cover.
      path: of the picture.
    """
    panels = [(name, list(found)) for name, found in itertools.groupby(rows, lambda row: row["situation"])]
    heights = [_FRAME + _ROW * len(found) for _, found in panels]
    figure, axes = pyplot.subplots(
        len(panels),
        squeeze=False,
        figsize=(_WIDTH, sum(heights) + 0.6),
        layout="constrained",
        sharex=True,
        height_ratios=heights,
    )
    for place, (name, found) in zip(axes[:, 0], panels, strict=True):
        _panel(place, name, found, band)
    axes[-1, 0].set_xlabel("coverage of the 95 % interval, with the simulation's own 95 % interval (Wilson)")
    axes[0, 0].legend(loc="lower left", fontsize=8, framealpha=1)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(place: Axes, name: str, rows: Sequence[dict[str, Any]], band: tuple[float, float]) -> None:
    known = [row for row in rows if row["coverage"] is not None]
    place.axvspan(*band, color=GREEN, alpha=0.15, lw=0, label=f"{band[0]:.0%} to {band[1]:.0%}")
    place.axvline(0.95, color=GREEN, lw=1, label="95 %")
    for is_recommended, marker, colour, label in (
        (True, "o", BLUE, "recommended"),
        (False, "s", VERMILLION, "for comparison"),
    ):
        chosen = [(row, at) for at, row in enumerate(known) if row["is_recommended"] == is_recommended]
        place.errorbar(
            [row["coverage"] for row, _ in chosen],
            [at for _, at in chosen],
            xerr=np.transpose([_reach(row) for row, _ in chosen]) if chosen else None,
            fmt=marker,
            color=colour,
            ms=6 if is_recommended else 5,
            mfc=colour if is_recommended else "white",
            label=label,
        )
    exact = [(row["exact"], at) for at, row in enumerate(known) if row["exact"] is not None]
    place.plot([value for value, _ in exact], [at for _, at in exact], "|", color=BLACK, ms=12, label="exact")
    place.set_yticks(range(len(known)), [f"{row['figure']}: {row['method']}" for row in known], fontsize=8)
    place.set_ylim(len(known) - 0.4, -0.6)
    place.grid(axis="x", alpha=0.3)
    place.set_title(name, fontsize=10, loc="left")


def _reach(row: dict[str, Any]) -> tuple[float, float]:
    """Returns how far Wilson's interval of a simulated coverage reaches below and above it."""
    known = round(row["cohorts"] * (1 - row["undefined"]))
    low, high = intervals.wilson(round(row["coverage"] * known), known)
    return max(0.0, row["coverage"] - low), max(0.0, high - row["coverage"])
