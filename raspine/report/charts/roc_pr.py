"""The ROC curve and the precision-recall curve, with their operating points."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import confusion, curves, scored
from raspine.report import wording
from raspine.report.charts import number, style
from raspine.report.charts.chart import Chart, Table
from raspine.report.charts.number import Number

_ONE_CLASS = "a curve needs positive and negative cases; {} of {} are positive"
_NOTHING = "there are no scores"
_POINTS = 60  # rows of a table


@dataclasses.dataclass(frozen=True, eq=False)
class Band:
    """A band around a ROC curve.

    Attributes:
      x: float64 [point], 1 - specificity.
      low: float64 [point], sensitivity.
      high: float64 [point], sensitivity.
      method: how it was made, for people.
    """

    x: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    method: str


def roc_band(
    scores: ArrayLike, outcomes: ArrayLike, patients: Sequence[str] | None = None, resamples: int = 500, seed: int = 0
) -> Band | None:
    """Returns the pointwise 95 % band of a ROC curve over resampled patients; None without both outcomes.

    Args:
      scores: float [study], higher for more risk.
      outcomes: int [study], 1 positive, 0 negative.
      patients: [study], whose study it is; None takes each for a patient.
      resamples: bootstrap samples; those without both outcomes are drawn in vain.
      seed: of the samples.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    numbers, positive = scored.checked(scores, outcomes)
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-numbers, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(numbers[order])), order.size - 1)
    names = np.arange(numbers.size) if patients is None else np.asarray(patients)
    weights = _resampled(names, resamples, seed)[:, order]
    x = np.linspace(0, 1, 101)
    lines = [_sensitivity(weight, positive[order], ends, x) for weight in weights]
    low, high = np.nanpercentile(np.array(lines), [2.5, 97.5], axis=0)
    unit = "studies" if patients is None else "patients"
    return Band(x, low, high, f"pointwise 95 % band over {resamples} resamples of {unit}")


