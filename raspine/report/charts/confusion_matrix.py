"""The confusion matrix, its counts and what they come to."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from raspine.report.charts import number, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.number import Number

_ROW, _LEFT, _TOP, _RIGHT = 92, 104, 56, 6


@style.styled
def confusion_matrix(
    tp: int,
    fn: int,
    fp: int,
    tn: int,
    *,
    undecided: tuple[int, int] = (0, 0),
    rates: Mapping[str, Number] | None = None,
    positive: str = "positive",
    negative: str = "negative",
    reference: str = "consensus",
    what: str = "model",
    name: str = "confusion",
    title: str = "Confusion matrix",
) -> Chart:
    """Returns the counts by truth (rows) and decision (columns), with each count's share of its row.

    Args:
      tp: positive and called so.
      fn: positive, called negative.
      fp: negative, called positive.
      tn: negative and called so.
      undecided: positive and negative ones without a verdict; a third column where there are any.
      rates: sensitivity, specificity, PPV, NPV and more, written below.
      positive: the word for positive.
      negative: the word for negative.
      reference: where the truth is from.
      what: who decided.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: a count is negative.
    """
    counts = ((tp, fn, undecided[0]), (fp, tn, undecided[1]))
    if min(map(min, counts)) < 0:
        raise ValueError(f"counts are not negative. Received: {counts}.")
    n = sum(map(sum, counts))
    if not n:
        return style.empty(name, title, "nothing was counted")
    columns = [f"{what}:\n{word}" for word in (positive, negative, "no verdict")][: 2 + any(undecided)]
    lines = [f"{key}  {number.text(value)}" for key, value in (rates or {}).items()]
    figure = style.figure(_TOP + 2 * _ROW + 12 + 20 * len(lines))
    axes = style.panel(figure, _LEFT, _TOP, style.WIDTH - _LEFT - _RIGHT, 2 * _ROW)
    axes.set(xlim=(0, len(columns)), ylim=(2, 0))
    axes.set_axis_off()
    for row, word in enumerate((positive, negative)):
        total = sum(counts[row])
        axes.text(-0.04, row + 0.5, f"{reference}:\n{word}\nn = {total}", ha="right", va="center")
        for column in range(len(columns)):
            _cell(axes, row, column, counts[row][column], total)
    for column, words in enumerate(columns):
        axes.text(column + 0.5, -0.08, words, ha="center", va="bottom")
    for place, line in enumerate(lines):
        down = _TOP + 2 * _ROW + 26 + 20 * place
        figure.text(_LEFT / style.WIDTH, 1 - down / (72 * figure.get_size_inches()[1]), line, va="baseline")
    words = ", ".join(f"{count} {kind}" for count, kind in zip((tp, fn, fp, tn), _KINDS, strict=True))
    without = f", {sum(undecided)} without verdict" if any(undecided) else ""
    table = Table(
        (reference, f"{what}: {positive}", f"{what}: {negative}", "no verdict"),
        ((positive, *counts[0]), (negative, *counts[1])),
    )
    caption = f"Rows: {reference}; columns: {what}; per cents are of the row. Hatched: wrong."
    said = "; ".join(line.replace("  ", " ") for line in lines)
    return style.finished(
        figure, name, title, f"Confusion matrix of {n}: {words}{without}{'; ' + said if said else ''}.", caption, table
    )


_KINDS = ("true positive", "false negative", "false positive", "true negative")


def _cell(axes: Axes, row: int, column: int, count: int, total: int) -> None:
    fill: dict[str, Any] = {"facecolor": style.OPEN if column == 2 else style.RIGHT}
    if column != row and column < 2:
        fill = {"facecolor": style.WRONG, "hatch": "///"}
    axes.add_patch(Rectangle((column + 0.02, row + 0.03), 0.96, 0.94, edgecolor=style.HATCH, linewidth=0, **fill))
    axes.text(column + 0.5, row + 0.43, str(count), ha="center", va="center", fontsize=24, weight="bold")
    share = f"{100 * count / total:.0f} %" if total else "none of this kind"
    axes.text(column + 0.5, row + 0.76, share, ha="center", va="center")
