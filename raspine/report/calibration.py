"""Whether a risk of 0.3 means three in ten, and whether acting on it does more good than harm."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raspine.evaluation import calibration as evaluated
from raspine.evaluation import decision_curve
from raspine.evaluation.estimate import Estimate
from raspine.report import blocks, cells, charts, facts, gather, wording

_FLAT = ("calibration_slope", "calibration_intercept", "calibration_error")
_TITLES = {"error": "Calibration error"}
_STATISTICS = {"slope": "slope", "intercept": "intercept"}


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
    shown = {title: stated[name] for name, title in _STATISTICS.items() if name in stated}
    shown["Brier"] = wording.estimate(run.summary, "brier")
    return charts.calibration(scored.risks, scored.outcomes, **bins, statistics=shown)


def figures(run: gather.Run) -> dict[str, dict[str, Any]]:
    """Returns slope, intercept and the like as `Estimate.to_dict()`: the summary's, or else from the rows."""
    stated = run.summary.get("calibration")
    source = stated if isinstance(stated, Mapping) else _flat(run.summary) or _computed(facts.scored(run))
    found = {name: wording.estimate(source, name) for name in _names(source)}
    return {name: figure for name, figure in found.items() if figure["value"] is not None or figure["note"]}


def _flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `calibration_slope` and the like of a summary as `slope`, empty where it has none."""
    if "calibration_slope" not in summary:
        return {}
    names = {name.removeprefix("calibration_"): name for name in _FLAT}
    return {short: wording.estimate(summary, name) for short, name in names.items() if name in summary}


def _computed(scored: facts.Scored) -> dict[str, Any]:
    if not len(scored) or scored.risks.min() < 0 or scored.risks.max() > 1:
        return {}
    patients = scored.patients if all(scored.patients) else None
    rows = (scored.risks, scored.outcomes, patients)
    return {"slope": evaluated.slope(*rows), "intercept": evaluated.intercept(*rows)}


def _names(source: Mapping[str, Any]) -> list[str]:
    hidden = ("_ci", "_ci_method", "_method")
    numeric = (str(name) for name, value in source.items() if isinstance(value, int | float | Mapping | Estimate))
    return [name for name in numeric if not name.endswith(hidden)]


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
    thresholds, benefit = curve(stated)
    if not thresholds or not benefit:
        return []
    chosen = wording.as_number(run.summary.get("threshold"))
    people = len(set(scored.patients)) if all(scored.patients) else len(scored)
    return [charts.decision_curve(thresholds, benefit, chosen=chosen if np.isfinite(chosen) else None, n=people)]


def curve(stated: Any) -> tuple[Sequence[float], dict[str, Sequence[float]]]:
    """Returns thresholds and net benefits by strategy of a summary's decision curve, empty without one.

    Args:
      stated: columns by name, or a list of points; `threshold`, and net benefits as `model` and `treat_all`.
    """
    if isinstance(stated, list) and all(isinstance(point, Mapping) for point in stated) and stated:
        stated = {name: [point.get(name) for point in stated] for name in stated[0]}
    if not isinstance(stated, Mapping):
        return [], {}
    columns = {str(name): values for name, values in stated.items() if isinstance(values, list)}
    thresholds = columns.pop("thresholds", columns.pop("threshold", []))
    names = {"model": "model", "net_benefit": "model", "treat_all": "treat all", "all": "treat all"}
    return [wording.as_number(value) for value in thresholds], {
        names[name]: [wording.as_number(value) for value in values]
        for name, values in columns.items()
        if name in names and len(values) == len(thresholds)
    }
