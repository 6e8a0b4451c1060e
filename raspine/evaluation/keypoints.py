"""How far found landmarks lie from true ones, in native-pixel millimetres, and what that does to the verdict.

An error is NaN where nothing can be said: the landmark has no label, or the film no spacing. It is infinite where the
landmark has a label and was not found: such a point is left out of mean and deviation, counts as a failure, and counts
against the detection rates. A film whose verdict is missing counts against sensitivity or specificity.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine import geometry, landmarks

Array = NDArray[np.float64]
Codes = NDArray[np.int8]

SDR_MM = (2.0, 2.5, 3.0, 4.0)
FAILURE_MM = 10.0
POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1
VERDICTS = {POSITIVE: "positive", NEGATIVE: "negative", UNKNOWN: "none"}


@dataclasses.dataclass(frozen=True)
class Limits:
    """Where the percentage of correct keypoints (PCK) turns; a point counts when its error is below.

    Attributes:
      pck: share of the film's longer side.
      pck_mm: mm.
    """

    pck: float = 0.05
    pck_mm: float = 2.0

    def __post_init__(self) -> None:
        if not (0 < self.pck < 1 and self.pck_mm > 0):
            raise ValueError(
                f"PCK limits are a share between 0 and 1, and mm above 0. Received: {self.pck}, {self.pck_mm}."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Films:
    """True and found landmarks of some films.

    Attributes:
      names: pseudonym of each film.
      patients: pseudonym of each film's patient.
      positions: neutral, flexion, extension or empty.
      truth: float64 [film, landmark, 2], native pixels (x, y); NaN without label.
      found: float64 [film, landmark, 2], native pixels (x, y); NaN where not found.
      confidence: float64 [film, landmark], 0..1.
      spacing: float64 [film, 2], (row, column) mm; NaN where unknown.
      size: float64 [film, 2], (height, width) in native pixels.
    """

    names: tuple[str, ...]
    patients: tuple[str, ...]
    positions: tuple[str, ...]
    truth: Array
    found: Array
    confidence: Array
    spacing: Array
    size: Array

    def __post_init__(self) -> None:
        films, points = len(self.names), np.shape(self.truth)[1]
        expected: dict[str, tuple[int, ...]] = {
            "patients": (films,), "positions": (films,), "truth": (films, points, 2), "found": (films, points, 2),
            "confidence": (films, points), "spacing": (films, 2), "size": (films, 2),
        }  # fmt: skip
        for name, shape in expected.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"'{name}' has shape {shape}. Received: {np.shape(getattr(self, name))}.")

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> "Films":
        """Returns some of the films, by number."""
        kept = np.asarray(rows, np.intp)
        texts = ("names", "patients", "positions")
        columns: dict[str, Any] = {name: tuple(getattr(self, name)[row] for row in kept) for name in texts}
        for name in ("truth", "found", "confidence", "spacing", "size"):
            columns[name] = getattr(self, name)[kept]
        return Films(**columns)

    @property
    def errors_mm(self) -> Array:
        """Radial errors, float64 [film, landmark]; NaN and infinite as the module says."""
        return radial_errors(self.truth, self.found, self.spacing)

    @property
    def errors_by_side(self) -> Array:
        """Radial errors as a share of the film's longer side; pixels without spacing count as square."""
        known = np.isfinite(self.spacing).all(-1, keepdims=True)
        spacing = np.where(known, self.spacing, 1.0)
        longer = (self.size * spacing).max(-1, keepdims=True)
        return radial_errors(self.truth, self.found, spacing) / longer


def radial_errors(truth: ArrayLike, found: ArrayLike, spacing: ArrayLike) -> Array:
    """Returns the distance of each found landmark from the true one.

    Args:
      truth: float [film, landmark, 2], native pixels (x, y); NaN without label.
      found: float [film, landmark, 2], native pixels (x, y); NaN where not found.
      spacing: float [film, 2], (row, column) mm; NaN where unknown.

    Returns:
      float64 [film, landmark], mm; NaN without label or spacing, else infinite where not found.
    """
    spacing = np.asarray(spacing, np.float64)[:, None]
    error = geometry.distance_mm(truth, found, spacing)
    scorable = np.isfinite(np.asarray(truth, np.float64)).all(-1) & np.isfinite(spacing).all(-1)
    return np.where(scorable, np.where(np.isnan(error), np.inf, error), np.nan)


