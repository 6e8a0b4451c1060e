import copy
import dataclasses
import datetime
import io
import math
import pathlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import dicom_validation
import highdicom
import measured_films
import numpy as np
import pydicom
import pytest
from measured_films import COLUMNS, IDENTITY, MARKS, ROWS, Measured
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ComprehensiveSRStorage, GrayscaleSoftcopyPresentationStateStorage

from raspine import landmarks, measurement
from raspine.dicom import film as film_reader
from raspine.dicom_results import content_tree, equipment, film_results, headers, read_back, templates, uids
from raspine.dicom_results.errors import ResultError

WHEN = datetime.datetime(2026, 11, 30, 12, 34, 56)
ATLANTOAXIAL = landmarks.ATLANTOAXIAL
STORED: dict[str, dict[str, Any]] = {
    "as displayed": {"PatientOrientation": ["P", "F"]},
    "mirrored": {"PatientOrientation": ["A", "F"]},
    "upside down": {"PatientOrientation": ["P", "H"]},
    "transposed": {"PatientOrientation": ["F", "P"]},
    "turned": {"PatientOrientation": ["H", "A"]},
    "a negative": {"PatientOrientation": ["P", "F"], "PhotometricInterpretation": "MONOCHROME1"},
    "a mirrored negative": {"PatientOrientation": ["A", "F"], "PhotometricInterpretation": "MONOCHROME1"},
    "of unknown orientation": {"PatientOrientation": ""},
}
# dciodvfy knows no private coding scheme, and a DICOMDIR wants what a neutral patient module has not.
PRIVATE_SCHEME = "Unrecognized defined term = <99RASPINE>"
DICOMDIR = "Missing attribute or value that would be needed to build DICOMDIR"


def made(case: Measured, **options: Any) -> tuple[Dataset, Dataset]:
    report, overlay = film_results.objects(*case.arguments, when=options.pop("when", WHEN), **options)
    return report, overlay


def stored(result: Dataset) -> Dataset:
    """The object as a file gives it back."""
    file = io.BytesIO()
    result.save_as(file, enforce_file_format=True)
    file.seek(0)
    return pydicom.dcmread(file)


def content(result: Dataset) -> list[Dataset]:
    """Every content item, by plain pydicom."""
    below = list(result.get("ContentSequence", []))
    return [item for child in below for item in (child, *content(child))]


def texts(result: Dataset) -> list[str]:
    return [item.TextValue for item in content(result) if item.get("ValueType") == "TEXT"]


def written(overlay: Dataset) -> list[str]:
    """Every text of an overlay."""
    return [
        text.UnformattedTextValue
        for part in overlay.GraphicAnnotationSequence
        for text in part.get("TextObjectSequence", [])
    ]


def identifiers(results: Sequence[Dataset]) -> set[str]:
    """Their SOP and Series Instance UIDs."""
    return {uid for one in results for uid in (one.SOPInstanceUID, one.SeriesInstanceUID)}


def spacings(report: Dataset) -> tuple[float, float]:
    """Row and column spacing in mm that the millimetres of a report rest on."""
    values = {item.ConceptNameCodeSequence[0].CodeValue: item.MeasuredValueSequence[0].NumericValue
              for item in content(report) if item.get("ValueType") == "NUM"}  # fmt: skip
    return float(values["row_spacing"]), float(values["column_spacing"])


@pytest.fixture
def case(tmp_path: pathlib.Path) -> Measured:
    return measured_films.measured(tmp_path / "film.dcm")


