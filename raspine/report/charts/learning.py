"""Figures over folds: how they spread, and how they grow with the number of patients."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from raspine.report import wording
from raspine.report.charts import number, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.number import Number
from raspine.report.charts.swarm import swarm

_ROW = 62  # CSS pixels
_FOLD = style.LOOKS[0]


@style.styled
def learning_curve(
    sizes: ArrayLike,
    scores: ArrayLike,
    *,
    value_name: str = "AUC",
    unit_name: str = "patients",
    name: str = "learning_curve",
    title: str = "Learning curve",
) -> Chart:
    """Returns a figure over the number of patients trained on: every fold a point, their mean a line.

    Args:
      sizes: int [size].
      scores: float [size, fold]; NaN where a fold has none.
      value_name: of the figure.
      unit_name: of what is counted.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: sizes and scores do not fit.
    """
    x, y = np.atleast_1d(np.asarray(sizes, float)), np.asarray(scores, float)
    if y.ndim != 2 or y.shape[0] != x.size:
        raise ValueError(f"scores are [size, fold] with {x.size} sizes. Received: {y.shape}.")
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    if not np.isfinite(y).any():
        return style.empty(name, title, f"no fold has a {value_name}")
    known = np.isfinite(y)
    counts = known.sum(1)
    means = np.divide(np.where(known, y, 0).sum(1), counts, out=np.full(x.size, np.nan), where=counts > 0)
    figure, axes = style.plot(250, left=50)
    rows, columns = np.nonzero(known)
    axes.plot(x[rows], y[rows, columns], **_FOLD.points(5, 0.5))
    axes.plot(x, means, color=style.BLACK, marker="D", markersize=6, linewidth=1.6)
    room = 0.06 * float(np.ptp(x)) or 1.0
    axes.set_xlim(float(x.min()) - room, float(x.max()) + room)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    style.name_axes(axes, f"{unit_name.capitalize()} trained on", value_name)
    keys = [Line2D([], [], label="one fold", **_FOLD.points(5, 0.7))]
    keys.append(Line2D([], [], color=style.BLACK, marker="D", markersize=6, linewidth=1.6, label="mean of the folds"))
    style.key(figure, keys)
    last = int(np.flatnonzero(np.isfinite(means))[-1])
    told = f"mean {value_name} {wording.number(float(means[last]))} with {x[last]:.0f} {unit_name}"
    table = Table(
        (unit_name, "folds", f"mean {value_name}", "lowest", "highest"),
        tuple(
            (int(size), int(count), float(mean), *_range(row[np.isfinite(row)]))
            for size, count, mean, row in zip(x, counts, means, y, strict=True)
        ),
    )
    return style.finished(figure, name, title, f"Learning curve: {told}.", "Each dot is a fold.", table)


@style.styled
def fold_dots(
    folds: Mapping[str, Sequence[float]],
    pooled: Mapping[str, Number] | None = None,
    *,
    value_name: str = "AUC",
    name: str = "folds",
    title: str = "Folds",
) -> Chart:
    """Returns every fold's figure, a row a model, with the figure of all folds pooled.

    Args:
      folds: by row: float [fold]; NaN where a fold has none.
      pooled: by row: the figure over all folds, with its interval.
      value_name: of the figure.
      name: of the chart.
      title: of the chart.
    """
    known = {key: np.atleast_1d(np.asarray(values, float)) for key, values in folds.items()}
    finite = {key: values[np.isfinite(values)] for key, values in known.items()}
    if not any(values.size for values in finite.values()):
        return style.empty(name, title, f"no fold has a {value_name}")
    totals = {key: number.estimate_of((pooled or {}).get(key)) for key in known}
    ends = [end for figure in totals.values() for end in (figure.value, *figure.interval)]
    everything = np.concatenate([*finite.values(), np.array(ends)[np.isfinite(ends)]])
    room = 0.05 * float(np.ptp(everything)) or 0.05
    low, high = float(everything.min()) - room, float(everything.max()) + room
    figure, axes = style.plot(_ROW * len(known), left=14, right=14, above=6)
    rows = []
    for row, (key, values) in enumerate(finite.items()):
        axes.plot(values, row + 0.12 + swarm(values, 0.16, low, high, 40), **_FOLD.points())
        total = totals[key]
        if total.has_interval:
            axes.plot(total.interval, [row + 0.34] * 2, color=style.BLACK, linewidth=1.6)
        if total.is_defined:
            axes.plot([total.value], [row + 0.34], marker="D", markersize=8, color=style.BLACK)
        words = f"{key}: {number.text(total)}" if total.is_defined else f"{key} (n = {values.size})"
        axes.text(0, row - 0.14, words, transform=axes.get_yaxis_transform(), va="bottom", bbox=style.BACKED)
        mean = float(values.mean()) if values.size else float("nan")
        rows.append((key, values.size, mean, *_range(values), *number.cells(total)))
    axes.set(xlim=(low, high), ylim=(len(known) - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(value_name)
    keys = [Line2D([], [], label="one fold", **_FOLD.points())]
    if any(total.is_defined for total in totals.values()):
        keys.append(
            Line2D([], [], color=style.BLACK, marker="D", markersize=8, linewidth=1.6, label="pooled, 95 % interval")
        )
    style.key(figure, keys)
    header = ("row", "folds", "mean", "lowest", "highest", "pooled", "low", "high")
    told = "; ".join(f"{row[0]} {_both(float(row[2]), totals[str(row[0])])}" for row in rows)
    return style.finished(
        figure, name, title, f"{value_name} by fold: {told}.", "Each dot is a fold.", Table(header, tuple(rows))
    )


def _both(mean: float, total: number.Estimate) -> str:
    words = f"mean {wording.number(mean)}"
    return words + (f", pooled {number.text(total)}" if total.is_defined else "")


def _range(values: np.ndarray) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if values.size else (float("nan"), float("nan"))
