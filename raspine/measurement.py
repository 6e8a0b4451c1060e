"""From points to millimetres and a verdict, with what makes the verdict doubtful."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine import geometry, landmarks

# A lateral film at 1.8 m with the neck 0.2 to 0.3 m from the detector magnifies 1.125 to 1.20 times; 1.0 is contact.
MAGNIFICATIONS = (1.0, 1.05, 1.1, 1.15, 1.2)
LOW_CONFIDENCE = 0.15


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured on one film.

    Attributes:
      points: float64 [landmark, 2], canonical native pixels (x, y); NaN where not found.
      confidence: float64 [landmark], 0..1.
      millimetres: each distance by name; NaN without spacing or point.
      verdict: `positive`, `negative`, or `none` where nothing can be said.
      by_magnification: for a film whose spacing may be the detector's, the distances and the verdict that hold if the
        film magnified the neck that many times; empty for all others.
      flags: what makes the result doubtful.
    """

    points: NDArray[np.float64]
    confidence: NDArray[np.float64]
    millimetres: Mapping[str, float]
    verdict: str
    by_magnification: tuple[Mapping[str, Any], ...] = ()
    flags: tuple[str, ...] = ()


def measure(
    schema: landmarks.Schema,
    points: ArrayLike,
    confidence: ArrayLike,
    size: tuple[int, int],
    spacing: tuple[float, float] | None,
    magnified: bool = False,
    orientation_known: bool = True,
) -> Measurement:
    """Returns distances, verdict and doubts for one film.

    Args:
      schema: the landmarks and the rules.
      points: float [landmark, 2], canonical native pixels (x, y).
      confidence: float [landmark], 0..1.
      size: (height, width) of the film in canonical native pixels.
      spacing: (row, column) mm; None gives no distances and no verdict.
      magnified: whether the spacing may be the detector plane's (`raspine.dicom.spacing.MAGNIFIED_FLAGS`); adds
        `by_magnification`.
      orientation_known: whether the film is known to show the front of the neck on the left; else a point order
        that is mirrored as a whole counts as the film's, not as a contradiction.
    """
    places = np.array(points, np.float64)
    scores = np.array(confidence, np.float64)
    flags = _point_flags(schema, places, scores, size, orientation_known)
    if spacing is None:
        nothing = dict.fromkeys((distance.name for distance in schema.distances), math.nan)
        return Measurement(places, scores, nothing, "none", (), flags)
    if not geometry.is_spacing(spacing):
        raise ValueError(f"A spacing is two positive numbers in mm. Received: {spacing}.")
    values = {name: float(value) for name, value in schema.measure(places, spacing).items()}
    table = _by_magnification(schema, values) if magnified else ()
    if len({row["verdict"] for row in table}) > 1:
        flags += ("verdict_depends_on_magnification",)
    return Measurement(places, scores, values, verdict(schema, values), table, flags)


def verdict(schema: landmarks.Schema, millimetres: Mapping[str, float]) -> str:
    """Returns `positive` when any distance is pathological, `negative` when all are known and none is, else `none`."""
    ruled = [distance for distance in schema.distances if distance.threshold_mm is not None]
    if any(distance.is_positive(millimetres[distance.name]) for distance in ruled):
        return "positive"
    known = all(math.isfinite(millimetres[distance.name]) for distance in ruled)
    return "negative" if ruled and known else "none"


def _by_magnification(schema: landmarks.Schema, millimetres: Mapping[str, float]) -> tuple[dict[str, Any], ...]:
    rows = []
    for magnification in MAGNIFICATIONS:
        values = {name: value / magnification for name, value in millimetres.items()}
        rows.append({"magnification": magnification, **_suffixed(values), "verdict": verdict(schema, values)})
    return tuple(rows)


def _suffixed(millimetres: Mapping[str, float]) -> dict[str, float | None]:
    return {f"{name}_mm": value if math.isfinite(value) else None for name, value in millimetres.items()}


def _point_flags(
    schema: landmarks.Schema,
    points: NDArray[np.float64],
    confidence: NDArray[np.float64],
    size: tuple[int, int],
    orientation_known: bool,
) -> tuple[str, ...]:
    flags = []
    found = np.isfinite(points).all(-1)
    if not found.all():
        flags.append("landmark_not_found")
    limits = np.array(size[::-1]) - 0.5
    if ((points[found] < -0.5) | (points[found] > limits)).any():
        flags.append("landmark_outside_film")
    if (confidence[found] < LOW_CONFIDENCE).any():
        flags.append("low_confidence")
    if not _is_ordered(schema, points, orientation_known):
        flags.append("landmark_order_contradicts_orientation")
    return tuple(flags)


def _is_ordered(schema: landmarks.Schema, points: NDArray[np.float64], orientation_known: bool) -> bool:
    """Returns whether the ventral-to-dorsal landmarks run from left to right, as on a canonical film.

    Neighbours may touch or overlap by a pixel's width (an atlantodental interval of 0 does), so only the first and
    the last landmark must stand in order.
    """
    columns = [points[schema.index(name), 0] for name in schema.ventral_to_dorsal]
    columns = [column for column in columns if math.isfinite(column)]
    return len(columns) < 2 or not orientation_known or columns[0] < columns[-1]
