"""The flow of a cohort: how many were found, how many left and why, who was used for what."""

import dataclasses
import itertools
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from raspine.report.charts import style
from raspine.report.charts.chart import Cell, Chart, Table

_LINE, _PAD, _GAP = 16, 9, 26  # CSS pixels
_MAIN, _SIDE = (6, 196), (222, 414)  # left and right ends of the boxes
_LETTER = 7.3  # CSS pixels


@dataclasses.dataclass(frozen=True)
class FlowStep:
    """A box of a flow.

    Attributes:
      text: what these are.
      count: how many.
      detail: more about them, such as patients or cases.
      excluded: who leaves after this box: (reason, how many).
    """

    text: str
    count: int
    detail: str = ""
    excluded: Sequence[tuple[str, int]] = ()


@style.styled
def cohort_flow(
    steps: Sequence[FlowStep],
    parts: Sequence[FlowStep] = (),
    *,
    name: str = "cohort_flow",
    title: str = "Flow of the cohort",
) -> Chart:
    """Returns boxes from the top down, those who leave on the right, and the parts they are split into below.

    Args:
      steps: from all that were found to all that were kept.
      parts: such as training, validation and test; at most four.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: more than four parts.
    """
    if len(parts) > 4:
        raise ValueError(f"a flow ends in at most 4 parts. Received: {len(parts)}.")
    if not steps:
        return style.empty(name, title, "nobody was counted")
    main, side = ([_main(step) for step in steps], [_side(step) for step in steps])
    columns = _columns(len(parts))
    last = [_wrapped(part, columns[0][1] - columns[0][0]) for part in parts]
    figure = style.figure(_height(main, side, last))
    axes = _canvas(figure)
    down = _draw_steps(axes, main, side, bool(parts))
    _draw_parts(axes, last, columns, down)
    spoken = ", ".join(f"{step.text} {step.count:,}" for step in (*steps, *parts))
    return style.finished(figure, name, title, f"Flow of the cohort: {spoken}.", _caption(steps), _table(steps, parts))


def _main(step: FlowStep) -> list[str]:
    return _wrapped(step, _MAIN[1] - _MAIN[0])


def _wrapped(step: FlowStep, width: float) -> list[str]:
    letters = int((width - 2 * _PAD) / _LETTER)
    detail = textwrap.wrap(step.detail, letters) if step.detail else []
    return [*textwrap.wrap(step.text, letters), f"n = {step.count:,}", *detail]


def _side(step: FlowStep) -> list[str]:
    if not step.excluded:
        return []
    letters = int((_SIDE[1] - _SIDE[0] - 2 * _PAD) / _LETTER)
    lines = [f"Left out: n = {sum(count for _, count in step.excluded):,}"]
    for reason, count in step.excluded:
        lines += textwrap.wrap(f"{count:,} {reason}", letters, subsequent_indent="   ")
    return lines


def _tall(lines: Sequence[str]) -> float:
    return _LINE * len(lines) + 2 * _PAD


def _step_height(main: list[str], side: list[str], is_last: bool) -> float:
    """A box and the gap below it, in which those who leave stand."""
    if side:
        return _tall(main) + _tall(side) + 24
    return _tall(main) + (0 if is_last else _GAP)


def _height(main: list[list[str]], side: list[list[str]], last: list[list[str]]) -> float:
    rows = zip(main, side, strict=True)
    steps = sum(_step_height(box, left, place == len(main) - 1) for place, (box, left) in enumerate(rows))
    return steps + (2 * _GAP + max(map(_tall, last)) if last else 0) + 12


def _columns(parts: int) -> list[tuple[float, float]]:
    if parts == 2:
        return [_MAIN, _SIDE]
    width = (_SIDE[1] - _MAIN[0] + 10) / max(1, parts)
    return [(_MAIN[0] + place * width, _MAIN[0] + (place + 1) * width - 10) for place in range(max(1, parts))]


def _canvas(figure: Figure) -> Axes:
    width, height = (72 * inches for inches in figure.get_size_inches())
    axes = style.panel(figure, 0, 0, width, height)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def _draw_steps(axes: Axes, main: list[list[str]], side: list[list[str]], goes_on: bool) -> float:
    down, middle = 6.0, (_MAIN[0] + _MAIN[1]) / 2
    for place, (box, left) in enumerate(zip(main, side, strict=True)):
        is_last = place == len(main) - 1
        _box(axes, _MAIN, down, box, "#e8f1f8")
        bottom, down = down + _tall(box), down + _step_height(box, left, is_last)
        if not is_last:
            _arrow(axes, (middle, bottom), (middle, down))
        if left:
            level = bottom + 12 + _tall(left) / 2
            axes.plot([middle, middle], [bottom, level], color=style.RULE, linewidth=1.3, solid_capstyle="butt")
            _arrow(axes, (middle, level), (_SIDE[0], level))
            _box(axes, _SIDE, bottom + 12, left, "#f4f5f7")
        if is_last and goes_on:
            axes.plot([middle, middle], [bottom, down + _GAP], color=style.RULE, linewidth=1.3)
    return down


def _draw_parts(axes: Axes, last: list[list[str]], columns: list[tuple[float, float]], down: float) -> None:
    centres = [(start + end) / 2 for start, end in columns[: len(last)]]
    if not last:
        return
    middle = (_MAIN[0] + _MAIN[1]) / 2
    level = down + _GAP
    axes.plot([min(middle, *centres), max(middle, *centres)], [level, level], color=style.RULE, linewidth=1.3)
    tallest = max(map(len, last))
    for lines, ends, centre in zip(last, columns, centres, strict=False):
        _arrow(axes, (centre, level), (centre, level + _GAP))
        _box(axes, ends, level + _GAP, lines, "#e3f3ee", tallest)


def _box(axes: Axes, ends: tuple[float, float], top: float, lines: list[str], fill: str, rows: int = 0) -> None:
    tall = _LINE * max(len(lines), rows) + 2 * _PAD
    shape = "round,pad=0,rounding_size=4"
    axes.add_patch(
        FancyBboxPatch(
            (ends[0], top), ends[1] - ends[0], tall, boxstyle=shape, facecolor=fill, edgecolor=style.RULE, linewidth=1
        )
    )
    for place, line in enumerate(lines):
        weight = "bold" if line.startswith(("n = ", "Left out")) else "normal"
        height = top + _PAD + _LINE * (place + 0.5)
        indent = 14 * line.startswith("   ")
        axes.text(ends[0] + _PAD + indent, height, line.strip(), va="center", fontsize=style.SMALL, weight=weight)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {
        "arrowstyle": "-|>",
        "color": style.RULE,
        "linewidth": 1.3,
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 11,
    }
    axes.annotate("", end, start, arrowprops=look)


def _caption(steps: Sequence[FlowStep]) -> str:
    wrong = [
        f"{step.text}: {step.count:,} less {sum(count for _, count in step.excluded):,} is not {after.count:,}"
        for step, after in itertools.pairwise(steps)
        if step.excluded and step.count - sum(count for _, count in step.excluded) != after.count
    ]
    return "Counts that do not add up: " + "; ".join(wrong) + "." if wrong else ""


def _table(steps: Sequence[FlowStep], parts: Sequence[FlowStep]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for step in steps:
        rows.append((step.text, step.count, step.detail))
        rows += [(f"left out: {reason}", count, "") for reason, count in step.excluded]
    rows += [(part.text, part.count, part.detail) for part in parts]
    return Table(("step", "n", "detail"), tuple(rows))
