import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, special
from scipy.spatial.transform import Rotation

from raspine.dicom.sagittal import Volume, canonical
from raspine.inputs import resampling
from raspine.inputs.slices import Choice, Slices, SlicesError, grid_of, intensity_range, take

Floats = NDArray[np.float64]

SMALL = (48, 40)
CHOICES = (
    Choice("native_middle", size=SMALL),
    Choice("native_middle", count=5, pixel_mm=1.3, size=(31, 22)),
    Choice("native_middle", count=3, pixel_mm=3.1, size=(9, 30)),
    Choice("paper_literal", size=SMALL),
    Choice("paper_literal", count=5, size=(33, 27)),
    Choice("slab", thickness_mm=19.0, size=SMALL),
    Choice("slab", count=4, thickness_mm=27.0, pixel_mm=1.0, size=(41, 30)),
)
GEOMETRIES = (  # (slices, rows, columns), (column, row, slice) mm, Euler angles in degrees
    ((11, 30, 26), (0.7, 0.7, 3.3), (0.0, 0.0, 0.0)),
    ((12, 31, 25), (0.6, 1.1, 4.5), (14.0, -9.0, 21.0)),
    ((40, 25, 36), (1.0, 1.0, 0.8), (-6.0, 12.0, 4.0)),
)


def affine_of(spacing: tuple[float, ...], angles: tuple[float, ...]) -> Floats:
    """Returns a canonical affine, (column, row, slice, 1) to LPS mm, turned by Euler angles."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]) * spacing
    affine[:3, :3] = Rotation.from_euler("zyx", angles, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = [-17.3, 40.9, 103.1]
    return affine


def places(affine: Floats, shape: tuple[int, ...]) -> Floats:
    """Returns float64 [slice, row, column, 3]: where an affine says that each voxel's centre is, LPS mm."""
    slices, rows, columns = np.indices(shape)
    return (np.stack([columns, rows, slices, np.ones(shape)], -1) @ affine.T)[..., :3]


def encoded(shape: tuple[int, ...], affine: Floats, component: int) -> Volume:
    """Returns a volume whose voxels hold their own x, y or z in mm."""
    return canonical(places(affine, shape)[..., component].astype(np.float32), affine)


def in_volume(volume: Volume, found: Slices) -> Floats:
    """Returns float64 [slice, row, column, 3]: the (column, row, slice) index in the volume of each output pixel."""
    there = places(found.affine, found.pixels.shape)
    inverse = np.linalg.inv(volume.affine)
    return there @ inverse[:3, :3].T + inverse[:3, 3]


def inside(volume: Volume, found: Slices, margin: float) -> NDArray[np.bool_]:
    last = np.array(volume.voxels.shape[::-1]) - 1
    index = in_volume(volume, found)
    return np.all((index >= -margin) & (index <= last + margin), axis=-1)


def decoded(volume: Volume, found: Slices) -> tuple[Floats, NDArray[np.bool_]]:
    """Returns the millimetres that output pixels hold, and which of them were not clipped."""
    low, high = intensity_range(volume.voxels)
    usable = (found.pixels > 0) & (found.pixels < 65535)
    return low + found.pixels / 65535 * (high - low), usable


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("shape", "spacing", "angles"), GEOMETRIES)
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice.kind}-{choice.count}")
def test_every_pixel_is_where_its_affine_says(
    choice: Choice, shape: tuple[int, ...], spacing: tuple[float, ...], angles: tuple[float, ...], reverse: bool
) -> None:
    affine = affine_of(spacing, angles)
    if reverse:  # the file's slices run from left to right, its rows from the feet up
        affine[:3, 3] += affine[:3, 1:3] @ [shape[1] - 1, shape[0] - 1]
        affine[:, 1:3] *= -1
    for component in range(3):
        volume = encoded(shape, affine, component)
        found = take(volume, choice)
        assert found.pixels.shape == (choice.count, *choice.size)
        assert found.pixels.dtype == np.uint16
        held, usable = decoded(volume, found)
        usable &= inside(volume, found, 0.0)
        assert usable.mean() > 0.1
        said = places(found.affine, found.pixels.shape)[..., component]
        step = np.abs(found.affine[component, :3]).sum()  # half a voxel along each axis may add up
        off = np.abs(held - said)[usable]
        assert off.max() < 0.5 * step
        assert off.mean() < 0.05 * step


