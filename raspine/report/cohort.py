"""Who is in the data: the flow from files to splits, and age, sex, scanner and view by split."""

import collections
import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from raspine.report import blocks, charts, gather, groups, wording

SPLITS = {"train": "Training", "validation": "Validation", "test": "Test"}
_UNDESCRIBED = (
    "Age, sex and scanner are not recorded: data_prep of this version keeps them in records.csv; name its folder with "
    "--data."
)
_COLUMNS = ("sex", "scanner", "position")
_PART = "part"
_CASES = {"test": "test", "validation": "validation", "train": "training"}


def section(run: gather.Run) -> blocks.Section:
    """Returns flow and demographics, or which command makes them."""
    parts: list[Any] = []
    flow = chart(run)
    if flow:
        parts.append(blocks.Charts([flow]))
    else:
        text = "The flow of patients is in dataset.json, which data_prep leaves: name its folder with --data."
        parts.append(blocks.Text(text, "missing"))
    return blocks.Section("cohort", "Cohort", [*parts, *_demographics(run)], "Cohort")


def counts(run: gather.Run) -> dict[str, Mapping[str, Any]]:
    """Returns the counts of each split that dataset.json states."""
    stated = run.data.get("counts")
    found = stated if isinstance(stated, Mapping) else {}
    return {split: found[split] for split in SPLITS if isinstance(found.get(split), Mapping)}


def unit(run: gather.Run) -> str:
    """Returns `films` or `studies`."""
    return "studies" if run.kind == "studies" else "films"


def judged(run: gather.Run) -> str:
    """Returns which cases were evaluated: `test cases`, `validation cases`, `training cases`, or `evaluated cases`."""
    return f"{_CASES.get(run.split, 'evaluated')} cases"


def no_test(run: gather.Run) -> str:
    """Returns why the figures are none of a test set, empty where they are or where nothing was evaluated."""
    if not run.cases or run.split == "test":
        return ""
    if run.split == "validation":
        return (
            "These are validation cases, on which the model (and often its threshold) was chosen: its figures are too "
            "good."
        )
    if run.split == "train":
        return "These are training cases, which the model has learned: its figures are too good."
    return "Which split was evaluated is not stated: whether training never saw these cases is not known."


def reasons(run: gather.Run) -> dict[str, int]:
    """Returns how many inputs were refused, by reason."""
    stated = run.data.get("refused")
    if isinstance(stated, Mapping) and stated:
        return {str(reason): count for reason, count in stated.items() if isinstance(count, int)}
    return dict(collections.Counter(row.get("reason", "") for row in run.refused or ()))


def chart(run: gather.Run) -> charts.Chart | None:
    """Returns the flow diagram, None without counts."""
    splits = counts(run)
    if not splits:
        return None
    what, refused = unit(run), reasons(run)
    kept = sum(_count(part, what) for part in splits.values())
    patients = sum(_count(part, "patients") for part in splits.values())
    found = charts.FlowStep(
        f"{what.capitalize()} found",
        kept + sum(refused.values()),
        "",
        sorted(refused.items(), key=lambda item: -item[1]),
    )
    usable = charts.FlowStep(f"{what.capitalize()} kept", kept, wording.counted(patients, "patients"))
    parts = [charts.FlowStep(SPLITS[split], _count(part, what), _detail(part)) for split, part in splits.items()]
    return charts.cohort_flow([found, usable], parts, title=f"From {what} to splits")


def _demographics(run: gather.Run) -> list[Any]:
    rows = _described(run)
    known = [name for name in ("age", *_COLUMNS) if any(row.get(name) for row in rows)]
    if not known:
        return [blocks.Heading("Demographics"), blocks.Text(_UNDESCRIBED, "missing")]
    people = _patients(rows)
    drawn = []
    if "age" in known:
        ages = [wording.as_number(row.get("age")) for row in people]
        drawn.append(charts.age_histogram(ages, [row[_PART] for row in people], order=_order(people)))
    for name in known:
        if name != "age":
            # Sex is a person's, scanner and position a film's.
            some = people if name == "sex" else rows
            drawn.append(_bars(name, some, "patients" if name == "sex" else unit(run)))
    described = [_table(people)] if {"age", "sex"} & set(known) else [blocks.Text(_UNDESCRIBED, "missing")]
    return [blocks.Heading("Demographics"), blocks.Charts(drawn), *described]


def _bars(name: str, rows: Sequence[gather.Row], what: str) -> charts.Chart:
    values = [groups.SEXES.get(row.get(name, ""), wording.label(row.get(name, ""))) for row in rows]
    shown = groups.kind_name(name)
    parts = [row[_PART] for row in rows]
    drawn = charts.category_bars(values, parts, order=_order(rows), what=shown, name=f"by_{name}")
    return dataclasses.replace(drawn, caption=f"Each bar is the share of its split's {what}.")


def _described(run: gather.Run) -> list[gather.Row]:
    """Returns rows with a column _PART, the split for people: the records, or else the evaluated cases."""
    if run.records:
        return [{**row, _PART: SPLITS.get(row.get("split", ""), row.get("split", ""))} for row in run.records]
    key, rows = ("image", run.films) if run.films else ("study", run.studies)
    part = SPLITS.get(run.split, "Evaluated")
    first = {row.get(key, ""): {**row, _PART: part} for row in reversed(rows)}
    return list(reversed(first.values()))


def _patients(rows: Sequence[gather.Row]) -> list[gather.Row]:
    """Returns the first row of each patient; a row without patient stands for itself."""
    found: dict[str, gather.Row] = {}
    for number, row in enumerate(rows):
        found.setdefault(row.get("patient") or f"\0{number}", row)
    return list(found.values())


def _order(rows: Sequence[gather.Row]) -> list[str]:
    there = {row[_PART] for row in rows}
    return [name for name in SPLITS.values() if name in there]


def _table(people: Sequence[gather.Row]) -> blocks.Table:
    header = ["", "patients", "age, median (range)", "women", "men", "sex other or unknown"]
    rows: list[blocks.Row] = []
    for name in dict.fromkeys([*_order(people), *(row[_PART] for row in people)]):
        some = [row for row in people if row[_PART] == name]
        sexes = collections.Counter(row.get("sex", "") for row in some)
        other = len(some) - sexes["F"] - sexes["M"]
        numbers = [blocks.Cell(str(count), count) for count in (sexes["F"], sexes["M"], other)]
        rows.append([name, blocks.Cell(str(len(some)), len(some)), _ages(some), *numbers])
    caption = "Patients by split; an age of 90 stands for 90 and older"
    return blocks.Table(caption, header, rows, range(1, len(header)))


def _ages(rows: Sequence[gather.Row]) -> blocks.Cell:
    ages = sorted(age for row in rows if (age := wording.as_number(row.get("age") or None)) >= 0)
    if not ages:
        return blocks.Cell("not recorded")
    middle = statistics.median(ages)
    unknown = len(rows) - len(ages)
    missing = f", {unknown} unknown" if unknown else ""
    return blocks.Cell(f"{middle:g} ({ages[0]:g} to {ages[-1]:g}{missing})", middle)


def _count(part: Mapping[str, Any], name: str) -> int:
    found = part.get(name)
    return found if isinstance(found, int) else 0


def _detail(part: Mapping[str, Any]) -> str:
    text = wording.counted(_count(part, "patients"), "patients")
    return f"{text}, {part['positive']} with outcome" if isinstance(part.get("positive"), int) else text
