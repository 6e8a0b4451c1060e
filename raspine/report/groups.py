"""Whether the model is worse for some: errors and decisions by view, age, sex, scanner, source of spacing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raspine import patient_groups
from raspine.evaluation import auc, confusion, intervals
from raspine.report import blocks, cells, charts, film_figures, gather, wording

SMALL = 10
KINDS = ("position", "age", "sex", "scanner", "spacing_source")
_TITLES = {"position": "view"}
SEXES = {"F": "women", "M": "men", "O": "other"}
_MAIN = {"films": ("mre_mm", "mean radial error, mm"), "studies": ("auc", "AUC")}
_FIGURES = {
    "n_patients": "Patients",
    "n": "n",
    "positives": "With the outcome",
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
    name_of_section = title(run)
    found = levels(run)
    main, name = _MAIN["studies" if run.studies else "films"]
    rows = [
        charts.ForestRow(
            label,
            wording.estimate(figures, main),
            kind_name(kind),
            _people(figures),
            _is_small(run, kind, label, figures),
        )
        for kind, parts in found.items()
        for label, figures in parts.items()
    ]
    if not rows:
        text = (
            "The evaluation's tables hold no view, age, sex or scanner to divide by: `python -m "
            "experiments.evaluate` of this version writes them for data that data_prep of this version prepared."
        )
        return blocks.Section("groups", name_of_section, [blocks.Text(text, "missing")], "Groups")
    missing = [
        kind_name(kind)
        for kind in KINDS
        if kind not in found and not (run.studies and kind in ("position", "spacing_source"))
    ]
    overall = wording.estimate(run.summary, main)
    few: dict[str, Any] = {"small": SMALL, "unit": "patients", "few_means": _few_means(run)}
    if run.studies:
        drawn = charts.forest(
            rows, value_name=name, reference=overall["value"], **few, name="groups", title=f"{name} by group"
        )
    else:
        drawn = charts.group_errors(rows, overall=overall, value_name=name, **few)
    parts: list[Any] = [blocks.Text(_lead(run)), blocks.Charts([drawn]), _table(run, found)]
    if missing:
        parts.append(blocks.Text(f"Not recorded, so not divided by: {wording.listed(missing)}.", "note"))
    return blocks.Section("groups", name_of_section, parts, "Groups")


def levels(run: gather.Run) -> dict[str, dict[str, Level]]:
    """Returns the figures of each level of each kind of group: the summary's, or else from the rows."""
    stated = run.summary.get("groups")
    if isinstance(stated, Mapping):
        found = {str(kind): _plain(parts) for kind, parts in stated.items() if isinstance(parts, Mapping) and parts}
    else:
        found = {kind: _of_rows(run, kind) for kind in KINDS}
    return {kind: dict(sorted(parts.items(), key=_by_age)) for kind, parts in found.items() if parts}


def title(run: gather.Run) -> str:
    """Returns the section's title; only films have a view."""
    return "Errors by patient group" if run.kind == "studies" else "Errors by view and patient group"


def kind_name(kind: str) -> str:
    """Returns what cases are divided by, for people."""
    return _TITLES.get(kind, wording.label(kind))


def _lead(run: gather.Run) -> str:
    return (
        "Each interval is of one group alone. No test compares the groups, and of many groups some differ by chance. "
        f"A small group's interval is wide; those of {_few_means(run)} are marked."
    )


def _few_means(run: gather.Run) -> str:
    if run.studies:
        return f"fewer than {SMALL} patients with, or without, the outcome"
    return f"fewer than {SMALL} patients"


def _is_small(run: gather.Run, kind: str, label: str, figures: Level) -> bool:
    """Returns whether a group has too few patients; an AUC rests on the fewer of those with and without outcome."""
    least = min(_classes(run, kind, label, figures)) if run.studies else _people(figures)
    return _people(figures) > 0 and least < SMALL


def _classes(run: gather.Run, kind: str, label: str, figures: Level) -> tuple[int, int]:
    """Returns how many patients of a group have a study with, and one without the outcome."""
    rows = [row for row in run.studies if row.get(kind) and _level(kind, row[kind]) == label]
    both = [{row.get("patient") or row.get("study") for row in rows if row.get("outcome") == one} for one in "10"]
    if any(both):
        return len(both[0]), len(both[1])
    positives = figures.get("positives")
    there = positives if isinstance(positives, int) else 0
    return there, max(0, _people(figures) - there)


def _people(figures: Level) -> int:
    """Returns the patients of a group; its cases where patients were not counted."""
    counts = (figures.get("n_patients"), figures.get("n"))
    return next((count for count in counts if isinstance(count, int)), 0)


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
                figures[name] = intervals.share(part, whole).to_dict()
    return figures


def _table(run: gather.Run, found: Mapping[str, Mapping[str, Level]]) -> blocks.Table:
    every = [figures for parts in found.values() for figures in parts.values()]
    present = dict.fromkeys(key for figures in every for key in figures)
    names = [name for name in _FIGURES if name in present] + [name for name in present if name.endswith("_mae_mm")]
    rows: list[blocks.Row] = []
    for kind, parts in found.items():
        for label, figures in parts.items():
            rows.append([kind_name(kind), label, *(_cell(figures, name) for name in names)])
    return blocks.Table(
        "Figures by group, below them 95 % intervals",
        ["By", "Group", *(_heading(name, "Studies" if run.studies else "Films") for name in names)],
        rows,
        range(2, 2 + len(names)),
    )


def _cell(figures: Level, name: str) -> blocks.Cell:
    figure = wording.estimate(figures, name)
    return cells.count(figure["value"]) if isinstance(figures.get(name), int) else cells.figure(figure)


def _heading(name: str, cases: str) -> str:
    if name.endswith("_mae_mm"):
        return f"{wording.label(name.removesuffix('_mae_mm'))} error, mm"
    return cases if name == "n" else _FIGURES[name]
