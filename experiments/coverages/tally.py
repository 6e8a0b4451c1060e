"""What many intervals of one method did: how often they held the truth, and how wide they were."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from raspine.evaluation.estimate import Interval


def row(intervals: Sequence[Interval], truth: float) -> dict[str, Any]:
    """Returns the figures of a method.

    Args:
      intervals: one a cohort; NaN where the method gave none.
      truth: that they are meant to hold.

    Returns:
      `cohorts`; `undefined`, the share without interval; of the others: `coverage` with its Monte Carlo
      `standard_error`, mean `width`, and the shares that lie wholly `above` and wholly `below` the truth.
    """
    ends = np.asarray(intervals, np.float64).reshape(-1, 2)
    known = ends[~np.isnan(ends).any(axis=1)]
    figures: dict[str, Any] = {"cohorts": len(ends), "undefined": 1 - len(known) / len(ends) if len(ends) else 0.0}
    if not len(known):
        return {**figures, **dict.fromkeys(("coverage", "standard_error", "width", "above", "below"))}
    above, below = float((known[:, 0] > truth).mean()), float((known[:, 1] < truth).mean())
    held = 1 - above - below
    return {
        **figures,
        "coverage": held,
        "standard_error": math.sqrt(max(0.0, held * (1 - held)) / len(known)),
        "width": float((known[:, 1] - known[:, 0]).mean()),
        "above": above,
        "below": below,
    }
