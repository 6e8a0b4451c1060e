"""Measured against reference values, film by film, with the lines of identity and of Deming's regression."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from raspine.report import wording
from raspine.report.charts import number, paired, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.number import Number

_MISSED: dict[str, Any] = {"color": style.VERMILLION, "alpha": 0.07, "linewidth": 0}
_DEMING: dict[str, Any] = {"color": style.BLACK, "linewidth": 1.5}


@style.styled
def agreement_scatter(
    reference: ArrayLike,
    measured: ArrayLike,
    *,
    what: str = "ADI",
    unit: str = "mm",
    threshold: float | None = None,
    deming: tuple[float, float] | None = None,
    films: Sequence[str] | None = None,
    patients: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    statistics: Mapping[str, Number] | None = None,
    axes_names: tuple[str, str] = ("consensus", "model"),
    name: str = "scatter",
    title: str | None = None,
) -> Chart:
    """Returns a point for every film that both measured.

    Args:
      reference: float [film]; NaN where not measured.
      measured: float [film]; NaN where not measured.
      what: is measured.
      unit: of both.
      threshold: of the diagnosis; the two fields where both disagree about it are tinted.
      deming: slope and intercept of Deming's regression of measured on reference.
      films: [film], pseudonyms.
      patients: [film], pseudonyms.
      groups: [film], such as the position: marker and colour.
      statistics: written below the chart.
      axes_names: whose values stand on the horizontal and on the vertical axis.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: the lengths differ.
    """
    title = title or f"{what}: {axes_names[1]} against {axes_names[0]}"
    known = paired.pairs(reference, measured, films, patients, groups)
    if not known.reference.size:
        return style.empty(name, title, f"no film has {what} from both {axes_names[0]} and {axes_names[1]}")
    figure, axes = style.plot(style.WIDTH - 54)
    low, high = _span(known, threshold)
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.set_xticks(axes.get_yticks())
    axes.set(xlim=(low, high), ylim=(low, high))
    style.name_axes(axes, f"{what} by {axes_names[0]}, {unit}", f"{what} by {axes_names[1]}, {unit}")
    keys = _lines(axes, low, high, threshold, deming, unit)
    keys += [Line2D([], [], linestyle="none", label=_stated(key, value)) for key, value in (statistics or {}).items()]
    points, hovers = known.draw(axes, known.reference, known.measured, axes_names, unit)
    style.key(figure, [*points, *keys])
    return style.finished(
        figure,
        name,
        title,
        f"{title}: {known.reference.size} films{_spoken(statistics or {})}.",
        _caption(known.missing, axes_names, threshold),
        _table(known, axes_names, unit),
        hovers,
    )


def _span(known: paired.Pairs, threshold: float | None) -> tuple[float, float]:
    values = np.concatenate((known.reference, known.measured, [] if threshold is None else [threshold]))
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 1.0
    return (min(0.0, low - room) if low < 0.4 * high else low - room), high + room


def _lines(
    axes: Axes, low: float, high: float, threshold: float | None, deming: tuple[float, float] | None, unit: str
) -> list[Line2D]:
    axes.plot([low, high], [low, high], **style.IDENTITY)
    keys = [Line2D([], [], label="identity", **style.IDENTITY)]
    if deming is not None and np.isfinite(deming).all():
        ends = np.array([low, high])
        axes.plot(ends, deming[0] * ends + deming[1], **_DEMING)
        slope, intercept = (wording.number(value) for value in deming)
        keys.append(Line2D([], [], label=f"Deming: slope {slope}, intercept {intercept} {unit}", **_DEMING))
    if threshold is not None:
        axes.axvline(threshold, **style.CUT)
        axes.axhline(threshold, **style.CUT)
        axes.fill_between([low, threshold], threshold, high, **_MISSED)
        axes.fill_between([threshold, high], low, threshold, **_MISSED)
        keys.append(Line2D([], [], label=f"threshold {threshold:g} {unit}; tinted: not agreed on", **style.CUT))
    return keys


def _stated(key: str, value: Number) -> str:
    return f"{key} {number.text(value)}"


def _spoken(statistics: Mapping[str, Any]) -> str:
    return "".join(f"; {_stated(key, value)}" for key, value in statistics.items())


def _caption(missing: int, names: tuple[str, str], threshold: float | None) -> str:
    parts = ["Each point is a film; point at it for its name."]
    if threshold is not None:
        parts.append(f"In the tinted fields {names[1]} and {names[0]} fall on different sides of the threshold.")
    if missing:
        parts.append(f"{missing} {'film' if missing == 1 else 'films'} without both values left out.")
    return " ".join(parts)


def _table(known: paired.Pairs, names: tuple[str, str], unit: str) -> Table:
    columns = (known.films, known.patients, known.groups, known.reference.tolist(), known.measured.tolist())
    rows = tuple(zip(*columns, strict=True))
    return Table(("film", "patient", "group", f"{names[0]}, {unit}", f"{names[1]}, {unit}"), rows)
