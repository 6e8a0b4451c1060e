"""The flags of experiments.evaluate for a risk model, and the scoring of studies that they ask for.

Leaves summary.json, studies.csv, roc.png, precision_recall.png, confusion.png, risks.png, and tensorboard/.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from experiments import (
    evaluation_board,
    interval_flags,
    models,
    record_groups,
    reference_table,
    requests,
    risk_threshold,
    study_data,
)
from raspine import atomic, program, provenance, risk
from raspine.evaluation import (
    auc,
    classification,
    decision_curve,
    keypoints,
    operating_point,
    risk_figures,
    risk_groups,
    studies,
)
from raspine.training import deformity, loop

_RULE = flags.DEFINE_enum(
    "threshold_rule", "youden", ["youden", "sensitivity"], "How a threshold is chosen on the validation studies."
)
_SENSITIVITY = flags.DEFINE_float(
    "sensitivity", 0.9, "With --threshold_rule=sensitivity: the least wanted.", lower_bound=0, upper_bound=1
)
_REFERENCE = flags.DEFINE_string(
    "reference", None, "CSV file with the columns study and score: another score of the same studies to compare with."
)

_HOLDERS = (_RULE, _SENSITIVITY, _REFERENCE)
NAMES = tuple(holder.name for holder in _HOLDERS)
_OWN_RULE = ("threshold_rule", "sensitivity")


@dataclasses.dataclass(frozen=True)
class _Threshold:
    """Attributes: its value, where it comes from, the hash of the data it was chosen on, whether just now."""

    value: float
    source: str
    chosen_on: str | None
    is_new: bool = False


def check() -> None:
    """Checks the flags before any work.

    Raises:
      UsageError: they do not fit together.
    """
    risk_threshold.check()
    if flags.FLAGS["sensitivity"].present and _RULE.value != "sensitivity":
        raise program.UsageError("--sensitivity is for --threshold_rule=sensitivity.")
    if _RULE.value == "sensitivity" and not _SENSITIVITY.value:
        raise program.UsageError("--sensitivity must be above 0. Received: 0.")
    if (
        risk_threshold.THRESHOLD.value is not None or risk_threshold.THRESHOLD_FROM.value is not None
    ) and _rule_given():
        raise program.UsageError("--threshold_rule chooses a threshold: leave out --threshold and --threshold_from.")


def evaluate(request: requests.Request) -> str:
    """Scores a risk model and returns the closing line, after a line for each note.

    Raises:
      UsageError: model, data and flags do not go together.
      NothingDone: a shard is damaged.
    """
    fixed = _fixed()
    reference = reference_table.read(_REFERENCE.value) if _REFERENCE.value else None
    model = models.load_risk(request.model)
    data = study_data.open_for(model, request.data)
    subjects = record_groups.read(request.data)
    with requests.shards_read():
        found = _scored(model, data, request.split, request.batch)
        threshold = fixed or _chosen(model, data, request, found)
    known = found.known()
    summary = _summary(known, threshold, record_groups.groups(subjects, known.names))
    summary |= _compared(known, reference) if reference else {}
    summary["notes"] += _notes(model, data, request.split, known, threshold)
    summary |= {"threshold_chosen_on": threshold.chosen_on, **_facts(request.split, model, data, found, known)}
    rows = [{**row, **record_groups.columns(subjects, row["study"])} for row in studies.rows(found, threshold.value)]
    with atomic.atomic_directory(request.output_dir) as folder:
        atomic.write_json(folder / "summary.json", keypoints.as_json(summary))
        atomic.write_csv(folder / "studies.csv", rows, (*studies.ROW_FIELDS, *record_groups.COLUMNS))
        pictures = risk_figures.draw(folder, known.risks, known.outcomes, threshold.value)
        evaluation_board.studies(folder / loop.BOARD, summary, known.risks, known.outcomes, pictures)
    return "\n".join([*(f"note: {note}" for note in summary["notes"]), f"{_closing(summary)}: {request.output_dir}"])


def _summary(known: studies.Studies, threshold: _Threshold, groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    drawn = interval_flags.SEED.value, interval_flags.CONFIDENCE.value
    summary = classification.summary(
        known.risks, known.outcomes, threshold.value, threshold.source, *drawn, known.patients,
        resamples=interval_flags.RESAMPLES.value,
    )  # fmt: skip
    return summary | {
        "decision_curve": decision_curve.curve(known.risks, known.outcomes).to_dict(),
        "groups": risk_groups.by_level(known, groups, threshold.value, *drawn, interval_flags.RESAMPLES.value),
    }


def _rule_given() -> bool:
    return any(flags.FLAGS[name].present for name in _OWN_RULE)


def _scored(model: risk.RiskModel, data: deformity.Data, split: str, batch: int) -> studies.Studies:
    return studies.scored(model, study_data.batches(model, data, split, batch), data.studies.get(split), progress=True)


def _fixed() -> _Threshold | None:
    """Returns the threshold that the flags fix."""
    fixed = risk_threshold.fixed()
    return _Threshold(*fixed, risk_threshold.chosen_on()) if fixed else None


def _chosen(
    model: risk.RiskModel, data: deformity.Data, request: requests.Request, found: studies.Studies
) -> _Threshold:
    """Returns the threshold from the data's validation split, else the model's own, with where it comes from."""
    if not data.studies.get("validation"):
        if _rule_given():
            raise program.UsageError("--threshold_rule needs a validation split, which the data do not have.")
        return _Threshold(*risk_threshold.own(model), model.card.get("data_hash"))
    same = request.split == "validation"
    held_out = (found if same else _scored(model, data, "validation", request.batch)).known()
    wanted = _SENSITIVITY.value if _RULE.value == "sensitivity" else None
    point = operating_point.choose(held_out.risks, held_out.outcomes, wanted)
    return _Threshold(point.threshold, f"validation split: {point}", data.data_hash, is_new=True)


def _compared(known: studies.Studies, reference: dict[str, float]) -> dict[str, Any]:
    """Returns the AUC of the reference on the same studies, and how much the model's exceeds it."""
    if missing := [name for name in known.names if name not in reference]:
        raise program.UsageError(
            f"--reference: {len(missing)} of {len(known)} studies have no score, the first is '{missing[0]}'."
        )
    scores = np.array([reference[name] for name in known.names])
    confidence = interval_flags.CONFIDENCE.value
    other = auc.area(scores, known.outcomes, confidence, patients=known.patients).to_dict()
    gap = auc.difference(known.risks, scores, known.outcomes, confidence, known.patients)
    return {
        "reference_auc": other["value"],
        "reference_auc_ci": other["ci"],
        "auc_difference": gap.to_dict()["value"],
        "auc_difference_ci": gap.to_dict()["ci"],
        "auc_difference_p": None if math.isnan(gap.p) else gap.p,
    }


