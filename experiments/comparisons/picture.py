"""The differences between runs as a picture: a row a figure, a dot with its interval a pair."""

import itertools
import math
import pathlib
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.comparisons.pairs import Pair
from raspine import atomic

# Okabe and Ito's colours, which stay apart for colour-blind readers; markers tell them apart too.
_STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"))


@matplotlib.rc_context({"font.size": 11, "savefig.dpi": 120})
def draw(path: pathlib.Path, pairs: Sequence[Pair], confidence: float) -> None:
    """Draws the difference of every figure, each on a scale of its own.

    Args:
      path: of the PNG.
      pairs: of all figures.
      confidence: of the intervals, for the label.
    """
    titles = list(dict.fromkeys(pair.title for pair in pairs))
    names = list(dict.fromkeys((pair.first, pair.second) for pair in pairs))
    height = 0.45 + 0.22 * len(names)
    figure = Figure(figsize=(7.6, 1.2 + height * len(titles) + 0.25 * len(names)), layout="constrained")
    panels = figure.subplots(len(titles), 1, squeeze=False)[:, 0]
    for axes, title in zip(panels, titles, strict=True):
        _panel(axes, title, [pair for pair in pairs if pair.title == title], names)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", frameon=False)
    figure.supxlabel(f"first less second, {confidence:.0%} interval", fontsize=11)
    FigureCanvasAgg(figure)
    with atomic.atomic_file(path) as aside:
        figure.savefig(aside)


def _panel(axes: Axes, title: str, pairs: Sequence[Pair], names: Sequence[tuple[str, str]]) -> None:
    axes.axvline(0, color="0.4", linewidth=1, linestyle="--")
    for pair in pairs:
        place = names.index((pair.first, pair.second))
        colour, marker = next(itertools.islice(itertools.cycle(_STYLES), place, None))
        difference = pair.found.difference
        label = f"{pair.first} less {pair.second}"
        axes.plot([difference.value], [-place], marker, color=colour, markersize=7, label=label)
        axes.plot(list(difference.interval), [-place, -place], color=colour, linewidth=2)
    axes.set_ylim(-len(names) + 0.4, 0.6)
    axes.set_yticks([])
    ends = [end for pair in pairs for end in (*pair.found.difference.interval, pair.found.difference.value)]
    reach = max((abs(end) for end in ends if math.isfinite(end)), default=0)
    axes.set_xlim(-1.1 * (reach or 1), 1.1 * (reach or 1))
    axes.grid(axis="x", color="0.92")
    better = "right is better for the first" if pairs[0].higher_is_better else "left is better for the first"
    axes.set_title(f"{title} (n = {pairs[0].rows}, {pairs[0].patients} patients)", loc="left", fontsize=11)
    axes.set_title(better, loc="right", fontsize=9, color="0.35")
    axes.spines[["top", "right", "left"]].set_visible(False)
