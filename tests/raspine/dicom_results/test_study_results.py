import copy
import dataclasses
import datetime
import io
import pathlib
from collections.abc import Sequence
from typing import Any

import dicom_validation
import highdicom
import numpy as np
import pydicom
import pytest
import study_dicom
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ComprehensiveSRStorage, SecondaryCaptureImageStorage

from raspine import study_reading, study_search
from raspine.dicom_results import content_tree, headers, read_back, scored_study, study_results, templates
from raspine.dicom_results.errors import ResultError
from raspine.inputs.slices import Choice
from raspine.model_identity import ModelIdentity

IDENTITY = ModelIdentity("deformity", "3", "cd" * 32)
WHEN = datetime.datetime(2026, 11, 30, 12, 34, 56)
CHOICE = Choice("native_middle", 6, 1.5, (32, 32))
TAGS: dict[str, Any] = {
    "SliceThickness": 4,
    "FrameOfReferenceUID": "1.2.3",
    "StudyID": "SECRET-9",
    "StudyTime": "101112",
}
LUMBAR = pathlib.Path(__file__).resolve().parents[2] / "data" / "mri_lumbar"
PRIVATE_SCHEME = "Unrecognized defined term = <99RASPINE>"
DICOMDIR = "Missing attribute or value that would be needed to build DICOMDIR"


def answered(folder: pathlib.Path, choice: Choice = CHOICE, risk: float = 0.73) -> study_reading.Answer:
    """What a model that gives a fixed risk says of the one study of a folder."""
    [source] = study_search.find([folder]).sources
    reading = study_reading.prepare(source, choice, study_reading.Options())
    return study_reading.Answer(reading, risk, 0.4, ("clinical_missing", *reading.scan.flags))


def sources_of(answer: study_reading.Answer) -> list[Dataset]:
    """Headers of every file of the study."""
    return [headers.read(file) for file in answer.reading.source.files]


def drawn(answer: study_reading.Answer) -> Any:
    pixels = answer.reading.scan.slices.pixels
    return study_reading.picture(
        answer, pixels, np.linspace(0, 1, pixels.size).reshape(pixels.shape), "Grad-CAM", "study"
    )


def made(answer: study_reading.Answer, **options: Any) -> list[Dataset]:
    return study_results.objects(sources_of(answer), answer, drawn(answer), IDENTITY, **{"when": WHEN, **options})


def stored(result: Dataset) -> Dataset:
    file = io.BytesIO()
    result.save_as(file, enforce_file_format=True)
    file.seek(0)
    return pydicom.dcmread(file)


def written(report: Dataset) -> list[str]:
    return [item.TextValue for item in content_tree.descendants(report) if item.ValueType == "TEXT"]


def uids(study: str, indices: Sequence[int]) -> set[str]:
    return {study_dicom.uid(study, 1, index) for index in indices}


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> study_reading.Answer:
    folder = tmp_path_factory.mktemp("study")
    study_dicom.write(folder, "neck", 1, BodyPartExamined="CSPINE", **TAGS)
    study_dicom.write(folder, "neck", 2, **study_dicom.T1, **TAGS)
    return answered(folder)


def test_highdicom_reads_risk_verdict_and_sources(answer: study_reading.Answer, tmp_path: pathlib.Path) -> None:
    made(answer)[0].save_as(tmp_path / "report.dcm", enforce_file_format=True)
    report = highdicom.sr.srread(tmp_path / "report.dcm")
    risk, slices = report.content.get_image_measurement_groups()
    assert risk.tracking_identifier == "risk"
    [probability] = risk.get_measurements(name=codes.DCM.Probability)
    assert (probability.value, probability.unit) == (0.73, codes.UCUM.NoUnits)
    verdicts = [one.value for one in risk.get_qualitative_evaluations() if one.name.value == "verdict"]
    assert verdicts == [codes.SCT.Positive]
    assert [site.value for site in risk.finding_sites] == [codes.SCT.CervicalSpine]
    # The middle six of eight slices, and nothing of the T1.
    assert {image.referenced_sop_instance_uid for image in risk.source_images} == uids("neck", range(1, 7))
    positions = [one.value for one in slices.get_measurements()]
    np.testing.assert_allclose(positions, answer.reading.scan.slices.positions_mm)
    np.testing.assert_allclose(np.diff(positions), study_dicom.PITCH)


