"""Whether the model is worse for some: errors and decisions by position, age, sex, scanner and source of the "
"spacing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raspine import patient_groups
from raspine.evaluation import auc, confusion
from raspine.report import blocks, cells, charts, decisions, film_figures, gather, wording

SMALL = 10
KINDS = ("position", "age", "sex", "scanner", "spacing_source")
_TITLES = {"position": "view", "spacing_source": "source of the spacing"}
SEXES = {"F": "women", "M": "men", "O": "other"}
_MAIN = {"films": ("mre_mm", "mean radial error, mm"), "studies": ("auc", "AUC")}
_FIGURES = {
    "n": "n",
    "n_patients": "Patients",
    "positives": "Positive",
    "mre_mm": "Mean error, mm",
    "sdr_2mm": "Share ≤ 2 mm",
    "auc": "AUC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "brier": "Brier score",
}
Level = Mapping[str, Any]


def section(run: gather.Run) -> blocks.Section:
    """Returns the figures by group, or which command gives them."""
    title = "Errors by view and patient group"
    found = levels(run)
    main, name = _MAIN["studies" if run.studies else "films"]
    rows = [
        charts.ForestRow(label, wording.estimate(figures, main), _title(kind), _n(figures))
        for kind, parts in found.items()
        for label, figures in parts.items()
    ]
    if not rows:
        text = (
            "The evaluation's tables hold no view, age, sex or scanner to divide by: `python -m "
            "experiments.evaluate` of this version writes them for data that data_prep of this version prepared."
        )
        return blocks.Section("groups", title, [blocks.Text(text, "missing")], "Groups")
    missing = [
        _title(kind)
        for kind in KINDS
        if kind not in found and not (run.studies and kind in ("position", "spacing_source"))
    ]
    overall = wording.estimate(run.summary, main)
    if run.studies:
        drawn = charts.forest(
            rows, value_name=name, reference=overall["value"], small=SMALL, name="groups", title=f"{name} by group"
        )
    else:
        drawn = charts.group_errors(rows, overall=overall, value_name=name, small=SMALL)
    parts: list[Any] = [blocks.Text(_lead()), blocks.Charts([drawn]), _table(found)]
    if missing:
        parts.append(blocks.Text(f"Not recorded, so not divided by: {wording.listed(missing)}.", "note"))
    return blocks.Section("groups", title, parts, "Groups")


def levels(run: gather.Run) -> dict[str, dict[str, Level]]:
    """Returns the figures of each level of each kind of group: the summary's, or else from the rows."""
    stated = run.summary.get("groups")
    if isinstance(stated, Mapping):
        found = {str(kind): _plain(parts) for kind, parts in stated.items() if isinstance(parts, Mapping) and parts}
    else:
        found = {kind: _of_rows(run, kind) for kind in KINDS}
    return {kind: dict(sorted(parts.items(), key=_by_age)) for kind, parts in found.items() if parts}


def smallest(run: gather.Run) -> list[str]:
    """Returns the groups with fewer than SMALL cases, for people."""
    return [
        f"{_title(kind)} {label} ({_n(figures)})"
        for kind, parts in levels(run).items()
        for label, figures in parts.items()
        if 0 < (_n(figures) or 0) < SMALL
    ]


def _lead() -> str:
    return (
        "A difference between groups is only shown where the intervals hardly overlap; a small group's interval is "
        f"wide, and groups of fewer than {SMALL} are marked."
    )


def _plain(parts: Mapping[str, Any]) -> dict[str, Level]:
    named = {SEXES.get(str(label), wording.label(label)): figures for label, figures in parts.items()}
    return {label: figures for label, figures in named.items() if isinstance(figures, Mapping)}


def _of_rows(run: gather.Run, kind: str) -> dict[str, Level]:
    rows = run.films or run.studies
    divided: dict[str, list[gather.Row]] = {}
    for row in rows:
        if level := _level(kind, row.get(kind, "")):
            divided.setdefault(level, []).append(row)
    found = {
        level: _study_figures(run, some) if run.studies else film_figures.localisation(some)
        for level, some in sorted(divided.items(), key=_by_age)
    }
    return {level: one for level, one in found.items() if one["n"]}


def _level(kind: str, text: str) -> str:
    if kind == "age":
        return patient_groups.age_band(wording.as_number(text)) if text else ""
    return SEXES.get(text, text) if kind == "sex" else wording.label(text)


def _by_age(item: tuple[str, Any]) -> tuple[int, str]:
    names = patient_groups.AGE_BANDS
    return (names.index(item[0]) if item[0] in names else len(names), item[0])


def _study_figures(run: gather.Run, rows: Sequence[gather.Row]) -> dict[str, Any]:
    known = [row for row in rows if row.get("outcome") in ("0", "1")]
    risks = np.array([wording.as_number(row.get("risk")) for row in known])
    outcomes = np.array([int(row["outcome"]) for row in known], np.int64)
    if not len(known) or not np.isfinite(risks).all():
        return {"n": 0}
    people = [row.get("patient") or row.get("study", "") for row in known]
    figures: dict[str, Any] = {"n": len(known), "n_patients": len(set(people)), "positives": int(outcomes.sum())}
    figures["auc"] = auc.area(risks, outcomes, patients=people).to_dict()
    threshold = wording.as_number(run.summary.get("threshold"))
    if math.isfinite(threshold):
        for name, (part, whole) in confusion.at(risks, outcomes, threshold).shares.items():
            if name in ("sensitivity", "specificity"):
                figures[name] = decisions.wilson(part, whole)
    return figures


def _table(found: Mapping[str, Mapping[str, Level]]) -> blocks.Table:
    every = [figures for parts in found.values() for figures in parts.values()]
    present = dict.fromkeys(key for figures in every for key in figures)
    names = [name for name in present if name in _FIGURES or name.endswith("_mae_mm")]
    rows: list[blocks.Row] = []
    for kind, parts in found.items():
        for label, figures in parts.items():
            rows.append([_title(kind), label, *(_cell(figures, name) for name in names)])
    return blocks.Table(
        "Figures by group, below them 95 % intervals",
        ["", "Group", *map(_heading, names)],
        rows,
        range(2, 2 + len(names)),
    )


def _cell(figures: Level, name: str) -> blocks.Cell:
    figure = wording.estimate(figures, name)
    return cells.count(figure["value"]) if isinstance(figures.get(name), int) else cells.figure(figure)


def _heading(name: str) -> str:
    if name.endswith("_mae_mm"):
        return f"{wording.label(name.removesuffix('_mae_mm'))} error, mm"
    return _FIGURES[name]


def _n(figures: Level) -> int | None:
    found = figures.get("n")
    return found if isinstance(found, int) else None


def _title(kind: str) -> str:
    return _TITLES.get(kind, wording.label(kind))
