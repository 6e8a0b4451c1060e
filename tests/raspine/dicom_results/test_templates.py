import io
import pathlib
from collections.abc import Callable

import measured_films
import pydicom
import pytest
from pydicom.dataset import Dataset

from raspine.dicom_results import content_tree, film_results, finishing, patient, read_back, templates
from raspine.dicom_results.errors import ResultError

Change = Callable[[Dataset], object]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A film's report and overlay as files."""
    case = measured_films.measured(tmp_path_factory.mktemp("film") / "film.dcm")
    written = [io.BytesIO(), io.BytesIO()]
    for result, file in zip(film_results.objects(*case.arguments), written, strict=True):
        result.save_as(file, enforce_file_format=True)
    return [file.getvalue() for file in written]


@pytest.fixture
def plain(files: list[bytes]) -> list[Dataset]:
    """Report and overlay as plain pydicom reads them."""
    return [pydicom.dcmread(io.BytesIO(file)) for file in files]


def without(code: str, parent: Callable[[Dataset], Dataset] = lambda report: report) -> Change:
    """Takes the content items of a code away below a place of the report."""

    def change(report: Dataset) -> None:
        place = parent(report)
        place.ContentSequence = [one for one in place.ContentSequence if content_tree.name_of(one)[0] != code]

    return change


def first_group(report: Dataset) -> Dataset:
    return content_tree.groups(report)[0]


def number(report: Dataset) -> Dataset:
    return content_tree.children(first_group(report), kind="NUM")[0]


def region(report: Dataset) -> Dataset:
    return content_tree.children(first_group(report), content_tree.REGION)[0]


def region_reference(report: Dataset) -> Dataset:
    return region(report).ContentSequence[0].ReferencedSOPSequence[0]


def template_item(report: Dataset) -> Dataset:
    return report.ContentTemplateSequence[0]


def library_image(report: Dataset) -> Dataset:
    [library] = content_tree.children(report, content_tree.IMAGE_LIBRARY)
    return next(item for item in content_tree.descendants(library) if item.ValueType == "IMAGE")


def set_value(place: Callable[[Dataset], Dataset], keyword: str, value: object) -> Change:
    return lambda result: setattr(place(result), keyword, value)


def tracking_item(report: Dataset) -> Dataset:
    return content_tree.children(first_group(report), content_tree.TRACKING_UID)[0]


def same_tracking(report: Dataset) -> None:
    other = content_tree.children(content_tree.groups(report)[1], content_tree.TRACKING_UID)[0]
    other.UID = tracking_item(report).UID


def no_research_text(report: Dataset) -> None:
    for item in content_tree.descendants(report):
        if item.get("TextValue") == "AI result, research use":
            item.TextValue = "result"


def evidence(report: Dataset) -> Dataset:
    return report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]


def listed_twice(report: Dataset) -> None:
    evidence(report).ReferencedSOPSequence = list(evidence(report).ReferencedSOPSequence) * 2


def nothing_measured(report: Dataset) -> None:
    first_group(report).ContentSequence = [one for one in first_group(report).ContentSequence if one.ValueType != "NUM"]


def itself(result: Dataset) -> Dataset:
    return result


