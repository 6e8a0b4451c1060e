"""From films to millimetres: the landmark network, the spacing and the rules joined.

model = landmarker.load("run/best")
films = [film.read("film.dcm")]
for result in reading.measure_films(model, films):
    print(result.millimetres, result.verdict, result.flags)
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from raspine import drawing, landmarks, measurement, printed
from raspine.dicom import film as film_reader
from raspine.dicom import orientation, spacing

_UNORIENTED = frozenset({orientation.FLAG_UNKNOWN, orientation.FLAG_UNUSABLE, orientation.FLAG_CONTRADICTION})
_COLOURS = {"positive": "#ff9f43", "negative": "#7bd88f", "none": "#c0c4ca"}


class Landmarker(Protocol):
    """A landmark model: `raspine.landmarker.Landmarker`, or one behind an endpoint (`raspine.serving.client`)."""

    @property
    def schema(self) -> landmarks.Schema:
        """The landmarks and distances."""

    def locate(
        self, films: Sequence[tuple[NDArray[np.uint16], tuple[float, float] | None]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns points and confidence; see `raspine.landmarker.Landmarker.locate`."""


def measure_films(
    landmarker: Landmarker, films: Sequence[film_reader.Film], schema: landmarks.Schema | None = None
) -> list[measurement.Measurement]:
    """Returns what a model measures on some films, which go through the network as one batch.

    Args:
      landmarker: the model.
      films: as `raspine.dicom.film.read` gives them; sizes may differ.
      schema: the model's landmarks with other thresholds; None for its own.
    """
    if not films:
        return []
    points, confidence = landmarker.locate([(film.pixels, film.spacing.millimetres) for film in films])
    return [
        _measure(schema or landmarker.schema, film, places, scores)
        for film, places, scores in zip(films, points, confidence, strict=True)
    ]


def as_row(
    name: str, film: film_reader.Film, result: measurement.Measurement, schema: landmarks.Schema
) -> dict[str, Any]:
    """Returns a film's entry in `predictions.json`.

    Points and spacing are of the file as stored, points (x, y) with the origin at the centre of its top-left pixel.
    """
    points = film.to_native.apply(result.points)
    return {
        "file": name,
        "landmarks": list(schema.landmarks),
        "points_px": [_rounded(point) if np.isfinite(point).all() else None for point in points],
        **{f"{key}_mm": _finite(value) for key, value in result.millimetres.items()},
        "verdict": result.verdict,
        "spacing_mm": stored_spacing(film),
        "spacing_source": film.spacing.source,
        "flags": list(result.flags),
        "confidence": round(float(result.confidence.min()), 4),
        "confidences": [round(float(value), 4) for value in result.confidence],
        "by_magnification": [dict(row) for row in result.by_magnification],
    }


def stored_spacing(film: film_reader.Film) -> list[float] | None:
    """Returns (row, column) mm of the file as stored: exchanged where the canonical film lies across it."""
    if film.spacing.millimetres is None:
        return None
    is_transposed = film.to_native.matrix[0, 0] == 0
    return list(film.spacing.millimetres[::-1] if is_transposed else film.spacing.millimetres)


def picture(
    name: str,
    film: film_reader.Film,
    result: measurement.Measurement,
    schema: landmarks.Schema,
    max_side: int = 1000,
) -> drawing.Picture:
    """Returns the film with its landmarks, distances and verdict, uint8 [height, width, 3] RGB."""
    labels = {
        one.name: printed.label(one, mm) if math.isfinite(mm := result.millimetres[one.name]) else one.name.upper()
        for one in schema.distances
    }
    marks = drawing.Marks(result.points, labels)
    return drawing.overlay(
        film.pixels, film.spacing.millimetres, schema, marks, _caption(name, film, result, schema), max_side
    )


def _measure(schema: landmarks.Schema, film: film_reader.Film, points: Any, confidence: Any) -> measurement.Measurement:
    height, width = film.pixels.shape
    is_oriented = not _UNORIENTED & set(film.flags)
    magnified = bool(spacing.MAGNIFIED_FLAGS & set(film.flags))
    result = measurement.measure(
        schema, points, confidence, (height, width), film.spacing.millimetres, magnified, is_oriented
    )
    return dataclasses.replace(result, flags=tuple(dict.fromkeys((*film.flags, *result.flags))))


def _caption(
    name: str, film: film_reader.Film, result: measurement.Measurement, schema: landmarks.Schema
) -> drawing.Caption:
    heading = {"positive": "positive", "negative": "negative", "none": "no verdict"}[result.verdict]
    return drawing.Caption(
        heading, [*_measured(result, schema), *_provenance(name, film, result)], _COLOURS[result.verdict]
    )


def _measured(result: measurement.Measurement, schema: landmarks.Schema) -> list[str]:
    lines = []
    for distance in schema.distances:
        rule = printed.rule(distance)
        shown = printed.label(distance, result.millimetres[distance.name])
        lines.append(f"{shown} ({rule})" if rule else shown)
    return lines


def _provenance(name: str, film: film_reader.Film, result: measurement.Measurement) -> list[str]:
    lines = [f"lowest confidence: {float(result.confidence.min()):.2f}"]
    if film.spacing.millimetres is None:
        lines.append("spacing: unknown, so no millimetres")
    else:
        row, column = film.spacing.millimetres
        source = film.spacing.source.replace("_", " ")
        lines.append(f"pixel: {row:.4g} x {column:.4g} mm, {source}")
    table = result.by_magnification
    if table:
        ends = (f"{row['verdict']} at {row['magnification']:g}" for row in (table[0], table[-1]))
        lines.append(f"by magnification: {', '.join(ends)}")
    lines += [f"! {flag.replace('_', ' ')}" for flag in result.flags]
    return [*lines, f"film: {name}"]


def _rounded(point: Any) -> list[float]:
    return [round(float(value), 4) for value in point]


def _finite(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