def localisation(errors_mm: ArrayLike, errors_by_side: ArrayLike, limits: Limits) -> dict[str, Any]:
    """Returns mean radial error, detection rates and failures, over points of any shape.

    `mre_sd_mm` is the sample deviation (n - 1) over points. SDR takes errors up to and including its limit, PCK
    errors below it; both are shares of all scorable points, those not found included.
    """
    every, side = (np.ravel(np.asarray(values, np.float64)) for values in (errors_mm, errors_by_side))
    every, side = every[~np.isnan(every)], side[~np.isnan(side)]
    there = every[np.isfinite(every)]
    rates = {sdr_name(limit): _share(every <= limit) for limit in SDR_MM}
    return {
        "n_points": len(every),
        "n_not_found": int(np.isinf(side).sum()),
        "mre_mm": _mean(there),
        "mre_sd_mm": _deviation(there),
        "median_mm": float(np.median(there)) if len(there) else math.nan,
        **rates,
        "failures_10mm": int((every > FAILURE_MM).sum()),
        "pck": _share(side < limits.pck),
        "pck_mm": _share(every < limits.pck_mm),
    }


def sdr_name(limit_mm: float) -> str:
    """Returns how the share of points within a limit is called, sdr_2_5mm for 2.5."""
    return f"sdr_{limit_mm:g}mm".replace(".", "_")


def verdicts(schema: landmarks.Schema, millimetres: Mapping[str, Array]) -> Codes:
    """Returns the verdict of each film: 1 positive, 0 negative, -1 none; the rule of `raspine.measurement.verdict`.

    Args:
      schema: the rules.
      millimetres: float64 [film] by distance; NaN where unknown.
    """
    ruled = [distance for distance in schema.distances if distance.threshold_mm is not None]
    size = len(next(iter(millimetres.values()), ()))
    if not ruled:
        return np.full(size, UNKNOWN, np.int8)
    positive = np.any([distance.is_positive(millimetres[distance.name]) for distance in ruled], axis=0)
    known = np.all([np.isfinite(millimetres[distance.name]) for distance in ruled], axis=0)
    return np.where(positive, POSITIVE, np.where(known, NEGATIVE, UNKNOWN)).astype(np.int8)


def rules(schema: landmarks.Schema, millimetres: Mapping[str, Array]) -> dict[str, Codes]:
    """Returns the verdict of each film by each distance alone, and under `verdict` by all of them.

    Args:
      schema: the rules.
      millimetres: float64 [film] by distance; NaN where unknown.
    """
    alone = {d.name: verdicts(dataclasses.replace(schema, distances=(d,)), millimetres) for d in schema.distances}
    return {**alone, "verdict": verdicts(schema, millimetres)} if alone else {}


def deviation(truth: Array, found: Array) -> dict[str, Any]:
    """Returns how measured distances differ from true ones; signed, positive when too long.

    Args:
      truth: float64 [film], mm; NaN where there is none.
      found: float64 [film], mm; NaN where not measured.
    """
    difference = (found - truth)[np.isfinite(truth)]
    there = difference[np.isfinite(difference)]
    return {
        "n": len(difference),
        "n_not_measured": len(difference) - len(there),
        "bias_mm": _mean(there),
        "sd_mm": _deviation(there),
        "mae_mm": _mean(np.abs(there)),
    }


def diagnosis(truth: Codes, found: Codes) -> dict[str, Any]:
    """Returns sensitivity, specificity and the counts behind them.

    Args:
      truth: int8 [film], 1 positive, 0 negative, -1 unknown; films of unknown truth are left out.
      found: int8 [film], the same; one without verdict counts as wrong.
    """
    counts = {
        f"{name}_{VERDICTS[code]}": int(((truth == true) & (found == code)).sum())
        for true, name in ((POSITIVE, "positive"), (NEGATIVE, "negative"))
        for code in (POSITIVE, NEGATIVE, UNKNOWN)
    }
    return {
        "sensitivity": _share(found[truth == POSITIVE] == POSITIVE),
        "specificity": _share(found[truth == NEGATIVE] == NEGATIVE),
        "confusion": {
            "true_positive": counts["positive_positive"],
            "false_negative": counts["positive_negative"],
            "true_negative": counts["negative_negative"],
            "false_positive": counts["negative_positive"],
            "positive_without_verdict": counts["positive_none"],
            "negative_without_verdict": counts["negative_none"],
        },
    }