@pytest.mark.parametrize("tags", STORED.values(), ids=STORED)
def test_points_fall_on_the_bright_pixels_of_the_file(tags: dict[str, Any], tmp_path: pathlib.Path) -> None:
    report, overlay = made(measured_films.measured(tmp_path / "film.dcm", **tags))
    plain, drawn = stored(report), stored(overlay)
    # DICOM counts from the corner of the first pixel, so a pixel's centre is at its number plus a half.
    expected = MARKS + 0.5
    points = [item.GraphicData for item in content(plain) if item.get("GraphicType") == "POINT"]
    np.testing.assert_allclose(np.array(points), expected, atol=1e-3)
    lines = [
        np.array(item.GraphicData).reshape(2, 2) for item in content(plain) if item.get("GraphicType") == "POLYLINE"
    ]
    np.testing.assert_allclose(lines, [expected[:2], expected[2:]], atol=1e-3)
    graphics = [one for part in drawn.GraphicAnnotationSequence for one in part.get("GraphicObjectSequence", [])]
    np.testing.assert_allclose([one.GraphicData for one in graphics if one.GraphicType == "POINT"], expected, atol=1e-3)
    said = read_back.read(plain)
    np.testing.assert_allclose([said.points[name] for name in ATLANTOAXIAL.landmarks], MARKS, atol=1e-3)
    np.testing.assert_allclose(said.lines["sac"], MARKS[2:], atol=1e-3)
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    _highdicom_reads(tmp_path / "report.dcm")
    for result in (report, overlay):
        errors, warnings = dicom_validation.remarks(tmp_path, result)
        assert errors == set()
        assert [line for line in warnings if not line.endswith(PRIVATE_SCHEME)] == []


def _highdicom_reads(path: pathlib.Path) -> None:
    """Checks lines, points and millimetres as highdicom reads them."""
    report = highdicom.sr.srread(path)
    groups = {group.tracking_identifier: group for group in report.content.get_planar_roi_measurement_groups()}
    assert list(groups) == ["adi", "sac", *ATLANTOAXIAL.landmarks]
    np.testing.assert_allclose(groups["adi"].roi.value, MARKS[:2] + 0.5, atol=1e-3)
    # Rows are 0.2 mm apart and columns 0.3: (5, 2) and (16, 6) pixels.
    for name, expected in (("adi", math.hypot(5 * 0.3, 2 * 0.2)), ("sac", math.hypot(16 * 0.3, 6 * 0.2))):
        [length] = groups[name].get_measurements(name=codes.SCT.Length)
        assert length.unit == codes.UCUM.Millimeter
        assert length.value == round(expected, 2)
    for name, place, share in zip(ATLANTOAXIAL.landmarks, MARKS, measured_films.CONFIDENCE, strict=True):
        np.testing.assert_allclose(groups[name].roi.value, [place + 0.5], atol=1e-3)
        [certainty] = groups[name].get_measurements(name=codes.DCM.CertaintyOfFinding)
        assert certainty.value == pytest.approx(100 * share)
    [film] = report.content.get_image_measurement_groups()
    assert film.finding_sites[0].value == codes.SCT.CervicalSpine
    [verdict] = [one for one in film.get_qualitative_evaluations() if one.name.value == "verdict"]
    assert verdict.value == codes.SCT.Positive


def test_the_report_states_where_the_millimetres_are_from(case: Measured) -> None:
    report = made(case)[0]
    said = read_back.read(report)
    assert (said.verdict, said.risk, said.model) == ("positive", None, ("atlantoaxial", "7"))
    assert said.flags == case.result.flags == ("detector_plane_uncorrected",)
    assert said.sources == {case.source.SOPInstanceUID}
    assert said.confidence == pytest.approx(dict(zip(ATLANTOAXIAL.landmarks, measured_films.CONFIDENCE, strict=True)))
    lines = texts(report)
    assert "Pixel spacing: Imager Pixel Spacing, at the detector, uncorrected." in lines
    assert "ADI 1.6 mm (positive > 3 mm)" in lines
    assert "If the film magnifies the neck 1.2 times: ADI 1.3 mm, SAC 4.1 mm, positive." in lines
    assert spacings(report) == (0.2, 0.3)
    algorithm = {item.TextValue for item in content(report) if item.ConceptNameCodeSequence[0].CodeValue == "111002"}
    assert algorithm == {f"sha256 {'ab' * 32}", "variant folded", equipment.RESEARCH_USE}


def test_a_transposed_film_states_the_spacing_of_its_file(tmp_path: pathlib.Path) -> None:
    report = made(measured_films.measured(tmp_path / "film.dcm", **STORED["transposed"]))[0]
    assert spacings(report) == (0.2, 0.3)


