"""How all charts look: colours that colour-blind readers tell apart, fonts, grid, keys."""

import dataclasses
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from raspine.report import wording
from raspine.report.charts import svg
from raspine.report.charts.chart import Chart, Table

# Okabe and Ito, Color Universal Design, 2008.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
INK, QUIET, RULE, FAINT, GRID, GROUND = "#1d2126", "#4a5058", "#8a9099", "#c3c8cf", "#e4e7eb", "#ffffff"
RIGHT, WRONG, OPEN = "#cfe3f2", "#f7d9c4", "#eceef1"  # tints of blue and vermillion, and grey; wrong is hatched too
HATCH = "#dfa882"  # on tints of vermillion, dark enough for grey print
WIDTH = 420  # CSS pixels; on a screen of 390 the text keeps ten of its twelve
SMALL, BASE = 12, 13  # CSS pixels
ABOVE, BELOW = 32, 40  # CSS pixels for the name of an axis, and for its numbers too

BACKED: dict[str, Any] = {"facecolor": GROUND, "linewidth": 0, "pad": 1.5}  # text over lines
IDENTITY: dict[str, Any] = {"color": RULE, "linestyle": (0, (4, 3)), "linewidth": 1.2}
CUT: dict[str, Any] = {"color": INK, "linestyle": (0, (6, 3)), "linewidth": 1.2}  # a threshold


@dataclasses.dataclass(frozen=True)
class Look:
    """How a series is drawn; colour never stands alone."""

    colour: str
    marker: str
    line: Any  # as matplotlib names dashes

    def strokes(self) -> dict[str, Any]:
        """Returns how matplotlib draws its line."""
        return {"color": self.colour, "linestyle": self.line}

    def points(self, size: float = 6.5, alpha: float = 0.75) -> dict[str, Any]:
        """Returns how matplotlib draws its points, edged in white so that crowds stay countable."""
        shape = {"marker": self.marker, "markersize": size, "linestyle": "none", "color": self.colour, "alpha": alpha}
        return {**shape, "markeredgecolor": GROUND, "markeredgewidth": 0.6}


LOOKS = (
    Look(BLUE, "o", "-"),
    Look(VERMILLION, "^", "--"),
    Look(GREEN, "s", "-."),
    Look(PURPLE, "D", ":"),
    Look(BLACK, "v", (0, (5, 1, 1, 1, 1, 1))),
)


def looks(names: Collection[str], what: str) -> dict[str, Look]:
    """Returns a look for each name.

    Args:
      names: of what a chart tells apart, in the order of the looks.
      what: they are, for people.

    Raises:
      ValueError: there are more names than looks.
    """
    if len(names) > len(LOOKS):
        raise ValueError(f"a chart tells {len(LOOKS)} {what} apart. Received: {len(names)}.")
    return dict(zip(names, LOOKS, strict=False))


_RULES: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib; pages name narrower ones first
    "font.size": BASE,
    "text.color": INK,
    "axes.labelsize": BASE,
    "axes.labelcolor": INK,
    "axes.titlesize": BASE,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.0,
    "legend.labelspacing": 0.45,
    "legend.borderaxespad": 0.2,
    "legend.borderpad": 0.2,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "hatch.linewidth": 0.8,
    "figure.dpi": 72,
    "savefig.dpi": 72,
    "figure.facecolor": GROUND,
    "savefig.facecolor": GROUND,
    "svg.fonttype": "none",
    "svg.hashsalt": "raspine",
    "path.simplify": True,
}

_Drawer = TypeVar("_Drawer", bound=Callable[..., Any])


def styled(function: _Drawer) -> _Drawer:
    """Makes a function draw in this style, whatever matplotlib was told before."""
    context = matplotlib.style.context(["default", _RULES])
    return context(function)


def figure(height: float, width: int = WIDTH) -> Figure:
    """Returns an empty figure of so many CSS pixels."""
    made = Figure(figsize=(width / 72, height / 72))
    FigureCanvasAgg(made)
    return made


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Returns axes whose frame stands so many CSS pixels from the left and the top of a figure."""
    across, down = (72 * inches for inches in figure.get_size_inches())
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def plot(height: float, left: float = 44, right: float = 10, above: float = ABOVE) -> tuple[Figure, Axes]:
    """Returns a figure with one frame of so many CSS pixels, and room for what stands around it."""
    made = figure(above + height + BELOW)
    return made, panel(made, left, above, WIDTH - left - right, height)


def square(x: str, y: str) -> tuple[Figure, Axes]:
    """Returns a figure with a square frame from 0 to 1, with room for the markers at its ends."""
    made, axes = plot(WIDTH - 54)
    ticks = (0, 0.2, 0.4, 0.6, 0.8, 1)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=ticks, yticks=ticks)
    name_axes(axes, x, y)
    return made, axes


def name_axes(axes: Axes, x: str, y: str = "") -> None:
    """Names the axes; the vertical one above it, where it reads without turning the head."""
    axes.set_xlabel(x)
    if y:
        axes.set_title(y)


def logarithmic(axes: Axes, low: float, high: float, most: int = 10) -> None:
    """Makes the horizontal axis logarithmic, with plain numbers at so many ticks, or a few more over many decades."""
    choices = [[step * 10.0**power for power in range(-6, 7) for step in steps] for steps in ((1, 2, 5), (1,))]
    fine, coarse = ([tick for tick in ticks if low <= tick <= high] for ticks in choices)
    kept = fine if len(fine) <= most else coarse
    axes.set_xscale("log")
    axes.set_xticks(kept, [f"{tick:g}" for tick in kept])
    axes.set_xticks([], minor=True)
    axes.set_xlim(low, high)


def key(figure: Figure, handles: Sequence[Any], columns: int = 1) -> None:
    """Adds what lines and markers mean below the plot, where it hides no data; the figure grows for it."""
    legend = figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 0), ncols=columns)
    extend(figure, 8 + legend.get_window_extent().height)


def extend(figure: Figure, more: float) -> None:
    """Adds so many CSS pixels below what stands in a figure."""
    width, height = figure.get_size_inches()
    taller = height + more / 72
    figure.set_size_inches(width, taller)
    for axes in figure.axes:
        left, bottom, across, up = axes.get_position().bounds
        axes.set_position((left, (bottom * height + more / 72) / taller, across, up * height / taller))


def finished(
    figure: Figure,
    name: str,
    title: str,
    alternative: str,
    caption: str,
    table: Table,
    hovers: Mapping[str, Sequence[svg.Hover]] | None = None,
) -> Chart:
    """Returns the chart of a drawn figure."""
    width = round(72 * figure.get_size_inches()[0])
    return Chart(name, title, svg.inline(figure, name, title, alternative, hovers), alternative, caption, table, width)


@styled
def empty(name: str, title: str, reason: str) -> Chart:
    """Returns a chart that says why there is none."""
    words = wording.sentence(reason).rstrip(".") + "."
    lines = textwrap.wrap(words, 50)
    made = figure(40 + 20 * len(lines))
    made.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", color=QUIET, fontsize=BASE)
    table = Table(("", "reason"), (("not shown", words),))
    return finished(made, name, title, f"{title}: not shown. {words}", "", table)