def measures(films: Films, schema: landmarks.Schema, limits: Limits) -> dict[str, Any]:
    """Returns localisation, distances and verdicts of some films, flat: `mre_mm`, `adi_mae_mm`, ..."""
    truth, found = (schema.measure(points, films.spacing) for points in (films.truth, films.found))
    return {
        "n": len(films.names),
        "n_without_spacing": int((~np.isfinite(films.spacing).all(-1)).sum()),
        **localisation(films.errors_mm, films.errors_by_side, limits),
        **_of_distances(schema, truth, found),
        **_of_verdicts(rules(schema, truth), rules(schema, found)),
    }


def summary(
    films: Films, schema: landmarks.Schema, limits: Limits, annotators: Mapping[str, Array] | None = None
) -> dict[str, Any]:
    """Returns everything that `summary.json` says of some films, NaN where nothing can be said.

    Args:
      films: truth and found points.
      schema: the landmarks, distances and thresholds.
      limits: of the PCK.
      annotators: float64 [film, landmark, 2] by annotator, native pixels (x, y); NaN where one set no point.
    """
    return {
        **measures(films, schema, limits),
        "by_landmark": {
            name: localisation(films.errors_mm[:, index], films.errors_by_side[:, index], limits)
            for index, name in enumerate(schema.landmarks)
        },
        "by_position": {
            position or "not_given": measures(films.take(rows), schema, limits)
            for position, rows in _groups(films.positions)
        },
        "by_patient": by_patient(films, schema),
        "annotators": between_annotators(films, schema, limits, annotators or {}),
    }


def by_patient(films: Films, schema: landmarks.Schema) -> dict[str, Any]:
    """Returns distances and verdicts with the patient as the unit.

    A patient's distance is the most pathological one over the films with a true one: the largest ADI, the smallest
    SAC. A patient is positive when any of these films is, negative when all are, else without verdict.
    """
    groups = _groups(films.patients)
    truth, found = (schema.measure(points, films.spacing) for points in (films.truth, films.found))
    worst_truth = {d.name: _worst(d, truth[d.name], truth[d.name], groups) for d in schema.distances}
    worst_found = {d.name: _worst(d, found[d.name], truth[d.name], groups) for d in schema.distances}
    true_rules, found_rules = rules(schema, truth), rules(schema, found)
    pairs = {name: _patient_codes(true_rules[name], found_rules[name], groups) for name in true_rules}
    true_codes, found_codes = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
    rows = [
        {
            "patient": patient,
            "films": len(members),
            **{f"{name}_true_mm": values[number] for name, values in worst_truth.items()},
            **{f"{name}_predicted_mm": values[number] for name, values in worst_found.items()},
            **{f"{name}_true": VERDICTS[int(values[number])] for name, values in true_codes.items()},
            **{f"{name}_predicted": VERDICTS[int(values[number])] for name, values in found_codes.items()},
        }
        for number, (patient, members) in enumerate(groups)
    ]
    return {
        "n": len(groups),
        **_of_distances(schema, worst_truth, worst_found),
        **_of_verdicts(true_codes, found_codes),
        "patients": rows,
    }


def between_annotators(
    films: Films, schema: landmarks.Schema, limits: Limits, annotators: Mapping[str, Array]
) -> dict[str, Any]:
    """Returns the model against each annotator, each annotator against the others and against the consensus.

    Only points that both sides have are compared, except that a point the model did not find stays a failure.
    """

    def compare(truth: Array, found: Array) -> dict[str, Any]:
        both = np.where(np.isfinite(found), truth, np.nan)
        return measures(dataclasses.replace(films, truth=both, found=found), schema, limits)

    pairs = itertools.combinations(sorted(annotators), 2)
    return {
        "names": sorted(annotators),
        "model_against": {
            name: measures(dataclasses.replace(films, truth=annotators[name]), schema, limits)
            for name in sorted(annotators)
        },
        "against_truth": {name: compare(films.truth, annotators[name]) for name in sorted(annotators)},
        "between": [
            {"first": first, "second": second, **compare(annotators[first], annotators[second])}
            for first, second in pairs
        ],
    }