def test_the_spacing_of_the_millimetres_is_not_called_the_receptors(tmp_path: pathlib.Path) -> None:
    tags = {"EstimatedRadiographicMagnificationFactor": 1.25, "PatientOrientation": ["P", "F"]}
    report = made(measured_films.measured(tmp_path / "film.dcm", **tags))[0]
    assert spacings(report) == pytest.approx((0.16, 0.24))
    # DCM 111026 and 111066 are at the receptor: in the image library, and nowhere else.
    [library] = content_tree.children(report, content_tree.IMAGE_LIBRARY)
    for code, expected in (("111026", 0.3), ("111066", 0.2)):
        for place in (report, library):
            found = [item for item in content(place) if item.ConceptNameCodeSequence[0].CodeValue == code]
            assert [item.MeasuredValueSequence[0].NumericValue for item in found] == [expected]


# Of the threshold, printed with one decimal: 3 mm is not above 3 mm, nor 13 mm below 13.
CLOSE = {
    "ADI above": ({"adi": 3.04, "sac": 20.0}, "positive", "ADI 3.04 mm (positive > 3 mm)"),
    "ADI just above": ({"adi": 3.0004, "sac": 20.0}, "positive", "ADI 3.0004 mm (positive > 3 mm)"),
    "ADI at": ({"adi": 3.0, "sac": 20.0}, "negative", "ADI 3.0 mm (positive > 3 mm)"),
    "ADI below": ({"adi": 2.96, "sac": 20.0}, "negative", "ADI 3.0 mm (positive > 3 mm)"),
    "SAC above": ({"adi": 2.0, "sac": 13.04}, "negative", "SAC 13.04 mm (positive <= 13 mm)"),
    "SAC at": ({"adi": 2.0, "sac": 13.0}, "positive", "SAC 13.0 mm (positive <= 13 mm)"),
}


@pytest.mark.parametrize(("values", "verdict", "line"), CLOSE.values(), ids=CLOSE)
def test_verdicts_follow_from_the_numbers_printed(
    values: dict[str, float], verdict: str, line: str, case: Measured
) -> None:
    assert measurement.verdict(ATLANTOAXIAL, values) == verdict
    table = ({"magnification": 1.05, **{f"{name}_mm": value for name, value in values.items()}, "verdict": verdict},)
    result = dataclasses.replace(case.result, millimetres=values, verdict=verdict, by_magnification=table)
    report, overlay = made(dataclasses.replace(case, result=result))
    assert line in texts(report)
    printed = line.split(" (")[0]
    [magnified] = [one for one in texts(report) if one.startswith("If the film magnifies")]
    assert printed in magnified.replace(": ", ", ").split(", ")
    assert printed in written(overlay)
    assert printed in written(overlay)[-1].split("\r\n")
    said = read_back.read(stored(report))
    assert measurement.verdict(ATLANTOAXIAL, said.millimetres) == verdict
    assert said.millimetres == values


def test_numbers_have_no_digits_that_no_measurement_has(case: Measured) -> None:
    values = {"adi": 2.123456789012, "sac": 20.98765432}
    confidence = np.array([0.1234567, 0.5, 1.0, 2 / 3])
    result = dataclasses.replace(case.result, millimetres=values, confidence=confidence, by_magnification=())
    spacing = dataclasses.replace(case.film.spacing, millimetres=(0.143 / 1.15, 0.2))
    film = dataclasses.replace(case.film, spacing=spacing)
    report = stored(made(dataclasses.replace(case, film=film, result=result))[0])
    groups = {content_tree.text_of(group, content_tree.TRACKING_ID): group for group in content_tree.groups(report)}
    shown = {
        name: [str(item.MeasuredValueSequence[0].NumericValue) for item in content_tree.children(group, kind="NUM")]
        for name, group in groups.items()
    }
    assert shown == {
        "adi": ["2.12"], "sac": ["20.99"], "anterior_arch_posterior": ["12.35"], "dens_anterior": ["50.0"],
        "dens_posterior": ["100.0"], "posterior_arch_anterior": ["66.67"], "film": ["12.35", "0.124348", "0.2"],
    }  # fmt: skip
    for item in content_tree.descendants(report):
        if item.ValueType == "NUM":
            [value] = item.MeasuredValueSequence
            assert value.get("FloatingPointValue", value.NumericValue) == value.NumericValue


