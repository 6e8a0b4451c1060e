"""The four cells of a decision, and the figures that follow from them; NaN where a figure is undefined."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.evaluation import scored, weighted_figures

Array = NDArray[np.float64]


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
        return sum(self.counts)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """tp, fn, fp, tn."""
        return self.tp, self.fn, self.fp, self.tn

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
    def f1(self) -> float:
        """F1 of the positive class (binary, never averaged over classes)."""
        return self._figure("f1")

    @property
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity."""
        return self._figure("balanced_accuracy")

    @property
    def mcc(self) -> float:
        """Matthews' correlation of decision and outcome; NaN when either is always the same."""
        return self._figure("mcc")

    @property
    def kappa(self) -> float:
        """Cohen's kappa of decision and outcome; NaN when both are always the same."""
        return self._figure("kappa")

    @property
    def lr_positive(self) -> float:
        """Likelihood ratio of a positive call; NaN without a false positive, where it has no bound."""
        return self._figure("lr_positive")

    @property
    def lr_negative(self) -> float:
        """Likelihood ratio of a negative call; NaN without a true negative, where it has no bound."""
        return self._figure("lr_negative")

    @property
    def odds_ratio(self) -> float:
        """Diagnostic odds ratio; NaN without a false positive or a false negative, where it has no bound."""
        return self._figure("odds_ratio")

    def reason(self, name: str) -> str:
        """Returns why a figure is undefined, for people; empty where nothing speaks against it.

        Args:
          name: of FORMULAS.
        """
        return next((text for text, is_so in _REASONS[name] if is_so(self)), "")

    def to_dict(self) -> dict[str, int]:
        """Returns the cells by name."""
        return dataclasses.asdict(self)

    def _figure(self, name: str) -> float:
        tp, fn, fp, tn = np.array(self.counts, np.float64)[:, None]
        return float(FORMULAS[name](tp, fn, fp, tn)[0])


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
    return of_calls(numbers >= threshold, positive)


def of_calls(called: NDArray[np.bool_], positive: NDArray[np.bool_]) -> Confusion:
    """Counts decisions.

    Args:
      called: bool [patient], whether called positive.
      positive: bool [patient], whether the outcome is positive.
    """
    tn, fp, fn, tp = (int(count) for count in np.bincount(2 * positive + called, minlength=4))
    return Confusion(tp, fn, fp, tn)


def ratio(part: float, whole: float) -> float:
    """Returns part / whole, NaN when there is no whole."""
    return part / whole if whole else math.nan


def _lr_positive(tp: Array, fn: Array, fp: Array, tn: Array) -> Array:
    return _ratio(tp * (fp + tn), fp * (tp + fn))


def _lr_negative(tp: Array, fn: Array, fp: Array, tn: Array) -> Array:
    return _ratio(fn * (fp + tn), tn * (tp + fn))


_ratio = weighted_figures.ratio

# Arrays of cells go through them as well, so that resamples need no loop.
FORMULAS: dict[str, weighted_figures.OfCells] = {
    "sensitivity": lambda tp, fn, fp, tn: _ratio(tp, tp + fn),
    "specificity": lambda tp, fn, fp, tn: _ratio(tn, tn + fp),
    "ppv": lambda tp, fn, fp, tn: _ratio(tp, tp + fp),
    "npv": lambda tp, fn, fp, tn: _ratio(tn, tn + fn),
    "accuracy": lambda tp, fn, fp, tn: _ratio(tp + tn, tp + fn + fp + tn),
    "f1": weighted_figures.f1,
    "balanced_accuracy": weighted_figures.balanced_accuracy,
    "mcc": weighted_figures.mcc,
    "kappa": weighted_figures.kappa,
    "lr_positive": _lr_positive,
    "lr_negative": _lr_negative,
    "odds_ratio": lambda tp, fn, fp, tn: _ratio(tp * tn, fp * fn),
}

_Reason = tuple[str, Callable[[Confusion], bool]]
_NO_POSITIVE: _Reason = ("undefined, no outcome is positive", lambda c: c.tp + c.fn == 0)
_NO_NEGATIVE: _Reason = ("undefined, no outcome is negative", lambda c: c.fp + c.tn == 0)
_NO_POSITIVE_CALL: _Reason = ("undefined, nothing is called positive", lambda c: c.tp + c.fp == 0)
_NO_NEGATIVE_CALL: _Reason = ("undefined, nothing is called negative", lambda c: c.fn + c.tn == 0)
_BOTH = (_NO_POSITIVE, _NO_NEGATIVE)
_REASONS: dict[str, Sequence[_Reason]] = {
    "sensitivity": (_NO_POSITIVE,),
    "specificity": (_NO_NEGATIVE,),
    "ppv": (_NO_POSITIVE_CALL,),
    "npv": (_NO_NEGATIVE_CALL,),
    "accuracy": (("undefined, there is no decision", lambda c: c.n == 0),),
    "f1": (("undefined, no outcome is positive and nothing is called positive", lambda c: c.tp + c.fn + c.fp == 0),),
    "balanced_accuracy": _BOTH,
    "mcc": (*_BOTH, _NO_POSITIVE_CALL, _NO_NEGATIVE_CALL),
    "kappa": (("undefined, all outcomes and all calls are the same", lambda c: max(c.tp, c.tn) == c.n),),
    "lr_positive": (
        *_BOTH,
        ("no bound, since it divides by the false positives and there is none", lambda c: c.fp == 0),
    ),
    "lr_negative": (
        *_BOTH,
        ("no bound, since it divides by the true negatives and there is none", lambda c: c.tn == 0),
    ),
    "odds_ratio": (*_BOTH, ("no bound, since one of the two classes has no wrong call", lambda c: c.fp * c.fn == 0)),
}
