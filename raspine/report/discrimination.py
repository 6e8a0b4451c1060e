"""How well scores rank: ROC and precision-recall, of risks or of measured distances, and any threshold's decisions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine.evaluation import auc, confusion
from raspine.report import blocks, charts, decisions, facts, gather, rules, wording

Array = NDArray[np.float64]
_LEAST = 5  # patients of either kind below which resampling patients shows no band
_NO_BAND = f"No band is drawn: fewer than {_LEAST} patients have positive, or negative, films"
_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def section(run: gather.Run) -> blocks.Section:
    """Returns the curves, or which command gives what they need."""
    title = "Discrimination: ROC and precision-recall"
    parts = _of_studies(run) if run.studies else _of_films(run)
    if not parts:
        text = "No scores beside true answers: `python -m experiments.evaluate` writes them on labelled data."
        parts = [blocks.Text(text, "missing")]
    return blocks.Section("discrimination", title, parts, "Discrimination")


def explorer(run: gather.Run) -> blocks.Explorer | None:
    """Returns what the threshold explorer starts from, None without scored studies or threshold."""
    scored, threshold = facts.scored(run), wording.as_number(run.summary.get("threshold"))
    if not len(scored) or not np.isfinite(threshold):
        return None
    cells = confusion.at(scored.risks, scored.outcomes, threshold)
    return blocks.Explorer(scored.risks.tolist(), scored.outcomes.tolist(), threshold, _texts(cells))


def _of_studies(run: gather.Run) -> list[Any]:
    scored, summary = facts.scored(run), run.summary
    if not len(scored):
        return []
    threshold = wording.as_number(summary.get("threshold"))
    frozen = threshold if np.isfinite(threshold) else None
    one = decisions.first(run)
    operating = {name: one.rates[name] for name in ("sensitivity", "specificity")} if one else {}
    risks = (scored.risks, scored.outcomes)
    band = _band(*risks, scored.patients)
    counts = counted(scored.outcomes, scored.patients, "studies", "with the outcome")
    drawn = [
        charts.roc(
            *risks,
            area=wording.estimate(summary, "auc"),
            threshold=frozen,
            band=band,
            operating=operating,
            counts=counts,
        ),
        charts.precision_recall(
            *risks, average_precision=wording.estimate(summary, "average_precision"), threshold=frozen
        ),
        charts.risks_by_outcome(*risks, threshold=frozen, studies=scored.studies, patients=scored.patients),
    ]
    explored = explorer(run)
    return [blocks.Charts(drawn), *_reference(run), *([explored, _table(scored)] if explored else [])]


def _band(scores: Array, outcomes: NDArray[np.int64], patients: Sequence[str]) -> charts.Band | None:
    """Returns the band of a ROC curve, None where too few patients are positive or negative to resample."""
    if min(_patients(outcomes, patients)) < _LEAST:
        return None
    return charts.roc_band(scores, outcomes, patients if all(patients) else None)


def _patients(outcomes: NDArray[np.int64], patients: Sequence[str]) -> tuple[int, int]:
    """Returns how many patients have a positive, and how many a negative case; a case without patient is one."""
    names = np.array([name or f"\0{place}" for place, name in enumerate(patients)])
    return len(set(names[outcomes == 1])), len(set(names[outcomes == 0]))


def counted(outcomes: NDArray[np.int64], patients: Sequence[str], unit: str, word: str) -> str:
    """Returns how many cases, and how many patients, are positive.

    Args:
      outcomes: int64 [case], 1 or 0.
      patients: [case], empty where unknown.
      unit: plural of a case.
      word: for positive.
    """
    people = len({name for name in patients if name})
    if all(patients) and people == len(outcomes):
        return f"{int(outcomes.sum())} of {people} patients {word}"
    told = f"{int(outcomes.sum())} of {len(outcomes)} {unit} {word}"
    return f"{told}, from {_patients(outcomes, patients)[0]} of {people} patients" if all(patients) else told


def _reference(run: gather.Run) -> list[Any]:
    """Returns how the model stands to the best score there can be, where a reference was given."""
    best = wording.estimate(run.summary, "reference_auc")
    if best["value"] is None:
        return []
    gap = wording.estimate(run.summary, "auc_difference")
    text = f"A reference score given with the evaluation reaches an AUC of {_with(best)} on the same patients"
    more = f"; the model's differs by {_with(gap)}" if gap["value"] is not None else ""
    return [blocks.Text(f"{text}{more}.", "note")]


def _with(figure: dict[str, Any]) -> str:
    return wording.with_interval(figure["value"], figure["ci"])


def _of_films(run: gather.Run) -> list[Any]:
    """Returns curves of each measured distance against the verdict by the true one."""
    drawn = []
    for distance in facts.distances(run):
        usable = np.isfinite(distance.found) & np.isfinite(distance.verdict)
        outcomes = distance.verdict[usable].astype(int)
        if not 0 < outcomes.sum() < len(outcomes):
            continue
        rule = rules.of(run, distance.name)
        scores = rule.sign * distance.found[usable]
        patients = [name for name, there in zip(distance.patients, usable, strict=True) if there]
        area = auc.area(scores, outcomes, patients=patients if all(patients) else None)
        name = wording.label(distance.name)
        band = _band(scores, outcomes, patients)
        cut = rule.cut
        drawn.append(
            charts.roc(
                scores,
                outcomes,
                area=area,
                band=band,
                threshold=None if cut is None else rule.sign * cut,
                rule=f"rule: {name} {rule.words}",
                descending=rule.sign < 0,
                counts=counted(outcomes, patients, "films", "positive") + ("" if band else f". {_NO_BAND}"),
                name=f"roc_{distance.name}",
                title=f"ROC of the measured {name}",
            )
        )
    if not drawn:
        text = "No ROC curve: the films' true verdicts are all alike." if run.films else ""
        return [blocks.Text(text, "note")] if text else []
    lead = (
        "The measured distance taken as a score for the verdict by the true distance: how well it ranks films "
        "at any threshold; the mark is the rule of the verdict. Bands resample patients, as films of one "
        "patient are alike."
    )
    return [blocks.Text(lead), blocks.Charts(drawn)]


def _texts(cells: confusion.Confusion) -> dict[str, str]:
    """Returns the outputs of the explorer at the frozen threshold, as the script writes them."""
    shares = {name: confusion.ratio(*counts) for name, counts in cells.shares.items()}
    return {
        **{name: str(count) for name, count in cells.to_dict().items()},
        **{name: wording.share(shares[name]) for name in ("sensitivity", "specificity", "ppv", "npv")},
    }


def _table(scored: facts.Scored) -> blocks.Folded:
    header = ["Threshold", "TP", "FN", "FP", "TN", "Sensitivity", "Specificity", "PPV", "NPV"]
    rows = []
    for threshold in _THRESHOLDS:
        cells = confusion.at(scored.risks, scored.outcomes, threshold)
        texts = _texts(cells)
        rows.append([f"{threshold:.1f}", *texts.values()])
    table = blocks.Table("Decisions at other thresholds, for orientation only", header, rows, range(len(header)))
    return blocks.Folded("The same at nine thresholds, as a table", [table])