def test_every_object_says_that_it_is_for_research_and_unverified(case: Measured) -> None:
    report, overlay = made(case)
    for result in (report, overlay):
        assert result.SeriesDescription.startswith("AI result, research use")
    assert "AI result, research use" in texts(report)
    assert (report.VerificationFlag, report.CompletionFlag, report.PreliminaryFlag) == (
        "UNVERIFIED", "COMPLETE", "PRELIMINARY",
    )  # fmt: skip
    assert (overlay.ContentLabel, overlay.ContentDescription) == ("AI RESEARCH USE", "AI result, research use")
    heading = "AI result, research use\r\npositive\r\nADI 1.6 mm\r\nSAC 4.9 mm\r\n! detector plane uncorrected"
    assert written(overlay) == ["ADI 1.6 mm", "SAC 4.9 mm", heading]


def test_the_overlay_counts_doubts_that_are_too_many_to_name(case: Measured) -> None:
    for flags, shown in (
        ((), []),
        (("low_confidence", "no_voi"), ["! low confidence", "! no voi"]),
        (("low_confidence", "no_voi", "spacing_given", "landmark_not_found"), ["! see the report: 4 doubts"]),
    ):
        overlay = made(dataclasses.replace(case, result=dataclasses.replace(case.result, flags=flags)))[1]
        lines = written(overlay)[-1].split("\r\n")
        assert lines[4:] == shown
        [box] = [
            [*text.BoundingBoxTopLeftHandCorner, *text.BoundingBoxBottomRightHandCorner]
            for part in overlay.GraphicAnnotationSequence
            for text in part.get("TextObjectSequence", [])
            if "BoundingBoxTopLeftHandCorner" in text
        ]
        np.testing.assert_allclose(box, [0.02, 0.02, 0.6, 0.02 * (1 + len(lines))], atol=1e-6)


def test_landmarks_are_drawn_in_the_colours_of_the_schema(case: Measured) -> None:
    overlay = made(case)[1]
    layers = {layer.GraphicLayer: layer for layer in overlay.GraphicLayerSequence}
    for number, colour in enumerate(ATLANTOAXIAL.colours, 1):
        stored_value = layers[f"AI POINT {number}"].GraphicLayerRecommendedDisplayCIELabValue
        lab = [stored_value[0] / 65535 * 100, *(value / 65535 * 255 - 128 for value in stored_value[1:])]
        red, green, blue = highdicom.color.CIELabColor(*lab).to_rgb()
        np.testing.assert_allclose([red, green, blue], [int(colour[k : k + 2], 16) for k in (1, 3, 5)], atol=2)


def test_pixels_that_are_not_square_keep_their_shape_in_the_overlay(case: Measured) -> None:
    [area] = made(case)[1].DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelSpacing) == [0.2, 0.3]
    assert "PresentationPixelAspectRatio" not in area
    assert list(area.DisplayedAreaBottomRightHandCorner) == [COLUMNS, ROWS]


@pytest.mark.parametrize(
    ("aspect", "expected"), [([2, 3], [2, 3]), (None, [1, 1]), ([0, 3], [1, 1]), ([2, 70000], [1, 1])], ids=str
)
def test_a_film_without_spacing_keeps_its_aspect(
    aspect: list[int] | None, expected: list[int], tmp_path: pathlib.Path
) -> None:
    tags = {"ImagerPixelSpacing": None, "PixelAspectRatio": aspect}
    measured_films.write(tmp_path / "film.dcm", **{key: value for key, value in tags.items() if value or key[0] == "I"})
    case = measured_films.measured(tmp_path / "film.dcm", **tags)
    case = dataclasses.replace(case, source=headers.read(tmp_path / "film.dcm"))
    overlay = made(case)[1]
    [area] = overlay.DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == expected
    assert "PresentationPixelSpacing" not in area
    assert dicom_validation.remarks(tmp_path, overlay)[0] == set()


def test_square_pixels_stay_so(tmp_path: pathlib.Path) -> None:
    case = measured_films.measured(tmp_path / "film.dcm", ImagerPixelSpacing=[0.2, 0.2])
    [area] = made(case)[1].DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == [1, 1]


