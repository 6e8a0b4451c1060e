"""Slices in order: positions along the normal, the pitch between them, gaps and slices that lie at one place.

The pitch comes from Image Position (Patient) alone: Slice Thickness leaves out gaps, and Spacing Between Slices is
often wrong (PS3.3 C.7.6.2.1.1 gives the position its meaning).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raspine.dicom.sagittal import MIN_SLICES, Array, VolumeError
from raspine.dicom.study import Frame

FLAG_SHEARED = "sheared"
SAME_PLACE_MM = 0.05
PITCH_TOLERANCE = 0.1  # of the pitch
MAX_MISSING = 3  # neighbouring slices that interpolation may fill
_PARALLEL = 0.01  # between direction cosines, about half a degree
_PIXEL_SHIFT = 0.5  # of a pixel, in the plane


@dataclasses.dataclass(frozen=True, eq=False)
class Stacking:
    """Frames sorted from the patient's right to left onto an even grid.

    Attributes:
      places: the frames at each place; more than one where they claim the same position.
      indices: int64 [place], the slice of the even grid that each place fills; steps of 1 where none is missing.
      affine: float64 [4, 4], (column, row, slice, 1) of the grid to LPS mm.
      flags: what was odd.
    """

    places: tuple[tuple[Frame, ...], ...]
    indices: NDArray[np.int64]
    affine: Array
    flags: tuple[str, ...]


def stack(frames: Sequence[Frame], gaps: str = "refuse") -> Stacking:
    """Returns frames sorted along their normal, once they lie on one even grid.

    Args:
      frames: of one stack, in any order.
      gaps: `refuse` a missing slice, or leave it out of `indices` for `interpolate`.

    Raises:
      VolumeError: fewer than two slices; a frame without position, orientation or spacing; frames of several sizes,
        orientations or spacings; a missing slice; slices shifted against each other.
    """
    if gaps not in ("refuse", "interpolate"):
        raise VolumeError(f"gaps must be 'refuse' or 'interpolate'. Received: '{gaps}'.")
    _check_each(frames)
    rows, columns = _directions(frames)
    spacing = _spacing(frames)
    normal = np.cross(rows, columns)
    normal = -normal if normal[0] < 0 else normal
    places = _places(frames, normal)
    positions = np.array([place[0].position for place in places], np.float64)
    indices = _indices(positions @ normal, gaps)
    origin, step = _line(positions, indices)
    axes = np.column_stack([rows * spacing[1], columns * spacing[0], step])
    _check_line(positions - origin - indices[:, None] * step, axes, normal)
    shift = np.abs(np.linalg.solve(np.column_stack([axes[:, :2], normal]), step)[:2]).max() * indices[-1]
    affine = np.vstack([np.column_stack([axes, origin]), [0.0, 0.0, 0.0, 1.0]])
    return Stacking(places, indices, affine, (FLAG_SHEARED,) if shift > _PIXEL_SHIFT else ())


def _check_each(frames: Sequence[Frame]) -> None:
    if len(frames) < MIN_SLICES:
        raise VolumeError(f"a volume needs at least {MIN_SLICES} slices. Received: {len(frames)}.")
    needed = (
        ("position", 3, "Image Position (Patient) (0020,0032)"),
        ("orientation", 6, "Image Orientation (Patient) (0020,0037)"),
        ("spacing", 2, "Pixel Spacing (0028,0030)"),
    )
    for attribute, length, tag in needed:
        for frame in frames:
            value = getattr(frame, attribute)
            if value is None or len(value) != length or not np.isfinite(value).all():
                raise VolumeError(f"{tag} is missing or unusable in {named(frame)}: no volume without it.")
    sizes = sorted({(frame.rows, frame.columns) for frame in frames})
    if len(sizes) > 1:
        found = " and ".join(f"{rows} x {columns}" for rows, columns in sizes[:3])
        raise VolumeError(f"the slices of one volume have one size. Received: {found} (rows x columns).")


def named(frame: Frame) -> str:
    """Returns how an error names a frame: by its numbers, never by its path or UID."""
    instance = f"Instance Number {frame.instance_number}" if frame.instance_number is not None else "a slice"
    return f"{instance}, frame {frame.number + 1}" if frame.number else instance


def _directions(frames: Sequence[Frame]) -> tuple[Array, Array]:
    """Returns the unit directions of rows and columns, each float64 [3], shared by all frames."""
    cosines = np.array([frame.orientation for frame in frames], np.float64)
    if np.ptp(cosines, axis=0).max() > _PARALLEL:
        raise VolumeError("the slices are not parallel: Image Orientation (Patient) (0020,0037) differs among them.")
    rows, columns = np.median(cosines, axis=0).reshape(2, 3)
    lengths = np.linalg.norm(rows), np.linalg.norm(columns)
    if not np.allclose(lengths, 1.0, atol=_PARALLEL) or abs(rows @ columns) > _PARALLEL:
        raise VolumeError("Image Orientation (Patient) (0020,0037) must hold two unit vectors at a right angle.")
    rows = rows / lengths[0]
    columns = columns - rows * (rows @ columns)
    return rows, columns / np.linalg.norm(columns)


def _spacing(frames: Sequence[Frame]) -> Array:
    """Returns float64 (row, column) mm, shared by all frames."""
    found = np.array([frame.spacing for frame in frames], np.float64)
    if found.min() <= 0:
        raise VolumeError(f"Pixel Spacing (0028,0030) must be above 0. Received: {found.min():g}.")
    spacing = np.median(found, axis=0)
    if (np.abs(found / spacing - 1.0) > 1e-3).any():
        raise VolumeError("the slices of one volume have one spacing: Pixel Spacing (0028,0030) differs among them.")
    return spacing


def _places(frames: Sequence[Frame], normal: Array) -> tuple[tuple[Frame, ...], ...]:
    """Returns the frames from right to left, those at one place together."""
    offsets = np.array([frame.position for frame in frames], np.float64) @ normal
    order = np.argsort(offsets, kind="stable")
    starts = np.flatnonzero(np.diff(offsets[order], prepend=-np.inf) > SAME_PLACE_MM)
    return tuple(tuple(frames[index] for index in part) for part in np.split(order, starts[1:]))


def _indices(offsets: Array, gaps: str) -> NDArray[np.int64]:
    """Returns int64 [place]: the even grid's slice of each sorted offset along the normal, mm."""
    if offsets.size < MIN_SLICES:
        raise VolumeError(f"a volume needs slices at {MIN_SLICES} places at least. Received: {offsets.size}.")
    differences = np.diff(offsets)
    pitch = float(np.quantile(differences, 0.5, method="lower"))
    steps = np.maximum(np.rint(differences / pitch), 1.0)
    even = np.abs(differences / pitch - steps) <= PITCH_TOLERANCE
    for place in np.flatnonzero(~even | (steps > 1)):
        allowed = gaps == "interpolate" and even[place] and steps[place] <= MAX_MISSING + 1
        if not allowed:
            raise VolumeError(_gap(int(place), offsets, pitch, steps[place] if even[place] else 0.0))
    return np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)


