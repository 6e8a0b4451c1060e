"""Estimates below each other: a dot, its interval, and how many it rests on."""

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from raspine.report import wording
from raspine.report.charts import number, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.number import Estimate, Number

_LETTERS, _LINE, _HEADING = 17, 15, 30  # letters of a label's line; CSS pixels
_COUNT, _FROM, _TO = 150, 162, 282  # CSS pixels from the left: end of the counts, ends of the plot


@dataclasses.dataclass(frozen=True)
class ForestRow:
    """A row of a forest plot.

    Attributes:
      label: of the row.
      estimate: its value and interval.
      section: rows of one section stand together below its name.
      n: how many it rests on; None takes the estimate's.
      few: whether that is too few; None compares n.
    """

    label: str
    estimate: Number
    section: str = ""
    n: int | None = None
    few: bool | None = None

    @property
    def figure(self) -> Estimate:
        """The estimate, whatever it was given as."""
        return number.estimate_of(self.estimate)

    @property
    def count(self) -> int:
        """How many the estimate rests on; 0 where unknown."""
        return self.figure.n if self.n is None else self.n

    def is_small(self, small: int) -> bool:
        """Whether it is known to rest on fewer than so many."""
        return 0 < self.count < small if self.few is None else self.few


@style.styled
def forest(
    rows: Sequence[ForestRow],
    *,
    value_name: str,
    reference: Number = None,
    small: int = 10,
    logarithmic: bool = False,
    digits: int = 2,
    unit: str = "n",
    few_means: str = "",
    name: str = "forest",
    title: str = "Figures with their intervals",
) -> Chart:
    """Returns a row for each estimate, with a line at a reference such as no effect.

    Args:
      rows: in the order of the chart.
      value_name: of the horizontal axis, with its unit.
      reference: value of a dashed line; its interval, where it has one, is a band.
      small: below so many a row is marked as resting on few.
      logarithmic: whether ratios are shown.
      digits: decimals of the figures.
      unit: what n counts, above its column.
      few_means: what a mark says, such as `fewer than 10 patients`.
      name: of the chart.
      title: of the chart.
    """
    known = [row for row in rows if row.figure.is_defined]
    if not known:
        reasons = "; ".join(dict.fromkeys(row.figure.note for row in rows)) or "there is no figure"
        return style.empty(name, title, reasons)
    line = number.estimate_of(reference)
    places, height = _places(rows)
    figure = style.figure(style.ABOVE + height + style.BELOW)
    axes = style.panel(figure, _FROM, style.ABOVE, _TO - _FROM, height)
    axes.set_ylim(height, 0)
    _scale(axes, known, line, logarithmic)
    _line(axes, line)
    for row, place in zip(rows, places, strict=True):
        _row(axes, row, place, small, digits)
    _headings(axes, rows, places)
    _columns(axes, value_name, unit)
    few = few_means or f"fewer than {small}"
    flagged = any(row.is_small(small) for row in rows)
    table = Table(
        ("section", "group", "value", "low", "high", unit, "note"),
        tuple((row.section, row.label, *number.cells(row.estimate), row.count, row.figure.note) for row in rows),
    )
    return style.finished(
        figure,
        name,
        title,
        _spoken(title, known, value_name, digits),
        _caption(line, few if flagged else "", digits),
        table,
    )


def group_errors(
    rows: Sequence[ForestRow],
    *,
    overall: Number = None,
    value_name: str = "mean radial error, mm",
    small: int = 10,
    digits: int = 2,
    unit: str = "n",
    few_means: str = "",
    name: str = "group_errors",
    title: str = "Error by group of patients",
) -> Chart:
    """Returns a figure by groups of patients, with that of all patients as a line and its interval as a band.

    Args:
      rows: sections are age, sex, view, scanner.
      overall: of all patients.
      value_name: of the horizontal axis, with its unit.
      small: below so many a row is marked as resting on few.
      digits: decimals of the figures.
      unit: what n counts, above its column.
      few_means: what a mark says, such as `fewer than 10 patients`.
      name: of the chart.
      title: of the chart.
    """
    return forest(
        rows,
        value_name=value_name,
        reference=overall,
        small=small,
        digits=digits,
        unit=unit,
        few_means=few_means,
        name=name,
        title=title,
    )


