"""The ladder of spacings, each rung computed by hand."""

import io

import pydicom
import pytest
from pydicom.dataset import Dataset
from tiny_films import build_film, to_bytes

from raspine import geometry
from raspine.dicom import film, spacing
from raspine.dicom.spacing import SpacingError, resolve

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def header(**tags: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def test_fiducial_calibration_is_taken_and_never_divided():
    found = resolve(
        header(
            PixelSpacing=[0.15, 0.12],
            PixelSpacingCalibrationType="FIDUCIAL",
            ImagerPixelSpacing=[0.2, 0.2],
            EstimatedRadiographicMagnificationFactor=1.25,
        )
    )
    assert found == spacing.Spacing((0.15, 0.12), "fiducial")


def test_geometry_correction_is_not_divided_again():
    found = resolve(
        header(
            PixelSpacing=[0.16, 0.16],
            PixelSpacingCalibrationType="GEOMETRY",
            ImagerPixelSpacing=[0.2, 0.2],
            EstimatedRadiographicMagnificationFactor=1.25,
            DistanceSourceToDetector=1800,
            DistanceSourceToPatient=1500,
        )
    )
    assert found == spacing.Spacing((0.16, 0.16), "geometry")


def test_declared_calibration_that_equals_the_detector_is_flagged():
    found = resolve(
        header(PixelSpacing=[0.2, 0.2], PixelSpacingCalibrationType="GEOMETRY", ImagerPixelSpacing=[0.2, 0.2])
    )
    assert (found.source, found.flags) == ("geometry", ("calibration_equals_detector_plane",))


def test_different_spacings_without_a_type_were_corrected_by_an_unknown_method():
    found = resolve(
        header(
            PixelSpacing=[0.17, 0.17],
            ImagerPixelSpacing=[0.2, 0.2],
            EstimatedRadiographicMagnificationFactor=1.25,
        )
    )
    assert found == spacing.Spacing((0.17, 0.17), "corrected_unknown_method", ("spacing_corrected_method_unknown",))


@pytest.mark.parametrize("pixel", [None, ["0.2000", "0.30"]])
def test_magnification_factor_divides_the_detector_plane(pixel):
    tags = {} if pixel is None else {"PixelSpacing": pixel}
    found = resolve(header(ImagerPixelSpacing=[0.2, 0.3], EstimatedRadiographicMagnificationFactor=1.25, **tags))
    assert found.source == "imager_magnification"
    assert found.millimetres == pytest.approx((0.16, 0.24), abs=1e-12)
    assert found.flags == ()


def test_source_distances_divide_the_detector_plane():
    found = resolve(header(ImagerPixelSpacing=[0.2, 0.3], DistanceSourceToDetector=1800, DistanceSourceToPatient=1500))
    assert found.source == "imager_distances"
    assert found.millimetres == pytest.approx((0.2 / 1.2, 0.25), abs=1e-12)


def test_factor_goes_before_distances_and_a_disagreement_is_flagged():
    found = resolve(
        header(
            ImagerPixelSpacing=[0.2, 0.2],
            EstimatedRadiographicMagnificationFactor=1.1,
            DistanceSourceToDetector=1800,
            DistanceSourceToPatient=1500,
        )
    )
    assert found.source == "imager_magnification"
    assert found.millimetres == pytest.approx((0.2 / 1.1, 0.2 / 1.1), abs=1e-12)
    assert found.flags == ("magnification_disagrees_with_distances",)


@pytest.mark.parametrize("pixel", [None, [0.143, 0.143]])
def test_detector_plane_is_flagged_also_when_pixel_spacing_repeats_it(pixel):
    tags = {} if pixel is None else {"PixelSpacing": pixel}
    found = resolve(header(ImagerPixelSpacing=[0.143, 0.143], **tags))
    assert found == spacing.Spacing((0.143, 0.143), "detector_plane", ("detector_plane_uncorrected",))
    assert spacing.MAGNIFIED_FLAGS & set(found.flags)


@pytest.mark.parametrize(("detector", "patient"), [(0, 0), (1800, 0), (1500, 1800)])
def test_unknown_or_impossible_distances_are_not_used(detector, patient):
    found = resolve(
        header(ImagerPixelSpacing=[0.2, 0.2], DistanceSourceToDetector=detector, DistanceSourceToPatient=patient)
    )
    assert found.source == "detector_plane"
    assert found.flags == ("detector_plane_uncorrected", "source_distances_unusable")


def test_pixel_spacing_alone_states_no_plane():
    found = resolve(header(PixelSpacing=[0.175, 0.175], Modality="OT", EstimatedRadiographicMagnificationFactor=1.2))
    assert found == spacing.Spacing((0.175, 0.175), "pixel_spacing", ("spacing_plane_unknown",))


@pytest.mark.parametrize("pixel", [None, [0.1, 0.1]])
def test_nominal_scanned_spacing_of_a_digitised_film(pixel):
    tags = {} if pixel is None else {"PixelSpacing": pixel}
    found = resolve(header(NominalScannedPixelSpacing=[0.1, 0.1], **tags))
    assert found == spacing.Spacing((0.1, 0.1), "nominal_scanned", ("nominal_scanned_spacing",))


def test_digitised_film_that_was_calibrated():
    assert resolve(header(NominalScannedPixelSpacing=[0.1, 0.1], PixelSpacing=[0.09, 0.09])).source == (
        "corrected_unknown_method"
    )


@pytest.mark.parametrize("tags", [{}, {"PixelAspectRatio": [1, 1]}, {"PixelSpacing": None}])
def test_no_spacing_is_never_one_millimetre(tags):
    assert resolve(header(**tags)) == spacing.Spacing(None, "none", ("no_spacing",))


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"])
@pytest.mark.parametrize(
    "value", ["0\\0", "-0.1\\0.1", "0.1\\0", "0.1", "0.1\\0.1\\0.1", "nan\\nan", "inf\\1", "0,1\\0,1", "a\\b"]
)
def test_damaged_spacings_are_refused_by_tag_and_value(keyword, value):
    tags = {"ImagerPixelSpacing": None, keyword: ["11.11111111", "2222222222"]}
    sound = to_bytes(build_film(**tags))
    # Written as bytes: pydicom refuses to write most of these, hospitals do not.
    damaged = sound.replace(b"11.11111111\\2222222222", value.encode().ljust(22))
    dataset = pydicom.dcmread(io.BytesIO(damaged))
    with pytest.raises(SpacingError) as caught:
        resolve(dataset)
    message = str(caught.value)
    assert "\n" not in message
    assert {"PixelSpacing": "0028,0030", "ImagerPixelSpacing": "0018,1164"}.get(keyword, "2010") in message
    assert value.split("\\")[0].lstrip("-").split(",")[0][:3] in message


@pytest.mark.parametrize("factor", [[1.1, 1.2], 0, -1.1, 0.9])
def test_impossible_or_disagreeing_factors_are_refused(factor):
    with pytest.raises(SpacingError, match="0018,1114"):
        resolve(header(ImagerPixelSpacing=[0.2, 0.2], EstimatedRadiographicMagnificationFactor=factor))


def test_two_factors_in_two_places_disagree():
    shared = header(EstimatedRadiographicMagnificationFactor=1.2)
    dataset = header(
        ImagerPixelSpacing=[0.2, 0.2],
        EstimatedRadiographicMagnificationFactor=1.1,
        SharedFunctionalGroupsSequence=[shared],
    )
    with pytest.raises(SpacingError, match="disagree"):
        resolve(dataset)


@pytest.mark.parametrize(
    "tags",
    [
        {"EstimatedRadiographicMagnificationFactor": 1},
        {"DistanceSourceToDetector": 1800, "DistanceSourceToPatient": 1800},
    ],
)
def test_factor_of_one_corrects_nothing(tags):
    found = resolve(header(ImagerPixelSpacing=[0.2, 0.2], **tags))
    assert found.millimetres == (0.2, 0.2)
    assert found.flags == ("detector_plane_uncorrected",)


def test_negative_distance_is_refused():
    with pytest.raises(SpacingError, match="0018,1110"):
        resolve(header(ImagerPixelSpacing=[0.2, 0.2], DistanceSourceToDetector=-1800, DistanceSourceToPatient=1500))


def test_implausible_spacing_is_flagged():
    assert "spacing_implausible" in resolve(header(ImagerPixelSpacing=[200, 200])).flags


@pytest.mark.parametrize("pair", [(0.0, 0.1), (-1.0, 1.0), (float("nan"), 1.0)])
def test_given_spacing_is_checked(pair):
    with pytest.raises(SpacingError, match="given"):
        spacing.given(*pair)


def test_given_spacing_goes_first_and_is_flagged_when_the_header_differs():
    data = to_bytes(build_film(ImagerPixelSpacing=[0.2, 0.2]))
    other = film.read_bytes(data, spacing=(0.15, 0.16))
    assert other.spacing == spacing.Spacing((0.15, 0.16), "given", ("spacing_given",))
    assert "spacing_given" in other.flags
    assert film.read_bytes(data, spacing=(0.2, 0.2)).spacing.flags == ()


def test_given_spacing_rescues_a_film_with_a_damaged_one():
    data = to_bytes(build_film(ImagerPixelSpacing=[0, 0]))
    with pytest.raises(film.FilmError, match="0018,1164"):
        film.read_bytes(data)
    assert film.read_bytes(data, spacing=(0.2, 0.2)).spacing.flags == ("header_spacing_unusable",)


def test_anisotropic_film_measures_the_right_millimetres():
    shown = film.read_bytes(to_bytes(build_film(PixelSpacing=[0.3, 0.4], PixelSpacingCalibrationType="FIDUCIAL")))
    assert shown.spacing.millimetres is not None
    # 10 pixels in x are 4 mm, 10 in y are 3 mm.
    assert geometry.distance_mm((0, 0), (10, 10), shown.spacing.millimetres) == pytest.approx(5.0, abs=1e-12)


def test_transposed_film_measures_the_same_millimetres():
    shown = film.read_bytes(
        to_bytes(
            build_film(PatientOrientation=["F", "P"], PixelSpacing=[0.3, 0.4], PixelSpacingCalibrationType="FIDUCIAL")
        )
    )
    assert shown.spacing.millimetres == (0.4, 0.3)
