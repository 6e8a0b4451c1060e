"""A volume onto another grid along its own axes, with SimpleITK, and the affine that stays true for every pixel.

The grid is given in voxel indices of the volume, so that oblique and left-handed volumes need no special case. Where
it is coarser than the volume, a Gaussian goes first, as wide as turns the source's resolution into the target's:
Cardoso et al., Scale factor point spread function matching (MICCAI 2015).
"""

import dataclasses
import math

import numpy as np
import SimpleITK
from numpy.typing import NDArray

Array = NDArray[np.float64]
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))  # of a Gaussian, in standard deviations
_REACH = 4.0  # standard deviations that a Gaussian is followed to
_TAIL = 1e-3  # of a Gaussian's weight that may be cut off
_EVEN = 1e-3  # a grid coarser by less needs no smoothing


@dataclasses.dataclass(frozen=True)
class Axis:
    """Evenly spaced places along one index axis of a volume.

    Attributes:
      start: voxel index of the first place; voxel j covers j - 1/2 to j + 1/2.
      step: voxels between places.
      count: how many places.
    """

    start: float
    step: float
    count: int

    @property
    def end(self) -> float:
        """The voxel index of the last place."""
        return self.start + (self.count - 1) * self.step

    @property
    def sigma(self) -> float:
        """The Gaussian that goes before, voxels; 0 where the grid is as fine as the volume or finer."""
        return math.sqrt(self.step**2 - 1.0) / _FWHM if self.step > 1.0 + _EVEN else 0.0


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where a volume is sampled: places along its column, row and slice axes."""

    columns: Axis
    rows: Axis
    slices: Axis

    @property
    def axes(self) -> tuple[Axis, Axis, Axis]:
        """The axes, column first, as in an affine and in SimpleITK."""
        return self.columns, self.rows, self.slices

    def affine(self, affine: Array) -> Array:
        """Returns float64 [4, 4]: the grid's (column, row, slice, 1) to mm, from the volume's."""
        scaling = np.diag([*(axis.step for axis in self.axes), 1.0])
        scaling[:3, 3] = [axis.start for axis in self.axes]
        return affine @ scaling


def sample(voxels: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Returns float32 [slice, row, column]: the volume on the grid, linearly interpolated; NaN outside its voxels.

    Args:
      voxels: float32 [slice, row, column].
      grid: in voxel indices of the volume.
    """
    first, last = _slab(voxels.shape[0], grid.slices)
    image = SimpleITK.GetImageFromArray(voxels[first : last + 1])
    image.SetOrigin((0.0, 0.0, float(first)))
    sampled = SimpleITK.Resample(
        _smoothed(image, grid),
        [axis.count for axis in grid.axes],
        SimpleITK.Transform(),
        SimpleITK.sitkLinear,
        [axis.start for axis in grid.axes],
        [axis.step for axis in grid.axes],
        image.GetDirection(),
        math.nan,
        SimpleITK.sitkFloat32,
    )
    return SimpleITK.GetArrayFromImage(sampled)


def _slab(count: int, slices: Axis) -> tuple[int, int]:
    """Returns the first and last slice that sampling looks at; the rest need not be smoothed."""
    margin = _REACH * slices.sigma
    first, last = math.floor(slices.start - margin), math.ceil(slices.end + margin)
    return max(0, min(first, count - 1)), max(0, min(last, count - 1))


def _smoothed(image: SimpleITK.Image, grid: Grid) -> SimpleITK.Image:
    sigmas = [axis.sigma for axis in grid.axes]
    if not any(sigmas):
        return image
    width = 2 * math.ceil(_REACH * max(sigmas)) + 1
    return SimpleITK.DiscreteGaussian(image, [sigma**2 for sigma in sigmas], width, _TAIL, False)
