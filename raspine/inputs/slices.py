"""Six slices for the network out of a volume: which, at how many millimetres, on what canvas, how bright.

slices = take(volume, Choice("native_middle"))

Three choices. `native_middle` keeps the scanner's own middle slices and resamples in the plane alone. `paper_literal`
follows the paper's words: 1 mm isotropic, the six middle slices, 512 x 512 by centred pad or crop; on 3.3 mm slices
these six are blends of three or four. `slab` spreads the slices over a thickness in mm.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine.dicom.sagittal import Volume, normal_of
from raspine.inputs.resampling import Array, Axis, Grid, sample

NATIVE_MIDDLE, PAPER_LITERAL, SLAB = KINDS = ("native_middle", "paper_literal", "slab")
PAPER_MM = 1.0
PERCENTILES = (0.5, 99.5)
WHITE = 65535
FLAG_CROPPED = "cropped_to_canvas"
_MAX_SIDE, _MAX_COUNT = 4096, 256
_MM_RANGE = (0.05, 10.0)


class SlicesError(ValueError):
    """The wanted slices cannot be taken from this volume, or the choice itself is impossible."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """How slices are taken.

    Attributes:
      kind: `native_middle`, `paper_literal` or `slab`.
      count: how many slices.
      pixel_mm: of the canvas, mm; `paper_literal` has 1 mm whatever stands here.
      size: (rows, columns) of the canvas.
      thickness_mm: of a `slab`, edge to edge: each slice is the centre of an equal part of it.
    """

    kind: str = NATIVE_MIDDLE
    count: int = 6
    pixel_mm: float = 0.5
    size: tuple[int, int] = (512, 512)
    thickness_mm: float = 20.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        if self.kind not in KINDS:
            raise SlicesError(f"slices must be one of {', '.join(KINDS)}. Received: '{self.kind}'.")
        if not 1 <= self.count <= _MAX_COUNT:
            raise SlicesError(f"the count of slices must be 1 to {_MAX_COUNT}. Received: {self.count}.")
        if not _MM_RANGE[0] <= self.pixel_mm <= _MM_RANGE[1]:
            raise SlicesError(f"pixel_mm must be {_MM_RANGE[0]} to {_MM_RANGE[1]}. Received: {self.pixel_mm}.")
        if len(self.size) != 2 or not all(1 <= side <= _MAX_SIDE for side in self.size):
            raise SlicesError(f"size must be (rows, columns), each 1 to {_MAX_SIDE}. Received: {self.size}.")
        if not 0.0 < self.thickness_mm < math.inf:
            raise SlicesError(f"thickness_mm must be above 0. Received: {self.thickness_mm}.")

    @property
    def canvas_mm(self) -> float:
        """The size of a canvas pixel, mm."""
        return PAPER_MM if self.kind == PAPER_LITERAL else self.pixel_mm

    def to_dict(self) -> dict[str, Any]:
        """Returns the choice as JSON takes it."""
        return {**dataclasses.asdict(self), "size": list(self.size)}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Choice":
        """Returns the choice that `to_dict` wrote.

        Raises:
          SlicesError: a key is unknown or a value impossible.
        """
        unknown = sorted(set(found) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise SlicesError(f"a choice of slices has no '{unknown[0]}'.")
        try:
            return cls(**found)
        except TypeError as error:
            raise SlicesError(f"a choice of slices has values of the wrong type: {dict(found)}.") from error


@dataclasses.dataclass(frozen=True, eq=False)
class Slices:
    """What the network sees of a volume.

    Attributes:
      pixels: uint16 [slice, row, column], right to left, 0 to 65535 between the volume's percentiles; 0 where the
        canvas goes beyond the volume.
      affine: float64 [4, 4], (column, row, slice, 1) of the canvas to LPS mm.
      positions_mm: float64 [slice], the slices' centres along their normal, growing to the patient's left.
      spacing_mm: (row, column) mm of the canvas.
      choice: what was asked for.
      flags: what was odd, the volume's flags among them.
    """

    pixels: NDArray[np.uint16] = dataclasses.field(repr=False)
    affine: Array
    positions_mm: Array
    spacing_mm: tuple[float, float]
    choice: Choice
    flags: tuple[str, ...]


def take(volume: Volume, choice: Choice) -> Slices:
    """Returns the slices of a volume that a choice asks for.

    Args:
      volume: in canonical sagittal order.
      choice: which slices, at what resolution, on what canvas.

    Raises:
      SlicesError: the volume has fewer slices than are wanted, is thinner than the slab, or all its voxels are equal.
    """
    if volume.voxels.shape[0] < choice.count:
        raise SlicesError(f"{choice.count} slices are needed. Received: a volume of {volume.voxels.shape[0]}.")
    low, high = intensity_range(volume.voxels)
    grid = grid_of(volume, choice)
    shown = sample(volume.voxels, grid)
    np.nan_to_num(shown, copy=False, nan=low)
    pixels = np.rint(np.clip((shown.astype(np.float64) - low) / (high - low), 0.0, 1.0) * WHITE).astype(np.uint16)
    affine = grid.affine(volume.affine)
    centres = affine[:3, 3] + np.arange(choice.count)[:, None] * affine[:3, 2]
    flags = (*volume.flags, FLAG_CROPPED) if _is_cropped(volume, grid) else volume.flags
    return Slices(pixels, affine, centres @ normal_of(affine), (choice.canvas_mm, choice.canvas_mm), choice, flags)


def intensity_range(voxels: NDArray[np.float32]) -> tuple[float, float]:
    """Returns the values that become black and white: robust percentiles of the volume, before any padding.

    Where so few voxels differ that the percentiles are equal, the lowest and highest value stand in.

    Raises:
      SlicesError: all voxels are equal.
    """
    low, high = (float(value) for value in np.percentile(voxels, PERCENTILES))
    if low == high:
        low, high = float(voxels.min()), float(voxels.max())
    if low == high:
        raise SlicesError(f"the volume is empty: all its voxels are {low:g}.")
    return low, high


def grid_of(volume: Volume, choice: Choice) -> Grid:
    """Returns where a choice samples a volume, in its voxel indices.

    Raises:
      SlicesError: the volume is too thin for the choice.
    """
    planes, rows, columns = volume.voxels.shape
    down, across = volume.spacing_mm
    return Grid(
        columns=_canvas_axis(columns, across, choice.canvas_mm, choice.size[1]),
        rows=_canvas_axis(rows, down, choice.canvas_mm, choice.size[0]),
        slices=_SLICES[choice.kind](planes, volume.pitch_mm, choice),
    )


def _even_axis(count: int, spacing: float, wanted: float) -> Axis:
    """Returns the places every `wanted` mm that fit between the centres of the first and last voxel, centred."""
    places = math.floor((count - 1) * spacing / wanted + 1e-6) + 1
    step = wanted / spacing
    return Axis((count - 1 - (places - 1) * step) / 2.0, step, places)


def _canvas_axis(count: int, spacing: float, wanted: float, side: int) -> Axis:
    """Returns the axis padded or cropped to `side` places; an odd pixel is added or cut at the far end.

    Whole pixels are added, so that a volume that already has the wanted spacing is copied, not interpolated.
    """
    even = _even_axis(count, spacing, wanted)
    return Axis(even.start - (side - even.count) // 2 * even.step, even.step, side)


def _native_middle(planes: int, pitch: float, choice: Choice) -> Axis:
    """Returns the middle slices; where they cannot be centred, the odd slice is left out on the patient's left."""
    return Axis(float((planes - choice.count) // 2), 1.0, choice.count)


def _paper_literal(planes: int, pitch: float, choice: Choice) -> Axis:
    """Returns the middle planes of all 1 mm planes; an odd one is left out on the patient's left."""
    even = _even_axis(planes, pitch, PAPER_MM)
    if even.count < choice.count:
        raise SlicesError(
            f"{choice.count} planes of {PAPER_MM:g} mm are needed. Received: a volume of {even.count} ({planes} slices "
            f"every {pitch:.2f} mm)."
        )
    return Axis(even.start + (even.count - choice.count) // 2 * even.step, even.step, choice.count)


def _slab(planes: int, pitch: float, choice: Choice) -> Axis:
    """Returns the centres of equal parts of the slab about the volume's middle."""
    if choice.thickness_mm > planes * pitch * (1.0 + 1e-6):
        raise SlicesError(
            f"a slab of {choice.thickness_mm:g} mm is wanted. Received: a volume of {planes * pitch:.1f} mm ({planes} "
            f"slices every {pitch:.2f} mm)."
        )
    step = choice.thickness_mm / choice.count / pitch
    return Axis((planes - 1 - (choice.count - 1) * step) / 2.0, step, choice.count)


_SLICES = {NATIVE_MIDDLE: _native_middle, PAPER_LITERAL: _paper_literal, SLAB: _slab}


def _is_cropped(volume: Volume, grid: Grid) -> bool:
    """Returns whether the canvas leaves out centres of voxels in the plane."""
    _, rows, columns = volume.voxels.shape
    return any(
        axis.start > 0.5 * max(1.0, axis.step) or axis.end < count - 1 - 0.5 * max(1.0, axis.step)
        for axis, count in ((grid.rows, rows), (grid.columns, columns))
    )
