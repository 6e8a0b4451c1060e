"""The flags that fix the threshold of a risk from outside: a number, or the one of another run."""

import json
import math
import pathlib
from typing import Any

from absl import flags

from raspine import program, risk

THRESHOLD = flags.DEFINE_float(
    "threshold", None, "Risk from which a verdict is positive.", lower_bound=0, upper_bound=1
)
THRESHOLD_FROM = flags.DEFINE_string(
    "threshold_from", None, "Folder of an earlier evaluation or training run whose threshold is kept."
)
NAMES = (THRESHOLD.name, THRESHOLD_FROM.name)
Fixed = tuple[float, str]


def check() -> None:
    """Checks that at most one of the flags is given.

    Raises:
      UsageError: both are.
    """
    if THRESHOLD.value is not None and THRESHOLD_FROM.value is not None:
        raise program.UsageError("--threshold and --threshold_from exclude each other: give one.")


def fixed() -> Fixed | None:
    """Returns the threshold that the flags fix, with where it comes from; None when they fix none.

    Raises:
      UsageError: the folder of --threshold_from holds no threshold.
    """
    if THRESHOLD_FROM.value is not None:
        return of_run(THRESHOLD_FROM.value)
    return None if THRESHOLD.value is None else (THRESHOLD.value, "given")


def chosen_on() -> str | None:
    """Returns the hash of the data on which the threshold that the flags fix was chosen; None where nobody knows."""
    if THRESHOLD_FROM.value is None:
        return None
    place = pathlib.Path(THRESHOLD_FROM.value)
    if (place / "summary.json").is_file():
        return _read(place / "summary.json").get("threshold_chosen_on")
    return _read(place / "run.json").get("data_hash")


def own(model: risk.RiskModel) -> Fixed:
    """Returns the threshold that a model came with, and where it is from."""
    if model.card.get("validation", {}).get("val_threshold") is None:
        return model.threshold, "the model's own: it was trained without validation studies"
    return model.threshold, "the model's own: Youden's index on the validation studies of its training"


def of_run(folder: str) -> Fixed:
    """Returns the threshold in a folder's summary.json (an evaluation) or run.json (a training run).

    Raises:
      UsageError: it holds none.
    """
    place = pathlib.Path(folder)
    try:
        if (place / "summary.json").is_file():
            stored = _read(place / "summary.json")
            return _number(stored["threshold"]), f"frozen from an evaluation: {stored['threshold_source']}"
        stored = _read(place / "run.json")
        return _number(stored["best"]["val_threshold"]), "frozen from a training run: Youden's index on its validation"
    except OSError as error:
        raise program.UsageError(
            f"--threshold_from: '{folder}' has neither summary.json nor run.json: give the folder of an evaluation or "
            "of a training run of a risk model."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise program.UsageError(
            f"--threshold_from: '{folder}' holds no threshold of a risk model ({reason}): a run without validation "
            "studies has none."
        ) from error


def _read(path: pathlib.Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no threshold")
    return number
