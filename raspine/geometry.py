"""Points, affines and millimetres.

Points are (x, y) with the origin at the centre of the top-left pixel and x to the right. Spacing is
(row, column) in mm as DICOM's Pixel Spacing (0028,0030) gives it: the distance between rows, then columns.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Affine:
    """An invertible map of the plane, x' = matrix @ (x, y, 1), between two pixel frames.

    Attributes:
      matrix: float64 [2, 3], source pixels to target pixels.
    """

    matrix: Array

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64)
        if matrix.shape != (2, 3):
            raise ValueError(f"An affine has shape (2, 3). Received: {matrix.shape}.")
        if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-12:
            raise ValueError(f"An affine must be finite and invertible. Received: {matrix.tolist()}.")
        object.__setattr__(self, "matrix", matrix)

    def apply(self, points: ArrayLike) -> Array:
        """Returns float64 [..., 2]: the points of shape [..., 2] in the target frame; NaN stays NaN."""
        return np.asarray(points, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def inverse(self) -> "Affine":
        """Returns the map from the target frame back to the source frame."""
        linear = np.linalg.inv(self.matrix[:, :2])
        return Affine(np.column_stack([linear, -linear @ self.matrix[:, 2]]))

    def then(self, after: "Affine") -> "Affine":
        """Returns the map that applies this one first and `after` second."""
        linear = after.matrix[:, :2] @ self.matrix[:, :2]
        return Affine(np.column_stack([linear, after.apply(self.matrix[:, 2])]))


def identity() -> Affine:
    """Returns the map that changes nothing."""
    return Affine(np.eye(2, 3))


def mirror(columns: int) -> Affine:
    """Returns the map to the left-right mirrored image of a width of `columns` pixels (its own inverse)."""
    return Affine(np.array([[-1.0, 0.0, columns - 1.0], [0.0, 1.0, 0.0]]))


def distance_mm(first: ArrayLike, second: ArrayLike, spacing: ArrayLike) -> Array:
    """Returns the distance between points in native pixels.

    Args:
      first: float [..., 2], native pixels (x, y).
      second: float [..., 2], native pixels (x, y).
      spacing: float [..., 2], (row, column) mm; so x is scaled by the second value, y by the first.

    Returns:
      float64 [...], mm; NaN where a point or the spacing is NaN.
    """
    offset = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    scaled = offset * np.asarray(spacing, np.float64)[..., ::-1]
    return np.hypot(scaled[..., 0], scaled[..., 1])


def is_spacing(spacing: ArrayLike) -> bool:
    """Returns whether `spacing` is two finite positive numbers."""
    values = np.asarray(spacing, np.float64)
    return values.shape == (2,) and all(math.isfinite(value) and value > 0 for value in values)
