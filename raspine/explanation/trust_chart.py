"""The picture of the checks: a row for each method, a panel for each kind of check.

Colours are Okabe and Ito's, which colour-blind readers tell apart; lines and markers differ as well.
"""

import math
import pathlib
import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from raspine import atomic
from raspine.explanation import judging, methods, trust

_BLUE, _ORANGE, _VERMILLION, _BLACK = "#0072B2", "#E69F00", "#D55E00", "#000000"
_LINES = {
    "map": (_BLUE, "-", "o", "its map"),
    "random_order": (_ORANGE, "--", "s", "random order"),
    "randomised": (_VERMILLION, ":", "^", "a randomised\nnetwork's map"),
}
_RATIOS = {"randomised networks": (_VERMILLION, "^"), "chance": (_ORANGE, "s")}
_MEASURES = {"energy": "energy", "auprc": "AUPRC"}
_MARKS = {trust.SUPPORTED: "+", trust.NOT_SUPPORTED: "−", trust.NOT_ENOUGH: "?"}
_styled = matplotlib.rc_context({"font.size": 9, "axes.titlesize": 10, "savefig.dpi": 110})


@_styled
def draw(path: pathlib.Path, judged: Mapping[str, judging.Judged], title: str) -> None:
    """Draws the checks of all methods into a PNG.

    Args:
      path: of the PNG.
      judged: by method, at least one.
      title: says what was judged, on which studies.
    """
    figure = Figure(figsize=(14, 2.5 * len(judged) + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left")
    rows = figure.subfigures(len(judged), 1, squeeze=False)[:, 0]
    for row, (method, one) in zip(rows, judged.items(), strict=True):
        verdict = trust.verdict(one.checks)
        row.suptitle(f"{methods.TITLES[method]}   [{_MARKS[verdict]}] {verdict}", x=0.01, ha="left", weight="bold")
        course, ratios, deletion, insertion = row.subplots(1, 4, width_ratios=(1, 1.25, 1, 1))
        _course(course, one)
        _ratios(ratios, one)
        _curves(deletion, one, "deletion", "share of pixels blurred")
        _curves(insertion, one, "insertion", "share of pixels brought back", has_key=True)
    with atomic.atomic_file(path) as aside:
        figure.savefig(aside)


def _course(axes: Axes, one: judging.Judged) -> None:
    """Rank correlation by stage, with what repeating gives at the left."""
    axes.set_title("rank correlation with its own map")
    repeat = next(check for check in one.checks if check.name == "repeatability")
    points = [("repeated", repeat.to_dict()), *((stage["stage"], stage) for stage in one.course)]
    for place, (_, found) in enumerate(points):
        if found["value"] is not None:
            colour, marker = (_BLACK, "D") if place == 0 else (_BLUE, "o")
            _point(axes, place, found["value"], found["ci"], colour, marker)
    axes.axhline(trust.ALIKE, color=_BLACK, linewidth=0.8, linestyle="--")
    axes.set_xticks(range(len(points)), [name for name, _ in points], rotation=30, ha="right")
    axes.set_xlabel("randomised from the logit down to" if one.course else "")
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlim(-0.5, max(len(points), 2) - 0.5)


def _ratios(axes: Axes, one: judging.Judged) -> None:
    axes.set_title("at the mask: ratio to ...")
    checks = [next(check for check in one.checks if check.name == name) for name in trust.CHECKS["localisation"]]
    pairs = [(check.name, comparison) for check in checks for comparison in check.comparisons]
    if not any(comparison.estimate.is_defined for _, comparison in pairs):
        _say(axes, "no figures")
        return
    for place, (_, comparison) in enumerate(pairs):
        found = comparison.to_dict()
        if found["value"] is not None:
            _point(axes, place, found["value"], found["ci"], *_RATIOS[comparison.against])
    axes.axhline(1, color=_BLACK, linewidth=0.8, linestyle="--")
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.5, len(pairs) - 0.5)
    texts = [f"{_MEASURES[name]}:\n{comparison.against.replace(' ', chr(10))}" for name, comparison in pairs]
    axes.set_xticks(range(len(pairs)), texts, fontsize=8)


def _curves(axes: Axes, one: judging.Judged, name: str, label: str, has_key: bool = False) -> None:
    axes.set_title(f"{name}: mean probability")
    curves: dict[str, Any] = one.curves or {"n": 0}
    if not curves["n"]:
        _say(axes, "no figures")
        return
    for key, (colour, line, marker, text) in _LINES.items():
        axes.plot(curves["share"], curves[name][key], color=colour, linestyle=line, marker=marker, ms=3, label=text)
    axes.set_xlabel(label)
    if has_key:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _point(axes: Axes, place: float, value: float, interval: list[float] | None, colour: str, marker: str) -> None:
    low, high = interval or (math.nan, math.nan)
    axes.plot([place, place], [low, high], color=colour, linewidth=1.5)
    axes.plot([place], [value], color=colour, marker=marker, linestyle="")


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, textwrap.fill(text, 30), ha="center", va="center", transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])
