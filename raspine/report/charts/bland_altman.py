"""Bland and Altman's plot: by how much two ways to measure differ, and how far."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from raspine.report.charts import number, paired, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.number import Number

_MARGIN: dict[str, Any] = {"color": style.GREEN, "linewidth": 1.4, "linestyle": (0, (1, 2))}
_LINES = (
    ("upper limit", style.QUIET, (0, (6, 3))),
    ("bias", style.BLACK, "-"),
    ("lower limit", style.QUIET, (0, (6, 3))),
)


@style.styled
def bland_altman(
    reference: ArrayLike,
    measured: ArrayLike,
    *,
    bias: Number,
    lower: Number,
    upper: Number,
    what: str = "ADI",
    unit: str = "mm",
    margin: float | None = None,
    films: Sequence[str] | None = None,
    patients: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    axes_names: tuple[str, str] = ("consensus", "model"),
    name: str = "bland_altman",
    title: str | None = None,
) -> Chart:
    """Returns differences over means, film by film, with bias and limits of agreement.

    Bland and Altman, Measuring agreement in method comparison studies, Stat Methods Med Res 8 (1999).

    Args:
      reference: float [film]; NaN where not measured.
      measured: float [film]; NaN where not measured.
      bias: mean of measured - reference, with its interval.
      lower: limit of agreement, with its interval.
      upper: limit of agreement, with its interval.
      what: is measured.
      unit: of all.
      margin: of equivalence; drawn on both sides of zero.
      films: [film], pseudonyms.
      patients: [film], pseudonyms; films of one patient are joined.
      groups: [film], such as the position: marker and colour.
      axes_names: whose values are reference and measured.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: the lengths differ.
    """
    title = title or f"{what}: {axes_names[1]} minus {axes_names[0]}"
    known = paired.pairs(reference, measured, films, patients, groups)
    if not known.reference.size:
        return style.empty(name, title, f"no film has {what} from both {axes_names[0]} and {axes_names[1]}")
    lines = {"upper limit": upper, "bias": bias, "lower limit": lower}
    figure, axes = style.plot(300, left=44, right=96)
    style.name_axes(axes, f"Mean of both, {unit}", f"{axes_names[1].capitalize()} minus {axes_names[0]}, {unit}")
    means, differences = (known.reference + known.measured) / 2, known.measured - known.reference
    keys, hovers = known.draw(axes, means, differences, axes_names, unit)
    joined = _join(axes, means, differences, known.patients)
    if joined:
        keys.append(
            Line2D([], [], color=style.FAINT, linewidth=0.7, label=f"films of one patient ({joined} with several)")
        )
    _limits(axes, lines, margin)
    if any(number.estimate_of(value).has_interval for value in lines.values()):
        keys.append(Patch(color=style.SKY, alpha=0.3, linewidth=0, label="95 % intervals of bias and limits"))
    if margin is not None:
        keys.append(Line2D([], [], label=f"margin of equivalence ± {margin:g} {unit}", **_MARGIN))
    style.key(figure, keys)
    rows = tuple((key, *number.cells(value)) for key, value in lines.items())
    words = ", ".join(_spoken(key, lines[key], unit) for key in ("bias", "lower limit", "upper limit"))
    return style.finished(
        figure,
        name,
        title,
        f"Bland-Altman plot of {what} on {known.reference.size} films: {words}.",
        _caption(known.missing, what),
        Table(("line", unit, "low", "high"), rows),
        hovers,
    )


def _spoken(key: str, value: Number, unit: str) -> str:
    figure = number.estimate_of(value)
    return f"{key} {number.text(figure)} {unit}" if figure.is_defined else f"{key} unknown: {figure.note.rstrip('.')}"


def _join(axes: Axes, means: NDArray[np.float64], differences: NDArray[np.float64], patients: Sequence[str]) -> int:
    """Joins the films of each patient, from the smallest mean on; returns how many patients have several."""
    names, place, counts = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.lexsort((means, place))
    order = order[((counts[place] > 1) & (names[place] != ""))[order]]
    breaks = np.flatnonzero(np.diff(place[order])) + 1
    # One line with gaps: a path a patient would be most of the file.
    x, y = (np.insert(values[order], breaks, np.nan) for values in (means, differences))
    axes.plot(x, y, color=style.FAINT, linewidth=0.7, zorder=1.5)
    return int(((counts > 1) & (names != "")).sum())


def _limits(axes: Axes, lines: dict[str, Number], margin: float | None) -> None:
    known = {key: number.estimate_of(value) for key, value in lines.items()}
    ends = [end for figure in known.values() if figure.has_interval for end in figure.interval]
    ends += [figure.value for figure in known.values() if figure.is_defined]
    low, high = axes.get_ylim()
    spread = max(high, *ends, margin or 0.0) - min(low, *ends, -(margin or 0.0)) if ends else high - low
    axes.set_ylim(min(low, *ends, -(margin or 0.0)) - 0.03 * spread, max(high, *ends, margin or 0.0) + 0.03 * spread)
    axes.axhline(0, color=style.RULE, linewidth=0.9)
    heights = _apart([known[key].value for key, _, _ in _LINES], axes)
    for (key, colour, line), height in zip(_LINES, heights, strict=True):
        figure = known[key]
        if not figure.is_defined:
            continue
        if figure.has_interval:
            axes.axhspan(*figure.interval, color=style.SKY, alpha=0.3, linewidth=0)
        axes.axhline(figure.value, color=colour, linestyle=line, linewidth=1.4)
        axes.text(
            1.02, height, _label(key, figure), transform=axes.get_yaxis_transform(), va="center", fontsize=style.SMALL
        )
    for side in () if margin is None else (-margin, margin):
        axes.axhline(side, **_MARGIN)


def _label(key: str, figure: number.Estimate) -> str:
    value, _, interval = number.text(figure).partition(" ")
    return f"{key}\n{value}" + (f"\n{interval}" if interval else "")


def _apart(values: Sequence[float], axes: Axes) -> list[float]:
    """Moves labels of lines from above to below so that none hides another."""
    low, high = axes.get_ylim()
    least = 50 / 300 * (high - low)  # three lines of text
    middle = values[1] if np.isfinite(values[1]) else (low + high) / 2
    upper = max(values[0], middle + least) if np.isfinite(values[0]) else middle + least
    lower = min(values[2], middle - least) if np.isfinite(values[2]) else middle - least
    return [upper, middle, lower]


def _caption(missing: int, what: str) -> str:
    words = (
        f"Each point is a film. Between the limits lie about 95 % of the differences in {what} that a next film shows."
    )
    if missing:
        words += f" {missing} without both values left out."
    return words
