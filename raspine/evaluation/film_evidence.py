"""What a reviewer asks of landmarks found on films: intervals, agreement, diagnosis, and errors by group.

Films of one patient resemble each other: every interval here draws patients or takes them as clusters.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import landmarks
from raspine.evaluation import agreement, classification, equivalence, keypoints, resampling
from raspine.evaluation.estimate import Estimate, undefined

MODEL, CONSENSUS = "model", "consensus"
RATER_FIELDS = ("image", "patient", "position", "distance", "rater", "mm")
Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Options:
    """How intervals are made.

    Attributes:
      confidence: of all intervals, 0..1.
      seed: of the bootstrap.
      resamples: of the bootstrap.
      truth: whose landmarks are the truth, `consensus` or an annotator's name.
    """

    confidence: float = 0.95
    seed: int = 0
    resamples: int = resampling.RESAMPLES
    truth: str = CONSENSUS


def evidence(
    films: keypoints.Films,
    schema: landmarks.Schema,
    limits: keypoints.Limits,
    annotators: Mapping[str, Array],
    groups: Mapping[str, Sequence[str]],
    options: Options | None = None,
) -> dict[str, Any]:
    """Returns what stands beside the figures of `keypoints.summary`, ready for JSON.

    `NAME_ci` of the figures over all films; `agreement`, a row for each distance and pair of raters; `diagnosis` by
    distance and of the whole verdict; `groups`, figures by level of each group; and `notes`.

    Args:
      films: truth and found points.
      schema: the landmarks, distances and thresholds.
      limits: of the PCK.
      annotators: float64 [film, landmark, 2] by annotator, native pixels (x, y); NaN where one set no point.
      groups: by group (age, sex, ...) the level of each film.
      options: how intervals are made.
    """
    options = options or Options()
    found = diagnosis(films, schema, options)
    shares = {
        f"{rule}_{name}_ci": found[rule][f"{name}_ci"] for rule in found for name in ("sensitivity", "specificity")
    }
    figures = _figures(films, schema, limits, options)
    return {
        **{f"{name}_ci": estimate.to_dict()["ci"] for name, estimate in figures.items()},
        **shares,
        "agreement": between_raters(films, schema, annotators, options),
        "diagnosis": found,
        "groups": {
            group: _by_level(films, schema, limits, levels, options) for group, levels in groups.items()
        },
        "n_patients": len(set(films.patients)),
        "confidence": options.confidence,
        "notes": _notes(figures) + [f"{rule}: {note}" for rule in found for note in found[rule]["notes"]],
    }  # fmt: skip


def diagnosis(films: keypoints.Films, schema: landmarks.Schema, options: Options) -> dict[str, Any]:
    """Returns what the verdicts are worth, by distance alone and under `verdict` by all of them.

    Films of unknown truth are left out; one without verdict counts as wrong. Patients are drawn, see
    `classification.verdicts`.
    """
    truth, found = (
        keypoints.rules(schema, schema.measure(points, films.spacing)) for points in (films.truth, films.found)
    )
    return {
        name: classification.verdicts(
            found[name], truth[name], films.patients, options.seed, options.confidence, resamples=options.resamples
        )
        for name in truth
        if (truth[name] != keypoints.UNKNOWN).any()
    }


def between_raters(
    films: keypoints.Films, schema: landmarks.Schema, annotators: Mapping[str, Array], options: Options
) -> list[dict[str, Any]]:
    """Returns a row for each distance and pair of raters, the model and the consensus among them."""
    values = raters(films, schema, annotators, options.truth)
    rows = []
    for distance in schema.distances:
        pairs = agreement.pairs(
            {rater: measured[distance.name] for rater, measured in values.items()},
            equivalence.MARGINS_MM.get(distance.name),
            films.patients,
            options.confidence,
            MODEL,
            CONSENSUS,
            sorted(annotators),
        )
        rows += [{"distance": distance.name, **pair.to_dict()} for pair in pairs]
    return rows


def raters(
    films: keypoints.Films, schema: landmarks.Schema, annotators: Mapping[str, Array], truth: str = CONSENSUS
) -> dict[str, dict[str, Array]]:
    """Returns each rater's distances, float64 [film] mm by name: of the model, of the truth, of every other annotator.

    A single annotator is the consensus and does not stand beside it.
    """
    points = {MODEL: films.found, truth: films.truth}
    points |= {name: places for name, places in annotators.items() if len(annotators) > 1 and name not in points}
    return {name: schema.measure(places, films.spacing) for name, places in points.items()}


def rater_rows(
    films: keypoints.Films, schema: landmarks.Schema, annotators: Mapping[str, Array], truth: str = CONSENSUS
) -> list[dict[str, Any]]:
    """Returns the rows of RATER_FIELDS for raters.csv: a film's distance by one rater; none where unknown."""
    return [
        {
            "image": films.names[film],
            "patient": films.patients[film],
            "position": films.positions[film],
            "distance": distance.name,
            "rater": rater,
            "mm": f"{measured[distance.name][film]:.4f}",
        }
        for rater, measured in raters(films, schema, annotators, truth).items()
        for distance in schema.distances
        for film in np.flatnonzero(np.isfinite(measured[distance.name]))
    ]