@pytest.mark.parametrize(("shape", "spacing", "angles"), GEOMETRIES)
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice.kind}-{choice.count}")
def test_geometry_of_the_slices(
    choice: Choice, shape: tuple[int, ...], spacing: tuple[float, ...], angles: tuple[float, ...]
) -> None:
    volume = encoded(shape, affine_of(spacing, angles), 1)
    found = take(volume, choice)
    normal = volume.normal
    centres = places(found.affine, found.pixels.shape)[:, choice.size[0] // 2, choice.size[1] // 3]
    np.testing.assert_allclose(found.positions_mm, centres @ normal, atol=1e-9)
    assert (np.diff(found.positions_mm) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(found.affine[:3, 0]), found.spacing_mm[1])
    np.testing.assert_allclose(np.linalg.norm(found.affine[:3, 1]), found.spacing_mm[0])
    assert found.spacing_mm == ((1.0, 1.0) if choice.kind == "paper_literal" else (choice.pixel_mm,) * 2)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice.kind}-{choice.count}")
def test_values_agree_with_scipy(choice: Choice) -> None:
    shape, spacing, angles = GEOMETRIES[1]
    noise = np.random.default_rng(5).normal(100.0, 20.0, shape).astype(np.float32)
    volume = canonical(noise, affine_of(spacing, angles))
    found = take(volume, choice)
    scales = np.array([found.spacing_mm[1], found.spacing_mm[0], np.linalg.norm(found.affine[:3, 2])])
    steps = (scales / [*volume.spacing_mm[::-1], volume.pitch_mm])[::-1]
    smooth = volume.voxels.astype(np.float64)
    variances = np.maximum(steps**2 - 1, 0) / 2.35482**2
    for axis, variance in enumerate(variances):
        kernel = special.ive(np.arange(-9, 10), variance)  # the discrete Gaussian, whose variance is exact
        smooth = ndimage.convolve1d(smooth, kernel, axis, mode="nearest")
    index = np.moveaxis(in_volume(volume, found)[..., ::-1], -1, 0)
    expected = ndimage.map_coordinates(smooth, index, order=1, mode="nearest")
    low, high = intensity_range(volume.voxels)
    expected = np.where(inside(volume, found, 0.5), np.clip((expected - low) / (high - low), 0, 1) * 65535, 0)
    tolerance = 1.0 if not variances.any() else 0.003 * 65535  # SimpleITK cuts the Gaussian's tails off
    edge = inside(volume, found, 0.5 + 1e-6) != inside(volume, found, 0.5 - 1e-6)
    assert np.abs(found.pixels - expected)[~edge].max() <= tolerance


@pytest.mark.parametrize(("planes", "count", "first"), [(11, 6, 2), (12, 6, 3), (6, 6, 0), (9, 5, 2), (8, 5, 1)])
def test_native_middle_keeps_the_scanners_slices(planes: int, count: int, first: int) -> None:
    voxels = np.random.default_rng(3).integers(0, 1000, (planes, 8, 6)).astype(np.float32)
    volume = canonical(voxels, affine_of((0.5, 0.5, 3.0), (0.0, 0.0, 0.0)))
    found = take(volume, Choice(count=count, pixel_mm=0.5, size=(8, 6)))
    low, high = np.percentile(voxels, (0.5, 99.5))
    expected = np.clip((voxels[first : first + count] - low) / (high - low), 0, 1) * 65535
    np.testing.assert_allclose(found.pixels, expected, atol=1)
    np.testing.assert_allclose(found.positions_mm, -17.3 + 3.0 * np.arange(first, first + count))
    np.testing.assert_allclose(found.affine[:3, 3], volume.affine[:3, 3] + volume.affine[:3, 2] * first)


