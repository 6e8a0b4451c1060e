import dataclasses
import gzip
import itertools
import pathlib
import re
from collections.abc import Callable
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
import tiny_stacks
from numpy.typing import NDArray
from pydicom.pixels import get_encoder
from pydicom.uid import UID, JPEGLSLossless
from scipy.spatial.transform import Rotation

from raspine.dicom import series, volume

Floats = NDArray[np.float64]


def read(folder: pathlib.Path, gaps: str = "refuse") -> volume.Volume:
    return volume.read(tiny_stacks.indexed(folder), gaps)


def written(tmp_path: pathlib.Path, voxels: NDArray[np.int16] | None = None, **tags: object) -> pathlib.Path:
    images = tiny_stacks.classic(tiny_stacks.numbers() if voxels is None else voxels, tiny_stacks.scanner(), **tags)
    return tiny_stacks.write(images, tmp_path)


def places(affine: Floats, shape: tuple[int, ...]) -> Floats:
    slices, rows, columns = np.indices(shape)
    return np.stack([columns, rows, slices, np.ones(shape)], -1) @ affine.T


def same_patient(found: volume.Volume, voxels: NDArray[np.generic], affine: Floats) -> None:
    """Says that every voxel is where it was: values and places agree as a set, whatever the order."""
    before = places(affine, voxels.shape).reshape(-1, 4)
    there = {int(value): place for value, place in zip(voxels.ravel(), before, strict=True)}
    assert len(there) == voxels.size
    here = places(found.affine, found.voxels.shape).reshape(-1, 4)
    expected = np.array([there[int(value)] for value in found.voxels.ravel()])
    np.testing.assert_allclose(here, expected, atol=1e-5)


def is_canonical(found: volume.Volume) -> bool:
    return bool(found.affine[0, 2] > 0 and found.affine[2, 1] < 0 and found.affine[1, 0] > 0)


def test_usual_scanner_order(tmp_path: pathlib.Path) -> None:
    voxels = tiny_stacks.numbers()
    found = read(written(tmp_path))
    np.testing.assert_array_equal(found.voxels, voxels[::-1])
    # The scanner's last slice is the rightmost one: x = 9 - 6 * 3.3.
    expected = np.array([[0, 0, 3.3, -10.8], [0.8, 0, 0, -40], [0, -0.9, 0, 60], [0, 0, 0, 1]])
    np.testing.assert_allclose(found.affine, expected, atol=1e-6)
    assert found.voxels.dtype == np.float32
    assert found.pitch_mm == pytest.approx(3.3)
    assert found.spacing_mm == pytest.approx((0.9, 0.8))
    assert found.flags == ()


