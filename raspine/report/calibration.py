"""Whether a risk of 0.3 means three in ten, and whether acting on it does more good than harm."""

from typing import Any

import numpy as np

from raspine.evaluation import calibration as evaluated
from raspine.evaluation import decision_curve
from raspine.report import blocks, cells, charts, facts, gather, wording

_FIGURES = ("slope", "intercept", "error")
_BENEFITS = {"model": "model", "treat_all": "treat all"}
_TITLES = {"error": "Calibration error"}


def section(run: gather.Run) -> blocks.Section:
    """Returns the calibration plot, its figures, and the decision curve."""
    title = "Calibration and clinical use"
    scored = facts.scored(run)
    if not len(scored):
        text = "No risks beside outcomes: `python -m experiments.evaluate` writes them."
        return blocks.Section("calibration", title, [blocks.Text(text, "missing")], "Calibration")
    if scored.risks.min() < 0 or scored.risks.max() > 1:
        text = "The scores are not risks between 0 and 1, so they have no calibration."
        return blocks.Section("calibration", title, [blocks.Text(text, "note")], "Calibration")
    drawn = [_plot(run, scored), *_benefit(run, scored)]
    lead = (
        f"On average the model gives a risk of {wording.number(scored.risks.mean(), 3)}, and "
        f"{wording.number(scored.outcomes.mean(), 3)} of the patients had the outcome. A slope below 1 means risks "
        "that are too extreme, an intercept above 0 risks that are too low."
    )
    return blocks.Section("calibration", title, [blocks.Text(lead), blocks.Charts(drawn), _table(run)], "Calibration")


def _plot(run: gather.Run, scored: facts.Scored) -> charts.Chart:
    bins = charts.calibration_bins(scored.risks, scored.outcomes, bins=max(2, min(10, len(scored) // 10)))
    stated = figures(run)
    shown = {name: figure for name, figure in stated.items() if name != "error"}
    shown["Brier"] = wording.estimate(run.summary, "brier")
    return charts.calibration(scored.risks, scored.outcomes, **bins, statistics=shown)


def figures(run: gather.Run) -> dict[str, dict[str, Any]]:
    """Returns slope, intercept and error as `Estimate.to_dict()`: the summary's, or else from the rows."""
    names = {name: f"calibration_{name}" for name in _FIGURES}
    stated = {name: wording.estimate(run.summary, key) for name, key in names.items() if key in run.summary}
    found = stated if "slope" in stated else _computed(facts.scored(run))
    return {name: figure for name, figure in found.items() if figure["value"] is not None or figure["note"]}


def _computed(scored: facts.Scored) -> dict[str, dict[str, Any]]:
    if not len(scored) or scored.risks.min() < 0 or scored.risks.max() > 1:
        return {}
    patients = scored.patients if all(scored.patients) else None
    rows = (scored.risks, scored.outcomes, patients)
    return {"slope": evaluated.slope(*rows).to_dict(), "intercept": evaluated.intercept(*rows).to_dict()}


def _table(run: gather.Run) -> blocks.Table:
    rows: list[blocks.Row] = []
    for name, figure in figures(run).items():
        rows.append(
            [
                _TITLES.get(name, wording.sentence(wording.label(name))),
                cells.figure(figure, 3),
                wording.told(figure["note"]),
            ]
        )
    known = {row[0] for row in rows}
    for name, words in (
        ("brier", "Brier score"),
        ("mean_risk", "Mean predicted risk"),
        ("calibration_gap", "Mean predicted risk minus observed share"),
    ):
        if run.summary.get(name) is not None and wording.sentence(wording.label(name)) not in known:
            figure = wording.estimate(run.summary, name)
            rows.append([words, cells.figure(figure, 3), wording.told(figure["note"])])
    columns = 3 if any(row[2] for row in rows) else 2
    header = ["Figure", "Value, 95 % interval", "Note"][:columns]
    return blocks.Table("Figures of calibration", header, [row[:columns] for row in rows], (1,))


def _benefit(run: gather.Run, scored: facts.Scored) -> list[charts.Chart]:
    stated = run.summary.get("decision_curve") or decision_curve.curve(scored.risks, scored.outcomes).to_dict()
    columns = {
        name: list(map(wording.as_number, values))
        for name, values in gather.mapping(stated).items()
        if isinstance(values, list)
    }
    thresholds = columns.get("thresholds", [])
    fitting = {name for name, values in columns.items() if len(values) == len(thresholds)}
    benefit = {title: columns[name] for name, title in _BENEFITS.items() if name in fitting}
    if not thresholds or not benefit:
        return []
    chosen = wording.as_number(run.summary.get("threshold"))
    people = len(set(scored.patients)) if all(scored.patients) else len(scored)
    frozen = chosen if np.isfinite(chosen) else None
    return [charts.decision_curve(thresholds, benefit, chosen=frozen, n=people)]
