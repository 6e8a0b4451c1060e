"""Figures of a risk model: ROC, precision and recall, the confusion matrix, and the risks by outcome."""

import pathlib
import textwrap

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from raspine import atomic
from raspine.evaluation import auc, confusion, curves, scored
from raspine.evaluation.estimate import Estimate

_POSITIVE, _NEGATIVE, _THRESHOLD = "tab:red", "tab:blue", "black"
_styled = matplotlib.rc_context({"font.size": 13, "axes.titlesize": 14, "savefig.dpi": 120})


def draw(
    folder: pathlib.Path, scores: ArrayLike, outcomes: ArrayLike, threshold: float, synthetic: bool = False
) -> tuple[pathlib.Path, ...]:
    """Draws roc.png, precision_recall.png, confusion.png and risks.png into a folder and returns their paths.

    Args:
      folder: made when missing.
      scores: float [patient], risk 0..1 or another score.
      outcomes: int [patient], 1 positive, 0 negative.
      threshold: positive from here up.
      synthetic: whether the titles say that the patients are synthetic.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    folder = pathlib.Path(folder)
    names = ("roc", "precision_recall", "confusion", "risks")
    paths = tuple(folder / f"{name}.png" for name in names)
    roc(paths[0], scores, outcomes, threshold, synthetic)
    precision_recall(paths[1], scores, outcomes, threshold, synthetic)
    confusion_matrix(paths[2], confusion.at(scores, outcomes, threshold), synthetic)
    risks(paths[3], scores, outcomes, threshold, synthetic)
    return paths


@_styled
def roc(
    path: pathlib.Path, scores: ArrayLike, outcomes: ArrayLike, threshold: float | None = None, synthetic: bool = False
) -> None:
    """Draws the ROC curve with its area and interval, the diagonal of chance, and the operating point.

    Args:
      path: of the PNG.
      scores: float [patient].
      outcomes: int [patient], 1 positive, 0 negative.
      threshold: positive from here up; None leaves the operating point out.
      synthetic: whether the title says so.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    figure, axes = _square("ROC curve", synthetic)
    curve, area = curves.roc(scores, outcomes), auc.area(scores, outcomes)
    if curve is None:
        _message(axes, area.note)
    else:
        axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1.2, label="chance")
        axes.plot(curve.x, curve.y, color=_NEGATIVE, linewidth=2.2, label=f"AUC {_figure(area)}")
        if threshold is not None:
            cells = confusion.at(scores, outcomes, threshold)
            x, y = cells.fp / (cells.fp + cells.tn), cells.tp / (cells.tp + cells.fn)
            _operating_point(axes, x, y, threshold)
        axes.legend(loc="lower right", fontsize=12)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    _save(figure, path)


