"""What a run learnt: the loss, and its figures on validation data, epoch by epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from raspine.report.charts import style
from raspine.report.charts.chart import Chart, Table

_HEIGHT, _BETWEEN = 130, 44  # CSS pixels
_LEFT = 54
_NAMES = {
    "val_mre_mm": "Validation: mean radial error, mm",
    "val_sdr_2mm": "Validation: share within 2 mm",
    "val_pck": "Validation: PCK",
    "val_auc": "Validation: AUC",
}
_NOT_SHOWN = ("val_loss", "val_threshold")
_MOST = 3


@style.styled
def training_curves(
    history: Sequence[Mapping[str, Any]],
    best_epoch: int | None,
    *,
    figures: Sequence[str] | None = None,
    name: str = "training",
    title: str = "Training",
) -> Chart:
    """Returns the losses and, each in a frame of its own, the figures on validation data over the epochs.

    Args:
      history: a mapping an epoch with `epoch`, `loss` and, where validated, `val_...`, as in run.json.
      best_epoch: the one whose weights were kept; marked.
      figures: keys of the history to show; None shows the first three of validation.
      name: of the chart.
      title: of the chart.
    """
    if not history:
        return style.empty(name, title, "the run has no history")
    chosen = _validated(history) if figures is None else list(figures)
    panels = [("Loss", [key for key in ("loss", "val_loss") if _series(history, key)])]
    panels += [(_name(key), [key]) for key in chosen]
    panels = [(words, keys) for words, keys in panels if any(_series(history, key) for key in keys)]
    if not panels:
        return style.empty(name, title, "the history has neither losses nor figures")
    figure = style.figure(style.ABOVE + len(panels) * _HEIGHT + (len(panels) - 1) * _BETWEEN + style.BELOW)
    for row, (words, keys) in enumerate(panels):
        top = style.ABOVE + row * (_HEIGHT + _BETWEEN)
        axes = style.panel(figure, _LEFT, top, style.WIDTH - _LEFT - 14, _HEIGHT)
        axes.set_title(words)
        _draw(axes, history, keys, best_epoch)
        if row < len(panels) - 1:
            axes.tick_params(labelbottom=False)
    axes.set_xlabel("Epoch")
    style.key(figure, _keys([key for _, keys in panels for key in keys], best_epoch))
    columns = ["loss", *(["val_loss"] if _series(history, "val_loss") else []), *chosen]
    rows = tuple((int(line["epoch"]), *(_number(line.get(key)) for key in columns)) for line in history)
    table = Table(("epoch", *columns), rows)
    caption = "The line marks the epoch whose weights were kept." if best_epoch is not None else ""
    return style.finished(figure, name, title, _spoken(history, best_epoch, chosen), caption, table)


def _validated(history: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = dict.fromkeys(key for line in history for key in line if key.startswith("val_"))
    known = [key for key in _NAMES if key in keys]
    others = [key for key in keys if key not in _NAMES and key not in _NOT_SHOWN]
    return (known + others)[:_MOST]


def _name(key: str) -> str:
    return _NAMES.get(key) or key.replace("val_", "Validation: ", 1).replace("_", " ")


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _series(history: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    pairs = ((int(line["epoch"]), _number(line.get(key))) for line in history)
    return [(epoch, value) for epoch, value in pairs if math.isfinite(value)]


def _draw(axes: Axes, history: Sequence[Mapping[str, Any]], keys: Sequence[str], best_epoch: int | None) -> None:
    epochs = [int(line["epoch"]) for line in history]
    for key in keys:
        series = _series(history, key)
        look = _look(key)
        axes.plot(
            [epoch for epoch, _ in series],
            [value for _, value in series],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker if len(series) <= 40 else None,
            markersize=4,
        )
        best = [(epoch, value) for epoch, value in series if epoch == best_epoch]
        if best:
            axes.plot(*zip(*best, strict=True), markeredgecolor=style.INK, **_BEST)
    if best_epoch is not None:
        axes.axvline(best_epoch, **style.CUT)
    room = max(0.5, 0.02 * (max(epochs) - min(epochs)))
    axes.set_xlim(min(epochs) - room, max(epochs) + room)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


_BEST: dict[str, Any] = {
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgewidth": 1.5,
    "linestyle": "none",
}


def _look(key: str) -> style.Look:
    return style.LOOKS[1 if key.startswith("val_") else 0]


def _keys(keys: Sequence[str], best_epoch: int | None) -> list[Line2D]:
    named = {"training": "loss", "validation": next((key for key in keys if key.startswith("val_")), "")}
    lines = [
        Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker, markersize=4, label=words)
        for words, key in named.items()
        if key in keys
        for look in [_look(key)]
    ]
    if best_epoch is not None:
        lines.append(Line2D([], [], label=f"best epoch: {best_epoch}", **style.CUT))
    return lines


def _spoken(history: Sequence[Mapping[str, Any]], best_epoch: int | None, chosen: Sequence[str]) -> str:
    words = f"Training over {len(history)} epochs"
    best = [line for line in history if line["epoch"] == best_epoch]
    if not best:
        return words + "."
    figures = [f"{_name(key)} {_number(best[0].get(key)):.3g}" for key in chosen if best[0].get(key) is not None]
    return f"{words}; the best is epoch {best_epoch}{': ' if figures else ''}{'; '.join(figures)}."
