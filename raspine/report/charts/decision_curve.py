"""The decision curve: what acting on the model gains over acting on all or on none."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from raspine.report import wording
from raspine.report.charts import number, style
from raspine.report.charts.chart import Chart, Table

TREAT_ALL = "treat all"
_ALL: dict[str, Any] = {"color": style.RULE, "linewidth": 1.4, "linestyle": (0, (2, 2))}


@style.styled
def decision_curve(
    thresholds: ArrayLike,
    net_benefit: Mapping[str, ArrayLike],
    *,
    chosen: float | None = None,
    n: int | None = None,
    name: str = "decision_curve",
    title: str = "Decision curve",
) -> Chart:
    """Returns net benefit over the threshold probability, for models, for treating all and for treating none.

    Vickers and Elkin, Decision curve analysis, Medical Decision Making 26 (2006).

    Args:
      thresholds: float [threshold], 0..1.
      net_benefit: by name, float [threshold]; `treat all` is drawn in grey, none as zero.
      chosen: threshold of the model, marked.
      n: patients behind it, for the caption.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: a line has another length than the thresholds, or there are more models than looks.
    """
    x = np.atleast_1d(np.asarray(thresholds, float))
    lines = {key: np.atleast_1d(np.asarray(values, float)) for key, values in net_benefit.items()}
    if any(line.size != x.size for line in lines.values()):
        raise ValueError(f"a line has {x.size} points. Received: {[line.size for line in lines.values()]}.")
    looks = style.looks([key for key in lines if key != TREAT_ALL], "models")
    if not x.size or not any(np.isfinite(line).any() for line in lines.values()):
        return style.empty(name, title, "net benefit is not defined here")
    figure, axes = style.plot(270, left=52)
    keys = []
    for model, look in looks.items():
        axes.plot(x, lines[model], **look.strokes())
        keys.append(Line2D([], [], label=model, **look.strokes()))
    if TREAT_ALL in lines:
        axes.plot(x, lines[TREAT_ALL], **_ALL)
        keys.append(Line2D([], [], label=TREAT_ALL, **_ALL))
    axes.axhline(0, color=style.INK, linewidth=1)
    keys.append(Line2D([], [], color=style.INK, linewidth=1, label="treat none"))
    if chosen is not None:
        axes.axvline(chosen, **style.CUT)
        keys.append(Line2D([], [], label=f"threshold {number.short(chosen)}", **style.CUT))
    axes.set_ylim(_limits(lines))
    if np.ptp(x) > 0:
        axes.set_xlim(float(x.min()), float(x.max()))
    style.name_axes(axes, "Threshold probability", "Net benefit")
    style.key(figure, keys)
    header = ("threshold", *lines)
    rows = tuple(tuple(map(float, row)) for row in zip(x, *lines.values(), strict=True))
    return style.finished(
        figure, name, title, _words(x, lines, chosen), _caption(n), Table(header, rows[:: _every(rows)])
    )


def _caption(n: int | None) -> str:
    whom = "" if n is None else f" from {n} patients"
    return (
        "Net benefit counts true positives less false positives weighted by the odds of the threshold. Estimated"
        f"{whom} and drawn without intervals: a line above both others suggests a benefit at that "
        "threshold; a line can lie there by chance, the more easily the fewer patients there are."
    )


def _every(rows: tuple[tuple[float, ...], ...]) -> int:
    return max(1, len(rows) // 50)


def _limits(lines: Mapping[str, NDArray[np.float64]]) -> tuple[float, float]:
    """From a little below zero: far below, nothing is decided."""
    top = max(0.05, *(float(np.nanmax(line)) for line in lines.values() if np.isfinite(line).any()))
    return -0.25 * top, 1.08 * top


def _words(x: NDArray[np.float64], lines: Mapping[str, NDArray[np.float64]], chosen: float | None) -> str:
    at = float(np.median(x)) if chosen is None else chosen
    nearest = int(np.argmin(np.abs(x - at)))
    parts = [f"{key} {wording.number(float(line[nearest]), 3)}" for key, line in lines.items()]
    return f"Net benefit at the threshold {number.short(float(x[nearest]))}: {', '.join(parts)}, treat none 0."
