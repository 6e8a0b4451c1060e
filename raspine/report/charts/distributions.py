"""Who the patients are: ages, and shares of sex, scanner and the like, group by group."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from raspine.report import wording
from raspine.report.charts import style
from raspine.report.charts.chart import Cell, Chart, Table

_HEIGHT, _BETWEEN = 84, 34  # CSS pixels
_OLDEST = 90  # stands for 90 and older
_BAR, _HEADING, _MOST = 19, 26, 8
_LEFT, _RIGHT = 96, 142
_FILLS = tuple(zip((style.BLUE, style.ORANGE, style.GREEN, style.PURPLE), ("", "//", "\\\\", "--"), strict=True))


def _groups(groups: Sequence[str], order: Sequence[str]) -> list[str]:
    return [group for group in order if group in groups] + sorted(set(groups) - set(order))


def _check(values: Sequence[Any], groups: Sequence[str]) -> None:
    if len(values) != len(groups):
        raise ValueError(f"each value has a group. Received: {len(values)} values, {len(groups)} groups.")


@style.styled
def age_histogram(
    ages: Sequence[float | None],
    groups: Sequence[str],
    *,
    order: Sequence[str] = (),
    group_name: str = "split",
    width_years: int = 10,
    name: str = "ages",
    title: str = "Age",
) -> Chart:
    """Returns a histogram of ages for each group, all on one scale of shares.

    Args:
      ages: [patient], years; None or NaN where unknown, 90 for 90 and older.
      groups: [patient], such as the split.
      order: of the groups; others follow by name.
      group_name: what the groups are.
      width_years: of a bar.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: the lengths differ.
    """
    _check(ages, groups)
    years = np.array([np.nan if age is None else float(age) for age in ages])
    known = np.isfinite(years)
    if not known.any():
        return style.empty(name, title, f"no age is known of {years.size} patients")
    names = _groups(groups, order)
    low = int(np.nanmin(years) // width_years * width_years)
    edges = np.arange(low, max(np.nanmax(years) + 1e-9, low + 1) + width_years, width_years)
    members = {group: years[known & (np.array(groups) == group)] for group in names}
    totals = Counter(groups)
    counts = {group: np.histogram(some, edges)[0] for group, some in members.items()}
    figure = style.figure(style.ABOVE + len(names) * (_HEIGHT + _BETWEEN) - _BETWEEN + style.BELOW)
    top = max(float((count / max(1, count.sum())).max()) for count in counts.values())
    for row, group in enumerate(names):
        down = style.ABOVE + row * (_HEIGHT + _BETWEEN)
        axes = style.panel(figure, 48, down, style.WIDTH - 62, _HEIGHT)
        axes.set_title(_age_words(group, members[group], totals[group] - members[group].size))
        _ages(axes, counts[group], edges, top)
        if row < len(names) - 1:
            axes.tick_params(labelbottom=False)
    axes.set_xlabel("Age, years")
    header = (group_name, "known", "unknown", "mean", *(_span(edge, width_years) for edge in edges[:-1]))
    rows = tuple(
        (group, some.size, totals[group] - some.size, _mean(some), *map(int, counts[group]))
        for group, some in members.items()
    )
    told = "; ".join(f"{group} median {_age(_median(some))} years" for group, some in members.items())
    caption = "Bars are shares of the group's patients with a known age."
    if edges[-1] > _OLDEST:
        caption += " 90 stands for 90 and older."
    return style.finished(figure, name, title, f"{title} by {group_name}: {told}.", caption, Table(header, rows))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _age(years: float) -> str:
    return f"{years:g}" if np.isfinite(years) else wording.UNKNOWN


def _age_words(group: str, values: NDArray[np.float64], missing: int) -> str:
    words = f"{group}: n = {values.size}, median {_age(_median(values))}"
    return words + (f", {missing} unknown" if missing else "")


def _span(edge: float, width: int) -> str:
    return f"{edge:.0f}+" if edge >= _OLDEST else f"{edge:.0f}–{edge + width - 1:.0f}"


def _ages(axes: Axes, counts: NDArray[np.int64], edges: NDArray[np.float64], top: float) -> None:
    shares = 100 * counts / max(1, counts.sum())
    axes.bar(edges[:-1], shares, np.diff(edges), align="edge", color=style.BLUE, edgecolor=style.GROUND, linewidth=1)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 108 * top))
    axes.set_xticks(edges, [_tick(edge) for edge in edges])
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_locator(MaxNLocator(2))
    axes.yaxis.set_major_formatter("{x:.0f} %")


def _tick(edge: float) -> str:
    if edge > _OLDEST:
        return ""
    return f"{edge:.0f}+" if edge == _OLDEST else f"{edge:.0f}"


@style.styled
def category_bars(
    values: Sequence[str],
    groups: Sequence[str],
    *,
    order: Sequence[str] = (),
    what: str = "sex",
    group_name: str = "split",
    name: str = "categories",
    title: str | None = None,
) -> Chart:
    """Returns each category's share within each group, with the counts.

    Args:
      values: [patient], such as F and M; empty where unknown.
      groups: [patient], such as the split; at most four.
      order: of the groups; others follow by name.
      what: the categories are.
      group_name: what the groups are.
      name: of the chart.
      title: of the chart.

    Raises:
      ValueError: the lengths differ, or there are more than four groups.
    """
    _check(values, groups)
    title = title or wording.sentence(what)
    names = _groups(groups, order)
    if len(names) > len(_FILLS):
        raise ValueError(f"a chart tells {len(_FILLS)} groups apart. Received: {names}.")
    if not any(values):
        return style.empty(name, title, f"{what} is known of none of {len(values)} patients")
    shown = _frequent([value or "unknown" for value in values])
    counts = Counter(zip(shown, groups, strict=True))
    totals = Counter(groups)
    kinds = [kind for kind, _ in Counter(shown).most_common()]
    kinds.sort(key=lambda kind: ("others", "unknown").index(kind) + 1 if kind in ("others", "unknown") else 0)
    block = _HEADING + _BAR * len(names) + 6
    figure = style.figure(block * len(kinds) + 14)
    axes = style.panel(figure, _LEFT, 6, style.WIDTH - _LEFT - _RIGHT, block * len(kinds))
    longest = max(count / totals[group] for (_, group), count in counts.items())
    axes.set(xlim=(0, longest), ylim=(block * len(kinds), 0))
    axes.set_axis_off()
    beside = axes.get_yaxis_transform()
    for place, kind in enumerate(kinds):
        heading = textwrap.shorten(kind, 40, placeholder="…")
        axes.text(-(_LEFT - 6) / _width(), place * block + 16, heading, weight="bold", transform=beside, va="baseline")
        axes.plot([0, 0], [place * block + _HEADING - 3, (place + 1) * block - 6], color=style.RULE, linewidth=1)
        for row, (group, fill) in enumerate(zip(names, _FILLS, strict=False)):
            _bar(axes, place * block + _HEADING + _BAR * row, group, counts[kind, group], totals[group], fill)
    rows: tuple[tuple[Cell, ...], ...] = tuple((kind, *(counts[kind, group] for group in names)) for kind in kinds)
    told = "; ".join(f"{kind} {sum(counts[kind, group] for group in names)} of {len(values)}" for kind in kinds)
    caption = f"Each bar is the share of its {group_name}'s patients."
    return style.finished(
        figure, name, title, f"{title} by {group_name}: {told}.", caption, Table((what, *names), rows)
    )


def _width() -> float:
    return style.WIDTH - _LEFT - _RIGHT


def _frequent(values: Sequence[str]) -> list[str]:
    most = [value for value, _ in Counter(values).most_common() if value != "unknown"][:_MOST]
    return [value if value in most or value == "unknown" else "others" for value in values]


def _bar(axes: Axes, top: float, group: str, count: int, total: int, fill: tuple[str, str]) -> None:
    share = count / total if total else 0.0
    colour, hatch = fill
    middle = top + _BAR / 2 - 2
    axes.barh([middle], [share], _BAR - 5, color=colour, hatch=hatch, edgecolor=style.GROUND, linewidth=0)
    words: dict[str, Any] = {"va": "center", "fontsize": style.SMALL}
    beside = axes.get_yaxis_transform()
    axes.text(
        -6 / _width(), middle, textwrap.shorten(group, 12, placeholder="…"), ha="right", transform=beside, **words
    )
    beyond = share + 6 / _width() * axes.get_xlim()[1]
    axes.text(beyond, middle, f"{100 * share:.0f} % ({count} of {total})", **words)
