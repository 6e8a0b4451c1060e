"""A volume in the canonical sagittal order: slices from the patient's right to left, head up, anterior on the left.

Axes are only permuted and flipped, never interpolated, and the affine goes with them: an oblique volume stays as
oblique as it was scanned. The frame of the patient is DICOM's LPS in mm (PS3.3 C.7.6.2.1.1).
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

FLAG_OBLIQUE = "oblique"
FLAG_NOT_ACQUIRED_SAGITTAL = "not_acquired_sagittal"
OBLIQUE_DEGREES = 10.0
MIN_SLICES = 2
MAX_VOXELS = 100_000_000  # 200 slices of 700 x 700; 8 s and 1.5 GiB
SIDES_MM = (0.01, 100.0)  # of a voxel: far beyond what scanners make, and numbers stay numbers
_THICK = 1.5  # times the other spacings: an in-plane axis so coarse lies across the slices as acquired

Array = NDArray[np.float64]


class VolumeError(ValueError):
    """The images do not make one volume; the one-line message says which slice or value, and names no path."""


@dataclasses.dataclass(frozen=True, eq=False)
class Volume:
    """A sagittal stack in canonical order.

    Attributes:
      voxels: float32 [slice, row, column], rescaled values; slices from right to left, rows from superior to
        inferior, columns from anterior to posterior, as far as the volume's own axes allow.
      affine: float64 [4, 4], (column, row, slice, 1) of voxel centres to LPS mm.
      flags: what was odd.
    """

    voxels: NDArray[np.float32] = dataclasses.field(repr=False)
    affine: Array
    flags: tuple[str, ...] = ()

    @property
    def normal(self) -> Array:
        """Float64 [3]: the unit normal of the slices, towards the patient's left."""
        return normal_of(self.affine)

    @property
    def pitch_mm(self) -> float:
        """The distance of neighbouring slice centres along the normal, mm."""
        return float(self.affine[:3, 2] @ self.normal)

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """(row, column) mm: the distance of rows, then of columns."""
        across, down = (float(np.linalg.norm(self.affine[:3, axis])) for axis in (0, 1))
        return down, across


def normal_of(affine: Array) -> Array:
    """Returns float64 [3]: the unit normal of the slices of a canonical affine, along growing slice index."""
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    normal = normal / np.linalg.norm(normal)
    return normal if normal @ affine[:3, 2] > 0 else -normal


def canonical(voxels: NDArray[np.float32], affine: Array, flags: tuple[str, ...] = ()) -> Volume:
    """Returns the volume with its axes permuted and flipped into the canonical sagittal order.

    Args:
      voxels: float32 [k, j, i], in any order.
      affine: float64 [4, 4], (i, j, k, 1) to LPS mm.
      flags: of the volume so far.

    Raises:
      VolumeError: a value is not finite, the affine cannot be inverted, a voxel is larger or smaller than SIDES_MM,
        or there are fewer than two slices.
    """
    _check(voxels, affine)
    permutation = _permutation(affine)
    turned = np.column_stack([affine[:, permutation], affine[:, 3]])
    array = voxels.transpose([2 - axis for axis in reversed(permutation)])
    for axis, (component, sense) in enumerate(((1, 1), (2, -1), (0, 1))):
        if turned[component, axis] * sense < 0:
            array = np.flip(array, 2 - axis)
            turned[:3, 3] += turned[:3, axis] * (array.shape[2 - axis] - 1)
            turned[:3, axis] *= -1
    if array.shape[0] < MIN_SLICES:
        raise VolumeError(f"a volume needs at least {MIN_SLICES} sagittal slices. Received: {array.shape[0]}.")
    found = Volume(np.ascontiguousarray(array, np.float32), turned + 0.0)
    return dataclasses.replace(found, flags=tuple(dict.fromkeys((*flags, *_flags(found)))))


def sagittal_axis(affine: Array) -> int:
    """Returns which index axis of an affine (0 for i, 1 for j, 2 for k) runs closest to the patient's x."""
    return int(np.argmax(np.abs(_directions(affine)[0])))


def degrees_off_x(normal: Array) -> float:
    """Returns the angle between a plane's unit normal, float64 [3], and the patient's x axis, degrees."""
    return math.degrees(math.acos(min(1.0, abs(float(normal[0])))))


def _permutation(affine: Array) -> list[int]:
    """Returns the index axes that become column, row and slice: slices closest to x, then rows closest to z."""
    slices = sagittal_axis(affine)
    rest = [axis for axis in range(3) if axis != slices]
    rows = max(rest, key=lambda axis: abs(_directions(affine)[2, axis]))
    return [next(axis for axis in rest if axis != rows), rows, slices]


def _directions(affine: Array) -> Array:
    return affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)


def _check(voxels: NDArray[np.float32], affine: Array) -> None:
    if voxels.ndim != 3:
        raise VolumeError(f"a volume has three dimensions. Received: {voxels.ndim}.")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise VolumeError("the volume's spacing and orientation must be finite and span three dimensions.")
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    if sides.min() < SIDES_MM[0] or sides.max() > SIDES_MM[1]:
        received = " x ".join(f"{side:.4g}" for side in sides)
        raise VolumeError(f"a voxel is {SIDES_MM[0]:g} to {SIDES_MM[1]:g} mm on each side. Received: {received} mm.")
    wrong = voxels.size - int(np.isfinite(voxels).sum())
    if wrong:
        raise VolumeError(f"voxels must be finite numbers. Received: {wrong} of {voxels.size} that are not.")


def _flags(volume: Volume) -> tuple[str, ...]:
    flags = [FLAG_OBLIQUE] if degrees_off_x(volume.normal) > OBLIQUE_DEGREES else []
    fine, coarse = sorted(volume.spacing_mm)
    if coarse > _THICK * max(fine, volume.pitch_mm):
        flags.append(FLAG_NOT_ACQUIRED_SAGITTAL)
    return tuple(flags)
