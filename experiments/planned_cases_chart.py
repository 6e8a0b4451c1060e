"""The picture of a study plan: widths of intervals over the number of cases."""

import pathlib

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot

from experiments import planned_cases
from raspine.report.charts.style import BLACK, BLUE, GREEN, VERMILLION

_POINTS = 40
# Each colour with a line and a marker of its own.
_LINES = {
    "sensitivity": (VERMILLION, "-", "o"),
    "specificity": (BLUE, "--", "s"),
    "AUC": (GREEN, "-.", "^"),
}


def draw(plan: planned_cases.Plan, path: pathlib.Path) -> None:
    """Writes a PNG with the width of each interval over the number of independent cases.

    Args:
      plan: what is expected.
      path: of the picture.
    """
    totals = np.unique(np.geomspace(20, 5000, _POINTS).round().astype(int)).tolist()
    rows = list(planned_cases.curve(plan, totals))
    figure, place = pyplot.subplots(figsize=(7.0, 4.5), layout="constrained")
    for name, (colour, line, marker) in _LINES.items():
        widths = [row[name] for row in rows]
        expected = {"sensitivity": plan.sensitivity, "specificity": plan.specificity, "AUC": plan.auc}[name]
        place.plot(totals, widths, line, color=colour, marker=marker, ms=4, markevery=4, label=f"{name} {expected:.3g}")
    if not plan.is_clustered:
        place.axvline(plan.given.total, color=BLACK, lw=1, ls=":", label=f"given: {plan.given.total}")
    place.set_xscale("log")
    place.xaxis.set_major_formatter("{x:,.0f}")
    place.set_ylim(bottom=0)
    place.set_xlabel(f"independent cases, {plan.prevalence:.1%} with the disease")
    place.set_ylabel(f"full width of the {plan.confidence:.4g} interval")
    place.grid(alpha=0.3)
    place.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
