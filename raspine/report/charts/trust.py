"""Which explanations passed which checks: a table that is read at a glance."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from raspine.report import wording
from raspine.report.charts import style
from raspine.report.charts.chart import Chart, Table

_ROW, _LEFT = 44, 98  # CSS pixels
_FILLS = {"pass": (style.RIGHT, ""), "fail": (style.WRONG, "///"), "unknown": (style.OPEN, "")}
_MOST, _LEAST = 5, 10.0  # methods; CSS pixels of their names


def _checked(
    methods: Sequence[str], checks: Sequence[str], values: ArrayLike, verdicts: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    shape = (len(methods), len(checks))
    figures = np.asarray(values, float).reshape(shape if not len(methods) else (len(methods), -1))
    if figures.shape != shape or [len(row) for row in verdicts] != [len(checks)] * len(methods):
        raise ValueError(f"each of {shape[0]} methods has {shape[1]} values and verdicts. Received: {figures.shape}.")
    words = sorted({word for row in verdicts for word in row})
    if len(methods) > _MOST or not set(words) <= set(_FILLS):
        raise ValueError(f"at most {_MOST} methods, verdicts {list(_FILLS)}. Received: {len(methods)}, {words}.")
    return figures


def _heads(methods: Sequence[str], width: float) -> tuple[list[list[str]], float]:
    """The lines of each column's name and their size; a letter is about two thirds as wide as it is high."""
    longest = max(len(part) for method in methods for part in method.replace("-", "- ").split())
    size = min(style.SMALL, max(_LEAST, width / 0.66 / longest))
    letters = max(4, int(width / size / 0.68))
    # One letter more still fits; a name broken in two reads badly.
    return [textwrap.wrap(method, letters, break_long_words=longest > letters + 1) for method in methods], size


def _field(axes: Axes, row: int, column: int, value: float, verdict: str) -> None:
    fill, hatch = _FILLS[verdict]
    look: dict[str, Any] = {"facecolor": fill, "hatch": hatch, "edgecolor": style.HATCH, "linewidth": 0}
    axes.add_patch(Rectangle((column + 0.02, row + 0.04), 0.96, 0.92, **look))
    axes.text(
        column + 0.5,
        row + 0.34,
        wording.number(value, wording.decimals(value)),
        ha="center",
        va="center",
        weight="bold",
    )
    axes.text(column + 0.5, row + 0.71, verdict, ha="center", va="center", fontsize=style.SMALL)


@style.styled
def trust_strip(
    methods: Sequence[str],
    checks: Sequence[str],
    values: ArrayLike,
    verdicts: Sequence[Sequence[str]],
    *,
    name: str = "trust",
    title: str = "Which checks the explanations pass",
) -> Chart:
    """Returns a field for each method and check with its figure and its verdict.

    Args:
      methods: such as Grad-CAM; a column each, at most five.
      checks: such as randomisation; a row each.
      values: float [method, check]; NaN where unknown.
      verdicts: [method, check]: pass, fail or unknown.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: shapes differ, there are more than five methods, or a verdict is another word.
    """
    figures = _checked(methods, checks, values, verdicts)
    if not figures.size:
        return style.empty(name, title, "no explanation was checked")
    width = style.WIDTH - _LEFT - 6
    heads, size = _heads(methods, width / len(methods))
    above = 10 + 15 * max(map(len, heads))
    figure = style.figure(above + _ROW * len(checks) + 8)
    axes = style.panel(figure, _LEFT, above, width, _ROW * len(checks))
    axes.set(xlim=(0, len(methods)), ylim=(len(checks), 0))
    axes.set_axis_off()
    for column, head in enumerate(heads):
        axes.text(column + 0.5, -5 / _ROW, "\n".join(head), ha="center", va="bottom", fontsize=size)
    for row, check in enumerate(checks):
        words = "\n".join(textwrap.wrap(check, 13))
        axes.text(-8 * len(methods) / width, row + 0.5, words, ha="right", va="center", fontsize=style.SMALL)
        for column in range(len(methods)):
            _field(axes, row, column, float(figures[column, row]), verdicts[column][row])
    passed = [
        f"{method} {list(row).count('pass')} of {len(checks)}" for method, row in zip(methods, verdicts, strict=True)
    ]
    rows = tuple(
        (method, check, float(figures[row, column]), verdicts[row][column])
        for row, method in enumerate(methods)
        for column, check in enumerate(checks)
    )
    return style.finished(
        figure, name, title, f"Checks passed: {', '.join(passed)}.", "Hatched: failed. Grey: not known.",
        Table(("method", "check", "value", "verdict"), rows),
    )  # fmt: skip
