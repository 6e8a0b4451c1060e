"""What a risk is worth in groups of patients: by age, sex, scanner."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raspine.evaluation import classification, studies

_KEPT = ("n", "positives", "auc", "sensitivity", "specificity", "brier", "mean_risk", "prevalence")


def by_level(
    known: studies.Studies,
    groups: Mapping[str, Sequence[str]],
    threshold: float,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> dict[str, dict[str, Any]]:
    """Returns AUC, sensitivity, specificity and Brier score of each level of each group, with intervals.

    Small groups say little; what is undefined is None, and `notes` says why.

    Args:
      known: studies with an outcome.
      groups: by group (age, sex, ...) the level of each study.
      threshold: positive from here up, the same for all.
      seed: of the bootstrap.
      confidence: of all intervals, 0..1.
      resamples: of the bootstrap.
    """
    drawn = threshold, seed, confidence, resamples
    found: dict[str, dict[str, Any]] = {}
    for group, levels in groups.items():
        given = np.array(levels, object)
        found[group] = {level: _of(known.take(np.flatnonzero(given == level)), *drawn) for level in sorted(set(levels))}
    return found


def _of(some: studies.Studies, threshold: float, seed: int, confidence: float, resamples: int) -> dict[str, Any]:
    summary = classification.summary(
        some.risks, some.outcomes, threshold, "given", seed, confidence, some.patients, resamples=resamples
    )
    kept = {name: summary[name] for name in summary if name.removesuffix("_ci") in _KEPT}
    return {**kept, "n_patients": len(set(some.patients)), "notes": summary["notes"]}
