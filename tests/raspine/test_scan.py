import itertools
import pathlib
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK

from raspine import scan
from raspine.dicom import index, series, volume
from raspine.inputs import slices

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
LUMBAR = DATA / "mri_lumbar"
CERVICAL = DATA / "mri_cervical" / "t2_sagittal.nii.gz"
# Sums of the stored values of the eleven T2 SAG files, from the patient's right to left, and the first pixel's x.
SUMS = (
    37377432,
    37157637,
    36320572,
    38459114,
    40893232,
    41230869,
    39186468,
    36520160,
    36402966,
    37122009,
    36888737,
)
FIRST_X = (-38.63568, -34.13808, -29.64048, -25.14288, -20.64528, -16.14767, -11.65007, -7.15247, -2.654868, 1.842734)
SMALL = slices.Choice(pixel_mm=0.8, size=(160, 160))


def lumbar(folder: pathlib.Path = LUMBAR) -> index.Study:
    files = [path for path in sorted(folder.iterdir()) if path.suffix != ".md"]
    (study,) = index.scan(reversed(files)).studies
    return study


def test_lumbar_volume_is_the_eleven_t2_in_order() -> None:
    candidate = series.choose(lumbar())
    assert candidate.stack.series.description == "T2 SAG"
    found = volume.read(candidate.stack)
    sums = found.voxels.sum(axis=(1, 2), dtype=np.float64)
    np.testing.assert_array_equal(sums, SUMS)
    np.testing.assert_allclose((found.affine @ [[0] * 10, [0] * 10, range(10), [1] * 10])[0], FIRST_X, atol=1e-4)
    np.testing.assert_allclose(found.affine[:3, 3], [-38.63568, -109.0772, 202.2417], atol=1e-4)
    assert found.pitch_mm == pytest.approx(4.5, abs=1e-5)
    assert found.spacing_mm == pytest.approx((0.68359375, 0.68359375))
    assert found.flags == ()


def test_lumbar_scan() -> None:
    found = scan.of_study(lumbar(), slices.Choice())
    assert found.slices.pixels.shape == (6, 512, 512)
    # Positions along the normal of the six middle slices, two left out on the right and three on the left.
    normal = np.array([0.99946566, -0.02680965, -0.01861674])
    first = np.array([-29.64048, -109.3184, 202.0742]) @ normal
    np.testing.assert_allclose(found.slices.positions_mm, first + 4.5 * np.arange(6), atol=2e-3)
    assert found.slices.spacing_mm == (0.5, 0.5)
    assert found.flags == ("out_of_domain: LSPINE", "cropped_to_canvas")
    files = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(LUMBAR.glob("D*"))]
    assert {file.SeriesInstanceUID for file in files if file.SeriesDescription == "T2 SAG"} == {found.series_uid}
    assert "T2" in found.series_reason
    assert "\n" not in found.series_reason
    assert (found.native.slices, found.native.pitch_mm) == (11, pytest.approx(4.5, abs=1e-5))
    assert found.native.spacing_mm == pytest.approx((0.68359375, 0.68359375))


def test_a_chosen_candidate_is_taken_without_choosing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    study = lumbar()
    candidate = series.choose(study)
    expected = scan.of_study(study, SMALL)
    monkeypatch.setattr(series, "rank", None)
    found = scan.of_study(study, SMALL, candidate=candidate)
    np.testing.assert_array_equal(found.slices.pixels, expected.slices.pixels)
    assert (found.flags, found.series_uid, found.series_reason, found.native) == (
        expected.flags,
        expected.series_uid,
        expected.series_reason,
        expected.native,
    )


def test_a_second_acquisition_in_the_series_is_flagged(tmp_path: pathlib.Path) -> None:
    folder = shutil.copytree(LUMBAR, tmp_path / "study")
    for place in range(11):
        file = pydicom.dcmread(folder / f"D{place:07d}")
        file.AcquisitionNumber, file.InstanceNumber = 9, 100 + place
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        file.save_as(folder / f"E{place:07d}")
    found = scan.of_study(lumbar(folder), SMALL)
    assert "several_stacks: 2" in found.flags
    assert "as good as another stack of its series" in found.series_reason
    np.testing.assert_array_equal(found.slices.pixels, scan.of_study(lumbar(), SMALL).slices.pixels)


def test_lumbar_slices_lie_where_the_scanner_put_them() -> None:
    """The pixel at the scanner's place of a voxel in slice 5 shows that voxel, up to interpolation."""
    found = scan.of_study(lumbar(), slices.Choice(pixel_mm=0.68359375, size=(512, 512)))
    file = pydicom.dcmread(LUMBAR / "D0000004")
    stored = file.pixel_array.astype(np.float64)
    rows, columns = np.reshape(file.ImageOrientationPatient, (2, 3)).astype(float)
    place = np.array(file.ImagePositionPatient, float) + 0.68359375 * (200 * rows + 300 * columns)
    column, row, plane, _ = np.linalg.solve(found.slices.affine, [*place, 1.0])
    np.testing.assert_allclose([column, row, plane], [200, 300, 2], atol=0.01)
    shown = found.slices.pixels[2].astype(np.float64)
    here = np.s_[290:310, 190:210]
    unclipped = shown[here] < 65535
    assert unclipped.mean() > 0.5
    slope, intercept = np.polyfit(stored[here][unclipped], shown[here][unclipped], 1)
    assert np.abs(slope * stored[here] + intercept - shown[here])[unclipped].max() < 1.0