def _notes(
    model: risk.RiskModel, data: deformity.Data, split: str, known: studies.Studies, threshold: _Threshold
) -> list[str]:
    notes = study_data.notes(model, data)
    trained_on = model.card.get("data_hash")
    if split == "validation" and threshold.chosen_on == data.data_hash:
        notes.append("the threshold was chosen on the studies that it is judged on: its figures are too good.")
    if split == "validation" and trained_on == data.data_hash:
        notes.append("the model in a run's best/ was chosen on these studies: all its figures are too good.")
    if split == "train" and trained_on == data.data_hash:
        notes.append("the model was trained on these studies.")
    if threshold.is_new and trained_on != data.data_hash:
        notes.append(
            "the threshold was chosen again on the validation studies of these data, on which the model was not "
            "trained: --threshold_from=RUN freezes that of an earlier run."
        )
    return notes


def _facts(
    split: str, model: risk.RiskModel, data: deformity.Data, found: studies.Studies, known: studies.Studies
) -> dict[str, Any]:
    return {
        "n_patients": len(set(known.patients)),
        "n_without_outcome": len(found) - len(known),
        "n_flagged": sum(bool(text) for text in found.flags),
        "split": split,
        "choice": data.choice.to_dict(),
        "data_hash": data.data_hash,
        "synthetic": data.synthetic,
        "model": model.card,
        **provenance.describe(),
    }


def _closing(summary: dict[str, Any]) -> str:
    def share(name: str) -> str:
        return "-" if summary[name] is None else f"{summary[name]:.1%}"

    parts = ["no AUC (one outcome only)"]
    if summary["auc"] is not None:
        low, high = summary["auc_ci"]
        parts = [f"AUC {summary['auc']:.3f} ({low:.3f} to {high:.3f})"]
    parts += [f"sensitivity {share('sensitivity')}, specificity {share('specificity')}"]
    parts += [f"threshold {summary['threshold']:.3g} ({summary['threshold_source']})"]
    if summary.get("auc_difference") is not None:
        parts.append(f"AUC less the reference's {summary['auc_difference']:+.3f}")
    return f"{summary['n']} studies, {', '.join(parts)}"
