"""How far found landmarks lie from the annotators'."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from raspine.report import blocks, cells, charts, facts, gather, wording

_FIGURES = (
    ("mre_mm", "Mean, mm", 2), ("mre_sd_mm", "SD, mm", 2), ("median_mm", "Median, mm", 2), ("sdr_2mm", "≤ 2 mm", None),
    ("sdr_2_5mm", "≤ 2.5 mm", None), ("sdr_3mm", "≤ 3 mm", None), ("sdr_4mm", "≤ 4 mm", None),
)  # fmt: skip
_COUNTS = (("n_points", "Points"), ("n_not_found", "Not found"), ("failures_10mm", "Failed (> 10 mm)"))


def section(run: gather.Run) -> blocks.Section:
    """Returns the errors by landmark, or which command gives them."""
    title = "Localisation: errors of the landmarks"
    errors = facts.errors_by_landmark(run)
    if not errors:
        text = "No landmark was compared with a label: `python -m experiments.evaluate` does, on labelled films."
        return blocks.Section("localisation", title, [blocks.Text(text, "missing")], "Localisation")
    named = {wording.label(name): values for name, values in errors.items()}
    every = np.concatenate(list(errors.values()))
    lines = named if len(named) <= 5 else {"all points": every}
    drawn = [charts.error_by_landmark(named), charts.cumulative_error(lines)]
    return blocks.Section("localisation", title, [blocks.Charts(drawn), _table(run)], "Localisation")


def _table(run: gather.Run) -> blocks.Table:
    parts = run.summary.get("by_landmark")
    rows = [_row("All landmarks", run.summary)]
    if isinstance(parts, Mapping):
        rows += [_row(wording.label(name), part) for name, part in parts.items() if isinstance(part, Mapping)]
    header = ["Landmark", *(title for _, title in _COUNTS), *(title for _, title, _ in _FIGURES)]
    caption = "Radial errors in millimetres of the native film; points that were not found count as failed and wrong"
    return blocks.Table(caption, header, rows, range(1, len(header)))


def _row(name: str, figures: Mapping[str, Any]) -> list[blocks.Cell | str]:
    told = [cells.count(figures.get(key)) for key, _ in _COUNTS]
    for key, _, digits in _FIGURES:
        figure = wording.estimate(figures, key)
        told.append(cells.share(figure) if digits is None else cells.figure(figure, digits))
    return [name, *told]