REPORT: dict[str, tuple[Change, str]] = {
    "class": (set_value(itself, "SOPClassUID", "1.2"), "is none of a report"),
    "uid": (set_value(itself, "SOPInstanceUID", "1.02"), "'1.02' is no UID"),
    "same uid": (lambda one: setattr(one, "SeriesInstanceUID", one.SOPInstanceUID), "share a UID"),
    "description": (set_value(itself, "SeriesDescription", "result"), "Series Description does not say"),
    "template": (set_value(template_item, "TemplateIdentifier", "2000"), "name its template"),
    "no template": (lambda one: one.__delitem__("ContentTemplateSequence"), "name its template"),
    "verified": (set_value(itself, "VerificationFlag", "VERIFIED"), "COMPLETE and UNVERIFIED"),
    "partial": (set_value(itself, "CompletionFlag", "PARTIAL"), "COMPLETE and UNVERIFIED"),
    "research": (no_research_text, "no text of the report"),
    "language": (without("121049"), "no language"),
    "observer": (without("121005"), "no type of observer"),
    "device": (without("121012"), "no UID of the device"),
    "procedure": (without("121058"), "no procedure reported"),
    "library": (without("111028"), "no image library"),
    "measurements": (without("126010"), "no imaging measurements"),
    "groups": (
        without("125007", lambda one: content_tree.children(one, content_tree.MEASUREMENTS)[0]),
        "there is no measurement group",
    ),
    "library size": (without("110910", library_image), "does not say the size"),
    "tracking id": (without("112039", first_group), "group 1: no tracking identifier"),
    "tracking uid": (without("112040", first_group), "group 1: no tracking UID"),
    "bad tracking uid": (set_value(tracking_item, "UID", "x"), "'x' is no tracking UID"),
    "same tracking uid": (same_tracking, "share a tracking UID"),
    "finding": (without("121071", first_group), "group 1: no finding"),
    "algorithm": (without("111001", first_group), "group 1: no algorithm name"),
    "version": (without("111003", first_group), "group 1: no algorithm version"),
    "no value": (set_value(number, "MeasuredValueSequence", []), "no finite value"),
    "nan": (
        set_value(lambda one: number(one).MeasuredValueSequence[0], "FloatingPointValue", float("nan")),
        "no finite value",
    ),
    "no unit": (
        lambda one: number(one).MeasuredValueSequence[0].__delitem__("MeasurementUnitsCodeSequence"),
        "has no unit",
    ),
    "no measurement": (nothing_measured, "neither measurement nor evaluation"),
    "no region": (without("111030", first_group), "TID 1410 has one image region"),
    "no image": (set_value(region, "ContentSequence", []), "not selected from an image of the library"),
    "other image": (
        set_value(region_reference, "ReferencedSOPInstanceUID", "1.2"),
        "not selected from an image of the library",
    ),
    "three points": (set_value(region, "GraphicData", [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]), "neither a point nor a line"),
    "right of the image": (set_value(region, "GraphicData", [1.0, 1.0, 40.1, 2.0]), "leaves its image"),
    "above the image": (set_value(region, "GraphicData", [1.0, -0.1, 4.0, 2.0]), "leaves its image"),
    "evidence": (lambda one: one.__delitem__("CurrentRequestedProcedureEvidenceSequence"), "the evidence lacks"),
    "evidence twice": (listed_twice, "names an image twice"),
    "other study": (
        set_value(lambda one: one.CurrentRequestedProcedureEvidenceSequence[0], "StudyInstanceUID", "1.2"),
        "of another study",
    ),
}  # fmt: skip


def annotation(overlay: Dataset) -> Dataset:
    return overlay.GraphicAnnotationSequence[0]


def no_text(overlay: Dataset) -> None:
    for one in overlay.GraphicAnnotationSequence:
        one.pop("TextObjectSequence", None)


OVERLAY: dict[str, tuple[Change, str]] = {
    "body part": (lambda one: one.__delitem__("BodyPartExamined"), "neither Body Part Examined nor Laterality"),
    "label": (set_value(itself, "ContentLabel", "RESULT"), "Content Label must be"),
    "text": (no_text, "no text of the overlay"),
    "references": (set_value(itself, "ReferencedSeriesSequence", []), "refers to no image"),
    "other image": (
        set_value(lambda one: annotation(one).ReferencedImageSequence[0], "ReferencedSOPInstanceUID", "1.2"),
        "on an image that the overlay does not refer to",
    ),
    "layer": (set_value(annotation, "GraphicLayer", "OTHER"), "layer that is not declared"),
    "outside": (
        set_value(lambda one: annotation(one).GraphicObjectSequence[0], "GraphicData", [4.0, 48.5]),
        "a graphic leaves its image",
    ),
}  # fmt: skip


def test_the_objects_obey(plain: list[Dataset]) -> None:
    assert [templates.check(result) for result in plain] == [[], []]


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of the test's own values
@pytest.mark.parametrize(("change", "fault"), REPORT.values(), ids=REPORT)
def test_a_mutilated_report_is_seen(change: Change, fault: str, plain: list[Dataset]) -> None:
    report = plain[0]
    change(report)
    assert any(fault in line for line in templates.check(report)), templates.check(report)


@pytest.mark.parametrize(("change", "fault"), OVERLAY.values(), ids=OVERLAY)
def test_a_mutilated_overlay_is_seen(change: Change, fault: str, plain: list[Dataset]) -> None:
    overlay = plain[1]
    change(overlay)
    assert any(fault in line for line in templates.check(overlay)), templates.check(overlay)


def test_nothing_leaves_that_breaks_a_rule(plain: list[Dataset]) -> None:
    report = plain[0]
    without("121058")(report)
    with pytest.raises(ResultError, match="no procedure reported"):
        finishing.finished([report], patient.neutral(), None)


def test_read_back_refuses_what_is_no_report_of_ours(plain: list[Dataset], tmp_path: pathlib.Path) -> None:
    report = plain[0]
    without("125007", lambda one: content_tree.children(one, content_tree.MEASUREMENTS)[0])(report)
    for other in (report, plain[1], Dataset()):
        with pytest.raises(ResultError, match="no report of this program"):
            read_back.read(other)