@pytest.mark.parametrize("size", [(11, 9), (12, 10), (7, 5), (6, 4), (10, 5)])
def test_canvas_of_the_volumes_own_spacing_copies_it(size: tuple[int, int]) -> None:
    voxels = np.random.default_rng(4).integers(1, 1000, (6, 9, 7)).astype(np.float32)
    volume = canonical(voxels, affine_of((0.5, 0.5, 3.0), (0.0, 0.0, 0.0)))
    found = take(volume, Choice(pixel_mm=0.5, size=size))
    low, high = np.percentile(voxels, (0.5, 99.5))
    whole = np.pad(np.clip((voxels - low) / (high - low), 0, 1) * 65535, ((0, 0), (9, 9), (9, 9)))
    top, left = (9 - (side - own) // 2 for side, own in zip(size, (9, 7), strict=True))
    np.testing.assert_allclose(found.pixels, whole[:, top : top + size[0], left : left + size[1]], atol=1)
    assert ("cropped_to_canvas" in found.flags) == (size[0] < 9 or size[1] < 7)


def test_paper_literal_on_thick_slices_blends_three_of_them() -> None:
    """15 slices of 3.3 mm make 47 planes of 1 mm; the middle six span 5 mm, between the slices of index 6 and 8."""
    grid = grid_of(encoded((15, 8, 8), affine_of((1.0, 1.0, 3.3), (0.0, 0.0, 0.0)), 0), Choice("paper_literal"))
    first, last = grid.slices.start, grid.slices.end
    assert (last - first) * 3.3 == pytest.approx(5.0)
    assert 6.0 < first < last < 8.0
    assert (first + last) / 2 * 3.3 == pytest.approx(14 * 3.3 / 2 - 0.5)


def test_paper_literal_is_one_millimetre_whatever_pixel_mm_says() -> None:
    volume = encoded((15, 20, 20), affine_of((0.5, 0.5, 3.3), (0.0, 0.0, 0.0)), 0)
    found = take(volume, Choice("paper_literal", pixel_mm=0.3, size=(12, 12)))
    np.testing.assert_allclose(np.linalg.norm(found.affine[:3, :3], axis=0), 1.0)


def test_slab_stands_in_equal_parts_about_the_middle() -> None:
    volume = encoded((11, 8, 8), affine_of((1.0, 1.0, 4.0), (0.0, 0.0, 0.0)), 0)
    found = take(volume, Choice("slab", thickness_mm=24.0, size=(8, 8)))
    middle = -17.3 + 5 * 4.0
    np.testing.assert_allclose(found.positions_mm, middle + np.array([-10.0, -6.0, -2.0, 2.0, 6.0, 10.0]))


@pytest.mark.parametrize(
    ("planes", "choice", "message"),
    [
        (5, Choice(), "6 slices are needed. Received: a volume of 5"),
        (5, Choice("paper_literal"), "6 slices are needed. Received: a volume of 5"),
        (5, Choice("slab"), "6 slices are needed. Received: a volume of 5"),
        (6, Choice("paper_literal"), "6 planes of 1 mm are needed. Received: a volume of 5 .6 slices every 0.80 mm"),
        (6, Choice("slab", thickness_mm=5.0), "a slab of 5 mm is wanted. Received: a volume of 4.8 mm"),
    ],
)
def test_thin_volumes_are_refused(planes: int, choice: Choice, message: str) -> None:
    with pytest.raises(SlicesError, match=message):
        take(encoded((planes, 8, 8), affine_of((1.0, 1.0, 0.8), (0.0, 0.0, 0.0)), 0), choice)


def test_empty_volume_is_refused() -> None:
    volume = canonical(np.full((6, 5, 5), 3.0, np.float32), affine_of((1.0, 1.0, 3.0), (0.0, 0.0, 0.0)))
    with pytest.raises(SlicesError, match="all its voxels are 3"):
        take(volume, Choice())


def test_a_few_bright_voxels_are_enough() -> None:
    voxels = np.zeros((6, 30, 30), np.float32)
    voxels[3, 4, 5] = 9.0
    found = take(canonical(voxels, affine_of((1.0, 1.0, 3.0), (0.0, 0.0, 0.0))), Choice(pixel_mm=1.0, size=(30, 30)))
    assert found.pixels[3, 4, 5] == 65535
    assert found.pixels.sum() == 65535


def test_normalisation_is_robust_and_before_padding() -> None:
    voxels = np.random.default_rng(6).normal(500.0, 50.0, (8, 40, 40)).astype(np.float32)
    bright = voxels.copy()
    bright[2, 3, :9] = 1e6  # an artefact in 0.07 % of the voxels
    affine = affine_of((1.0, 1.0, 3.0), (0.0, 0.0, 0.0))
    plain, spoilt, small = (
        take(canonical(values, affine), Choice(pixel_mm=1.0, size=size)).pixels.astype(int)
        for values, size in ((voxels, (90, 90)), (bright, (90, 90)), (voxels, (40, 40)))
    )
    np.testing.assert_array_equal(plain[:, 25:65, 25:65], small)
    assert np.abs(plain - spoilt)[3].max() < 0.02 * 65535
    assert plain[:, :25].max() == 0


def test_intensity_is_free_of_gain_and_offset() -> None:
    voxels = np.random.default_rng(7).normal(500.0, 50.0, (8, 20, 20)).astype(np.float32)
    affine = affine_of((0.7, 0.9, 3.0), (0.0, 0.0, 0.0))
    one, other = (take(canonical(values, affine), Choice(size=SMALL)).pixels for values in (voxels, voxels * 4 - 700))
    np.testing.assert_allclose(one.astype(int), other.astype(int), atol=2)


def test_flags_of_the_volume_are_kept() -> None:
    volume = dataclasses.replace(encoded((8, 9, 9), affine_of((1.0, 1.0, 3.0), (0.0, 0.0, 0.0)), 0), flags=("odd",))
    assert take(volume, Choice(size=(64, 64))).flags == ("odd",)
    assert take(volume, Choice(size=(4, 64))).flags == ("odd", "cropped_to_canvas")


def test_shrinking_does_not_alias() -> None:
    """Stripes finer than the canvas can show must turn grey and not into other stripes."""
    stripes = np.broadcast_to(np.arange(80) % 2 * 1000.0, (6, 80, 80)).astype(np.float32)
    volume = canonical(stripes, affine_of((0.3, 0.3, 3.0), (0.0, 0.0, 0.0)))
    shown = take(volume, Choice(pixel_mm=1.1, size=(16, 16))).pixels
    assert np.ptp(shown.astype(int)) < 0.03 * 65535


@given(
    count=st.integers(1, 60),
    spacing=st.floats(0.2, 5.0),
    pixel=st.floats(0.2, 5.0),
    side=st.integers(1, 80),
)
@settings(max_examples=100, deadline=None)
def test_canvas_is_centred_to_half_a_pixel(count: int, spacing: float, pixel: float, side: int) -> None:
    volume = Volume(np.zeros((6, count, 3), np.float32), affine_of((1.0, spacing, 3.0), (0.0, 0.0, 0.0)))
    rows = grid_of(volume, Choice(pixel_mm=pixel, size=(side, 4))).rows
    assert rows.count == side
    assert abs((rows.start + rows.end) / 2 - (count - 1) / 2) * spacing <= 0.5 * pixel + 1e-6


def test_sampling_looks_only_at_the_slices_it_needs() -> None:
    voxels = np.zeros((30, 4, 4), np.float32)
    voxels[10:13] = 1.0
    axis = resampling.Axis(0.0, 1.0, 4)
    sampled = resampling.sample(voxels, resampling.Grid(axis, axis, resampling.Axis(9.5, 0.5, 8)))
    np.testing.assert_allclose(sampled[:, 1, 1], [0.5, 1, 1, 1, 1, 1, 0.5, 0])


@pytest.mark.parametrize("choice", [Choice(), Choice("slab", 4, 0.7, (64, 96), 12.0), Choice("paper_literal")])
def test_choice_goes_through_json(choice: Choice) -> None:
    assert Choice.from_dict(json.loads(json.dumps(choice.to_dict()))) == choice


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"kind": "middle"}, "must be one of native_middle, paper_literal, slab. Received: 'middle'"),
        ({"count": 0}, "count of slices must be 1 to"),
        ({"pixel_mm": 0.0}, "pixel_mm must be"),
        ({"pixel_mm": float("nan")}, "pixel_mm must be"),
        ({"size": [512]}, "size must be"),
        ({"size": [512, 0]}, "size must be"),
        ({"size": 512}, "wrong type"),
        ({"thickness_mm": -1.0}, "thickness_mm must be above 0"),
        ({"pitch": 3.0}, "has no 'pitch'"),
    ],
)
def test_impossible_choices_are_refused(found: dict[str, object], message: str) -> None:
    with pytest.raises(SlicesError, match=message):
        Choice.from_dict(found)