@pytest.mark.parametrize("head_down", [False, True])
@pytest.mark.parametrize("anterior_right", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_any_sense_of_the_file(tmp_path: pathlib.Path, head_down: bool, anterior_right: bool, transposed: bool) -> None:
    rows, columns = [0, -1.0 if anterior_right else 1.0, 0], [0, 0, 1.0 if head_down else -1.0]
    pair = (columns, rows) if transposed else (rows, columns)
    affine = tiny_stacks.affine_of(*pair, [-12.0, 5.0, 7.0], [0.8, 0.9, 3.3])
    voxels = tiny_stacks.numbers()
    found = read(tiny_stacks.write(tiny_stacks.classic(voxels, affine), tmp_path))
    assert is_canonical(found)
    assert found.voxels.shape == ((7, 8, 9) if transposed else (7, 9, 8))
    same_patient(found, voxels, affine)


@pytest.mark.parametrize(("degrees", "flags"), [(7.0, ()), (16.0, ("oblique",))])
def test_oblique_keeps_its_affine(tmp_path: pathlib.Path, degrees: float, flags: tuple[str, ...]) -> None:
    affine = tiny_stacks.scanner()
    affine[:3, :3] = Rotation.from_euler("zx", [degrees, 9.0], degrees=True).as_matrix() @ affine[:3, :3]
    voxels = tiny_stacks.numbers()
    found = read(tiny_stacks.write(tiny_stacks.classic(voxels, affine), tmp_path))
    assert found.flags == flags
    assert found.pitch_mm == pytest.approx(3.3, abs=1e-5)
    same_patient(found, voxels, affine)


def test_affine_agrees_with_highdicom(tmp_path: pathlib.Path) -> None:
    affine = tiny_stacks.scanner()
    affine[:3, :3] = Rotation.from_euler("zyx", [5.0, -8.0, 12.0], degrees=True).as_matrix() @ affine[:3, :3]
    images = tiny_stacks.classic(tiny_stacks.numbers(), affine)
    found = read(tiny_stacks.write(images, tmp_path))
    oracle = highdicom.get_volume_from_series(images).to_patient_orientation("LFP")
    np.testing.assert_array_equal(found.voxels, oracle.array)
    np.testing.assert_allclose(found.affine, oracle.affine[:, [2, 1, 0, 3]], atol=1e-5)


def test_pitch_is_from_positions_alone(tmp_path: pathlib.Path) -> None:
    assert read(written(tmp_path, SliceThickness=3.0, SpacingBetweenSlices=9.9)).pitch_mm == pytest.approx(3.3)


def test_each_slice_has_its_own_rescale_and_no_window(tmp_path: pathlib.Path) -> None:
    slopes = [1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 4.0]
    folder = written(tmp_path, RescaleSlope=slopes, RescaleIntercept=-7.0, WindowCenter=10.0, WindowWidth=5.0)
    expected = tiny_stacks.numbers() * np.reshape(slopes, (7, 1, 1)) - 7.0
    np.testing.assert_array_equal(read(folder).voxels, expected[::-1])


def test_bits_above_the_signed_twelve_are_ignored(tmp_path: pathlib.Path) -> None:
    dirty = (tiny_stacks.numbers() & 0x0FFF | 0x3000).astype(np.int16)
    np.testing.assert_array_equal(read(written(tmp_path, dirty)).voxels, tiny_stacks.numbers()[::-1])


def test_monochrome1_is_inverted(tmp_path: pathlib.Path) -> None:
    voxels = tiny_stacks.numbers()
    found = read(written(tmp_path, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(found.voxels, int(voxels.max()) + int(voxels.min()) - voxels[::-1])


def test_padding_becomes_as_dark_as_the_darkest(tmp_path: pathlib.Path) -> None:
    voxels = tiny_stacks.numbers()
    padded = voxels.copy()
    padded[:, :2] = -2000
    images = tiny_stacks.classic(padded, tiny_stacks.scanner())
    for image in images:
        image.add_new("PixelPaddingValue", "US", (1 << 16) - 2000)  # the unsigned spelling of -2000
    expected = voxels.copy()
    expected[:, :2] = voxels[:, 2:].min()
    np.testing.assert_array_equal(read(tiny_stacks.write(images, tmp_path)).voxels, expected[::-1])


def test_slope_of_zero_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(volume.VolumeError, match=r"slice 1 of 7 \(Instance Number 7\): Rescale Slope .* must not be 0"):
        read(written(tmp_path, RescaleSlope=0.0))


ORDER = (4, 0, 6, 2, 5, 1, 3)
SLOPES = (1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 4.0)


def expected_enhanced() -> NDArray[np.float64]:
    return (tiny_stacks.numbers() * np.reshape(SLOPES, (7, 1, 1)) + 5.0)[::-1]


def test_enhanced(tmp_path: pathlib.Path) -> None:
    image = tiny_stacks.enhanced(tiny_stacks.numbers(), tiny_stacks.scanner(), ORDER, SLOPES)
    found = read(tiny_stacks.write([image], tmp_path))
    np.testing.assert_array_equal(found.voxels, expected_enhanced())
    np.testing.assert_allclose(found.affine[:3, 3], [-10.8, -40.0, 60.0], atol=1e-6)


def test_enhanced_compressed(tmp_path: pathlib.Path) -> None:
    voxels = tiny_stacks.numbers().astype(np.uint16) + 100
    encoder = get_encoder(JPEGLSLossless)
    options: dict[str, Any] = {
        "rows": 9,
        "columns": 8,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
    }
    options |= {"bits_stored": 12, "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2"}
    frames = [encoder.encode(plane, **options) for plane in voxels]
    image = tiny_stacks.enhanced(voxels, tiny_stacks.scanner(), ORDER, SLOPES, frames, JPEGLSLossless)
    found = read(tiny_stacks.write([image], tmp_path))
    np.testing.assert_array_equal(found.voxels, (voxels * np.reshape(SLOPES, (7, 1, 1)) + 5.0)[::-1])


def test_a_file_is_read_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tiny_stacks.enhanced(tiny_stacks.numbers(), tiny_stacks.scanner(), ORDER, SLOPES)
    stack = tiny_stacks.indexed(tiny_stacks.write([image], tmp_path))
    reads = []
    whole = pathlib.Path.read_bytes

    def counted(path: pathlib.Path) -> bytes:
        reads.append(path)
        return whole(path)

    monkeypatch.setattr(pathlib.Path, "read_bytes", counted)
    volume.read(stack)
    assert len(reads) == 1


def test_missing_slice_is_refused_by_place(tmp_path: pathlib.Path) -> None:
    written(tmp_path)
    (tmp_path / "D0002").unlink()  # instance 5, at x = 9 - 4 * 3.3 = -4.2 mm
    with pytest.raises(volume.VolumeError) as refused:
        read(tmp_path)
    assert "slices 2 and 3 of 6" in str(refused.value)
    assert "6.60 mm apart (at -7.50 and -0.90 mm) where the pitch is 3.30 mm: 1 missing" in str(refused.value)


def test_missing_slice_is_interpolated_on_demand(tmp_path: pathlib.Path) -> None:
    voxels = tiny_stacks.numbers()
    written(tmp_path)
    for name in ("D0002", "D0003"):
        (tmp_path / name).unlink()
    found = read(tmp_path, gaps="interpolate")
    # The values are linear in the slice, so that linear interpolation finds them again.
    np.testing.assert_allclose(found.voxels, voxels[::-1], rtol=1e-5)
    assert found.flags == ("gap_interpolated",)
    assert found.pitch_mm == pytest.approx(3.3)


def test_too_wide_a_gap_is_refused_in_any_case(tmp_path: pathlib.Path) -> None:
    affine = tiny_stacks.scanner()
    images = tiny_stacks.classic(tiny_stacks.numbers(12), affine)
    tiny_stacks.write([image for place, image in enumerate(images) if not 4 <= place <= 7], tmp_path)
    with pytest.raises(volume.VolumeError, match="4 missing"):
        read(tmp_path, gaps="interpolate")


@pytest.mark.parametrize("shift", [0.4, -0.4, 1.5])
def test_uneven_pitch_is_refused_in_any_case(tmp_path: pathlib.Path, shift: float) -> None:
    images = tiny_stacks.classic(tiny_stacks.numbers(), tiny_stacks.scanner())
    for image in images[4:]:
        image.ImagePositionPatient = [image.ImagePositionPatient[0] - shift, *image.ImagePositionPatient[1:]]
    tiny_stacks.write(images, tmp_path)
    with pytest.raises(volume.VolumeError, match=r"slices 3 and 4 of 7.*not evenly spaced"):
        read(tmp_path, gaps="interpolate")


def test_small_unevenness_is_allowed(tmp_path: pathlib.Path) -> None:
    images = tiny_stacks.classic(tiny_stacks.numbers(), tiny_stacks.scanner())
    images[3].ImagePositionPatient = [images[3].ImagePositionPatient[0] + 0.2, *images[3].ImagePositionPatient[1:]]
    assert read(tiny_stacks.write(images, tmp_path)).pitch_mm == pytest.approx(3.3)


def again(tmp_path: pathlib.Path, change: int) -> pathlib.Path:
    written(tmp_path)
    copy = pydicom.dcmread(tmp_path / "D0003")
    copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = UID(f"{tiny_stacks.SERIES}.55")
    copy.PixelData = (copy.pixel_array + change).astype(np.int16).tobytes()
    copy.save_as(tmp_path / "copy")
    return tmp_path


def test_identical_duplicate_is_dropped(tmp_path: pathlib.Path) -> None:
    found = read(again(tmp_path, 0))
    np.testing.assert_array_equal(found.voxels, tiny_stacks.numbers()[::-1])
    assert found.flags == ("duplicate_slices_dropped",)


def test_differing_duplicate_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(volume.VolumeError, match="2 different images lie at the place of slice 4"):
        read(again(tmp_path, 1))


def stack_of(folder: pathlib.Path, **changes: object) -> series.Stack:
    """Returns the stack with its third frame changed in the index, as `series.stacks` would not pass it on."""
    stack = tiny_stacks.indexed(folder)
    frames = list(stack.frames)
    frames[2] = dataclasses.replace(frames[2], **changes)  # type: ignore[arg-type]
    return series.Stack(stack.series, tuple(frames))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"position": None}, "Image Position (Patient) (0020,0032) is missing or unusable in Instance Number 5"),
        ({"position": (np.nan, 0.0, 0.0)}, "Image Position (Patient) (0020,0032) is missing or unusable"),
        ({"orientation": None}, "Image Orientation (Patient) (0020,0037) is missing or unusable"),
        ({"orientation": (0.0, 0.9, 0.436, 0.0, 0.436, -0.9)}, "the slices are not parallel"),
        ({"spacing": None}, "Pixel Spacing (0028,0030) is missing or unusable"),
        ({"spacing": (0.9, 0.7)}, "Pixel Spacing (0028,0030) differs"),
        ({"spacing": (0.9, 0.0)}, "Pixel Spacing (0028,0030) must be above 0"),
        ({"rows": 10}, "the slices of one volume have one size. Received: 9 x 8 and 10 x 8"),
    ],
)
def test_geometry_that_makes_no_volume(tmp_path: pathlib.Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(volume.VolumeError, match=re.escape(message)):
        volume.read(stack_of(written(tmp_path), **changes))


def test_slices_shifted_in_their_plane_are_refused(tmp_path: pathlib.Path) -> None:
    stack = stack_of(written(tmp_path), position=(9.0 - 4 * 3.3, -38.0, 60.0))
    with pytest.raises(volume.VolumeError, match="shifted against each other"):
        volume.read(stack)


def test_sheared_stack_keeps_every_voxel_in_place(tmp_path: pathlib.Path) -> None:
    affine = tiny_stacks.scanner()
    affine[1, 2] = 0.3
    voxels = tiny_stacks.numbers()
    found = read(tiny_stacks.write(tiny_stacks.classic(voxels, affine), tmp_path))
    assert found.flags == ("sheared",)
    assert found.pitch_mm == pytest.approx(3.3)
    same_patient(found, voxels, affine)


def test_one_slice_is_no_volume(tmp_path: pathlib.Path) -> None:
    with pytest.raises(volume.VolumeError, match=r"at least 2 slices\. Received: 1"):
        read(written(tmp_path, tiny_stacks.numbers(1)))


def test_axial_slices_are_refused(tmp_path: pathlib.Path) -> None:
    affine = tiny_stacks.affine_of([1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 4])
    with pytest.raises(volume.VolumeError, match="not sagittal"):
        read(tiny_stacks.write(tiny_stacks.classic(tiny_stacks.numbers(), affine), tmp_path))


def test_truncated_pixels_are_named_by_number_and_not_by_path(tmp_path: pathlib.Path) -> None:
    stack = tiny_stacks.indexed(written(tmp_path))
    cut = tmp_path / "D0004"
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(volume.VolumeError, match=r"slice 5 of 7 \(Instance Number 3\): .*truncated") as refused:
        volume.read(stack)
    assert "D0004" not in str(refused.value)
    assert "SECRET" not in str(refused.value).upper()
    cut.unlink()
    with pytest.raises(volume.VolumeError, match=r"slice 5 of 7.*cannot be read"):
        volume.read(stack)


def nifti(tmp_path: pathlib.Path, voxels: NDArray[np.generic], affine: Floats) -> pathlib.Path:
    image = SimpleITK.GetImageFromArray(voxels)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(lengths.tolist())
    image.SetDirection((affine[:3, :3] / lengths).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    path = tmp_path / "volume.nii.gz"
    SimpleITK.WriteImage(image, str(path))
    return path


ALL_ORDERS = [
    (order, flips) for order in itertools.permutations(range(3)) for flips in itertools.product((False, True), repeat=3)
]


def reordered(
    voxels: NDArray[np.generic], affine: Floats, order: tuple[int, ...], flips: tuple[bool, ...]
) -> tuple[NDArray[np.generic], Floats]:
    """Returns the same volume with its index axes (0 for the first one) in another order and sense."""
    turned = affine[:, [*order, 3]].copy()
    array = voxels.transpose([2 - axis for axis in reversed(order)])
    for axis, flipped in enumerate(flips):
        if flipped:
            array = np.flip(array, 2 - axis)
            turned[:, 3] += turned[:, axis] * (array.shape[2 - axis] - 1)
            turned[:, axis] *= -1
    return np.ascontiguousarray(array), turned


@pytest.mark.parametrize(("order", "flips"), ALL_ORDERS)
def test_nifti_in_any_order_of_axes_is_the_same_volume(
    tmp_path: pathlib.Path, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    affine = tiny_stacks.scanner()
    affine[:3, :3] = Rotation.from_euler("zyx", [5.0, -8.0, 12.0], degrees=True).as_matrix() @ affine[:3, :3]
    voxels = tiny_stacks.numbers()
    found = volume.read_nifti(nifti(tmp_path, *reordered(voxels, affine, order, flips)))
    assert found.voxels.shape == (7, 9, 8)
    assert is_canonical(found)
    np.testing.assert_array_equal(found.voxels, voxels[::-1])
    same_patient(found, voxels, affine)


def test_nifti_equals_dicom(tmp_path: pathlib.Path) -> None:
    affine, voxels = tiny_stacks.scanner(), tiny_stacks.numbers()
    of_dicom = read(written(tmp_path))
    of_nifti = volume.read_nifti(nifti(tmp_path, voxels, affine))
    np.testing.assert_array_equal(of_dicom.voxels, of_nifti.voxels)
    np.testing.assert_allclose(of_dicom.affine, of_nifti.affine, atol=1e-5)


def test_axial_nifti_is_reformatted_and_flagged(tmp_path: pathlib.Path) -> None:
    affine = tiny_stacks.affine_of([1, 0, 0], [0, 1, 0], [0, 0, 0], [0.6, 0.6, 4])
    found = volume.read_nifti(nifti(tmp_path, tiny_stacks.numbers(), affine))
    assert found.flags == ("not_acquired_sagittal",)
    assert found.voxels.shape == (8, 7, 9)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 4, 5, 6), np.float32), "three dimensions. Received: 6 x 5 x 4 x 2"),
        (np.zeros((4, 5), np.float32), "three dimensions. Received: 5 x 4"),
        (np.zeros((4, 5, 6), np.complex64), "complex"),
    ],
)
def test_nifti_that_is_no_volume(tmp_path: pathlib.Path, image: NDArray[np.generic], message: str) -> None:
    path = tmp_path / "volume.nii.gz"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(image, isVector=False), str(path))
    with pytest.raises(volume.VolumeError, match=message):
        volume.read_nifti(path)


