"""A study's measurement report: the risk, the verdict, and the images and slices that they rest on."""

from collections.abc import Iterator

from highdicom.sr import (
    ComprehensiveSR,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
)

from raspine import printed, study_reading
from raspine.dicom_results import clinical_items, concepts, equipment, precision, report
from raspine.dicom_results.scored_study import ScoredStudy

TITLE = "risk"
RISK, CLINICAL, SLICES = "risk", "clinical", "slices"


def build(case: ScoredStudy) -> ComprehensiveSR:
    """Returns the report of a study.

    One measurement group of the risk (probability, threshold, verdict, flags), one of the clinical values where the
    model took some, one of the slices' positions.
    """
    groups = [_risk(case), *_clinical(case), _slices(case)]
    return report.build(case.images, concepts.MRI, groups, list(_comments(case)), TITLE, case.identity, *case.settings)


def _risk(case: ScoredStudy) -> report.Group:
    answer = case.answer
    risk, threshold = precision.risk_and_threshold(answer.risk, answer.threshold)
    evaluations = [report.verdict(answer.verdict), *report.flags(answer.flags)]
    if case.method:
        name = case.method.lower().replace("-", "").replace(" ", "")
        evaluations.append(QualitativeEvaluation(concepts.EXPLANATION, concepts.private(name, case.method)))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=report.tracking(RISK, case.images),
        finding_type=concepts.LATER_DEFORMITY,
        finding_sites=_sites(case),
        algorithm_id=equipment.algorithm(case.identity),
        measurements=[
            Measurement(concepts.PROBABILITY, risk, concepts.NO_UNITS),
            Measurement(concepts.THRESHOLD, threshold, concepts.NO_UNITS),
        ],
        qualitative_evaluations=evaluations,
        source_images=[
            SourceImageForMeasurementGroup(
                image.SOPClassUID, image.SOPInstanceUID, case.frames[image.SOPInstanceUID] or None
            )
            for image in case.images
        ],
    )


def _clinical(case: ScoredStudy) -> Iterator[report.Group]:
    if case.clinical_values:
        yield MeasurementsAndQualitativeEvaluations(
            tracking_identifier=report.tracking(CLINICAL, case.images),
            finding_type=concepts.CLINICAL,
            algorithm_id=equipment.algorithm(case.identity),
            measurements=clinical_items.measurements(case.clinical_values),
            qualitative_evaluations=clinical_items.evaluations(case.clinical_values),
        )


def _slices(case: ScoredStudy) -> report.Group:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=report.tracking(SLICES, case.images),
        finding_type=concepts.SLICES,
        finding_sites=_sites(case),
        algorithm_id=equipment.algorithm(case.identity),
        measurements=[
            Measurement(concepts.SLICE_POSITION, precision.position(place), concepts.MILLIMETRE)
            for place in case.answer.reading.scan.slices.positions_mm
        ],
    )


def _sites(case: ScoredStudy) -> list[FindingSite] | None:
    """Returns the cervical spine, unless the images are of another part of the body."""
    return [FindingSite(concepts.CERVICAL_SPINE)] if case.body_part == concepts.BODY_PART else None


def _comments(case: ScoredStudy) -> Iterator[str]:
    reading = case.answer.reading
    yield f"{printed.risk_line(case.answer.risk, case.answer.threshold)}."
    if case.clinical_values:
        yield f"Clinical values: {clinical_items.line(case.clinical_values)}."
    number = reading.chosen.number if reading.chosen else None
    yield f"Series {'without number' if number is None else number}."
    yield f"Why this series: {study_reading.impersonal(reading.scan.series_reason, reading.source)}"
    if case.method:
        yield f"{case.method}: see the secondary capture."
    yield from (flag.replace("_", " ") for flag in case.answer.flags)
