"""The four cells of a decision, and the shares that follow from them; None where a denominator is empty."""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from raspine.evaluation import scored


@dataclasses.dataclass(frozen=True)
class Confusion:
    """How many patients fell where.

    Attributes:
      tp: positive patients called positive.
      fn: positive patients called negative.
      fp: negative patients called positive.
      tn: negative patients called negative.
    """

    tp: int
    fn: int
    fp: int
    tn: int

    def __post_init__(self) -> None:
        if min(self.tp, self.fn, self.fp, self.tn) < 0:
            raise ValueError(f"the cells of a confusion matrix are counts from 0. Received: {self.to_dict()}.")

    @property
    def n(self) -> int:
        """Patients altogether."""
        return self.tp + self.fn + self.fp + self.tn

    @property
    def shares(self) -> dict[str, tuple[int, int]]:
        """Each binomial share as (counted, out of)."""
        return {
            "sensitivity": (self.tp, self.tp + self.fn),
            "specificity": (self.tn, self.tn + self.fp),
            "ppv": (self.tp, self.tp + self.fp),
            "npv": (self.tn, self.tn + self.fn),
            "accuracy": (self.tp + self.tn, self.n),
        }

    @property
    def f1(self) -> float | None:
        """F1 of the positive class (binary, never averaged over classes)."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of sensitivity and specificity."""
        sensitivity, specificity = (ratio(*self.shares[name]) for name in ("sensitivity", "specificity"))
        return None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2

    @property
    def mcc(self) -> float | None:
        """Matthews' correlation of decision and outcome; None when either is always the same."""
        tp, fn, fp, tn = self.tp, self.fn, self.fp, self.tn
        return ratio(tp * tn - fp * fn, math.sqrt((tp + fn) * (tp + fp) * (tn + fn) * (tn + fp)))

    def to_dict(self) -> dict[str, int]:
        """Returns the cells by name."""
        return dataclasses.asdict(self)


def at(scores: ArrayLike, outcomes: ArrayLike, threshold: float) -> Confusion:
    """Counts the decisions at a threshold; a score equal to it is called positive.

    Args:
      scores: float [patient].
      outcomes: int [patient], 1 positive, 0 negative.
      threshold: positive from here up, in the unit of the scores.

    Raises:
      ScoresError: scores and outcomes do not fit, or the threshold is not a number.
    """
    numbers, positive = scored.checked(scores, outcomes)
    if math.isnan(threshold):
        raise scored.ScoresError("the threshold is a number. Received: nan.")
    called = numbers >= threshold
    counts = np.bincount(2 * positive + called, minlength=4)
    return Confusion(tp=int(counts[3]), fn=int(counts[2]), fp=int(counts[1]), tn=int(counts[0]))


def ratio(part: float, whole: float) -> float | None:
    """Returns part / whole, None when there is no whole."""
    return part / whole if whole else None
