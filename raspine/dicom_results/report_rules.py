"""The rules of a measurement report."""

import math
from collections.abc import Iterable, Iterator

from pydicom.dataset import Dataset

from raspine.dicom_results import content_tree, equipment, uids
from raspine.dicom_results.content_tree import Code

_NEEDED: dict[str, tuple[Code, str]] = {
    "language": (content_tree.LANGUAGE, "CODE"),
    "type of observer": (content_tree.OBSERVER_TYPE, "CODE"),
    "UID of the device that observed": (content_tree.DEVICE_UID, "UIDREF"),
    "procedure reported": (content_tree.PROCEDURE, "CODE"),
    "image library": (content_tree.IMAGE_LIBRARY, "CONTAINER"),
    "imaging measurements": (content_tree.MEASUREMENTS, "CONTAINER"),
}
_IN_GROUPS: dict[str, tuple[Code, str]] = {
    "tracking identifier": (content_tree.TRACKING_ID, "TEXT"),
    "tracking UID": (content_tree.TRACKING_UID, "UIDREF"),
    "finding": (content_tree.FINDING, "CODE"),
    "algorithm name": (content_tree.ALGORITHM_NAME, "TEXT"),
    "algorithm version": (content_tree.ALGORITHM_VERSION, "TEXT"),
}
_POINT, _LINE = 2, 4  # numbers of a SCOORD


def check(report: Dataset) -> list[str]:
    """Returns which rules of TID 1500 and of research results a report breaks, a line each."""
    return [
        *_document(report),
        *(f"the report has no {what}" for what in _lacking(report, _NEEDED)),
        *_library(report),
        *_groups(report),
        *_evidence(report),
    ]


def _document(report: Dataset) -> Iterator[str]:
    template = report.get("ContentTemplateSequence") or [Dataset()]
    if (template[0].get("TemplateIdentifier"), template[0].get("MappingResource")) != ("1500", "DCMR"):
        yield "the report does not name its template, DCMR 1500"
    if report.get("CompletionFlag") != "COMPLETE" or report.get("VerificationFlag") != "UNVERIFIED":
        yield "a report must be COMPLETE and UNVERIFIED, since nobody looked at it"
    texts = [str(item.get("TextValue", "")) for item in content_tree.descendants(report)]
    if equipment.RESEARCH_USE not in texts:
        yield "no text of the report says that it is a research result"


def _lacking(item: Dataset, needed: dict[str, tuple[Code, str]]) -> Iterator[str]:
    return (what for what, (name, kind) in needed.items() if len(content_tree.children(item, name, kind)) != 1)


def _library(report: Dataset) -> Iterator[str]:
    sizes = _sizes(report)
    if not sizes:
        yield "the image library is empty"
    for uid, size in sizes.items():
        if not all(size):
            yield f"the image library does not say the size of '{uid}'"


def _sizes(report: Dataset) -> dict[str, tuple[float, float]]:
    """Returns (columns, rows) by SOP Instance UID, 0 where the image library does not say it."""
    return {
        content_tree.reference_of(image): (_size(image, content_tree.COLUMNS), _size(image, content_tree.ROWS))
        for library in content_tree.children(report, content_tree.IMAGE_LIBRARY)
        for image in content_tree.descendants(library)
        if image.get("ValueType") == "IMAGE"
    }


def _size(image: Dataset, name: Code) -> float:
    found = content_tree.children(image, name, "NUM")
    return (content_tree.number_of(found[0]) or 0.0) if found else 0.0


def _groups(report: Dataset) -> Iterator[str]:
    groups, sizes = content_tree.groups(report), _sizes(report)
    if not groups:
        yield "there is no measurement group"
    tracked = [content_tree.text_of(group, content_tree.TRACKING_UID) for group in groups]
    if len(set(tracked)) < len(tracked):
        yield "two measurement groups share a tracking UID"
    for number, (group, uid) in enumerate(zip(groups, tracked, strict=True), 1):
        faults = [f"no {what}" for what in _lacking(group, _IN_GROUPS)]
        if not uids.is_valid(uid):
            faults.append(f"'{uid}' is no tracking UID")
        faults += [*_values(group), *_regions(group, sizes)]
        yield from (f"measurement group {number}: {fault}" for fault in faults)


def _values(group: Dataset) -> Iterator[str]:
    numbers = content_tree.children(group, kind="NUM")
    for item in numbers:
        value = content_tree.number_of(item)
        if value is None or not math.isfinite(value):
            yield "a measurement has no finite value"
        if not all(content_tree.unit_of(item)):
            yield "a measurement has no unit"
    evaluations = [item for item in content_tree.children(group, kind="CODE") if item.RelationshipType == "CONTAINS"]
    findings = content_tree.children(group, content_tree.FINDING)
    if not numbers and len(evaluations) <= len(findings):
        yield "neither measurement nor evaluation"


def _regions(group: Dataset, sizes: dict[str, tuple[float, float]]) -> Iterator[str]:
    regions = content_tree.children(group, content_tree.REGION, "SCOORD")
    template = group.get("ContentTemplateSequence") or [Dataset()]
    if len(regions) != (1 if template[0].get("TemplateIdentifier") == "1410" else 0):
        yield "TID 1410 has one image region, TID 1501 none"
    for region in regions:
        images = [item for item in content_tree.children(region) if item.get("RelationshipType") == "SELECTED FROM"]
        if len(images) != 1 or content_tree.reference_of(images[0]) not in sizes:
            yield "a region is not selected from an image of the library"
            continue
        values = [float(value) for value in region.get("GraphicData") or ()]
        if len(values) != (_POINT if region.get("GraphicType") == "POINT" else _LINE):
            yield "a region is neither a point nor a line of two points"
        elif not _is_inside(values, sizes[content_tree.reference_of(images[0])]):
            yield "a region leaves its image"


def _is_inside(values: Iterable[float], size: tuple[float, float]) -> bool:
    return all(0.0 <= value <= size[place % 2] for place, value in enumerate(values))


def _evidence(report: Dataset) -> Iterator[str]:
    known = [
        (str(study.get("StudyInstanceUID")), str(instance.get("ReferencedSOPInstanceUID")))
        for study in report.get("CurrentRequestedProcedureEvidenceSequence") or ()
        for series in study.get("ReferencedSeriesSequence") or ()
        for instance in series.get("ReferencedSOPSequence") or ()
    ]
    if any(study != str(report.get("StudyInstanceUID")) for study, _ in known):
        yield "the evidence is of another study"
    listed = [uid for _, uid in known]
    if len(set(listed)) < len(listed):
        yield "the evidence names an image twice"
    referenced = {content_tree.reference_of(item) for item in content_tree.descendants(report)} - {""}
    yield from (f"the evidence lacks the image '{uid}'" for uid in sorted(referenced - set(listed)))
