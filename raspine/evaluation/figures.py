"""Figures of an evaluation: the error of each landmark, and measured against true distances."""

import pathlib

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from raspine import atomic, landmarks
from raspine.evaluation import keypoints


def error_by_landmark(path: pathlib.Path, films: keypoints.Films, schema: landmarks.Schema) -> None:
    """Draws the spread of each landmark's radial error in mm; points that were not found are left out."""
    errors = films.errors_mm
    values = [column[np.isfinite(column)] for column in errors.T]
    figure = Figure(figsize=(7, 1.2 + 0.38 * len(values)), layout="constrained")
    axes = figure.add_subplot()
    axes.boxplot(values, orientation="horizontal", showfliers=True, flierprops={"markersize": 3})
    axes.set_yticks(range(1, len(values) + 1), [name.replace("_", " ") for name in schema.landmarks])
    axes.invert_yaxis()
    axes.axvline(2.0, color="0.6", linewidth=1, linestyle="--")
    axes.set_xlabel("radial error, mm (dashed: 2 mm)")
    axes.set_xlim(left=0)
    _save(figure, path)


def distances(path: pathlib.Path, films: keypoints.Films, schema: landmarks.Schema) -> None:
    """Draws measured against true distances in mm with the line of identity and the thresholds."""
    truth, found = (schema.measure(points, films.spacing) for points in (films.truth, films.found))
    count = len(schema.distances)
    figure = Figure(figsize=(4.6 * count, 5.0), layout="constrained")
    for number, distance in enumerate(schema.distances, 1):
        axes = figure.add_subplot(1, count, number)
        x, y = truth[distance.name], found[distance.name]
        both = np.isfinite(x) & np.isfinite(y)
        top = 1.05 * max([*x[both], *y[both], 1.0])
        axes.plot([0, top], [0, top], color="0.6", linewidth=1)
        axes.scatter(x[both], y[both], s=14, alpha=0.7, edgecolors="none")
        if distance.threshold_mm is not None and distance.threshold_mm < top:
            axes.axvline(distance.threshold_mm, color="tab:red", linewidth=0.8, linestyle="--")
            axes.axhline(distance.threshold_mm, color="tab:red", linewidth=0.8, linestyle="--")
        axes.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        axes.set_title(distance.name.upper(), pad=10)
        axes.set_xlabel("annotator, mm")
        axes.set_ylabel("model, mm")
    _save(figure, path)


def _save(figure: Figure, path: pathlib.Path) -> None:
    FigureCanvasAgg(figure)
    with atomic.atomic_file(path) as aside, matplotlib.rc_context({"savefig.dpi": 120}):
        figure.savefig(aside)
