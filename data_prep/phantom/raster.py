"""Antialiased coverage of smooth outlines on a film's pixel grid, exact to a fraction of a pixel."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.phantom.outlines import Points

Image = NDArray[np.float32]
_FRACTION_BITS = 6
_FINE_PIXELS = 200_000


@dataclass(frozen=True)
class Grid:
    """A film's pixels over the sagittal plane.

    Attributes:
        rows, columns: size in pixels.
        spacing: (row, column) mm in the patient's plane.
        corner: (x, y) in mm of the centre of the top-left pixel, before the turn.
        turn: radians; the plane turns by this about its origin before it meets the film.
    """

    rows: int
    columns: int
    spacing: tuple[float, float]
    corner: tuple[float, float]
    turn: float = 0.0

    def to_pixels(self, points: Points) -> Points:
        """Carries points [..., 2] in mm to (x, y) pixels, origin at the top-left pixel's centre."""
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        turned = points @ np.array([[cosine, sine], [-sine, cosine]])
        return (turned - np.asarray(self.corner)) / np.asarray(self.spacing)[::-1]


@dataclass(frozen=True)
class Patch:
    """A rectangle of the film: its first row and column and its values."""

    row: int
    column: int
    values: Image

    def add_to(self, image: Image) -> None:
        """Adds the values in place where the patch lies on the image."""
        rows, columns = self.values.shape
        top, left = max(self.row, 0), max(self.column, 0)
        bottom, right = min(self.row + rows, image.shape[0]), min(self.column + columns, image.shape[1])
        if bottom > top and right > left:
            inner = self.values[top - self.row : bottom - self.row, left - self.column : right - self.column]
            image[top:bottom, left:right] += inner


def coverage(outline: Points, grid: Grid, margin_mm: float = 0.0) -> Patch | None:
    """The share of each pixel that a closed outline covers.

    Args:
        outline: float [n, 2], pixels of `grid`.
        grid: the film.
        margin_mm: room kept around the outline, and beyond the film's edges, for a later blur.

    Returns:
        Values 0..1 around the outline, or None when it misses the film.
    """
    margin = np.ceil(margin_mm / np.asarray(grid.spacing)[::-1]).astype(int) + 1
    low = np.maximum(np.floor(outline.min(0)).astype(int), 0) - margin
    high = np.minimum(np.ceil(outline.max(0)).astype(int), [grid.columns - 1, grid.rows - 1]) + margin
    width, height = (int(value) for value in high - low + 1)
    if (high - low < 2 * margin).any():
        return None
    factor = 4 if width * height < _FINE_PIXELS else 2
    fine = np.zeros((height * factor, width * factor), np.uint8)
    vertices = (outline - low + 0.5) * factor - 0.5
    fixed = np.round(vertices * 2**_FRACTION_BITS).astype(np.int32)
    cv2.fillPoly(fine, [fixed], 255, lineType=cv2.LINE_8, shift=_FRACTION_BITS)
    # fillPoly fills every pixel that the outline touches: half of those lies outside.
    cv2.polylines(fine, [fixed], True, 128, 1, cv2.LINE_8, _FRACTION_BITS)
    values = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    values /= 255
    return Patch(int(low[1]), int(low[0]), values)


def blur(image: Image, sigma_mm: float, spacing: tuple[float, float]) -> Image:
    """A Gaussian blur of sigma_mm on (row, column) spacing; wide ones run on a coarser grid."""
    rows, columns = image.shape
    sigma_row, sigma_column = sigma_mm / spacing[0], sigma_mm / spacing[1]
    factor = int(min(sigma_row, sigma_column) / 2.5)
    if factor < 2 or min(rows, columns) < 4 * factor:
        return _gaussian(image, sigma_row, sigma_column)
    small = (max(columns // factor, 1), max(rows // factor, 1))
    coarse = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.float32)
    coarse = _gaussian(coarse, sigma_row * small[1] / rows, sigma_column * small[0] / columns)
    return np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)


def _gaussian(image: Image, sigma_row: float, sigma_column: float) -> Image:
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), sigmaX=sigma_column, sigmaY=sigma_row, borderType=cv2.BORDER_REPLICATE),
        np.float32,
    )
