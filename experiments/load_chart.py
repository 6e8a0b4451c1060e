"""The picture of a load test: how long answers took."""

import pathlib

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from raspine.report.charts.style import BLACK, BLUE, VERMILLION

_BINS = 60


def draw(latencies: NDArray[np.float64], title: str, path: pathlib.Path) -> None:
    """Writes a histogram as a PNG.

    Args:
      latencies: float64 [answer], seconds.
      title: above it.
      path: of the picture.
    """
    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    place, milliseconds = figure.subplots(), 1000 * latencies
    place.hist(milliseconds, bins=_BINS, color=BLUE)
    for percent, colour in ((50, BLACK), (99, VERMILLION)):
        value = float(np.percentile(milliseconds, percent))
        place.axvline(value, color=colour, label=f"p{percent}: {value:.0f} ms")
    place.set_xlim(left=0)
    place.set_xlabel("from request to checked answer, ms")
    place.set_ylabel("answers")
    place.set_title(title, fontsize=10)
    place.legend()
    figure.savefig(path, dpi=110)
