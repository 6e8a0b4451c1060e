"""Whether a method's maps can be trusted: one rule, and the figures it rests on.

What such a judgement needs follows Arun et al., Radiology: Artificial Intelligence 2021 (localisation against a
baseline, sensitivity to random weights, repeatability), with insertion and deletion of Petsiuk et al., BMVC 2018.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from raspine.evaluation.estimate import Estimate, undefined

SUPPORTED, NOT_SUPPORTED, NOT_ENOUGH = "supported", "not supported", "not enough data"
MIN_PATIENTS = 10  # an interval over fewer says little about others
ALIKE = 0.5  # rank correlation
# What can be asked for, and the checks that come of it.
CHECKS = {
    "randomisation": ("randomisation",),
    "repeatability": ("repeatability",),
    "localisation": ("energy", "auprc"),
    "insertion": ("deletion", "insertion"),
}
NAMES = tuple(name for names in CHECKS.values() for name in names)
TITLES = {
    "randomisation": "rank correlation with the maps of randomised networks",
    "repeatability": "rank correlation of repeated maps",
    "energy": "energy in the mask over that of randomised networks",
    "auprc": "AUPRC against the mask over that of randomised networks",
    "deletion": "deletion area less that of a random order",
    "insertion": "insertion area less that of a random order",
}
RULE = (
    "A check passes when the whole 95 % interval of each of its comparisons, over resampled patients, lies on the right"
    f" side: rank correlation with the maps of networks with freshly drawn weights below {ALIKE}; rank correlation of"
    f" repeated maps above {ALIKE}, and above that of different studies' maps; energy and AUPRC at the mask above those"
    " of randomised networks and of chance (ratio above 1); area under deletion below, and under insertion above, that"
    f" of a random order and of the map of a randomised network. '{SUPPORTED}': all checks pass. '{NOT_SUPPORTED}': one"
    f" does not. '{NOT_ENOUGH}': none fails, but one was not made, is undefined, or rests on fewer than {MIN_PATIENTS}"
    " patients."
)
FIELDS = ("method", "check", "value", "low", "high", "reference", "against", "passed", "patients", "verdict", "note")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A figure, and the side of a bound on which it must lie.

    Attributes:
      estimate: the figure with its interval over patients.
      side: where it must lie.
      bound: of which.
      against: what it is compared with, in words.
    """

    estimate: Estimate
    side: Literal["above", "below"]
    bound: float
    against: str

    @property
    def passed(self) -> bool | None:
        """Whether the whole interval lies on the right side; None when that cannot be said."""
        if not self.estimate.has_interval or self.estimate.n < MIN_PATIENTS:
            return None
        low, high = self.estimate.interval
        return low > self.bound if self.side == "above" else high < self.bound

    def to_dict(self) -> dict[str, Any]:
        """Returns `value`, `ci`, `reference`, `against`, `passed`, `n` and `note`, ready for JSON."""
        plain = self.estimate.to_dict()
        note = plain["note"]
        if self.estimate.has_interval and self.passed is None:
            note = f"{note} fewer than {MIN_PATIENTS} patients ({self.estimate.n}): not judged.".strip()
        return {
            "value": plain["value"],
            "ci": plain["ci"],
            "reference": self.bound,
            "against": self.against,
            "passed": self.passed,
            "n": plain["n"],
            "note": note,
        }


@dataclasses.dataclass(frozen=True)
class Check:
    """A check of a method: all of its comparisons must pass.

    Attributes:
      name: of NAMES.
      comparisons: the first one stands for it.
      note: what a reader must know.
    """

    name: str
    comparisons: tuple[Comparison, ...]
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether all comparisons pass; False when one does not, else None when one cannot be judged."""
        return _together([one.passed for one in self.comparisons])

    def to_dict(self) -> dict[str, Any]:
        """Returns the first comparison's figures, `passed` of all, and the others under `also`."""
        first, *others = (one.to_dict() for one in self.comparisons)
        notes = [self.note, first["note"], *(f"{one['against']}: {one['note']}" for one in others if one["note"])]
        return {**first, "passed": self.passed, "note": " ".join(filter(None, notes)), "also": others}


def not_made(name: str, why: str) -> Check:
    """Returns a check without a figure.

    Args:
      name: of NAMES.
      why: a sentence.
    """
    side: Literal["above", "below"] = "below" if name in ("randomisation", "deletion") else "above"
    bounds = {"randomisation": ALIKE, "repeatability": ALIKE, "energy": 1.0, "auprc": 1.0}
    return Check(name, (Comparison(undefined(why), side, bounds.get(name, 0.0), ""),))


def verdict(checks: Sequence[Check]) -> str:
    """Returns SUPPORTED, NOT_SUPPORTED or NOT_ENOUGH by RULE; never the first while a name of NAMES has no check."""
    known = {check.name: check.passed for check in checks}
    whole = _together([known.get(name) for name in NAMES])
    return NOT_ENOUGH if whole is None else SUPPORTED if whole else NOT_SUPPORTED


def rests_on(checks: Sequence[Check]) -> str:
    """Returns a sentence with the checks and figures on which the verdict rests."""
    parts = []
    for state, word in ((False, "fails"), (True, "passes"), (None, "not judged")):
        those = [_in_words(check) for check in checks if check.passed is state]
        parts += [f"{word} {', '.join(those)}"] if those else []
    sentence = "; ".join(parts) or "no check was made"
    return f"{sentence[0].upper()}{sentence[1:]}."


def entry(checks: Sequence[Check]) -> dict[str, Any]:
    """Returns a method's part of explanations.json: its checks by name, `verdict` and `rests_on`."""
    return {
        **{check.name: check.to_dict() for check in checks},
        "verdict": verdict(checks),
        "rests_on": rests_on(checks),
    }


def rows(method: str, checks: Sequence[Check]) -> Iterator[dict[str, Any]]:
    """Yields rows of FIELDS, one for each comparison."""
    for check in checks:
        for one in check.comparisons:
            plain = one.to_dict()
            low, high = plain["ci"] or (None, None)
            yield {
                "method": method,
                "check": check.name,
                "value": _rounded(plain["value"]),
                "low": _rounded(low),
                "high": _rounded(high),
                "reference": plain["reference"],
                "against": plain["against"],
                "passed": {True: "yes", False: "no", None: ""}[plain["passed"]],
                "patients": plain["n"],
                "verdict": verdict(checks),
                "note": plain["note"] or check.note,
            }


def _together(passed: Sequence[bool | None]) -> bool | None:
    return False if False in passed else None if None in passed else True


def _in_words(check: Check) -> str:
    decisive = next((one for one in check.comparisons if one.passed is check.passed), check.comparisons[0])
    found = decisive.estimate
    if not found.is_defined:
        return f"{check.name} ({found.note.rstrip('.')})"
    interval = " [{:.3g}, {:.3g}]".format(*found.interval) if found.has_interval else ""
    return f"{check.name} ({found.value:.3g}{interval} against {decisive.against}, {found.n} patients)"


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"
