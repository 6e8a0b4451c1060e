"""What a risk is worth on patients whose outcome is known: one summary with intervals, ready for JSON.

Each row counts as one independent patient. Several studies of a patient make the intervals too narrow.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raspine.evaluation import auc, confusion, curves, intervals, scored


def summary(
    scores: ArrayLike,
    outcomes: ArrayLike,
    threshold: float,
    threshold_source: str = "given",
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Returns discrimination, decisions at the threshold, and calibration; None where a figure is undefined.

    Intervals stand beside their figure as `NAME_ci`, [low, high]: DeLong's of the AUC, Wilson's of shares, a percentile
    bootstrap of F1. `notes` says why a figure is missing or an interval has another method.

    Args:
      scores: float [patient], risk 0..1; of scores beyond it the calibration is not computed.
      outcomes: int [patient], 1 positive, 0 negative.
      threshold: positive from here up, chosen on other patients.
      threshold_source: where the threshold comes from, for people.
      seed: of the bootstrap.
      confidence: of all intervals, 0..1.

    Raises:
      ScoresError: scores and outcomes do not fit, or the threshold is no number.
    """
    numbers, positive = scored.checked(scores, outcomes)
    area = auc.area(numbers, positive, confidence)
    cells = confusion.at(numbers, positive, threshold)
    is_risk = bool(((numbers >= 0) & (numbers <= 1)).all())
    notes = [area.note, "" if is_risk else "no calibration: scores are not risks between 0 and 1."]
    return {
        "n": cells.n,
        "positives": int(positive.sum()),
        **_share("prevalence", int(positive.sum()), cells.n, confidence),
        "auc": area.value,
        "auc_ci": _ends(area.interval),
        "auc_ci_method": area.method or None,
        "auc_se": area.standard_error,
        "average_precision": curves.average_precision(numbers, positive),
        "threshold": float(threshold),
        "threshold_source": threshold_source,
        **decisions(cells, seed, confidence),
        **(calibration(numbers, positive) if is_risk else dict.fromkeys(("brier", "mean_risk", "calibration_gap"))),
        "confidence": confidence,
        "notes": [note for note in notes if note],
    }


def decisions(cells: confusion.Confusion, seed: int = 0, confidence: float = 0.95) -> dict[str, Any]:
    """Returns what follows from the four cells: shares and F1 with intervals, balanced accuracy, MCC, and the cells.

    Args:
      cells: the decisions.
      seed: of the bootstrap of F1.
      confidence: of all intervals, 0..1.
    """
    figures: dict[str, Any] = {}
    for name, (counted, total) in cells.shares.items():
        figures |= _share(name, counted, total, confidence)
    return figures | {
        "f1": cells.f1,
        "f1_ci": _ends(intervals.f1(cells, seed, confidence=confidence)),
        "balanced_accuracy": cells.balanced_accuracy,
        "mcc": cells.mcc,
        "confusion": cells.to_dict(),
    }


def calibration(scores: ArrayLike, outcomes: ArrayLike) -> dict[str, float]:
    """Returns the Brier score, the mean risk, and its distance from the prevalence (calibration in the large).

    Args:
      scores: float [patient], risk 0..1.
      outcomes: int [patient], 1 positive, 0 negative.

    Raises:
      ScoresError: scores and outcomes do not fit, or a score is no risk.
    """
    risks, positive = scored.checked(scores, outcomes)
    if risks.min() < 0 or risks.max() > 1:
        raise scored.ScoresError(f"risks lie between 0 and 1. Received: {risks.min():g} to {risks.max():g}.")
    return {
        "brier": float(np.mean((risks - positive) ** 2)),
        "mean_risk": float(risks.mean()),
        "calibration_gap": float(risks.mean() - positive.mean()),
    }


def _share(name: str, counted: int, total: int, confidence: float) -> dict[str, Any]:
    return {
        name: confusion.ratio(counted, total),
        f"{name}_ci": _ends(intervals.wilson(counted, total, confidence)),
    }


def _ends(interval: intervals.Interval | None) -> list[float] | None:
    return None if interval is None else list(interval)
