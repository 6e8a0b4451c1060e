"""A TID 1500 measurement report around groups of measurements, and the parts that all reports have."""

from collections.abc import Sequence

from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    FindingSite,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset

from raspine.dicom_results import concepts, equipment, uids
from raspine.model_identity import ModelIdentity

Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations


def build(
    images: Sequence[Dataset],
    procedure: CodedConcept,
    groups: Sequence[Group],
    comments: Sequence[str],
    title: str,
    identity: ModelIdentity,
    *settings: str,
) -> ComprehensiveSR:
    """Returns a Comprehensive SR that nobody has verified.

    Args:
      images: of `images.of`: what the report is about.
      procedure: how they were made.
      groups: of measurements.
      comments: lines for people; one on research use goes before them.
      title: of the series.
      identity: the model.
      *settings: see `uids.of_instance`.
    """
    content = MeasurementReport(
        observation_context=equipment.observer(identity),
        procedure_reported=procedure,
        imaging_measurements=groups,
        title=concepts.TITLE,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(concepts.ENGLISH),
        referenced_images=images,
    )
    content[0].ContentSequence.append(_evaluations([equipment.RESEARCH_USE, *comments]))
    sources = [image.SOPInstanceUID for image in images]
    return ComprehensiveSR(
        evidence=images,
        content=content[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=concepts.SCHEMES,
        **equipment.attributes(equipment.REPORT, title, sources, identity, *settings),
    )


def tracking(name: str, images: Sequence[Dataset]) -> TrackingIdentifier:
    """Returns how a landmark or a value of some images is followed (PS3.16 TID 4108)."""
    return TrackingIdentifier(uids.of_tracking(name, [image.SOPInstanceUID for image in images]), name)


def sites(name: str) -> list[FindingSite]:
    """Returns where a landmark or distance lies; the cervical spine where no code is nearer."""
    return [FindingSite(concepts.SITES.get(name, concepts.CERVICAL_SPINE))]


def verdict(value: str) -> QualitativeEvaluation:
    """Returns `positive`, `negative` or `none` as a code; `none` is indeterminate."""
    return QualitativeEvaluation(concepts.VERDICT, concepts.VERDICTS[value])


def flags(values: Sequence[str]) -> list[QualitativeEvaluation]:
    """Returns each flag as a code: its first word, and the whole of it for people."""
    return [
        QualitativeEvaluation(concepts.FLAG, concepts.private(value.split(":")[0], value.replace("_", " ")))
        for value in values
    ]


def _evaluations(lines: Sequence[str]) -> ContainerContentItem:
    """Returns the report's own remarks (PS3.16 TID 1500, rows of Qualitative Evaluations)."""
    container = ContainerContentItem(
        concepts.QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence(
        [TextContentItem(concepts.COMMENT, line, RelationshipTypeValues.CONTAINS) for line in lines]
    )
    return container