@_styled
def precision_recall(
    path: pathlib.Path, scores: ArrayLike, outcomes: ArrayLike, threshold: float | None = None, synthetic: bool = False
) -> None:
    """Draws PPV over sensitivity with the average precision, the prevalence, and the operating point.

    Args:
      path: of the PNG.
      scores: float [patient].
      outcomes: int [patient], 1 positive, 0 negative.
      threshold: positive from here up; None leaves the operating point out.
      synthetic: whether the title says so.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    _, positive = scored.checked(scores, outcomes)
    figure, axes = _square("Precision and recall", synthetic)
    curve = curves.precision_recall(scores, outcomes)
    if curve is None:
        _message(axes, f"no precision-recall curve: none of {positive.size} outcomes is positive.")
    else:
        share = float(positive.mean())
        axes.axhline(share, color="0.6", linestyle="--", linewidth=1.2, label=f"prevalence {share:.2f}")
        name = f"average precision {_figure(curves.average_precision(scores, outcomes))}"
        # From recall 1 to 0; each precision holds back to the next lower recall. The conventional precision 1 at
        # recall 0 belongs to no patient and is not drawn.
        precision = np.append(curve.y[:-1], curve.y[-2])
        axes.step(curve.x, precision, where="post", color=_NEGATIVE, linewidth=2.2, label=name)
        cells = None if threshold is None else confusion.at(scores, outcomes, threshold)
        if threshold is not None and cells is not None and cells.tp + cells.fp:
            _operating_point(axes, cells.tp / (cells.tp + cells.fn), cells.tp / (cells.tp + cells.fp), threshold)
        axes.legend(loc="best", fontsize=12)
    axes.set(xlabel="sensitivity (recall)", ylabel="PPV (precision)")
    _save(figure, path)


@_styled
def confusion_matrix(path: pathlib.Path, cells: confusion.Confusion, synthetic: bool = False) -> None:
    """Draws the four counts, each with its share of the patients of that outcome.

    Args:
      path: of the PNG.
      cells: the decisions.
      synthetic: whether the title says so.
    """
    counts = np.array([[cells.tp, cells.fn], [cells.fp, cells.tn]])
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(2, 2):
        text = f"{counts[row, column]}" + (f"\n{shares[row, column]:.1%}" if totals[row, 0] else "")
        colour = "white" if shares[row, column] >= 0.7 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=18, color=colour)
    axes.set_xticks([0, 1], ["positive", "negative"])
    axes.set_yticks([0, 1], ["positive", "negative"], rotation=90, va="center")
    axes.tick_params(length=0)
    axes.set(xlabel="called by the model", ylabel="outcome")
    axes.set_title(_title("Confusion matrix", synthetic), pad=10)
    _save(figure, path)


@_styled
def risks(
    path: pathlib.Path, scores: ArrayLike, outcomes: ArrayLike, threshold: float | None = None, synthetic: bool = False
) -> None:
    """Draws how the risks of positive and of negative patients spread, each patient a tick, with the threshold.

    Args:
      path: of the PNG.
      scores: float [patient].
      outcomes: int [patient], 1 positive, 0 negative.
      threshold: positive from here up; None leaves the line out.
      synthetic: whether the title says so.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    bottom, top = _range(numbers if threshold is None else np.append(numbers, threshold))
    bins = np.linspace(bottom, top, 26).tolist()
    figure = Figure(figsize=(6.6, 4.8), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    groups = (("positive", positive, _POSITIVE), ("negative", ~positive, _NEGATIVE))
    for axes, (name, rows, colour) in zip(panels, groups, strict=True):
        counts, _, _ = axes.hist(numbers[rows], bins=bins, color=colour, alpha=0.6)
        axes.set_ylim(0, 1.08 * max(1.0, float(np.max(counts))))
        _ticks(axes, numbers[rows], colour)
        axes.set_ylabel("patients")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.tick_params(axis="x", pad=12)
        label = f"outcome {name}, n = {rows.sum()}"
        if threshold is not None:
            axes.axvline(threshold, color=_THRESHOLD, linestyle="--", linewidth=1.4)
        axes.set_title(label, loc="left", fontsize=12, color=colour)
    if threshold is not None:
        panels[0].set_title(f"threshold {threshold:.3g}", loc="right", fontsize=12)
    panels[1].set_xlim(bottom, top)
    panels[1].set_xlabel("risk" if (bottom, top) == (0, 1) else "score")
    figure.suptitle(_title("Risks by outcome", synthetic), fontsize=14)
    _save(figure, path)


def _square(title: str, synthetic: bool) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 5.8), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.grid(color="0.92")
    axes.set_title(_title(title, synthetic), pad=10)
    return figure, axes


def _operating_point(axes: Axes, x: float, y: float, threshold: float) -> None:
    axes.plot(x, y, "o", color=_POSITIVE, markersize=10, zorder=3, label=f"threshold {threshold:.3g}")


def _ticks(axes: Axes, numbers: scored.Scores, colour: str) -> None:
    """Draws a tick a patient below the axis."""
    if numbers.size:  # an empty line would collapse the layout
        below = np.full(numbers.size, -0.06)
        line = axes.plot(numbers, below, "|", color=colour, markersize=8, clip_on=False)
        line[0].set_transform(axes.get_xaxis_transform())


def _message(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, textwrap.fill(text, 36), ha="center", va="center")


def _title(title: str, synthetic: bool) -> str:
    return f"{title}, synthetic patients" if synthetic else title


def _figure(found: Estimate) -> str:
    if not found.is_defined:
        return "undefined"
    ends = f" [{found.interval[0]:.2f}, {found.interval[1]:.2f}]" if found.has_interval else ""
    return f"{found.value:.2f}{ends}"


def _range(numbers: scored.Scores) -> tuple[float, float]:
    low, high = float(numbers.min()), float(numbers.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    margin = 0.03 * (high - low) or 0.5
    return low - margin, high + margin


def _save(figure: Figure, path: pathlib.Path) -> None:
    FigureCanvasAgg(figure)
    with atomic.atomic_file(path) as aside:
        figure.savefig(aside)