GREY: dict[str, dict[str, Any]] = {
    "a window": {"WindowCenter": 30000, "WindowWidth": 40000},
    "a negative": {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 40000, "WindowWidth": 30000},
    "an inverse shape": {"PresentationLUTShape": "INVERSE", "WindowCenter": 40000, "WindowWidth": 30000},
    "a rescale": {"RescaleSlope": 0.5, "RescaleIntercept": -1000, "RescaleType": "US", "WindowCenter": 10000,
                  "WindowWidth": 20000},
}  # fmt: skip


@pytest.mark.parametrize("tags", GREY.values(), ids=GREY)
def test_dcmtk_shows_the_film_under_its_overlay_as_the_model_saw_it(
    tags: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    if shutil.which("dcmp2pgm") is None:
        pytest.fail("this test needs Debian's package dcmtk (dcmp2pgm): install it as root.")
    case = measured_films.measured(tmp_path / "film.dcm", **tags)
    made(case)[1].save_as(tmp_path / "overlay.dcm", enforce_file_format=True)
    subprocess.run(
        ["dcmp2pgm", "-q", "-p", tmp_path / "overlay.dcm", tmp_path / "film.dcm", tmp_path / "shown.pgm"],
        check=True, timeout=60,
    )  # fmt: skip
    shown = np.asarray(Image.open(tmp_path / "shown.pgm").convert("L"), np.float64)
    np.testing.assert_allclose(shown, case.film.pixels / 257.0, atol=2.0)


def test_a_sigmoid_goes_into_the_overlay(tmp_path: pathlib.Path) -> None:
    tags = {"WindowCenter": 30000, "WindowWidth": 20000, "VOILUTFunction": "SIGMOID"}
    [step] = made(measured_films.measured(tmp_path / "film.dcm", **tags))[1].SoftcopyVOILUTSequence
    assert (step.WindowCenter, step.WindowWidth, step.VOILUTFunction) == (30000, 20000, "SIGMOID")


def test_a_lookup_table_goes_into_the_overlay_with_its_bits(tmp_path: pathlib.Path) -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 12])
    table.add_new("LUTData", "US", [min(16 * value, 4095) for value in range(256)])
    case = measured_films.measured(tmp_path / "film.dcm", VOILUTSequence=[table])
    [step] = made(case)[1].SoftcopyVOILUTSequence
    assert list(step.VOILUTSequence[0].LUTDescriptor) == [256, 0, 12]
    words = np.frombuffer(step.VOILUTSequence[0].LUTData, "<u2")
    np.testing.assert_array_equal(words, np.minimum(16 * np.arange(256), 4095))


def test_a_film_without_spacing_has_points_a_reason_and_no_length(tmp_path: pathlib.Path) -> None:
    case = measured_films.measured(tmp_path / "film.dcm", ImagerPixelSpacing=None)
    report, overlay = made(case)
    said = read_back.read(report)
    assert (said.verdict, said.millimetres) == ("none", {})
    np.testing.assert_allclose(said.lines["adi"], MARKS[:2], atol=1e-3)
    assert not any(item.ConceptNameCodeSequence[0].CodeValue == "410668003" for item in content(report))
    reasons = [item.ConceptCodeSequence[0].CodeMeaning for item in content(report)
               if item.ConceptNameCodeSequence[0].CodeValue == "unmeasured"]  # fmt: skip
    assert reasons == ["Measurement not attempted"] * 2
    assert "ADI not measured (positive > 3 mm)" in texts(report)
    assert not dicom_validation.remarks(tmp_path, report)[0] | dicom_validation.remarks(tmp_path, overlay)[0]


