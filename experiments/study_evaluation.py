"""The flags of experiments.evaluate for a risk model, and the scoring of studies that they ask for.

Leaves summary.json, studies.csv, roc.png, precision_recall.png, confusion.png and risks.png.
"""

import csv
import math
import pathlib
from typing import Any

import numpy as np
from absl import flags

from experiments import models, requests, risk_threshold, study_data
from raspine import atomic, program, provenance, risk
from raspine.evaluation import auc, classification, operating_point, risk_figures, studies
from raspine.training import deformity

_RULE = flags.DEFINE_enum(
    "threshold_rule", "youden", ["youden", "sensitivity"], "How a threshold is chosen on the validation studies."
)
_SENSITIVITY = flags.DEFINE_float(
    "sensitivity", 0.9, "With --threshold_rule=sensitivity: the least wanted.", lower_bound=0, upper_bound=1
)
_REFERENCE = flags.DEFINE_string(
    "reference", None, "CSV file with the columns study and score: another score of the same studies to compare with."
)
_SEED = flags.DEFINE_integer("bootstrap_seed", 0, "Of the interval of F1.", lower_bound=0)

_HOLDERS = (_RULE, _SENSITIVITY, _REFERENCE, _SEED)
NAMES = tuple(holder.name for holder in _HOLDERS)
_OWN_RULE = ("threshold_rule", "sensitivity")


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
    """Scores a risk model and returns the closing line.

    Raises:
      UsageError: model, data and flags do not go together.
      NothingDone: a shard is damaged.
    """
    fixed = risk_threshold.fixed()
    reference = _read_reference(_REFERENCE.value) if _REFERENCE.value else None
    model = models.load_risk(request.model)
    data = study_data.open_for(model, request.data)
    with requests.shards_read():
        found = _scored(model, data, request.split, request.batch)
        threshold, source = fixed or _chosen(model, data, request, found)
    known = found.known()
    summary = classification.summary(known.risks, known.outcomes, threshold, source, _SEED.value)
    summary |= _compared(known, reference) if reference else {}
    summary["notes"] += _notes(model, data, request.split, known, source)
    summary |= _facts(request.split, model, data, found, known)
    with atomic.atomic_directory(request.output_dir) as folder:
        atomic.write_json(folder / "summary.json", summary)
        atomic.write_csv(folder / "studies.csv", studies.rows(found, threshold), studies.ROW_FIELDS)
        risk_figures.draw(folder, known.risks, known.outcomes, threshold)
    return f"{_closing(summary)}: {request.output_dir}"


def _rule_given() -> bool:
    return any(flags.FLAGS[name].present for name in _OWN_RULE)


def _scored(model: risk.RiskModel, data: deformity.Data, split: str, batch: int) -> studies.Studies:
    return studies.scored(model, study_data.batches(model, data, split, batch), data.studies.get(split), progress=True)


def _chosen(
    model: risk.RiskModel, data: deformity.Data, request: requests.Request, found: studies.Studies
) -> tuple[float, str]:
    """Returns the threshold from the data's validation split, else the model's own, with where it comes from."""
    if not data.studies.get("validation"):
        if _rule_given():
            raise program.UsageError("--threshold_rule needs a validation split, which the data do not have.")
        return risk_threshold.own(model)
    same = request.split == "validation"
    held_out = (found if same else _scored(model, data, "validation", request.batch)).known()
    wanted = _SENSITIVITY.value if _RULE.value == "sensitivity" else None
    point = operating_point.choose(held_out.risks, held_out.outcomes, wanted)
    return point.threshold, f"validation split: {point}"


def _compared(known: studies.Studies, reference: dict[str, float]) -> dict[str, Any]:
    """Returns the AUC of the reference on the same studies, and how much the model's exceeds it."""
    if missing := [name for name in known.names if name not in reference]:
        raise program.UsageError(
            f"--reference: {len(missing)} of {len(known)} studies have no score, the first is '{missing[0]}'."
        )
    scores = np.array([reference[name] for name in known.names])
    other = auc.area(scores, known.outcomes)
    gap = auc.difference(known.risks, scores, known.outcomes)
    return {
        "reference_auc": other.value,
        "reference_auc_ci": other.interval and list(other.interval),
        "auc_difference": gap.value,
        "auc_difference_ci": gap.interval and list(gap.interval),
        "auc_difference_p": gap.p,
    }


def _read_reference(path: str) -> dict[str, float]:
    """Returns the scores by study."""
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream, strict=True)
            if missing := [name for name in ("study", "score") if name not in (table.fieldnames or ())]:
                raise ValueError(f"it has no column '{missing[0]}'")
            return _scores(table)
    except OSError as error:
        raise program.UsageError(f"--reference: '{path}' cannot be read: {error.strerror}.") from error
    except (ValueError, csv.Error) as error:
        raise program.UsageError(f"--reference: '{path}': {error}.") from error


def _scores(table: "csv.DictReader[str]") -> dict[str, float]:
    scores: dict[str, float] = {}
    for row in table:
        name = (row["study"] or "").strip()
        if not name or name in scores:
            raise ValueError(f"row {table.line_num} has {'a study twice' if name else 'no study'}: each has one row")
        try:
            scores[name] = float(row["score"] or "")
        except ValueError:
            raise ValueError(f"row {table.line_num} has a score that is no number") from None
        if not math.isfinite(scores[name]):
            raise ValueError(f"row {table.line_num} has a score that is not finite")
    return scores


def _notes(model: risk.RiskModel, data: deformity.Data, split: str, known: studies.Studies, source: str) -> list[str]:
    notes = study_data.notes(model, data)
    if split == "validation" and source.startswith("validation split"):
        notes.append("the threshold was chosen on the studies that it is judged on: its figures are too good.")
    if split == "train" and data.data_hash == model.card.get("data_hash"):
        notes.append("the model was trained on these studies.")
    if (patients := len(set(known.patients))) < len(known):
        notes.append(f"{len(known)} studies of {patients} patients: the intervals are too narrow.")
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
