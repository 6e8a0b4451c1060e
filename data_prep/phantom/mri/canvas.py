"""Tissue painted onto the planes of a stack: solids with soft edges, each only where it can reach."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.float32]
Affine = NDArray[np.float64]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """The voxels of a stack.

    Attributes:
        shape: (slices, rows, columns).
        affine: float64 [4, 4] from (column, row, slice, 1) indices of voxel centres to LPS mm.
    """

    shape: tuple[int, int, int]
    affine: Affine

    @property
    def pixel_mm(self) -> float:
        """The wider of the two in-plane spacings."""
        return float(np.linalg.norm(self.affine[:3, :2], axis=0).max())


@dataclass(frozen=True)
class Frame:
    """A place in the midsagittal plane: its centre (y, z) in mm and its forward lean in radians.

    Frame coordinates are (x, u, v): left, backwards, up along the leaning axis.
    """

    centre: tuple[float, float]
    lean: float = 0.0

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Carries frame coordinates to (y, z)."""
        cosine, sine = np.cos(self.lean), np.sin(self.lean)
        y, z = self.centre
        return float(y + u * cosine - v * sine), float(z + u * sine + v * cosine)

    def at(self, u: float, v: float, lean: float = 0.0) -> "Frame":
        """A frame at (u, v) of this one, leaning `lean` more."""
        return Frame(self.place(u, v), self.lean + lean)


class Canvas:
    """Signal of one contrast over a grid, in the anatomy's own frame (mm; C4 at the origin).

    Attributes:
        x, y, z: float32 [slice, row, column], anatomy coordinates of the voxel centres.
        signal: float32 [slice, row, column], painted in the painter's order.
        mask: uint8 [slice, row, column], labels of the signs.
    """

    def __init__(self, grid: Grid, anatomy_from_patient: Affine, tissues: dict[str, float]) -> None:
        self.to_anatomy = anatomy_from_patient @ grid.affine
        self._to_index = np.linalg.inv(self.to_anatomy)
        self.shape = grid.shape
        self.softness = 1.1 * grid.pixel_mm
        self.tissues = tissues
        self.x, self.y, self.z = (self._coordinate(axis) for axis in range(3))
        self.signal = np.zeros(grid.shape, np.float32)
        self.mask = np.zeros(grid.shape, np.uint8)

    def _coordinate(self, axis: int) -> Image:
        column, row, number, start = self.to_anatomy[axis]
        slices, rows, columns = (np.arange(size) for size in self.shape)
        plane = (row * rows[:, None] + column * columns + start).astype(np.float32)
        return plane + (number * slices).astype(np.float32)[:, None, None]

    def box(self, low: ArrayLike, high: ArrayLike) -> Box | None:
        """The voxels that can lie between two corners (x, y, z) in anatomy mm; None when there are none."""
        ends = np.stack([np.asarray(low, np.float64), np.asarray(high, np.float64)])
        corners = np.array([[ends[i, 0], ends[j, 1], ends[k, 2], 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        index = (corners @ self._to_index.T)[:, 2::-1]
        first = np.maximum(np.floor(index.min(0)).astype(int) - 1, 0)
        last = np.minimum(np.ceil(index.max(0)).astype(int) + 2, self.shape)
        if (first >= last).any():
            return None
        sizes = [slice(int(a), int(b)) for a, b in zip(first, last, strict=True)]
        return sizes[0], sizes[1], sizes[2]

    def around(self, x: float, centre: tuple[float, float], reach: float, half_x: float) -> Box | None:
        """The voxels within `reach` mm of (y, z) `centre` and within `half_x` mm of x."""
        y, z = centre
        return self.box((x - half_x, y - reach, z - reach), (x + half_x, y + reach, z + reach))

    def local(self, box: Box, frame: Frame, x: float = 0.0) -> tuple[Image, Image, Image]:
        """The frame coordinates (x, u, v) of a box's voxels."""
        cosine, sine = np.float32(np.cos(frame.lean)), np.float32(np.sin(frame.lean))
        y = self.y[box] - np.float32(frame.centre[0])
        z = self.z[box] - np.float32(frame.centre[1])
        return self.x[box] - np.float32(x), y * cosine + z * sine, z * cosine - y * sine

    def coverage(self, distance: Image, softness: float = 0.0) -> Image:
        """How much of a voxel lies inside, 0..1, from the signed distance in mm (negative inside)."""
        width = np.float32(1 / (softness or self.softness))
        return np.clip(np.float32(0.5) - distance * width, np.float32(0), np.float32(1))

    def blend(self, box: Box, tissue: str | float | Image, share: Image | float) -> None:
        """Moves the signal in a box towards a tissue by `share`."""
        value = np.float32(self.tissues[tissue]) if isinstance(tissue, str) else np.asarray(tissue, np.float32)
        target = self.signal[box]
        target += share * (value - target)

    def solid(
        self,
        frame: Frame,
        half: tuple[float, float, float],
        layers: tuple[tuple[str, float], ...],
        power: int = 2,
        x: float = 0.0,
        opacity: float = 1.0,
    ) -> None:
        """Paints an ellipsoid (power 2) or a rounded block (power 4), and thinner copies of it inside.

        Args:
            frame: its centre and lean.
            half: half sizes (x, u, v) in mm.
            layers: (tissue, mm below the surface), outermost first.
            power: exponent of the superellipsoid.
            x: offset of its centre to the left.
            opacity: share of the signal that it takes over.
        """
        stretch = 1.0 if power == 2 else 1.4
        reach = float(np.hypot(half[1], half[2])) * (stretch if power == 2 else 1.0) + self.softness
        box = self.around(x, frame.centre, reach, half[0] + self.softness)
        if box is None:
            return
        distance = block(self.local(box, frame, x), half, power)
        for tissue, depth in layers:
            self.blend(box, tissue, np.float32(opacity) * self.coverage(distance + np.float32(depth)))


def block(local: tuple[Image, Image, Image], half: tuple[float, float, float], power: int) -> Image:
    """Roughly the signed distance in mm to a superellipsoid, measured along the ray from its centre.

    Args:
        local: float32 [...] each, coordinates from its centre in mm.
        half: half sizes in mm.
        power: 2 (ellipsoid) or 4 (rounded block).
    """
    total = np.full(np.broadcast_shapes(*(value.shape for value in local)), 1e-9, np.float32)
    radius = total.copy()
    for value, size in zip(local, half, strict=True):
        square = np.square(value)
        scaled = square * np.float32(1 / size**2)
        total += scaled if power == 2 else np.square(scaled)
        radius += square
    level = np.sqrt(total) if power == 2 else np.sqrt(np.sqrt(total))
    return np.asarray(np.sqrt(radius) * (1 - 1 / level), np.float32)
