"""A stack of MR images in, one volume out: in order, in millimetres, rescaled, in the canonical sagittal order.

volume = read(stack)             # of raspine.dicom.series
volume = read_nifti("neck.nii.gz")
"""

from collections.abc import Iterable

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from raspine.dicom import plane_values, stacking
from raspine.dicom.nifti import read as read_nifti
from raspine.dicom.sagittal import MAX_VOXELS, MIN_SLICES, Array, Volume, VolumeError, canonical, sagittal_axis
from raspine.dicom.series import Stack

__all__ = ["MIN_SLICES", "Volume", "VolumeError", "read", "read_nifti"]

FLAG_DUPLICATES = "duplicate_slices_dropped"
FLAG_GAP = "gap_interpolated"


def read(stack: Stack, gaps: str = "refuse") -> Volume:
    """Returns the volume of a stack of sagittal MR images.

    Args:
      stack: frames of one orientation, in any order.
      gaps: `refuse` a stack with a missing slice, or `interpolate` it between its neighbours, flagged.

    Raises:
      VolumeError: the frames make no volume (see `stacking.stack`), are not sagittal, differ at one place, or a file
        is truncated or damaged. The message is one line and names slices by number, counted from the right.
    """
    found = stacking.stack(stack.frames, gaps)
    _check_size(stack)
    if sagittal_axis(found.affine) != 2:
        raise VolumeError("the slices are not sagittal: their normal is not closest to the patient's left-right axis.")
    frames = [frame for place in found.places for frame in place]
    pictures = plane_values.read(frames)
    values, flags = _unique(_values(pictures), [len(place) for place in found.places])
    if found.indices[-1] + 1 > len(values):
        values = _filled(values, found.indices)
        flags = (*flags, FLAG_GAP)
    odd = (flag for picture in pictures for flag in picture.flags)
    return canonical(values, found.affine, tuple(dict.fromkeys((*found.flags, *flags, *odd))))


def _check_size(stack: Stack) -> None:
    """Refuses what no scanner makes before any pixel is decoded: a frame may be compressed a thousandfold."""
    first, count = stack.frames[0], len(stack.frames)
    if count * first.rows * first.columns > MAX_VOXELS:
        size = f"{count} x {first.rows} x {first.columns}"
        raise VolumeError(f"a volume has at most {MAX_VOXELS} voxels. Received: {size}.")


def _values(pictures: list[plane_values.PlaneValues]) -> NDArray[np.float32]:
    """Returns float32 [frame, row, column]: bright is high in every frame, padding as dark as the darkest voxel."""
    if len({picture.inverted for picture in pictures}) > 1:
        raise VolumeError("the slices mix MONOCHROME1 and MONOCHROME2 (0028,0004): not one stack.")
    values = np.stack([picture.values for picture in pictures])
    if pictures[0].inverted:
        values = np.nanmax(values) + np.nanmin(values) - values
    padded = np.isnan(values)
    if padded.all():
        raise VolumeError("every voxel is padding by Pixel Padding Value (0028,0120).")
    if padded.any():
        values[padded] = np.nanmin(values)
    return values


def _unique(values: NDArray[np.float32], counts: Iterable[int]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Returns the first frame at each place, and a flag when copies of it were dropped."""
    kept: list[int] = []
    start = 0
    for place, count in enumerate(counts):
        if any(not np.array_equal(values[start], values[start + more]) for more in range(1, count)):
            raise VolumeError(
                f"{count} different images lie at the place of slice {place + 1}, counted from the patient's right: "
                "two acquisitions in one series. Send one of them."
            )
        kept.append(start)
        start += count
    return (values, ()) if len(kept) == len(values) else (values[kept], (FLAG_DUPLICATES,))


def _filled(values: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns float32 [slice, row, column] on the even grid: missing slices blended linearly from their neighbours."""
    whole = np.empty((int(indices[-1]) + 1, *values.shape[1:]), np.float32)
    whole[indices] = values
    for place in np.flatnonzero(np.diff(indices) > 1):
        start, end = int(indices[place]), int(indices[place + 1])
        whole[start + 1 : end] = _between(values[place : place + 2], end - start)
    return whole


def _between(pair: NDArray[np.float32], steps: int) -> Array:
    image = SimpleITK.GetImageFromArray(pair)
    size = (pair.shape[2], pair.shape[1], steps - 1)
    identity, origin, spacing = SimpleITK.Transform(), (0.0, 0.0, 1.0 / steps), (1.0, 1.0, 1.0 / steps)
    blended = SimpleITK.Resample(
        image, size, identity, SimpleITK.sitkLinear, origin, spacing, image.GetDirection(), 0.0, SimpleITK.sitkFloat32
    )
    return SimpleITK.GetArrayFromImage(blended)
