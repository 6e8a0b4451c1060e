"""The out-of-fold predictions of a repeat as one cohort, in which each patient stands once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from experiments.cross_tables import Judged, Rows, verdict_names
from raspine import landmarks
from raspine.evaluation import classification, estimate, resampling
from raspine.evaluation.keypoints import FAILURE_MM, SDR_MM

AUC_NOTE = (
    "the pooled AUC compares scores of the networks of different folds, which need not lie on one scale; the mean over "
    "folds compares within a network."
)
FIXED_NOTE = (
    "intervals of pooled figures take networks and thresholds as they are: they say how patients vary, not how another "
    "training would come out, which the interval of the mean over folds does."
)
_OWN = "each fold's own, chosen on its inner validation patients"
_CODES = {"positive": 1, "negative": 0, "none": classification.NONE}
Row = Mapping[str, str]


def studies(judged: Sequence[Judged]) -> dict[str, Any]:
    """Returns classification's summary of all studies of a repeat, decided at each fold's own threshold.

    Args:
      judged: the folds of one repeat.
    """
    rows = [row for one in judged for row in one.rows if row["outcome"]]
    patients = [row["patient"] for row in rows]
    risks = [float(row["risk"]) for row in rows]
    outcomes = [int(row["outcome"]) for row in rows]
    middle = float(np.mean([one.figure("threshold") for one in judged]))
    found = classification.summary(risks, outcomes, middle, _OWN, patients=patients)
    # The folds' thresholds differ, so what follows from decisions is taken from the decisions alone.
    decided = classification.verdicts([_CODES[row["verdict"]] for row in rows], outcomes, patients)
    notes = [note for note in found["notes"] if not set(note.partition(":")[0].split(", ")) <= set(decided)]
    notes += [*decided["notes"], AUC_NOTE, FIXED_NOTE]
    return {**found, **decided, "threshold": None, "notes": list(dict.fromkeys(notes))}


def films(judged: Sequence[Judged], schema: landmarks.Schema) -> dict[str, Any]:
    """Returns the figures of all films of a repeat, with intervals that draw patients.

    A landmark that was not found counts as in `raspine.evaluation.keypoints`: against the detection rates, not in the
    mean.

    Args:
      judged: the folds of one repeat.
      schema: of the landmarks.
    """
    of_film: dict[str, Rows] = {}
    for one in judged:
        for row in one.rows:
            of_film.setdefault(row["image"], []).append(row)
    patients = [rows[0]["patient"] for rows in of_film.values()]
    found = _localisation([row for rows in of_film.values() for row in _scorable(rows, schema)])
    for distance in schema.distances:
        rows = [row for one in judged for row in one.rows if row["landmark"] == distance.name and row["error_mm"]]
        errors, owners = np.array([float(row["error_mm"]) for row in rows]), [row["patient"] for row in rows]
        found |= _mean(f"{distance.name}_mae_mm", abs(errors), owners) | _mean(
            f"{distance.name}_bias_mm", errors, owners
        )
    names = verdict_names(schema)
    notes = [f"{key.removesuffix('_note')}: {text}" for key, text in found.items() if key.endswith("_note")]
    for name in names:
        deciding = names[:-1] if name == names[-1] else [name]
        called, true = ([_verdict(rows, deciding, key) for rows in of_film.values()] for key in ("predicted", "true"))
        decided = classification.verdicts(called, true, patients)
        notes += [f"{name}: {note}" for note in decided.pop("notes")]
        found |= {f"{name}_{key}": value for key, value in decided.items()}
    return {"n": len(of_film), "n_patients": len(set(patients)), **found, "notes": [*notes, FIXED_NOTE]}


def _localisation(points: Sequence[Row]) -> dict[str, Any]:
    """Returns the mean radial error and the shares within limits of labelled landmarks."""
    errors = np.array([float(row["error_mm"] or np.inf) for row in points])
    owners = np.array([row["patient"] for row in points])
    there = np.isfinite(errors)
    found = _mean("mre_mm", errors[there], owners[there])
    for limit in SDR_MM:
        found |= _share(f"sdr_{limit:g}mm".replace(".", "_"), errors <= limit, owners)
    return found | _share("failed_10mm", errors > FAILURE_MM, owners)


def _scorable(rows: Rows, schema: landmarks.Schema) -> list[dict[str, str]]:
    """Returns the rows of a film's labelled landmarks; none of a film in which nothing could be measured in mm."""
    has_mm = any(row["error_mm"] or row["true_mm"] for row in rows)
    return [row for row in rows if has_mm and row["landmark"] in schema.landmarks and row["true_x"]]


def _verdict(rows: Rows, deciding: Sequence[str], key: str) -> int:
    """Returns the code of a film's `true` or `predicted` verdict by some distances together."""
    words = [row[f"{key}_verdict"] for row in rows if row["landmark"] in deciding]
    if "positive" in words:
        return _CODES["positive"]
    return _CODES["negative" if words and set(words) == {"negative"} else "none"]


def _mean(name: str, values: ArrayLike, owners: ArrayLike) -> dict[str, Any]:
    known = np.size(values)
    return _told(name, resampling.means(values, owners) if known else estimate.undefined("there is none."))


def _share(name: str, counted: ArrayLike, owners: ArrayLike) -> dict[str, Any]:
    known = np.size(counted)
    found = resampling.shares(counted, np.ones(known), owners) if known else estimate.undefined("there is none.")
    return _told(name, found)


def _told(name: str, found: estimate.Estimate) -> dict[str, Any]:
    plain = found.to_dict()
    told = {name: plain["value"], f"{name}_ci": plain["ci"], f"{name}_n": plain["n"]}
    return {**told, f"{name}_note": plain["note"]} if plain["note"] else told
