"""Pictures of a cross-validation: the figures of all folds, and the learning curve."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from raspine import atomic

# Okabe and Ito's colours, which colour-blind readers tell apart; the markers differ too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442")
_MARKERS = ("o", "s", "^", "v", "P")
_TOLD_APART = 8  # repeats; more would only be a legend
_styled = matplotlib.rc_context({"font.size": 12, "axes.titlesize": 13, "savefig.dpi": 120})
_SHARES = "share"
_MEAN: dict[str, Any] = {"fmt": "_", "color": "black", "markersize": 14, "markeredgewidth": 2, "capsize": 5}
_POOLED: dict[str, Any] = {"fmt": "D", "color": "#E69F00", "markersize": 6, "capsize": 4}


@_styled
def folds(path: pathlib.Path, summary: Mapping[str, Any], main: Mapping[str, str]) -> None:
    """Draws each figure's value in every fold as a dot, the mean over folds and the pooled figure with intervals.

    Args:
      path: of the PNG.
      summary: as in summary.json.
      main: what to draw, with its name for people.
    """
    groups = _grouped(main)
    widths = [len(names) for names in groups.values()]
    figure = Figure(figsize=(1.8 + 1.9 * sum(widths), 5.4), layout="constrained")
    panels = figure.subplots(1, len(groups), width_ratios=widths, squeeze=False)[0]
    for axes, (unit, names) in zip(panels, groups.items(), strict=True):
        for place, name in enumerate(names):
            _column(axes, place, summary, name)
        axes.set_xticks(range(len(names)), [f"{_wrapped(main[name])}\n{_mean_of(summary[name])}" for name in names])
        axes.set_xlim(-0.6, len(names) - 0.4)
        _vertical(axes, unit)
        axes.grid(axis="y", color="0.92")
    repeats = range(int(summary["repeats"]))
    told = repeats if len(repeats) <= _TOLD_APART else [0]
    handles = [_mark(panels[0], repeat) for repeat in told]
    handles.append(panels[0].errorbar([], [], [], **_MEAN))
    handles.append(panels[0].errorbar([], [], [], **_POOLED))
    folds_of = [f"fold of repeat {repeat + 1}" for repeat in told] if len(told) == len(repeats) else ["fold"]
    names = [*folds_of, "mean over folds", "pooled, repeat 1"]
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=11, frameon=False)
    figure.suptitle(_title(f"Cross-validation, {len(repeats)} x {summary['folds']} folds, 95 % intervals", summary))
    _save(figure, path)


@_styled
def learning_curve(path: pathlib.Path, summary: Mapping[str, Any], main: Mapping[str, str]) -> None:
    """Draws each figure over the number of training patients: the folds as dots, their mean with its interval.

    Args:
      path: of the PNG.
      summary: as in summary.json, with a learning curve.
      main: what to draw, with its name for people.
    """
    curve, drawn = summary["learning_curve"], list(main)[:4]
    right = max(point["n_train_patients"] for point in curve)
    figure = Figure(figsize=(3.5 * len(drawn), 4.0), layout="constrained")
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for axes, name in zip(panels, drawn, strict=True):
        for point in curve:
            values = [np.nan if row[name] is None else row[name] for row in point["by_fold"]]
            # Left of the mean, whose interval would hide them.
            patients = [row["n_train_patients"] - 0.03 * right for row in point["by_fold"]]
            axes.plot(patients, values, "o", color=_COLOURS[0], alpha=0.75, markersize=5, markeredgewidth=0)
        _means(axes, curve, name)
        axes.set_title(main[name])
        axes.set_xlabel("training patients")
        axes.set_xlim(0, 1.1 * right)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _vertical(axes, _unit(name))
        axes.grid(color="0.92")
    figure.suptitle(_title("Learning curve: dots are folds, the line their mean with its 95 % interval", summary))
    _save(figure, path)


def _column(axes: Axes, place: int, summary: Mapping[str, Any], name: str) -> None:
    repeats = int(summary["repeats"])
    for repeat in range(repeats):
        rows = [row for row in summary["by_fold"] if row["repeat"] == repeat + 1]
        values = np.array([np.nan if row[name] is None else row[name] for row in rows])
        left = place - 0.36 + 0.36 * (repeat + 0.5) / repeats
        _mark(
            axes,
            repeat if repeats <= _TOLD_APART else 0,
            left + np.linspace(-0.5, 0.5, len(values)) * 0.24 / repeats,
            values,
        )
    _bar(axes, place + 0.12, summary, name, _MEAN)
    _bar(axes, place + 0.28, summary["pooled"][0], name, _POOLED)


def _bar(axes: Axes, x: float, figures: Mapping[str, Any], name: str, style: Mapping[str, Any]) -> None:
    value = figures.get(name)
    if value is not None:
        low, high = figures.get(f"{name}_ci") or (value, value)
        axes.errorbar(x, value, [[value - low], [high - value]], **style)


def _vertical(axes: Axes, unit: str) -> None:
    axes.set_ylim(*((-0.03, 1.03) if unit == _SHARES else (0, None)))
    axes.set_ylabel("0 to 1" if unit == _SHARES else unit)
    axes.set_axisbelow(True)


def _title(text: str, summary: Mapping[str, Any]) -> str:
    return f"{text}, synthetic patients" if summary["synthetic"] else text


def _mark(axes: Axes, repeat: int, x: Any = (), y: Any = ()) -> Any:
    colour, marker = _COLOURS[repeat % len(_COLOURS)], _MARKERS[repeat % len(_MARKERS)]
    return axes.plot(x, y, marker, color=colour, markersize=6, alpha=0.75, markeredgewidth=0, linestyle="none")[0]


def _means(axes: Axes, curve: Sequence[Mapping[str, Any]], name: str) -> None:
    known = [point for point in curve if point[name] is not None]
    if not known:
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", va="center", color="0.4")
        return
    x = [point["n_train_patients"] for point in known]
    y = [point[name] for point in known]
    ends = [point[f"{name}_ci"] or (point[name], point[name]) for point in known]
    errors = [[value - low for value, (low, _) in zip(y, ends, strict=True)]]
    errors.append([high - value for value, (_, high) in zip(y, ends, strict=True)])
    axes.errorbar(x, y, errors, fmt="s-", color="black", capsize=4, markersize=5, linewidth=1.3)


def _grouped(main: Mapping[str, str]) -> dict[str, list[str]]:
    """Returns the figures by unit, in mm first."""
    groups: dict[str, list[str]] = {}
    for name in sorted(main, key=lambda name: _unit(name) == _SHARES):
        groups.setdefault(_unit(name), []).append(name)
    return groups


def _unit(name: str) -> str:
    # sdr_2mm is a share.
    return "mm" if name.endswith("_mm") else _SHARES


def _mean_of(value: float | None) -> str:
    return "undefined" if value is None else f"mean {value:.2f}"


def _wrapped(text: str) -> str:
    return text.replace(", ", ",\n", 1) if ", " in text else text.replace(" ", "\n", 1)


def _save(figure: Figure, path: pathlib.Path) -> None:
    FigureCanvasAgg(figure)
    with atomic.atomic_file(path) as aside:
        figure.savefig(aside)