def rows(films: Films, schema: landmarks.Schema) -> list[dict[str, Any]]:
    """Returns the rows of `films.csv`: one for each film and landmark, then one for each film and distance.

    `error_mm` of a landmark is the radial error, of a distance the signed one (predicted less true); empty where there
    is none. Points are native canonical pixels.
    """
    truth, found = (schema.measure(points, films.spacing) for points in (films.truth, films.found))
    true_rules, found_rules = rules(schema, truth), rules(schema, found)
    errors, result = films.errors_mm, []
    for film, image in enumerate(films.names):
        start = {"image": image, "patient": films.patients[film], "position": films.positions[film]}
        for index, name in enumerate(schema.landmarks):
            result.append(
                {
                    **start,
                    "landmark": name,
                    "error_mm": errors[film, index],
                    **dict(zip(("true_x", "true_y"), films.truth[film, index], strict=True)),
                    **dict(zip(("predicted_x", "predicted_y"), films.found[film, index], strict=True)),
                    "confidence": films.confidence[film, index],
                }
            )
        for distance in schema.distances:
            name = distance.name
            result.append(
                {
                    **start,
                    "landmark": name,
                    "error_mm": found[name][film] - truth[name][film],
                    "true_mm": truth[name][film],
                    "predicted_mm": found[name][film],
                    "true_verdict": VERDICTS[int(true_rules[name][film])],
                    "predicted_verdict": VERDICTS[int(found_rules[name][film])],
                }
            )
    return [{key: _cell(value) for key, value in row.items()} for row in result]


ROW_FIELDS = (
    "image", "landmark", "error_mm", "patient", "position", "true_x", "true_y", "predicted_x", "predicted_y",
    "confidence", "true_mm", "predicted_mm", "true_verdict", "predicted_verdict",
)  # fmt: skip


def as_json(value: Any) -> Any:
    """Returns plain JSON values: numpy's numbers as Python's, and None for every number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return round(float(value), 4) if math.isfinite(value) else None
    return value


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _deviation(values: Array) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _share(values: NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _groups(keys: Sequence[str]) -> list[tuple[str, NDArray[np.intp]]]:
    """Returns each key with the numbers of its films, sorted by key."""
    array = np.array(keys, object)
    return [(key, np.flatnonzero(array == key)) for key in sorted(set(keys))]


def _of_distances(schema: landmarks.Schema, truth: Mapping[str, Array], found: Mapping[str, Array]) -> dict[str, Any]:
    return {
        f"{d.name}_{key}": value
        for d in schema.distances
        for key, value in deviation(truth[d.name], found[d.name]).items()
    }


def _of_verdicts(truth: Mapping[str, Codes], found: Mapping[str, Codes]) -> dict[str, Any]:
    return {f"{name}_{key}": value for name in truth for key, value in diagnosis(truth[name], found[name]).items()}


def _worst(
    distance: landmarks.Distance, values: Array, truth: Array, groups: Sequence[tuple[str, NDArray[np.intp]]]
) -> Array:
    """Returns each patient's most pathological value over the films that have a true one; NaN without any."""
    worst = np.fmin if distance.comparison.startswith("<") else np.fmax
    used = np.where(np.isfinite(truth), values, np.nan)
    return np.array([worst.reduce(used[members]) for _, members in groups], np.float64)


def _patient_codes(truth: Codes, found: Codes, groups: Sequence[tuple[str, NDArray[np.intp]]]) -> tuple[Codes, Codes]:
    """Returns each patient's true and found verdict over the films whose truth is known."""
    kept = [members[truth[members] != UNKNOWN] for _, members in groups]
    true, answer = ([_combined(codes[members]) for members in kept] for codes in (truth, found))
    return np.array(true, np.int8), np.array(answer, np.int8)


def _combined(codes: Codes) -> int:
    if (codes == POSITIVE).any():
        return POSITIVE
    return NEGATIVE if len(codes) and (codes == NEGATIVE).all() else UNKNOWN
