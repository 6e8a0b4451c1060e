"""What acting on a risk is worth at each threshold, beside treating everybody and nobody.

Vickers and Elkin, Decision curve analysis: a novel method for evaluating prediction models, Medical Decision Making 26
(2006). The net benefit counts true positives less false positives, these weighted by the odds of the threshold: whoever
acts from a risk of 0.2 on takes four needless treatments for one needed.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import calibration, scored

Array = NDArray[np.float64]

THRESHOLDS = np.arange(1, 100) / 100


@dataclasses.dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefits, in true positives a patient; that of treating nobody is 0.

    Attributes:
      thresholds: float64 [threshold], risk from which on one would act.
      model: float64 [threshold], of acting on the model's risk.
      treat_all: float64 [threshold], of treating everybody.
      treat_none: float64 [threshold], zeros.
    """

    thresholds: Array
    model: Array
    treat_all: Array
    treat_none: Array

    def to_dict(self) -> dict[str, Any]:
        """Returns the four columns as plain lists."""
        return {name: column.tolist() for name, column in vars(self).items()}


def curve(risks: ArrayLike, outcomes: ArrayLike, thresholds: ArrayLike = THRESHOLDS) -> DecisionCurve:
    """Returns net benefits over thresholds; a risk equal to the threshold is acted upon.

    Args:
      risks: float [patient], 0..1.
      outcomes: int [patient], 1 positive, 0 negative.
      thresholds: float [threshold], above 0 and below 1.

    Raises:
      ScoresError: risks and outcomes do not fit, or a threshold is not between 0 and 1.
    """
    numbers, positive = calibration.checked(risks, outcomes)
    limits = np.asarray(thresholds, np.float64)
    if limits.ndim != 1 or not ((limits > 0) & (limits < 1)).all():
        raise scored.ScoresError(f"thresholds of a decision curve lie above 0 and below 1. Received: {limits}.")
    odds = limits / (1 - limits)
    right, wrong = (_from(numbers[rows], limits) / numbers.size for rows in (positive, ~positive))
    prevalence = positive.mean()
    return DecisionCurve(limits, right - odds * wrong, prevalence - odds * (1 - prevalence), np.zeros_like(limits))


def _from(risks: scored.Scores, limits: Array) -> Array:
    """Returns how many risks reach each limit."""
    return (risks.size - np.searchsorted(np.sort(risks), limits, side="left")).astype(np.float64)
