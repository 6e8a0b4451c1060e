"""Calibration: how often what was predicted came true."""

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import calibration as groups
from raspine.evaluation import scored
from raspine.report import wording
from raspine.report.charts import number, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.number import Number

_HISTOGRAM = 62  # CSS pixels


class CalibrationBins(TypedDict):
    """Patients in groups of similar risk.

    Attributes:
      mean_risk: float64 [group].
      observed: float64 [group], share with the outcome.
      low: float64 [group], end of the share's interval.
      high: float64 [group], end of the share's interval.
      counts: float64 [group], patients.
    """

    mean_risk: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.float64]


def calibration_bins(risks: ArrayLike, outcomes: ArrayLike, bins: int = 10) -> CalibrationBins:
    """Returns patients in groups of equal size by risk: `mean_risk, observed, low, high, counts`, Wilson's intervals.

    Args:
      risks: float [patient], 0..1.
      outcomes: int [patient], 1 positive, 0 negative.
      bins: groups at most; equal risks stay together.

    Raises:
      ScoresError: risks and outcomes do not fit.
    """
    rows = [
        (group.mean_risk, group.observed, *group.interval, group.n)
        for group in (groups.groups(risks, outcomes, bins) if np.size(risks) else ())
    ]
    columns = np.array(rows, float).reshape(len(rows), 5).T
    mean_risk, observed, low, high, counts = columns
    return {"mean_risk": mean_risk, "observed": observed, "low": low, "high": high, "counts": counts}


@style.styled
def calibration(
    risks: ArrayLike,
    outcomes: ArrayLike,
    *,
    mean_risk: ArrayLike,
    observed: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    counts: ArrayLike,
    statistics: Mapping[str, Number] | None = None,
    name: str = "calibration",
    title: str = "Calibration",
) -> Chart:
    """Returns the observed share over the predicted risk by groups of patients, above a histogram of the risks.

    Args:
      risks: float [patient], 0..1.
      outcomes: int [patient], 1 positive, 0 negative.
      mean_risk: float [group].
      observed: float [group], share of positive patients.
      low: float [group], end of the share's interval.
      high: float [group], end of the share's interval.
      counts: int [group], patients.
      statistics: such as slope, intercept and Brier score, written below the chart.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: the groups' arrays differ in length, or risks and outcomes do not fit.
    """
    columns = [np.atleast_1d(np.asarray(values, float)) for values in (mean_risk, observed, low, high, counts)]
    if len({column.size for column in columns}) > 1:
        raise ValueError(f"groups have five figures each. Received: {[column.size for column in columns]}.")
    if not np.size(risks) or not columns[0].size:
        return style.empty(name, title, "there are no risks")
    numbers, positive = scored.checked(risks, outcomes)
    if numbers.min() < 0 or numbers.max() > 1:
        return style.empty(name, title, "the scores are no risks: some are not between 0 and 1")
    figure, axes = style.square("", "Observed share with the outcome")
    axes.tick_params(labelbottom=False)
    _bins(axes, columns)
    style.extend(figure, _HISTOGRAM + 8)
    lower = style.panel(figure, 44, style.ABOVE + style.WIDTH - 54 + 8, style.WIDTH - 54, _HISTOGRAM)
    _histogram(lower, numbers, positive)
    words = [f"{key} {number.text(value)}" for key, value in (statistics or {}).items()]
    style.key(figure, _keys(words))
    table = Table(
        ("mean risk", "observed", "low", "high", "patients"),
        tuple((*map(float, row[:4]), int(row[4])) for row in zip(*columns, strict=True)),
    )
    gap = float(numbers.mean() - positive.mean())
    stated = f"mean risk {wording.number(float(numbers.mean()))}, observed {wording.number(float(positive.mean()))}"
    return style.finished(
        figure,
        name,
        title,
        f"Calibration of {numbers.size} risks: {'; '.join([stated, *words])}.",
        f"On the dashed line risks are right; above it they are too low. Mean predicted risk minus "
        f"observed share: {wording.number(gap, 3)}.",
        table,
    )


def _bins(axes: Axes, columns: list[NDArray[np.float64]]) -> None:
    mean_risk, observed, low, high, _ = columns
    axes.plot([0, 1], [0, 1], **style.IDENTITY)
    axes.vlines(mean_risk, low, high, color=style.BLUE, linewidth=1.6)
    axes.plot(
        mean_risk, observed, color=style.BLUE, marker="o", markersize=7, linewidth=1, markeredgecolor=style.GROUND
    )


def _histogram(axes: Axes, risks: NDArray[np.float64], positive: NDArray[np.bool_]) -> None:
    """Outcomes upwards, others downwards: two shades of grey on paper, and two directions."""
    edges = np.linspace(0, 1, 26)
    up, down = (np.histogram(risks[chosen], edges)[0] for chosen in (positive, ~positive))
    axes.bar(edges[:-1], up, 0.034, align="edge", color=style.VERMILLION)
    axes.bar(edges[:-1], -down, 0.034, align="edge", color=style.SKY)
    axes.axhline(0, color=style.RULE, linewidth=0.9)
    most = max(1, int(max(up.max(), down.max())))
    axes.set(xlim=(-0.02, 1.02), ylim=(-1.1 * most, 1.1 * most), xticks=(0, 0.2, 0.4, 0.6, 0.8, 1))
    axes.set_yticks([-most, most], [str(most)] * 2)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Predicted risk")


def _keys(words: list[str]) -> list[Any]:
    bar: dict[str, Any] = {"marker": "s", "markersize": 8, "linestyle": "none"}
    handle: dict[str, Any] = {
        "color": style.BLUE,
        "marker": "o",
        "markersize": 7,
        "linewidth": 1.6,
        "markeredgecolor": style.GROUND,
    }
    keys = [Line2D([], [], label="groups of patients, 95 % intervals", **handle)]
    keys += [Line2D([], [], color=style.VERMILLION, label="patients with the outcome (upwards)", **bar)]
    keys += [Line2D([], [], color=style.SKY, label="patients without it (downwards)", **bar)]
    return keys + [Line2D([], [], linestyle="none", label=line) for line in words]