@pytest.mark.parametrize(("place", "reason"), [(math.nan, "114006"), (-30.0, "114009")], ids=["missing", "outside"])
def test_a_landmark_that_is_no_pixel_of_the_film_is_left_out_with_a_reason(
    place: float, reason: str, case: Measured, tmp_path: pathlib.Path
) -> None:
    points = case.result.points.copy()
    points[3] = place
    result = measurement.measure(ATLANTOAXIAL, points, [0.9, 0.8, 0.7, math.nan], (ROWS, COLUMNS), (0.2, 0.3))
    report, overlay = made(dataclasses.replace(case, result=result))
    said = read_back.read(report)
    assert set(said.points) == set(ATLANTOAXIAL.landmarks[:3])
    assert set(said.lines) == {"adi"}
    assert ("sac" in said.millimetres) == math.isfinite(place)
    groups = {content_tree.text_of(group, content_tree.TRACKING_ID): group for group in content_tree.groups(report)}
    undrawn = [content_tree.code_of(one) for one in content_tree.children(groups["sac"], ("undrawn", "99RASPINE"))]
    assert undrawn == ([("end_outside", "99RASPINE")] if math.isfinite(place) else [])
    [line] = [one for one in written(overlay)[-1].split("\r\n") if one.startswith("SAC")]
    assert line.endswith(" mm, end outside the film" if math.isfinite(place) else "not measured")
    assert any(one.startswith(f"{line} (positive") for one in texts(report))
    reasons = {item.ConceptCodeSequence[0].CodeValue for item in content(report)
               if item.ConceptNameCodeSequence[0].CodeValue == "unmeasured"}  # fmt: skip
    assert reasons == {reason}
    assert said.confidence["posterior_arch_anterior"] == 0.0
    assert templates.check(report) == []
    assert not dicom_validation.remarks(tmp_path, report)[0] | dicom_validation.remarks(tmp_path, overlay)[0]


def test_nothing_found_still_makes_a_report_and_an_overlay(case: Measured, tmp_path: pathlib.Path) -> None:
    result = measurement.measure(ATLANTOAXIAL, np.full((4, 2), np.nan), np.zeros(4), (ROWS, COLUMNS), (0.2, 0.3))
    report, overlay = made(dataclasses.replace(case, result=result))
    assert read_back.read(report).verdict == "none"
    assert not dicom_validation.remarks(tmp_path, report)[0] | dicom_validation.remarks(tmp_path, overlay)[0]


def test_a_schema_without_distances_and_with_many_landmarks(case: Measured, tmp_path: pathlib.Path) -> None:
    schema = landmarks.CEPHALOMETRIC19
    points = np.column_stack([np.linspace(1, 38, 19), np.linspace(2, 40, 19)])
    result = measurement.measure(schema, points, np.full(19, 0.5), (ROWS, COLUMNS), (0.2, 0.3))
    report, overlay = made(dataclasses.replace(case, result=result, schema=schema))
    said = read_back.read(report)
    np.testing.assert_allclose([said.points[name] for name in schema.landmarks], points, atol=1e-3)
    assert said.verdict == "none"
    assert not dicom_validation.remarks(tmp_path, report)[0] | dicom_validation.remarks(tmp_path, overlay)[0]


def test_a_film_in_colour_has_no_overlay(case: Measured) -> None:
    case.source.SamplesPerPixel = 3
    [report] = film_results.objects(*case.arguments)
    assert report.SOPClassUID == ComprehensiveSRStorage


def test_the_same_film_and_model_give_the_same_objects(case: Measured) -> None:
    first, again = made(case), made(case)
    assert [stored(one) for one in first] == [stored(one) for one in again]
    later = made(case, when=datetime.datetime(2027, 1, 1))
    assert [one.SOPInstanceUID for one in later] == [one.SOPInstanceUID for one in first]
    assert [one.SeriesInstanceUID for one in later] == [one.SeriesInstanceUID for one in first]
    assert {one.SOPInstanceUID for one in first}.isdisjoint({one.SeriesInstanceUID for one in first})
    assert [one.StudyInstanceUID for one in first] == [case.source.StudyInstanceUID] * 2


def test_every_date_is_the_one_that_was_given(case: Measured) -> None:
    for result in made(case):
        dates = {element.value for element in result.iterall() if element.VR in ("DA", "DT")} - {"20200102", "19330401"}
        times = {element.value for element in result.iterall() if element.VR == "TM"} - {"030405"}
        assert dates == {"20261130"} | ({"20261130123456"} if "ContributingEquipmentSequence" in result else set())
        assert times == {"123456"}