def _gap(place: int, offsets: Array, pitch: float, steps: float) -> str:
    start, end = offsets[place], offsets[place + 1]
    missing = f"{steps - 1:g} missing" if steps > 1 else "not evenly spaced"
    return (
        f"slices {place + 1} and {place + 2} of {offsets.size}, counted from the patient's right, lie "
        f"{end - start:.2f} mm apart (at {start:.2f} and {end:.2f} mm) where the pitch is {pitch:.2f} mm: {missing}. "
        f"Send the whole series, or allow gaps='interpolate' for up to {MAX_MISSING} missing slices in a row."
    )


def _line(positions: Array, indices: NDArray[np.int64]) -> tuple[Array, Array]:
    """Returns origin and step, float64 [3] mm: the least-squares line through the slices' positions."""
    centred = indices - indices.mean()
    step = centred @ positions / (centred @ centred)
    return positions.mean(axis=0) - indices.mean() * step, step


def _check_line(residuals: Array, axes: Array, normal: Array) -> None:
    """Refuses slices that leave their common line by more than half a pixel or a quarter of the pitch."""
    across = np.abs(residuals @ axes[:, :2]) / np.sum(axes[:, :2] ** 2, axis=0)
    along = np.abs(residuals @ normal) / abs(axes[:, 2] @ normal)
    if across.max() > _PIXEL_SHIFT or along.max() > PITCH_TOLERANCE * 2.5:
        worst = float(np.linalg.norm(residuals, axis=1).max())
        raise VolumeError(f"the slices are shifted against each other, by up to {worst:.2f} mm: not one stack.")