def _places(rows: Sequence[ForestRow]) -> tuple[list[float], float]:
    """The middle of each row and the height of all, in CSS pixels from the top."""
    places, down, section = [], 4.0, ""
    for row in rows:
        if row.section != section:
            down += _HEADING
            section = row.section
        tall = _LINE * len(_wrapped(row.label)) + 8
        places.append(down + tall / 2)
        down += tall
    return places, down + 4


def _wrapped(label: str) -> list[str]:
    return textwrap.wrap(label, _LETTERS) or [""]


def _scale(axes: Axes, rows: Sequence[ForestRow], line: Estimate, logarithmic: bool) -> None:
    values = [row.figure.value for row in rows] + ([line.value] if line.is_defined else [])
    ends = [end for row in rows if row.figure.has_interval for end in row.figure.interval]
    finite = np.array([value for value in (*values, *ends) if np.isfinite(value) and (value > 0 or not logarithmic)])
    low, high = float(finite.min()), float(finite.max())
    if logarithmic:
        room = (high / low) ** 0.06 if high > low else 1.5
        style.logarithmic(axes, low / room, high * room, 4)
        return
    room = 0.06 * (high - low) or max(0.1, 0.1 * abs(high))
    axes.set_xlim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10], min_n_ticks=2))


def _line(axes: Axes, line: Estimate) -> None:
    if not line.is_defined:
        return
    if line.has_interval:
        axes.axvspan(*line.interval, color=style.SKY, alpha=0.25, linewidth=0)
    axes.axvline(line.value, **style.IDENTITY)


def _row(axes: Axes, row: ForestRow, place: float, small: int, digits: int) -> None:
    few = row.is_small(small)
    beside = axes.get_yaxis_transform()
    left, right = (0 - _FROM) / (_TO - _FROM), (_TO + 8 - _FROM) / (_TO - _FROM)
    count = (_COUNT - _FROM) / (_TO - _FROM)
    words: dict[str, Any] = {"va": "center", "transform": beside, "fontsize": style.SMALL}
    axes.text(left + (6 / (_TO - _FROM)), place, "\n".join(_wrapped(row.label)), **words)
    if row.count:
        axes.text(count, place, f"{row.count}{' *' if few else ''}", ha="right", **words)
    axes.text(right, place, number.text(row.estimate, digits), **words)
    if not row.figure.is_defined:
        return
    if row.figure.has_interval:
        axes.plot(row.figure.interval, [place, place], color=style.BLUE, linewidth=1.6, solid_capstyle="butt")
    fill = style.GROUND if few else style.BLUE
    axes.plot([row.figure.value], [place], marker="o", markersize=7, color=style.BLUE, markerfacecolor=fill)


def _headings(axes: Axes, rows: Sequence[ForestRow], places: Sequence[float]) -> None:
    section = ""
    for row, place in zip(rows, places, strict=True):
        if row.section != section:
            section = row.section
            top = place - (_LINE * len(_wrapped(row.label)) + 8) / 2
            left = (4 - _FROM) / (_TO - _FROM)
            axes.text(
                left,
                top - 5,
                wording.sentence(section),
                transform=axes.get_yaxis_transform(),
                va="bottom",
                weight="bold",
            )


def _columns(axes: Axes, value_name: str, unit: str) -> None:
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(wording.sentence(value_name))
    words: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom", "color": style.QUIET, "fontsize": style.SMALL}
    height = 1 + 4 / (axes.get_ylim()[0])
    axes.text((_COUNT - _FROM) / (_TO - _FROM), height, unit, ha="right", **words)
    axes.text((_TO + 8 - _FROM) / (_TO - _FROM), height, "95 % interval", **words)


def _spoken(title: str, rows: Sequence[ForestRow], value_name: str, digits: int) -> str:
    highest, lowest = (choose(rows, key=lambda row: row.figure.value) for choose in (max, min))
    ends = [
        f"{way} {row.label} {number.text(row.estimate, digits)}"
        for way, row in (("lowest", lowest), ("highest", highest))
    ]
    return f"{title}, {value_name}, {len(rows)} rows: {', '.join(ends if len(rows) > 1 else ends[:1])}."


def _caption(line: Estimate, few: str, digits: int) -> str:
    parts = ["Dots are estimates, lines their 95 % intervals."]
    if line.is_defined:
        parts.append(f"The dashed line is {number.text(line, digits)}.")
    if few:
        parts.append(f"* and an open dot: {few}; such a figure says little.")
    return " ".join(parts)