def test_the_report_read_back(answer: study_reading.Answer) -> None:
    report, capture = map(stored, made(answer))
    assert (report.SOPClassUID, capture.SOPClassUID) == (ComprehensiveSRStorage, SecondaryCaptureImageStorage)
    said = read_back.read(report)
    assert (said.risk, said.verdict, said.model) == (0.73, "positive", ("deformity", "3"))
    assert said.flags == ("clinical_missing",)
    assert said.sources == uids("neck", range(1, 7))
    assert (said.points, said.millimetres) == ({}, {})


def test_a_negative_study_says_so(answer: study_reading.Answer) -> None:
    said = read_back.read(made(dataclasses.replace(answer, risk=0.39))[0])
    assert (said.risk, said.verdict) == (0.39, "negative")


def test_the_report_says_what_people_ask(answer: study_reading.Answer) -> None:
    lines = written(made(answer)[0])
    assert "AI result, research use" in lines
    assert "Risk 0.730: positive (positive from 0.4 on)." in lines
    assert "Series 1." in lines
    assert any(line.startswith("Why this series: sagittal (1.00); TE 100 ms") for line in lines)
    assert "Grad-CAM: see the secondary capture." in lines
    assert "clinical missing" in lines


def test_without_a_picture_there_is_a_report_alone(answer: study_reading.Answer) -> None:
    [report] = study_results.objects(sources_of(answer), answer, None, IDENTITY)
    assert not any("Grad-CAM" in line for line in written(report))
    assert "explanation" not in {content_tree.name_of(item)[0] for item in content_tree.descendants(report)}