def _figures(
    films: keypoints.Films, schema: landmarks.Schema, limits: keypoints.Limits, options: Options
) -> dict[str, Estimate]:
    """Returns errors, detection rates and errors of the distances, each with its interval."""
    count = films.truth.shape[1]
    patients = np.array(films.patients, object).astype(str)
    people = np.repeat(patients, count)
    mm, side = (np.ravel(values) for values in (films.errors_mm, films.errors_by_side))
    found = {"mre_mm": _mean(mm, people, options, lowest=0)}
    hits = {
        **{keypoints.sdr_name(limit): (mm, mm <= limit) for limit in keypoints.SDR_MM},
        "pck": (side, side < limits.pck),
        "pck_mm": (mm, mm < limits.pck_mm),
    }
    found |= {name: _share(counted, ~np.isnan(errors), people, options) for name, (errors, counted) in hits.items()}
    truth, measured = (schema.measure(points, films.spacing) for points in (films.truth, films.found))
    for distance in schema.distances:
        apart = measured[distance.name] - truth[distance.name]
        found[f"{distance.name}_bias_mm"] = _mean(apart, patients, options)
        found[f"{distance.name}_mae_mm"] = _mean(np.abs(apart), patients, options, lowest=0)
    return found


def _by_level(
    films: keypoints.Films,
    schema: landmarks.Schema,
    limits: keypoints.Limits,
    levels: Sequence[str],
    options: Options,
) -> dict[str, Any]:
    given = np.array(levels, object)
    result = {}
    for level in sorted(set(levels)):
        some = films.take(np.flatnonzero(given == level))
        figures = _figures(some, schema, limits, options)
        values = {name: estimate.to_dict() for name, estimate in figures.items()}
        result[level] = {
            "n": len(some.names),
            "n_patients": len(set(some.patients)),
            **{name: value["value"] for name, value in values.items()},
            **{f"{name}_ci": value["ci"] for name, value in values.items()},
            "notes": _notes(figures),
        }
    return result


def _notes(figures: Mapping[str, Estimate]) -> list[str]:
    """Returns a sentence for each reason, with the figures that it is about."""
    about: dict[str, list[str]] = {}
    for name, estimate in figures.items():
        if estimate.note:
            about.setdefault(estimate.note, []).append(name)
    return [f"{', '.join(names)}: {note}" for note, names in about.items()]


def _mean(values: Array, patients: NDArray[Any], options: Options, lowest: float = -math.inf) -> Estimate:
    known = np.isfinite(values)
    if not known.any():
        return undefined("no error is known in mm.")
    drawn = options.resamples, options.seed, options.confidence
    return resampling.means(values[known], patients[known], *drawn, lowest=lowest)


def _share(counted: NDArray[np.bool_], known: NDArray[np.bool_], patients: NDArray[Any], options: Options) -> Estimate:
    if not known.any():
        return undefined("no point can be scored.")
    drawn = options.resamples, options.seed, options.confidence
    return resampling.shares(counted[known], known[known], patients[known], *drawn)