def _resampled(names: NDArray[np.generic], resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each study stands in each sample of patients, [resample, study]."""
    unique, place = np.unique(names, return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(unique.size, np.full(unique.size, 1 / unique.size), resamples)
    return np.asarray(drawn[:, place])


def _sensitivity(
    weight: NDArray[np.int64], positive: NDArray[np.bool_], ends: NDArray[np.int64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    tp = np.cumsum(weight * positive)[ends]
    fp = np.cumsum(weight * ~positive)[ends]
    if not tp[-1] or not fp[-1]:
        return np.full(x.size, np.nan)
    return np.interp(x, np.append(0, fp / fp[-1]), np.append(0, tp / tp[-1]))


@style.styled
def roc(
    scores: ArrayLike,
    outcomes: ArrayLike,
    *,
    area: Number = None,
    threshold: float | None = None,
    band: Band | None = None,
    operating: Mapping[str, Number] | None = None,
    rule: str = "",
    descending: bool = False,
    counts: str = "",
    name: str = "roc",
    title: str = "ROC curve",
) -> Chart:
    """Returns sensitivity over 1 - specificity with the operating point.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.
      area: under the curve, with its interval.
      threshold: positive from here up; None leaves the operating point out.
      band: around the curve.
      operating: `sensitivity` and `specificity` at the threshold, with intervals; counted where missing.
      rule: words for the threshold; by default its number.
      descending: whether scores are measurements with the sign turned; the table turns it back.
      counts: how many are positive, for the caption; counted where empty.
      name: of the chart.
      title: of the chart.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    if not np.size(scores):
        return style.empty(name, title, _NOTHING)
    _, positive = scored.checked(scores, outcomes)
    curve = curves.roc(scores, outcomes)
    if curve is None:
        return style.empty(name, title, _ONE_CLASS.format(int(positive.sum()), positive.size))
    figure, axes = style.square("1 − specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], **style.IDENTITY)
    axes.text(0.62, 0.57, "chance", rotation=45, rotation_mode="anchor", ha="center", va="top", color=style.QUIET)
    keys = _roc_line(axes, curve, band, area)
    words = f"AUC {number.text(area)}"
    if threshold is not None:
        x, y = _operating(scores, outcomes, threshold)
        rule = rule or f"threshold {number.short(threshold)}"
        keys.append(_mark(axes, x, y, f"{rule}\n{_rates(operating or {}, y, 1 - x)}"))
        words += f"; at the {rule} {_rates(operating or {}, y, 1 - x, ' and ')}"
    style.key(figure, keys)
    counts = counts or f"{int(positive.sum())} of {positive.size} positive"
    return style.finished(
        figure,
        name,
        title,
        f"ROC curve: {words}; {counts}.",
        f"{counts[0].upper()}{counts[1:]}. The dashed diagonal is chance."
        + (f" Shaded: {band.method}." if band else ""),
        _table(("1 − specificity", "sensitivity", "threshold"), curve, -1 if descending else 1),
    )


def _roc_line(axes: Axes, curve: curves.Curve, band: Band | None, area: Number) -> list[Line2D | Patch]:
    if band is not None:
        axes.fill_between(band.x, band.low, band.high, color=style.SKY, alpha=0.35, linewidth=0)
    axes.plot(curve.x, curve.y, color=style.BLUE)
    keys: list[Line2D | Patch] = [Line2D([], [], color=style.BLUE, label=f"AUC {number.text(area)}")]
    if band is not None:
        keys.append(Patch(color=style.SKY, alpha=0.35, linewidth=0, label="95 % band of the curve"))
    return keys


def _operating(scores: ArrayLike, outcomes: ArrayLike, threshold: float) -> tuple[float, float]:
    cells = confusion.at(scores, outcomes, threshold)
    return cells.fp / (cells.fp + cells.tn), cells.tp / (cells.tp + cells.fn)


def _mark(axes: Axes, x: float, y: float, label: str) -> Line2D:
    look: dict[str, Any] = {
        "marker": "D",
        "markersize": 9,
        "color": style.VERMILLION,
        "markeredgecolor": style.GROUND,
        "linestyle": "none",
    }
    axes.plot([x], [y], zorder=5, clip_on=False, **look)
    return Line2D([], [], label=label, **look)


def _rates(given: Mapping[str, Number], sensitivity: float, specificity: float, joint: str = "\n") -> str:
    counted = {"sensitivity": sensitivity, "specificity": specificity}
    return joint.join(f"{rate} {number.text(given.get(rate, value))}" for rate, value in counted.items())


def _table(header: tuple[str, str, str], curve: curves.Curve, sign: int = 1) -> Table:
    chosen = np.unique(np.linspace(0, curve.x.size - 1, min(_POINTS, curve.x.size)).round().astype(int))
    rows = ((float(curve.x[i]), float(curve.y[i]), sign * float(curve.thresholds[i])) for i in chosen)
    return Table(header, tuple(rows))


@style.styled
def rocs(
    models: Mapping[str, tuple[ArrayLike, ArrayLike, Number]],
    *,
    name: str = "rocs",
    title: str = "ROC curves",
) -> Chart:
    """Returns the ROC curves of up to five models on the same test set.

    Args:
      models: by name: scores float [patient], outcomes int [patient], and the area with its interval.
      name: of the chart.
      title: of the chart.

    Raises:
      ScoresError: scores and outcomes of a model do not fit.
      ValueError: more models than looks.
    """
    looks = style.looks(models, "models")
    drawn = {key: curves.roc(scores, outcomes) for key, (scores, outcomes, _) in models.items() if np.size(scores)}
    if not any(drawn.values()):
        return style.empty(name, title, "no model has both positive and negative cases")
    figure, axes = style.square("1 − specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], **style.IDENTITY)
    keys, rows = [], []
    for model, curve in drawn.items():
        area, line = models[model][2], looks[model].strokes()
        if curve is not None:
            axes.plot(curve.x, curve.y, **line)
        keys.append(Line2D([], [], label=f"{model}: AUC {number.text(area)}", **line))
        rows.append((model, *number.cells(area)))
    style.key(figure, keys)
    words = ", ".join(f"{model} AUC {number.text(models[model][2])}" for model in drawn)
    table = Table(("model", "AUC", "low", "high"), tuple(rows))
    return style.finished(figure, name, title, f"ROC curves: {words}.", "The dashed diagonal is chance.", table)


@style.styled
def precision_recall(
    scores: ArrayLike,
    outcomes: ArrayLike,
    *,
    average_precision: Number = None,
    threshold: float | None = None,
    name: str = "precision_recall",
    title: str = "Precision and recall",
) -> Chart:
    """Returns PPV over sensitivity with the prevalence, which is chance, and the operating point.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.
      average_precision: with its interval; computed without one when None.
      threshold: positive from here up.
      name: of the chart.
      title: of the chart.

    Raises:
      ScoresError: scores and outcomes do not fit.
    """
    if not np.size(scores):
        return style.empty(name, title, _NOTHING)
    _, positive = scored.checked(scores, outcomes)
    curve = curves.precision_recall(scores, outcomes)
    if curve is None:
        return style.empty(name, title, f"none of {positive.size} cases is positive")
    if average_precision is None:
        average_precision = curves.average_precision(scores, outcomes)
    figure, axes = style.square("Sensitivity (recall)", "PPV (precision)")
    share = float(positive.mean())
    keys = _precision_lines(axes, curve, share, average_precision)
    words = f"average precision {number.text(average_precision)} at a prevalence of {wording.number(share)}"
    if threshold is not None and (cells := confusion.at(scores, outcomes, threshold)).tp + cells.fp:
        x, y = cells.tp / (cells.tp + cells.fn), cells.tp / (cells.tp + cells.fp)
        rule, rates = (
            f"threshold {number.short(threshold)}",
            (f"sensitivity {wording.number(x)}", f"PPV {wording.number(y)}"),
        )
        keys.append(_mark(axes, x, y, "\n".join((rule, *rates))))
        words += f"; at the {rule} {' and '.join(rates)}"
    style.key(figure, keys)
    return style.finished(
        figure,
        name,
        title,
        f"Precision-recall curve: {words}.",
        "A test without any value keeps to the dashed line, the prevalence.",
        _table(("sensitivity", "PPV", "threshold"), curve),
    )


def _precision_lines(axes: Axes, curve: curves.Curve, share: float, average: Number) -> list[Line2D]:
    axes.axhline(share, **style.IDENTITY)
    # At each recall the highest precision, which holds down to the next recall, as average precision counts it. The
    # conventional precision 1 at recall 0 belongs to no patient and is not drawn.
    recall, place = np.unique(curve.x[:-1], return_inverse=True)
    precision = np.zeros(recall.size)
    np.maximum.at(precision, place, curve.y[:-1])
    if recall[0] == 0:
        recall, precision = recall[1:], precision[1:]
    axes.step(np.append(0, recall), np.append(precision[0], precision), where="pre", color=style.BLUE)
    return [
        Line2D([], [], color=style.BLUE, label=f"average precision {number.text(average)}"),
        Line2D([], [], **style.IDENTITY, label=f"prevalence {wording.number(share)}"),
    ]
