"""A film's measurement report: distances as lines, landmarks as points, the verdict and what it rests on."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
)
from numpy.typing import NDArray

from raspine import landmarks, printed
from raspine.dicom import film as film_reader
from raspine.dicom import spacing
from raspine.dicom_results import concepts, equipment, precision, report
from raspine.dicom_results.measured_film import MeasuredFilm

TITLE = "measurements"
SUMMARY = "film"


def build(case: MeasuredFilm) -> ComprehensiveSR:
    """Returns the report of a film.

    One measurement group a distance (the line, its length in mm), one a landmark (the point, its confidence), one of
    the film (verdict, lowest confidence, spacing, flags). What was not measured has a reason in place of a number.
    """
    groups = [
        *(_distance(case, distance) for distance in case.schema.distances),
        *(_landmark(case, name) for name in case.schema.landmarks),
        _summary(case),
    ]
    return report.build(
        [case.image], concepts.RADIOGRAPHY, groups, list(_comments(case)), TITLE, case.identity, *case.settings
    )


def _distance(case: MeasuredFilm, distance: landmarks.Distance) -> report.Group:
    value = case.result.millimetres[distance.name]
    finding = concepts.private(distance.name, distance.title or distance.name.upper())
    if math.isfinite(value):
        measured = [Measurement(concepts.LENGTH, precision.length(distance, value), concepts.MILLIMETRE)]
        reasons = [QualitativeEvaluation(concepts.UNDRAWN, concepts.END_OUTSIDE)] if case.is_cut(distance) else []
        return _group(case, distance.name, finding, case.line(distance), measured, reasons)
    reason = _reason(case, distance.start, distance.end)
    return _group(case, distance.name, finding, case.line(distance), [], [reason])


def _landmark(case: MeasuredFilm, name: str) -> report.Group:
    place = case.schema.index(name)
    finding = concepts.private(name, name.replace("_", " "))
    percent = precision.percent(np.nan_to_num(case.result.confidence[place]))
    certainty = [Measurement(concepts.CERTAINTY, percent, concepts.PERCENT)]
    point = case.places[place : place + 1]
    reasons = [] if np.isfinite(point).all() else [_reason(case, name)]
    return _group(case, name, finding, point, certainty, reasons)


def _summary(case: MeasuredFilm) -> report.Group:
    lowest = precision.percent(np.nan_to_num(case.result.confidence).min())
    values = [Measurement(concepts.CERTAINTY, lowest, concepts.PERCENT, derivation=concepts.MINIMUM)]
    if case.spacing is not None:
        row, column = case.spacing
        values.append(Measurement(concepts.ROW_SPACING, precision.spacing(row), concepts.MILLIMETRE))
        values.append(Measurement(concepts.COLUMN_SPACING, precision.spacing(column), concepts.MILLIMETRE))
    source = case.film.spacing.source
    evaluations = [
        report.verdict(case.result.verdict),
        QualitativeEvaluation(concepts.SPACING_SOURCE, concepts.private(source, source.replace("_", " "))),
        *report.flags(case.result.flags),
    ]
    return _unplaced(case, SUMMARY, concepts.FILM, values, evaluations)


def _group(
    case: MeasuredFilm,
    name: str,
    finding: CodedConcept,
    places: NDArray[np.float64],
    measurements: list[Measurement],
    evaluations: list[QualitativeEvaluation],
) -> report.Group:
    """Returns a group on a point or a line of the film (TID 1410), without it where an end is missing (TID 1501)."""
    if not np.isfinite(places).all():
        return _unplaced(case, name, finding, measurements, evaluations)
    source = SourceImageForRegion(case.image.SOPClassUID, case.image.SOPInstanceUID)
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=report.tracking(name, [case.image]),
        referenced_region=ImageRegion("POINT" if len(places) == 1 else "POLYLINE", places, source),
        finding_type=finding,
        finding_sites=report.sites(name),
        algorithm_id=equipment.algorithm(case.identity),
        measurements=measurements,
        qualitative_evaluations=evaluations,
    )


def _unplaced(
    case: MeasuredFilm,
    name: str,
    finding: CodedConcept,
    measurements: list[Measurement],
    evaluations: list[QualitativeEvaluation],
) -> report.Group:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=report.tracking(name, [case.image]),
        finding_type=finding,
        finding_sites=report.sites(name),
        algorithm_id=equipment.algorithm(case.identity),
        measurements=measurements,
        qualitative_evaluations=evaluations,
        source_images=[SourceImageForMeasurementGroup(case.image.SOPClassUID, case.image.SOPInstanceUID)],
    )


def _reason(case: MeasuredFilm, *names: str) -> QualitativeEvaluation:
    """Returns why something between landmarks has no number (PS3.16 CID 42)."""
    ends = [case.schema.index(name) for name in names]
    if not np.isfinite(case.result.points[ends]).all():
        return QualitativeEvaluation(concepts.UNMEASURED, concepts.MEASUREMENT_FAILURE)
    if not np.isfinite(case.places[ends]).all():
        return QualitativeEvaluation(concepts.UNMEASURED, concepts.OUT_OF_RANGE)
    return QualitativeEvaluation(concepts.UNMEASURED, concepts.NOT_ATTEMPTED)


def _comments(case: MeasuredFilm) -> Iterator[str]:
    for distance in case.schema.distances:
        rule = printed.rule(distance)
        yield f"{case.full_label(distance)}{f' ({rule})' if rule else ''}"
    yield f"Pixel spacing: {spacing.SOURCES[case.film.spacing.source]}."
    yield from (_magnified(case, row) for row in case.result.by_magnification)
    for flag in case.result.flags:
        yield (
            f"{flag.replace('_', ' ')}: {film_reader.FLAGS[flag]}"
            if flag in film_reader.FLAGS
            else flag.replace("_", " ")
        )


def _magnified(case: MeasuredFilm, row: Mapping[str, Any]) -> str:
    """Returns a line of `Measurement.by_magnification`."""
    values = (
        printed.label(distance, value)
        for distance in case.schema.distances
        if (value := row[f"{distance.name}_mm"]) is not None
    )
    return f"If the film magnifies the neck {row['magnification']:g} times: {', '.join(values)}, {row['verdict']}."