def test_a_wanted_series_is_taken_instead() -> None:
    study = lumbar()
    t1_axial = next(found for found in study.series if found.description == "T1 AX")
    with pytest.raises(volume.VolumeError, match=r"at least 2 slices\. Received: 1"):
        scan.of_study(study, slices.Choice(), series_uid=t1_axial.uid)


def test_a_truncated_file_leaves_a_gap_that_is_named(tmp_path: pathlib.Path) -> None:
    folder = shutil.copytree(LUMBAR, tmp_path / "study")
    cut = folder / "D0000003"
    cut.write_bytes(cut.read_bytes()[:300_000])
    with pytest.raises(volume.VolumeError, match="slices 3 and 4 of 10"):
        scan.of_study(lumbar(folder), SMALL)
    assert "gap_interpolated" in scan.of_study(lumbar(folder), SMALL, gaps="interpolate").flags


def test_a_truncated_file_at_the_end_is_flagged(tmp_path: pathlib.Path) -> None:
    folder = shutil.copytree(LUMBAR, tmp_path / "study")
    cut = folder / "D0000010"
    cut.write_bytes(cut.read_bytes()[:300_000])
    assert "damaged_files_left_out" in scan.of_study(lumbar(folder), SMALL).flags


@pytest.mark.parametrize("kept", [5, 2])
def test_fewer_than_six_slices_are_refused(tmp_path: pathlib.Path, kept: int) -> None:
    folder = shutil.copytree(LUMBAR, tmp_path / "study")
    for name in range(kept, 11):
        (folder / f"D{name:07d}").unlink()
    with pytest.raises((slices.SlicesError, series.NoSeriesError)):
        scan.of_study(lumbar(folder), SMALL)


@pytest.mark.parametrize("kind", slices.KINDS)
def test_real_nifti_gives_the_same_slices_in_any_order_of_axes(tmp_path: pathlib.Path, kind: str) -> None:
    choice = slices.Choice(kind, pixel_mm=0.8, size=(160, 160), thickness_mm=15.0)
    whole = SimpleITK.ReadImage(str(CERVICAL))
    expected = scan.of_nifti(CERVICAL, choice)
    path = tmp_path / "turned.nii.gz"
    for letters in (("L", "A", "S"), ("S", "R", "P"), ("A", "I", "R"), ("I", "P", "L"), ("P", "L", "S")):
        SimpleITK.WriteImage(SimpleITK.DICOMOrient(whole, "".join(letters)), str(path))
        found = scan.of_nifti(path, choice)
        np.testing.assert_array_equal(found.slices.pixels, expected.slices.pixels)
        np.testing.assert_allclose(found.slices.affine, expected.slices.affine, atol=1e-4)


def test_all_orders_of_a_small_nifti_give_the_same_slices(tmp_path: pathlib.Path) -> None:
    voxels = np.random.default_rng(8).integers(0, 900, (9, 14, 12)).astype(np.int16)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.9, 3.0))
    image.SetDirection([0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0])
    image.SetOrigin((12.0, -30.0, 25.0))
    choice = slices.Choice(pixel_mm=0.5, size=(32, 24))
    path = tmp_path / "turned.nii"
    SimpleITK.WriteImage(image, str(path))
    expected = scan.of_nifti(path, choice).slices
    assert expected.positions_mm[0] == pytest.approx(12.0 - 7 * 3.0, abs=1e-4)  # index 1 of 9, from the right
    codes = ["".join(code) for axes in itertools.permutations(("LR", "AP", "SI")) for code in itertools.product(*axes)]
    assert len(codes) == 48
    for code in codes:
        SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, code), str(path))
        found = scan.of_nifti(path, choice).slices
        np.testing.assert_array_equal(found.pixels, expected.pixels)
        np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)


def test_nifti_scan_says_that_its_contrast_is_unknown() -> None:
    found = scan.of_nifti(CERVICAL, SMALL)
    assert found.flags == ("contrast_unverified", "cropped_to_canvas")
    assert found.series_uid == ""
    assert "NIfTI" in found.series_reason
    assert found.slices.positions_mm[0] > -30.0
    np.testing.assert_allclose(np.diff(found.slices.positions_mm), 1.0, atol=1e-5)


def test_a_nifti_scan_knows_the_volume_it_is_from(tmp_path: pathlib.Path) -> None:
    image = SimpleITK.GetImageFromArray(np.arange(9 * 14 * 12, dtype=np.int16).reshape(9, 14, 12))
    image.SetSpacing((0.7, 0.9, 3.0))
    image.SetDirection([0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0])  # columns, rows, slices: y, -z, -x
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii"))
    native = scan.of_nifti(tmp_path / "a.nii", slices.Choice(pixel_mm=1.0, size=(16, 16))).native
    assert (native.slices, native.spacing_mm, native.pitch_mm) == (
        9,
        pytest.approx((0.9, 0.7)),
        pytest.approx(3.0),
    )