def test_what_is_no_number_in_a_nifti_is_read_as_zero(tmp_path: pathlib.Path) -> None:
    voxels = tiny_stacks.numbers().astype(np.float32)
    voxels[2, 3, 4:] = [np.nan, np.inf, -np.inf, 7.0]
    found = volume.read_nifti(nifti(tmp_path, voxels, tiny_stacks.scanner()))
    np.testing.assert_array_equal(found.voxels[4, 3, 4:], [0.0, 0.0, 0.0, 7.0])


def test_values_beyond_float32_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(volume.VolumeError, match="finite numbers"):
        read(written(tmp_path, RescaleSlope=1e38))


def test_colour_nifti_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "volume.nii"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True), str(path))
    with pytest.raises(volume.VolumeError, match="one grey value a voxel"):
        volume.read_nifti(path)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("suffix", "spoil", "message"),
    [
        (".nii", lambda data: data[:-1], "truncated: 1360 bytes announced, 1359 there"),
        (".nii", lambda data: data[:200], "not a NIfTI file"),
        (".nii", lambda data: b"", "not a NIfTI file"),
        (".nii", lambda data: b"no nifti at all" * 50, "not a NIfTI file"),
        (".nii", lambda data: flipped(data, 43), "impossible dimensions"),
        (".nii", lambda data: gzip.compress(data), "Received: the contrary"),
        (".nii.gz", lambda data: data, "Received: the contrary"),
        (".nii.gz", lambda data: gzip.compress(data)[:-20], "compressed stream is broken"),
        (".nii.gz", lambda data: flipped(gzip.compress(data), -6), "compressed stream is broken"),
    ],
)
def test_damaged_nifti_ends_in_one_line(
    tmp_path: pathlib.Path, suffix: str, spoil: Callable[[bytes], bytes], message: str
) -> None:
    data = gzip.decompress(nifti(tmp_path, tiny_stacks.numbers(), tiny_stacks.scanner()).read_bytes())
    path = tmp_path / f"spoilt{suffix}"
    path.write_bytes(spoil(data))
    with pytest.raises(volume.VolumeError, match=message) as refused:
        volume.read_nifti(path)
    assert "\n" not in str(refused.value)
    assert str(path) not in str(refused.value)


def test_absent_nifti_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(volume.VolumeError, match="cannot be read: No such file"):
        volume.read_nifti(tmp_path / "absent.nii")


def test_nifti_without_orientation_is_refused(tmp_path: pathlib.Path) -> None:
    image = SimpleITK.GetImageFromArray(tiny_stacks.numbers())
    path = tmp_path / "volume.nii"
    SimpleITK.WriteImage(image, str(path))
    data = bytearray(path.read_bytes())
    data[252:256] = b"\0\0\0\0"  # qform_code and sform_code
    path.write_bytes(data)
    with pytest.raises(volume.VolumeError, match="no orientation"):
        volume.read_nifti(path)


def test_more_voxels_than_any_scanner_makes_are_refused_before_decoding(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume, "MAX_VOXELS", 500)
    monkeypatch.setattr(volume.plane_values, "read", None)  # would fail if it were called
    with pytest.raises(volume.VolumeError, match=r"at most 500 voxels\. Received: 7 x 9 x 8"):
        read(written(tmp_path))
