"""Yes-or-no answers beside the truth: the four cells, those without an answer, and the shares that follow."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from raspine.evaluation import confusion, intervals
from raspine.report import blocks, cells, charts, gather, reference, wording

RATES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
_TITLES = {
    "verdict": "Verdict from all distances",
    "adi": "Atlantodental interval alone",
    "sac": "Space for the cord alone",
}


@dataclasses.dataclass(frozen=True)
class Decision:
    """Answers of one kind.

    Attributes:
      name: `verdict`, `adi`, ...
      title: for people.
      cells: those with an answer.
      undecided: (positive, negative) cases without one; they count as wrong.
      rates: `Estimate.to_dict()` by name.
      clustered: whether the intervals respect that several films share a patient, or each case is a patient.
      unit: `films`, `studies` or `patients`.
    """

    name: str
    title: str
    cells: confusion.Confusion
    undecided: tuple[int, int]
    rates: Mapping[str, Mapping[str, Any]]
    clustered: bool
    unit: str

    @property
    def positives(self) -> int:
        """Cases that are truly positive."""
        return self.cells.tp + self.cells.fn + self.undecided[0]

    @property
    def negatives(self) -> int:
        """Cases that are truly negative."""
        return self.cells.tn + self.cells.fp + self.undecided[1]


def all_of(run: gather.Run) -> list[Decision]:
    """Returns the decisions of a run, the verdict of all distances first, then that of each patient."""
    if run.studies:
        cells = run.summary.get("confusion")
        found = [_decision("verdict", "Risk at the frozen threshold", _cells(cells), run.summary, "studies")]
        return [one for one in found if one is not None]
    titles = {name: _title(name) for name in _names(run.summary)}
    stated = run.summary.get("diagnosis")
    of_films = [_film_decision(run.summary, name, title, stated, "films") for name, title in titles.items()]
    patients = run.summary.get("by_patient")
    of_patients = _film_decision(patients, "verdict", "Each patient's verdict", None, "patients") if patients else None
    return [one for one in [*of_films, of_patients] if one is not None]


def first(run: gather.Run) -> Decision | None:
    """Returns the decision that matters most, None where there is none."""
    return next(iter(all_of(run)), None)


def section(run: gather.Run) -> blocks.Section:
    """Returns the confusion matrices with their shares."""
    title = "Decisions: confusion matrices"
    found = all_of(run)
    if not found:
        text = "No verdict was compared with the truth: `python -m experiments.evaluate` does, on labelled data."
        return blocks.Section("decisions", title, [blocks.Text(text, "missing")], "Decisions")
    lead = "Rows are the truth, columns the model's answer. A case without an answer counts as a wrong one."
    parts: list[Any] = [
        blocks.Text(lead),
        blocks.Charts([chart(one, reference.name(run)) for one in found]),
        _table(found),
    ]
    if any(not one.clustered for one in found):
        parts.append(
            blocks.Text(
                "Where no interval over patients is stated it is Wilson's, which takes films of one patient as "
                "independent.",
                "note",
            )
        )
    return blocks.Section("decisions", title, parts, "Decisions")


def chart(one: Decision, truth: str = reference.CONSENSUS) -> charts.Chart:
    """Returns the matrix of a decision.

    Args:
      one: the decision.
      truth: what films are compared with, for people.
    """
    shown = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}
    return charts.confusion_matrix(
        one.cells.tp,
        one.cells.fn,
        one.cells.fp,
        one.cells.tn,
        undecided=one.undecided,
        rates={title: one.rates[name] for name, title in shown.items() if name in one.rates},
        reference="outcome" if one.unit == "studies" else truth,
        name=f"confusion_{one.name}_{one.unit}",
        title=f"{one.title} ({one.unit})",
    )


def rate(one: Decision, name: str) -> Mapping[str, Any]:
    """Returns a share as `Estimate.to_dict()`, all None where it is not there."""
    return wording.estimate(one.rates, name)


def _table(found: Sequence[Decision]) -> blocks.Table:
    header = ["Decision", "Positive", "Negative", *(wording.sentence(wording.label(name)) for name in RATES)]
    rows: list[blocks.Row] = []
    for one in found:
        counts = [cells.count(one.positives), cells.count(one.negatives)]
        rows.append([f"{one.title} ({one.unit})", *counts, *(cells.share(rate(one, name)) for name in RATES)])
    caption = "Shares with 95 % intervals below, and how many cases were truly positive and negative"
    return blocks.Table(caption, header, rows, range(1, len(header)))


def _names(summary: Mapping[str, Any]) -> list[str]:
    found = [key.removesuffix("_confusion") for key in summary if key.endswith("_confusion")]
    return sorted(found, key=lambda name: name != "verdict")


def _title(name: str) -> str:
    return _TITLES.get(name, f"{wording.label(name)} alone")


def _film_decision(summary: Any, name: str, title: str, stated: Any, unit: str) -> Decision | None:
    if not isinstance(summary, Mapping):
        return None
    counts = gather.mapping(summary.get(f"{name}_confusion"))
    undecided = (_count(counts, "positive_without_verdict"), _count(counts, "negative_without_verdict"))
    figures = gather.mapping(gather.mapping(stated).get(name))
    return _decision(name, title, _cells(counts), figures, unit, undecided)


def _decision(
    name: str,
    title: str,
    cells: confusion.Confusion | None,
    stated: Mapping[str, Any],
    unit: str,
    undecided: tuple[int, int] = (0, 0),
) -> Decision | None:
    """Returns a decision with the stated shares, and Wilson's of the cells where none is stated."""
    if cells is None:
        return None
    counted = dict(cells.shares)
    counted["sensitivity"] = (cells.tp, cells.tp + cells.fn + undecided[0])
    counted["specificity"] = (cells.tn, cells.tn + cells.fp + undecided[1])
    counted["accuracy"] = (cells.tp + cells.tn, cells.n + sum(undecided))
    rates = {}
    for key, (part, whole) in counted.items():
        given = wording.estimate(stated, key)
        rates[key] = given if given["value"] is not None else intervals.share(part, whole).to_dict()
    clustered = unit != "films" or bool(stated)
    return Decision(name, title, cells, undecided, rates, clustered, unit)


def _cells(counts: Any) -> confusion.Confusion | None:
    """Returns the four cells; `tp` in a study's summary is `true_positive` in a film's."""
    if not isinstance(counts, Mapping) or not counts:
        return None
    names = {"tp": "true_positive", "fn": "false_negative", "fp": "false_positive", "tn": "true_negative"}
    return confusion.Confusion(
        **{short: max(_count(counts, short), _count(counts, long)) for short, long in names.items()}
    )


def _count(counts: Mapping[str, Any], name: str) -> int:
    found = counts.get(name)
    return found if isinstance(found, int) and found > 0 else 0
