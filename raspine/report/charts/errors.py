"""Errors of points: by landmark, and how many lie within so many millimetres."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import keypoints
from raspine.report import wording
from raspine.report.charts import style
from raspine.report.charts.chart import Cell, Chart, Table
from raspine.report.charts.quartiles import quartiles
from raspine.report.charts.swarm import swarm

_ROW = 74  # CSS pixels a landmark


def _split(errors: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    return {key: np.atleast_1d(np.asarray(values, float)).ravel() for key, values in errors.items()}


@style.styled
def error_by_landmark(
    errors: Mapping[str, ArrayLike],
    *,
    unit: str = "mm",
    failure: float = keypoints.FAILURE_MM,
    name: str = "landmark_errors",
    title: str = "Error by landmark",
) -> Chart:
    """Returns every point's error by landmark on a logarithmic axis, with median and quartiles.

    Args:
      errors: by landmark: float [film]; NaN where the point was not found.
      unit: of the errors.
      failure: beyond this a point counts as failed, as one does that was not found.
      name: of the chart.
      title: of the chart.
    """
    known = _split(errors)
    found = {key: values[np.isfinite(values)] for key, values in known.items()}
    if not any(values.size for values in found.values()):
        return style.empty(name, title, "no point has an error")
    figure, axes = style.plot(_ROW * len(found), left=14, right=14, above=6)
    floor = 0.01
    everything = np.concatenate([*found.values(), [failure]])
    low, high = max(floor, 0.8 * float(everything.min())), 1.25 * float(everything.max())
    rows = []
    for row, (landmark, values) in enumerate(found.items()):
        shown = np.maximum(values, low * 1.03)
        heights = swarm(np.log(shown), 0.2, np.log(low), np.log(high), 90)
        axes.plot(shown, row + 0.12 + heights, **style.LOOKS[0].points(4.5, 0.55))
        missing, middle = known[landmark].size - values.size, quartiles(values)
        failed = missing + int((values > failure).sum())
        mean = float(values.mean()) if values.size else math.nan
        rows.append((landmark, values.size, missing, *middle, mean, failed))
        if values.size:
            _box(axes, *middle, row + 0.12)
        _name(axes, row - 0.2, rows[-1], unit)
    axes.axvline(failure, **style.CUT)
    axes.set(ylim=(len(found) - 0.55, -0.62), yticks=[])
    style.logarithmic(axes, low, high)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"Error, {unit} (logarithmic)")
    style.key(figure, [Line2D([], [], label=f"failed beyond {failure:g} {unit}", **style.CUT)])
    header = ("landmark", "found", "not found", "median", "lower quartile", "upper quartile", "mean", "failed")
    told = "; ".join(f"{row[0]} median {wording.number(float(row[3]))} {unit}" for row in rows)
    caption = (
        "Each dot is a point of a film; the bar spans the quartiles, its white mark and the figure are the median. "
        '"n = 9 of 10" says that one point was not found.'
    )
    return style.finished(figure, name, title, f"Error by landmark: {told}.", caption, Table(header, tuple(rows)))


def _box(axes: Axes, middle: float, lower: float, upper: float, height: float) -> None:
    axes.plot([lower, upper], [height, height], color=style.INK, linewidth=7, solid_capstyle="butt", zorder=4)
    axes.plot([middle], [height], color=style.GROUND, marker="|", markersize=11, markeredgewidth=2.5, zorder=5)


def _name(axes: Axes, height: float, row: tuple[str | int | float, ...], unit: str) -> None:
    landmark, points, missing, middle = row[:4]
    of = f" of {int(points) + int(missing)}" if missing else ""
    figures = f"{wording.number(float(middle))} {unit}, n = {points}{of}"
    at: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "bottom", "bbox": style.BACKED}
    axes.text(0, height, str(landmark).replace("_", " "), **at)
    axes.text(1, height, figures, ha="right", color=style.QUIET, fontsize=style.SMALL, **at)


@style.styled
def cumulative_error(
    errors: Mapping[str, ArrayLike],
    *,
    marks: Sequence[float] = keypoints.SDR_MM,
    unit: str = "mm",
    name: str = "cumulative_error",
    title: str = "Success detection rate",
) -> Chart:
    """Returns the share of points within each distance; points not found count as outside.

    Args:
      errors: by line, at most five: float [point]; NaN where the point was not found.
      marks: distances at which the first line's share is marked.
      unit: of the errors.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: more lines than looks.
    """
    known = _split(errors)
    looks = style.looks(known, "lines")
    if not any(np.isfinite(values).any() for values in known.values()):
        return style.empty(name, title, "no point has an error")
    figure, axes = style.plot(270)
    reach = max(5.0, 1.5 * max(marks, default=0.0))
    keys: list[Line2D] = []
    rows: list[tuple[Cell, ...]] = []
    for line, values in known.items():
        strokes = looks[line].strokes()
        finite = np.sort(values[np.isfinite(values)])
        share = np.arange(1, finite.size + 1) / values.size if values.size else np.zeros(0)
        x, y = np.concatenate(([0], finite, [reach])), np.concatenate(([0], share, share[-1:] if share.size else [0]))
        inside = x <= reach
        axes.step(x[inside], y[inside], where="post", **strokes)
        keys.append(Line2D([], [], label=f"{line.replace('_', ' ')} (n = {values.size})", **strokes))
        rows.append((line, values.size, *(_within(values, mark) for mark in marks)))
    first = next(iter(known.values()))
    places = [_within(first, mark) for mark in marks]
    axes.plot(marks, places, zorder=5, **style.LOOKS[0].points(8, 1))
    axes.set(xlim=(0, reach), ylim=(0, 1.04))
    style.name_axes(axes, f"Distance, {unit}", "Share of points within this distance")
    told = ", ".join(
        f"{wording.number(share)} within {mark:g} {unit}" for mark, share in zip(marks, places, strict=True)
    )
    keys.insert(1, Line2D([], [], label=_listed(marks, places, unit), **style.LOOKS[0].points(8, 1)))
    style.key(figure, keys)
    header = ("line", "points", *(f"within {mark:g} {unit}" for mark in marks))
    return style.finished(
        figure, name, title, f"Success detection rate: {told}.", "Points that were not found never count as within.",
        Table(header, tuple(rows)),
    )  # fmt: skip


def _within(values: NDArray[np.float64], mark: float) -> float:
    return float((values <= mark).mean()) if values.size else float("nan")


def _listed(marks: Sequence[float], places: Sequence[float], unit: str) -> str:
    parts = [f"{100 * share:.1f} % within {mark:g} {unit}" for mark, share in zip(marks, places, strict=True)]
    return "\n".join(", ".join(parts[start : start + 2]) for start in range(0, len(parts), 2))