@pytest.mark.parametrize("change", [{"version": "8"}, {"digest": "cd" * 32}, {"variant": "fast"}, {"name": "other"}])
def test_another_model_gives_other_objects(change: dict[str, str], case: Measured) -> None:
    other = film_results.objects(*case.arguments[:4], dataclasses.replace(IDENTITY, **change))
    for one, before in zip(other, made(case), strict=True):
        assert one.SOPInstanceUID != before.SOPInstanceUID
        assert one.SeriesInstanceUID != before.SeriesInstanceUID


def test_landmarks_are_tracked_whichever_model_found_them(case: Measured) -> None:
    other = film_results.objects(*case.arguments[:4], dataclasses.replace(IDENTITY, version="8"))
    tracked = [
        [item.UID for item in content(one) if item.get("ValueType") == "UIDREF"][1:]
        for one in (other[0], made(case)[0])
    ]
    assert tracked[0] == tracked[1]
    assert uids.of_tracking("adi", [case.source.SOPInstanceUID]) in tracked[0]


def test_a_spacing_that_the_user_gave_is_another_result(tmp_path: pathlib.Path) -> None:
    case = measured_films.measured(tmp_path / "film.dcm", ImagerPixelSpacing=None)
    given = dataclasses.replace(case, film=film_reader.read(tmp_path / "film.dcm", (0.2, 0.3)))
    assert identifiers(made(case)).isdisjoint(identifiers(made(given)))


def test_other_thresholds_are_another_result(case: Measured) -> None:
    other = dataclasses.replace(case, schema=ATLANTOAXIAL.with_thresholds({"adi": 2.5}))
    assert identifiers(made(case)).isdisjoint(identifiers(made(other)))


def test_objects_without_the_patient_are_others(case: Measured) -> None:
    assert identifiers(made(case)).isdisjoint(identifiers(made(case, carry_patient=False)))


def test_the_patient_goes_with_the_objects_for_the_archive(case: Measured) -> None:
    for result in map(stored, made(case)):
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
                        "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyDescription"):  # fmt: skip
            assert result[keyword].value == case.source[keyword].value
        assert "PatientAddress" not in result
        assert "InstitutionName" not in result


def test_nobody_is_named_in_the_objects_for_everybody_else(case: Measured) -> None:
    for result in made(case, carry_patient=False):
        file = io.BytesIO()
        result.save_as(file, enforce_file_format=True)
        assert b"SECRET" not in file.getvalue().upper()
        assert b"19330401" not in file.getvalue()
        assert (result.PatientID, str(result.PatientName), result.StudyDate) == ("", "", "")
        assert result.StudyInstanceUID == case.source.StudyInstanceUID


def test_dciodvfy_finds_no_error_in_objects_without_a_patient(case: Measured, tmp_path: pathlib.Path) -> None:
    for result in made(case, carry_patient=False):
        errors, warnings = dicom_validation.remarks(tmp_path, result)
        assert errors == set()
        assert [line for line in warnings if not line.endswith((PRIVATE_SCHEME, DICOMDIR))] == []


@pytest.mark.parametrize(
    "sop_class",
    ["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.3",
     "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.3", "1.2.840.10008.5.1.4.1.1.12.2"],
)  # fmt: skip
def test_films_of_every_class_have_results(sop_class: str, tmp_path: pathlib.Path) -> None:
    case = measured_films.measured(tmp_path / "film.dcm", SOPClassUID=sop_class)
    report, overlay = made(case)
    assert overlay.SOPClassUID == GrayscaleSoftcopyPresentationStateStorage
    assert not dicom_validation.remarks(tmp_path, report)[0] | dicom_validation.remarks(tmp_path, overlay)[0]


def test_a_film_of_another_image_is_refused(case: Measured) -> None:
    other = copy.deepcopy(case.source)
    other.Rows = 99
    with pytest.raises(ResultError, match=r"not of this image: \(48, 40\) pixels, the image has \(99, 40\)"):
        film_results.objects(other, *case.arguments[1:])
    with pytest.raises(ResultError, match=r"19 landmarks\. Received: 4 points"):
        film_results.objects(case.source, case.film, case.result, landmarks.CEPHALOMETRIC19, IDENTITY)
