"""The bar chart of a run: items a second of whoever was measured, a panel a case."""

import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

_COLOURS = {
    "raspine": "#1b6ca8", "keras": "#7a9cc6", "torch": "#d1603d", "onnxruntime": "#6a994e", "openvino": "#8e6c8a",
}  # fmt: skip
_COLUMNS, _WIDTH, _BAR, _FRAME = 2, 7.0, 0.28, 1.1  # inches


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
    """Writes a PNG of the rows that have figures; one without panels when none has.

    Args:
      rows: as `table.row` makes them.
      path: of the picture.
    """
    panels: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["items_a_second"]:
            panels.setdefault((row["what"], row["case"]), []).append(row)
    lines = max(1, -(-len(panels) // _COLUMNS))
    tallest = max((len(bars) for bars in panels.values()), default=1)
    size = (_COLUMNS * _WIDTH, lines * (_FRAME + _BAR * tallest))
    figure, axes = pyplot.subplots(lines, _COLUMNS, figsize=size, squeeze=False, layout="constrained")
    for place in axes.flat[len(panels) :]:
        place.set_axis_off()
    for place, ((what, case), bars) in zip(axes.flat, panels.items(), strict=False):
        _panel(place, f"{what}, {case}", bars)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(place: Any, title: str, bars: Sequence[dict[str, Any]]) -> None:
    names = [row["contestant"] + (" (trial)" if row["status"] != "measured" else "") for row in bars]
    lengths = [row["items_a_second"] for row in bars]
    # The bar ends at the median; the whisker spans the quartiles.
    per_step = [row["items_a_second"] * row["seconds"]["median"] for row in bars]
    ends = [
        (items / row["seconds"]["upper"], items / row["seconds"]["lower"])
        for items, row in zip(per_step, bars, strict=True)
    ]
    whiskers = [
        [length - low for length, (low, _) in zip(lengths, ends, strict=True)],
        [high - length for length, (_, high) in zip(lengths, ends, strict=True)],
    ]
    place.barh(
        names,
        lengths,
        xerr=[[max(0.0, value) for value in side] for side in whiskers],
        color=[_COLOURS[row["family"]] for row in bars],
    )
    place.invert_yaxis()
    place.set_title(title, fontsize=10)
    place.set_xlabel("items a second", fontsize=8)
    place.tick_params(labelsize=8)
