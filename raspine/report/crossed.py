"""Cross-validation: each fold, the mean over folds, and how the figures grow with the patients in training."""

from collections.abc import Mapping
from typing import Any

from raspine.report import blocks, cells, charts, gather, wording

_STUDIES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity", "brier": "Brier score"}
_FILMS = {
    "mre_mm": "Mean error, mm", "sdr_2mm": "Share ≤ 2 mm", "adi_mae_mm": "ADI error, mm", "sac_mae_mm": "SAC error, mm",
    "verdict_sensitivity": "Sensitivity", "verdict_specificity": "Specificity",
}  # fmt: skip


def section(run: gather.Run) -> blocks.Section:
    """Returns the cross-validation, or which command makes one."""
    title = "Cross-validation and learning curve"
    summary = run.cross_validation
    if not summary:
        text = (
            "No cross-validation was named: `python -m experiments.cross_validate` trains on every fold; name its "
            "folder with --cross_validation. On small cohorts a single split says little."
        )
        return blocks.Section("cross-validation", title, [blocks.Text(text, "missing")], "Cross-validation")
    names = {name: text for name, text in (_STUDIES | _FILMS).items() if summary.get(name) is not None}
    lead = (
        f"{summary.get('repeats')} × {summary.get('folds')} folds of {summary.get('n_patients')} patients; every "
        "patient tests once a repeat, and epoch and threshold are chosen inside each fold."
    )
    parts: list[Any] = [blocks.Text(lead)]
    drawn = _drawn(summary, names)
    if drawn:
        parts.append(blocks.Charts(drawn))
    parts += [_table(summary, names), *_notes(summary)]
    return blocks.Section("cross-validation", title, parts, "Cross-validation")


def _drawn(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[charts.Chart]:
    main = next(iter(names), None)
    if main is None:
        return []
    text = names[main]
    found = []
    repeats: dict[str, list[float]] = {}
    for fold in _entries(summary.get("by_fold")):
        repeats.setdefault(f"repeat {fold.get('repeat')}", []).append(wording.as_number(fold.get(main)))
    if repeats:
        pooled = {f"repeat {one.get('repeat')}": wording.estimate(one, main) for one in _entries(summary.get("pooled"))}
        found.append(charts.fold_dots(repeats, pooled, value_name=text))
    points = _entries(summary.get("learning_curve"))
    if len(points) > 1:
        sizes = [wording.as_number(point.get("n_train_patients")) for point in points]
        scores = [[wording.as_number(fold.get(main)) for fold in _entries(point.get("by_fold"))] for point in points]
        width = min(map(len, scores))
        found.append(charts.learning_curve(sizes, [row[:width] for row in scores], value_name=text))
    return found


def _table(summary: Mapping[str, Any], names: Mapping[str, str]) -> blocks.Table:
    pooled = _entries(summary.get("pooled"))
    header = ["Figure", "Mean over folds", "SD", *(f"Pooled, repeat {one.get('repeat')}" for one in pooled)]
    rows: list[blocks.Row] = []
    for name, text in names.items():
        mean = wording.estimate(summary, name)
        each = [wording.estimate(one, name) for one in pooled]
        rows.append(
            [
                text,
                cells.figure(mean),
                wording.number(summary.get(f"{name}_sd")),
                *map(cells.figure, each),
            ]
        )
    return blocks.Table("Figures over folds and pooled, below them 95 % intervals", header, rows, range(1, len(header)))


def _notes(summary: Mapping[str, Any]) -> list[blocks.Text]:
    notes = summary.get("notes")
    return [blocks.Text(str(note), "note") for note in notes] if isinstance(notes, list) else []


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
