"""The gallery: the best, median and worst films with their overlays, and studies with the maps of an explanation."""

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from raspine.report import blocks, gather, pictures, reference, wording

LIMIT = 60  # pictures, so that the page stays small
_OVERLAY = re.compile(r"(best|median|worst)_(\d+)_(.+)\.(png|jpg|jpeg)", re.IGNORECASE)
_ORDER = ("worst", "median", "best")
_WRONG_FIRST = ("fn", "fp", "tp", "tn")
_GROUPS = {
    "best": "best",
    "median": "median",
    "worst": "worst",
    "tp": "called positive, rightly",
    "fn": "missed",
    "fp": "called positive, wrongly",
    "tn": "called negative, rightly",
}


def section(run: gather.Run) -> blocks.Section:
    """Returns the pictures of a run, or which command makes them."""
    shown = [*films(run), *studies(run)][:LIMIT]
    title = "Cases: right and wrong calls" if run.kind == "studies" else "Cases: best, median and worst"
    if not shown:
        command = "experiments.explain" if run.kind == "studies" else "experiments.evaluate"
        text = f"No pictures here: `python -m {command}` makes them, and --run or --explained names its folder."
        return blocks.Section("cases", title, [blocks.Text(text, "missing")], "Cases")
    return blocks.Section("cases", title, [blocks.Text(_lead(run)), blocks.Gallery("cases", shown)], "Cases")


def films(run: gather.Run) -> list[blocks.Picture]:
    """Returns the overlays that experiments.evaluate drew, the worst first."""
    found = sorted(
        (_ORDER.index(match[1].lower()), int(match[2]), match[3], path)
        for folder in _folders(run)
        for path in sorted(folder.iterdir())
        if (match := _OVERLAY.fullmatch(path.name))
    )
    rows = _rows_by_film(run)
    made = (
        _film(run, _ORDER[group], rank, name, path, rows.get(name, [])) for group, rank, name, path in found[:LIMIT]
    )
    return [picture for picture in made if picture is not None]


def studies(run: gather.Run) -> list[blocks.Picture]:
    """Returns the pictures of explanations.json, the wrong ones first."""
    ranked = sorted(run.explanations.get("examples", ()), key=lambda entry: _rank(str(entry.get("group"))))
    made = (_study(run, entry) for entry in ranked[:LIMIT])
    return [picture for picture in made if picture is not None]


def _lead(run: gather.Run) -> str:
    if run.kind == "studies":
        return (
            "Each picture shows a study's slices under the map of what moved the risk. Warm colours mark where; they "
            "do not say why, and section “Explanations” says how far each method can be trusted."
        )
    return (
        f"Films ordered by their mean landmark error. Rings are {_points(run)}, dots the model's. The worst "
        "films come first: they say most about when not to rely on the model."
    )


def _folders(run: gather.Run) -> list[pathlib.Path]:
    """Returns the first folder that holds such overlays: a road's result has them beside those of predict."""
    base = run.places.evaluation
    if base is None:
        return []
    found = (base / name for name in gather.OVERLAYS)
    return [folder for folder in found if folder.is_dir() and any(map(_OVERLAY.fullmatch, _names(folder)))][:1]


def _names(folder: pathlib.Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _rows_by_film(run: gather.Run) -> dict[str, list[gather.Row]]:
    found: dict[str, list[gather.Row]] = {}
    for row in run.films:
        found.setdefault(row.get("image", ""), []).append(row)
    return found


def _points(run: gather.Run) -> str:
    return "the exact points" if run.exact else "the annotators' landmarks"


def _film(
    run: gather.Run, group: str, rank: int, name: str, path: pathlib.Path, rows: Sequence[gather.Row]
) -> blocks.Picture | None:
    picture = pictures.embedded(path)
    if picture is None:
        return None
    facts = _film_facts(rows, reference.name(run, "annotators"))
    return blocks.Picture(
        source=picture.source,
        width=picture.width,
        height=picture.height,
        alternative=f"Film {name} with {_points(run)} and the model's. {' '.join(facts)}".strip(),
        title=f"{name}: {_GROUPS[group]} {rank}",
        group=group,
        group_name=_GROUPS[group],
        facts=facts,
    )


def _film_facts(rows: Sequence[gather.Row], truth: str) -> list[str]:
    errors = [wording.as_number(row.get("error_mm")) for row in rows if row.get("true_x") and row.get("error_mm")]
    facts = [f"Mean landmark error {wording.number(sum(errors) / len(errors))} mm."] if errors else []
    for row in rows:
        if row.get("true_mm"):
            true, found = (wording.number(row.get(key), 1) for key in ("true_mm", "predicted_mm"))
            facts.append(f"{wording.label(row['landmark'])} {found} mm; {truth} {true} mm.")
    position = next((row["position"] for row in rows if row.get("position")), "")
    return [*facts, f"Position: {wording.label(position)}."] if position else facts


def _study(run: gather.Run, entry: Mapping[str, Any]) -> blocks.Picture | None:
    folder, name = run.places.explained, entry.get("picture")
    if folder is None or not isinstance(name, str):
        return None
    picture = pictures.embedded(folder / pathlib.PurePath(name).name)
    if picture is None:
        return None
    group, study = str(entry.get("group") or "other"), str(entry.get("study"))
    method = wording.label(entry.get("method") or "map")
    facts = _study_facts(entry)
    return blocks.Picture(
        source=picture.source,
        width=picture.width,
        height=picture.height,
        alternative=f"Study {study}, {method} over its slices. {' '.join(facts)}",
        title=f"{study}: {_GROUPS.get(group, group)}",
        group=group,
        group_name=_GROUPS.get(group, group),
        series=method,
        facts=[method, *facts],
    )


def _study_facts(entry: Mapping[str, Any]) -> list[str]:
    outcome = {"1": "deformity", "0": "no deformity"}.get(str(entry.get("outcome")), "not known")
    facts = [f"Risk {wording.number(entry.get('risk'))}; outcome: {outcome}."]
    return [*facts, "The map is empty: nothing speaks for the finding."] if entry.get("empty") else facts


def _rank(group: str) -> int:
    return _WRONG_FIRST.index(group) if group in _WRONG_FIRST else len(_WRONG_FIRST)
