"""Risks by what came of the patients: every patient is a point."""

from collections.abc import Sequence

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import scored
from raspine.report import wording
from raspine.report.charts import number, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.quartiles import quartiles
from raspine.report.charts.svg import Hover
from raspine.report.charts.swarm import swarm


@style.styled
def risks_by_outcome(
    risks: ArrayLike,
    outcomes: ArrayLike,
    *,
    threshold: float | None = None,
    studies: Sequence[str] | None = None,
    patients: Sequence[str] | None = None,
    labels: tuple[str, str] = ("without the outcome", "with the outcome"),
    name: str = "risks",
    title: str = "Risks by outcome",
) -> Chart:
    """Returns the risks of patients without and with the outcome, with medians and the threshold.

    Args:
      risks: float [study].
      outcomes: int [study], 1 positive, 0 negative.
      threshold: positive from here up.
      studies: [study], pseudonyms.
      patients: [study], pseudonyms.
      labels: of the negative and of the positive ones.
      name: of the chart.
      title: of the chart.

    Raises:
      ScoresError: risks and outcomes do not fit.
    """
    if not np.size(risks):
        return style.empty(name, title, "there are no risks")
    numbers, positive = scored.checked(risks, outcomes)
    figure, axes = style.plot(190, left=14, right=14, above=6)
    low, high = _span(numbers)
    hovers, rows = {}, []
    for row, (label, chosen, look) in enumerate(zip(labels, (~positive, positive), style.LOOKS, strict=False)):
        some = np.flatnonzero(chosen)
        heights = row + swarm(numbers[some], 0.27, low, high)
        axes.plot(numbers[some], heights, gid=f"points{row}", **look.points())
        hovers[f"points{row}"] = [_hover(numbers, studies, patients, int(place), label) for place in some]
        middle, lower, upper = quartiles(numbers[some])
        axes.vlines([middle], row - 0.3, row + 0.3, color=style.INK, linewidth=2.2, zorder=1.5)
        words = f"{label}: n = {some.size}, median {wording.number(middle)}"
        axes.text(0, row + 0.4, words, transform=axes.get_yaxis_transform(), va="bottom", bbox=style.BACKED)
        rows.append((label, int(some.size), middle, lower, upper))
    if threshold is not None:
        axes.axvline(threshold, **style.CUT)
        style.key(figure, [Line2D([], [], label=f"threshold {number.short(threshold)}", **style.CUT)])
    axes.set(xlim=(low, high), ylim=(-0.45, 1.68), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Risk")
    told = "; ".join(f"{row[0]} median {wording.number(float(row[2]))} (n = {row[1]})" for row in rows)
    table = Table(("outcome", "n", "median", "lower quartile", "upper quartile"), tuple(rows))
    caption = "Each point is a study, each bar a median."
    return style.finished(figure, name, title, f"Risks by outcome: {told}.", caption, table, hovers)


def _span(values: NDArray[np.float64]) -> tuple[float, float]:
    """0 to 1 for risks, else the scores' own range; with room for the points at its ends."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    room = 0.02 * (high - low) or 0.5
    return low - room, high + room


def _hover(
    risks: NDArray[np.float64], studies: Sequence[str] | None, patients: Sequence[str] | None, place: int, label: str
) -> Hover:
    data = {key: str(names[place]) for key, names in (("study", studies), ("patient", patients)) if names is not None}
    who = ", ".join(f"{key} {value}" for key, value in data.items())
    return Hover(f"{who + ': ' if who else ''}risk {risks[place]:.3f}, {label}", data)