def test_the_picture_is_captured_below_a_band_and_states_its_use(answer: study_reading.Answer) -> None:
    picture = drawn(answer)
    capture = stored(made(answer)[1])
    shown = capture.pixel_array
    height = picture.shape[0]
    np.testing.assert_array_equal(shown[-height:], picture)
    assert shown.shape[0] > height
    assert (shown[: shown.shape[0] - height].max(2) > 200).any(), "the band has letters"
    assert capture.BurnedInAnnotation == "NO"
    assert list(capture.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    for said in (capture.SeriesDescription, capture.DerivationDescription, capture.ImageComments):
        assert "AI result, research use" in said
    assert {one.ReferencedSOPInstanceUID for one in capture.SourceImageSequence} == uids("neck", range(1, 7))


@pytest.mark.parametrize(
    "picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8)], ids=str
)
def test_what_is_no_picture_is_refused(picture: Any, answer: study_reading.Answer) -> None:
    with pytest.raises(ResultError, match="a picture is uint8"):
        study_results.objects(sources_of(answer), answer, picture, IDENTITY)


def test_the_same_study_and_model_give_the_same_objects(answer: study_reading.Answer) -> None:
    first = made(answer)
    backwards = study_results.objects(sources_of(answer)[::-1], answer, drawn(answer), IDENTITY, when=WHEN)
    assert [stored(one) for one in first] == [stored(one) for one in backwards]
    later = made(answer, when=datetime.datetime(2027, 1, 1))
    assert [one.SOPInstanceUID for one in later] == [one.SOPInstanceUID for one in first]
    other = study_results.objects(
        sources_of(answer), answer, drawn(answer), dataclasses.replace(IDENTITY, digest="ef" * 32), when=WHEN
    )
    assert not {one.SOPInstanceUID for one in other} & {one.SOPInstanceUID for one in first}


def identifiers(results: Sequence[Dataset]) -> set[str]:
    return {uid for one in results for uid in (one.SOPInstanceUID, one.SeriesInstanceUID)}


def test_whatever_shapes_a_result_gives_other_objects(answer: study_reading.Answer) -> None:
    found = {
        "as it is": made(answer),
        "threshold": made(dataclasses.replace(answer, threshold=0.5)),
        "method": made(answer, method="Grad-CAM++"),
        "clinical": made(answer, clinical_values={"age": 63.0}),
        "other clinical": made(answer, clinical_values={"age": 64.0}),
        "no patient": made(answer, carry_patient=False),
        "no picture": study_results.objects(sources_of(answer), answer, None, IDENTITY),
    }
    known = [uid for results in found.values() for uid in identifiers(results)]
    assert len(set(known)) == len(known) == 4 * 6 + 2
    unknown = made(answer, clinical_values={"age": float("nan")})
    assert identifiers(unknown) == identifiers(found["as it is"])


CLINICAL = {"age": 63.0, "sex": 1.0, "disease_duration": float(np.float32(-0.7)), "rf": 0.0, "anti_ccp": 1.0}


def test_the_report_states_the_clinical_values(answer: study_reading.Answer, tmp_path: pathlib.Path) -> None:
    report = made(answer, clinical_values={**CLINICAL, "biologic": float("nan")})[0]
    assert dicom_validation.remarks(tmp_path, report)[0] == set()
    plain = highdicom.sr.srread(tmp_path / f"{report.SOPInstanceUID}.dcm")
    [group] = [one for one in plain.content.get_image_measurement_groups() if one.tracking_identifier == "clinical"]
    years = {one.name.value: (one.value, one.unit) for one in group.get_measurements()}
    assert years == {"age": (63.0, codes.UCUM.Year), "disease_duration": (-0.7, codes.UCUM.Year)}
    evaluations = [one for one in group.get_qualitative_evaluations() if one.name.scheme_designator == "99RASPINE"]
    choices = {one.name.value: (one.value.value, one.value.meaning) for one in evaluations}
    assert choices == {
        "sex": ("248152002", "Female"), "rf": ("373067005", "No"), "anti_ccp": ("373066001", "Yes"),
    }  # fmt: skip
    [line] = [line for line in written(report) if line.startswith("Clinical values")]
    assert line == (
        "Clinical values: age 63 years, duration of the disease -0.7 years, sex: female, rheumatoid factor: no, "
        "antibodies against cyclic citrullinated peptides: yes."
    )
    said = read_back.read(report)
    assert (said.risk, said.confidence) == (0.73, {})


@pytest.mark.parametrize("values", [{"sex": 0.5}, {"age": float("inf")}, {"weight": 70.0}], ids=str)
def test_clinical_values_that_mean_nothing_are_refused(values: dict[str, float], answer: study_reading.Answer) -> None:
    with pytest.raises(ResultError, match="a clinical value is"):
        made(answer, clinical_values=values)


@pytest.mark.parametrize(
    ("risk", "threshold", "line"),
    [
        (0.39996, 0.4, "Risk 0.39996: negative (positive from 0.4 on)."),
        (0.4, 0.4, "Risk 0.400: positive (positive from 0.4 on)."),
        (0.4321, 0.43216, "Risk 0.4321: negative (positive from 0.4322 on)."),
        (0.43204, 0.43201, "Risk 0.432: positive (positive from 0.432 on)."),
    ],
)
def test_the_verdict_follows_from_the_risk_printed(
    risk: float, threshold: float, line: str, answer: study_reading.Answer
) -> None:
    report = stored(made(dataclasses.replace(answer, risk=risk, threshold=threshold))[0])
    assert line in written(report)
    group = content_tree.groups(report)[0]
    found, limit = (content_tree.number_of(item) for item in content_tree.children(group, kind="NUM"))
    assert (found >= limit) == (risk >= threshold)


def test_numbers_have_no_digits_that_no_model_has(answer: study_reading.Answer) -> None:
    positions = np.array([-1.23456, 0.0, 1.0, 2.0, 3.0, 4.0])
    slices = dataclasses.replace(answer.reading.scan.slices, positions_mm=positions)
    scan = dataclasses.replace(answer.reading.scan, slices=slices)
    reading = dataclasses.replace(answer.reading, scan=scan)
    found = dataclasses.replace(answer, reading=reading, risk=0.123456789, threshold=float(np.float32(0.1)))
    report = stored(made(found)[0])
    shown = [
        str(item.MeasuredValueSequence[0].NumericValue)
        for group in content_tree.groups(report)
        for item in content_tree.children(group, kind="NUM")
    ]
    assert shown == ["0.1235", "0.1", "-1.23", "0.0", "1.0", "2.0", "3.0", "4.0"]
    close = made(dataclasses.replace(answer, risk=0.123412, threshold=0.123441))[0]
    assert read_back.read(close).risk == 0.12341


@pytest.mark.parametrize(
    ("keyword", "value", "other"),
    [
        ("PatientName", "Secret^Name", "Secret^Brother"),
        ("PatientName", "Secret^Name=山田^太郎", "Secret^Name=山田^次郎"),
        ("IssuerOfPatientID", "SECRET-A", "SECRET-B"),
        ("PatientBirthDate", "19330401", "19330402"),
        ("PatientSex", "F", "M"),
    ],
)
def test_several_patients_of_one_id_are_not_filed_under_one(
    keyword: str, value: str, other: str, answer: study_reading.Answer
) -> None:
    sources = sources_of(answer)
    for one, told in zip(sources, ["", value, "", *[other] * (len(sources) - 3)], strict=True):
        one.SpecificCharacterSet = "ISO_IR 192"
        setattr(one, keyword, told)
    with pytest.raises(ResultError, match="the images of a result have one") as caught:
        study_results.objects(sources, answer, None, IDENTITY)
    assert "SECRET" not in str(caught.value).upper()
    assert study_results.objects(sources, answer, None, IDENTITY, carry_patient=False)


def test_one_patient_written_in_several_ways_is_one(answer: study_reading.Answer) -> None:
    sources = sources_of(answer)
    ways = ["Secret^Name", "SECRET^NAME^^", "Secret^Name=山田^太郎", "", " Secret ^ Name"]
    for place, one in enumerate(sources):
        one.SpecificCharacterSet, one.PatientName = "ISO_IR 192", ways[place % len(ways)]
        one.PatientSex = "F" if place % 2 else ""
    assert study_results.objects(sources, answer, None, IDENTITY)


def test_the_patient_is_carried_or_nowhere(answer: study_reading.Answer) -> None:
    for result in made(answer):
        assert (result.PatientID, str(result.PatientName), result.StudyID) == ("SECRET-neck", "Secret^Name", "SECRET-9")
        assert result.StudyInstanceUID == study_dicom.uid("neck")
    for result in made(answer, carry_patient=False):
        file = io.BytesIO()
        result.save_as(file, enforce_file_format=True)
        assert b"SECRET" not in file.getvalue().upper()
        assert result.StudyInstanceUID == study_dicom.uid("neck")


@pytest.mark.parametrize("carry", [True, False])
def test_dciodvfy_finds_no_error_and_only_the_warnings_that_are_known(
    carry: bool, answer: study_reading.Answer, tmp_path: pathlib.Path
) -> None:
    for result in made(answer, carry_patient=carry):
        errors, warnings = dicom_validation.remarks(tmp_path, result)
        assert errors == set()
        known = (PRIVATE_SCHEME,) if carry else (PRIVATE_SCHEME, DICOMDIR)
        assert [line for line in warnings if not line.endswith(known)] == []


@pytest.mark.parametrize("part", ["", "LSPINE", "KNEE"])
def test_other_parts_of_the_body_are_not_called_the_neck(part: str, tmp_path: pathlib.Path) -> None:
    study_dicom.write(tmp_path / "study", "other", 1, BodyPartExamined=part, **TAGS)
    report, capture = made(answered(tmp_path / "study"))
    assert capture.get("BodyPartExamined", "") == {"": "CSPINE", "LSPINE": "LSPINE", "KNEE": ""}[part]
    sites = [content_tree.code_of(item)[0] for item in content_tree.descendants(report)
             if content_tree.name_of(item)[0] == "363698007"]  # fmt: skip
    assert sites == ([] if part else ["122494005"] * 2)
    for result in (report, capture):
        errors, _ = dicom_validation.remarks(tmp_path, result)
        assert errors == set()


def test_slices_between_images_are_from_their_neighbours(tmp_path: pathlib.Path) -> None:
    study_dicom.write(tmp_path, "blend", 1, **TAGS)
    # Eight slices every 4 mm from -14 to 14 mm are 29 planes of 1 mm; the middle six, -3 to 2 mm, blend those at -6, -2
    # and 2 mm.
    report = made(answered(tmp_path, Choice("paper_literal", 6, 1.0, (32, 32))))[0]
    assert read_back.read(report).sources == uids("blend", range(2, 5))
    # A slab of all eight.
    report = made(answered(tmp_path, Choice("slab", 6, 1.5, (32, 32), thickness_mm=32.0)))[0]
    assert read_back.read(report).sources == uids("blend", range(8))


def test_the_public_lumbar_study(tmp_path: pathlib.Path) -> None:
    answer = answered(LUMBAR)
    report, capture = made(answer)
    said = read_back.read(report)
    assert len(said.sources) == 6
    assert said.flags == ("clinical_missing", "out_of_domain", "cropped_to_canvas")
    assert capture.BodyPartExamined == "LSPINE"
    for result in (report, capture):
        errors, warnings = dicom_validation.remarks(tmp_path, result)
        assert errors == set()
        assert [line for line in warnings if not line.endswith((PRIVATE_SCHEME, DICOMDIR))] == []


def test_headers_that_do_not_fit_are_refused(answer: study_reading.Answer, tmp_path: pathlib.Path) -> None:
    sources = [one for one in sources_of(answer) if one.SOPInstanceUID in uids("neck", range(1, 7))]
    with pytest.raises(ResultError, match="2 of the 6 images that the slices are from are missing"):
        study_results.objects(sources[:4], answer, None, IDENTITY)
    with pytest.raises(ResultError, match="6 of the 6 images"):
        study_results.objects([], answer, None, IDENTITY)
    changed = copy.deepcopy(sources)
    changed[1].PatientID = "SECRET-other"
    with pytest.raises(ResultError, match="have one Patient ID") as caught:
        study_results.objects(changed, answer, None, IDENTITY)
    assert "SECRET" not in str(caught.value)
    changed = copy.deepcopy(sources)
    changed[1].StudyInstanceUID = "1.2.3"
    with pytest.raises(ResultError, match="have one Study Instance UID"):
        study_results.objects(changed, answer, None, IDENTITY)


def test_a_nifti_file_has_no_results(tmp_path: pathlib.Path) -> None:
    neck = LUMBAR.parent / "mri_cervical" / "t2_sagittal.nii.gz"
    with pytest.raises(ResultError, match="no DICOM"):
        study_results.objects([], answered(neck), None, IDENTITY)


def test_a_mutilated_capture_is_seen(answer: study_reading.Answer) -> None:
    capture = stored(made(answer)[1])
    assert templates.check(capture) == []
    for keyword, value, fault in (
        ("BurnedInAnnotation", "YES", "Burned In Annotation must be NO"),
        ("ImageType", ["ORIGINAL", "PRIMARY"], "Image Type must say DERIVED"),
        ("DerivationDescription", "Grad-CAM", "Derivation Description does not say"),
        ("SourceImageSequence", [], "does not say which images"),
        ("PixelData", bytes(10), "pixels are incomplete"),
    ):
        other = copy.deepcopy(capture)
        setattr(other, keyword, value)
        assert any(fault in line for line in templates.check(other))


def test_frames_of_an_enhanced_image_are_named(answer: study_reading.Answer, tmp_path: pathlib.Path) -> None:
    files = [pydicom.dcmread(file) for file in answer.reading.source.files]
    classic = [file for file in files if file.SeriesNumber == 1]
    for number, one in enumerate(classic):
        one.update({"ImageType": ["ORIGINAL", "PRIMARY"], "Manufacturer": "x", "PatientBirthDate": "", "PatientSex": "",
                    "StudyTime": "101112", "AccessionNumber": "", "ReferringPhysicianName": "", "SeriesTime": "101112",
                    "SeriesDate": "20200101", "PositionReferenceIndicator": "", "AcquisitionNumber": 1,
                    "ContentDate": "20200101", "ContentTime": f"1011{number:02}"})  # fmt: skip
    enhanced = highdicom.legacy.LegacyConvertedEnhancedMRImage(
        classic, series_instance_uid=study_dicom.uid("e", 1), series_number=1, sop_instance_uid=study_dicom.uid("e"),
        instance_number=1,
    )  # fmt: skip
    (tmp_path / "study").mkdir()
    enhanced.save_as(tmp_path / "study" / "one", enforce_file_format=True)
    found = answered(tmp_path / "study")
    report, capture = made(found)
    for result in (report, capture):
        errors, _ = dicom_validation.remarks(tmp_path, result)
        assert errors == set()
    [risk, _] = content_tree.groups(report)
    [image] = content_tree.children(risk, kind="IMAGE")
    order = {frame.number + 1: frame.position[0] for frame in found.reading.chosen.frames}
    inside = {number for number, x in order.items() if abs(x) < 12}
    assert set(image.ReferencedSOPSequence[0].ReferencedFrameNumber) == inside
    assert set(capture.SourceImageSequence[0].ReferencedFrameNumber) == inside
    assert len(scored_study.used(found)) == 6
