"""A posed cervical spine: where every vertebra stands, and the canal and the body's surface as curves over height."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.phantom.mri.canvas import Canvas, Frame
from data_prep.phantom.mri.patient import Anatomy, Findings

Floats = NDArray[np.float64]
CERVICAL = ("C7", "C6", "C5", "C4", "C3")
THORACIC = ("T1", "T2", "T3", "T4")
DENS_TIP = 36.5
ATLAS_LEVEL = 27.0
DENS_DEPTH = 11.0
TRANSLOCATION_MM = 7.0
_STEP = 0.1
_LOW, _HIGH = -220.0, 220.0


@dataclass(frozen=True)
class Pose:
    """A posed spine in the anatomy's frame: mm, y backwards, z up, C4's centre at the origin.

    Attributes:
        bodies: level -> frame at the centre of its body, T4 to C3, in millimetres.
        discs: level above the disc -> frame at the centre of the disc, T3 to C2.
        axis: frame at the centre of the lower endplate of C2.
        dens: frame on the dens's axis, at the same point, leaning with the dens.
        atlas: frame in the plane of the atlas on the dens's axis.
        head: frame at the tip of an untouched dens, leaning with the head.
    """

    bodies: dict[str, Frame]
    discs: dict[str, Frame]
    axis: Frame
    dens: Frame
    atlas: Frame
    head: Frame


def pose(anatomy: Anatomy, findings: Findings) -> Pose:
    """Stacks the vertebrae and moves C4 to the origin; upward translocation lowers the atlas and the head."""
    rise = anatomy.body_height + anatomy.disc_height
    frame = Frame((0.0, 0.0), anatomy.base_lean)
    bodies, discs = {"C7": frame}, {}
    for level, share in zip((*CERVICAL[1:], "C2"), anatomy.shares, strict=True):
        disc = frame.at(0, rise / 2, -share * anatomy.lordosis / 2)
        discs[level] = disc
        frame = disc.at(0, rise / 2, -share * anatomy.lordosis / 2)
        bodies[level] = frame
    del bodies["C2"]
    axis = discs["C2"].at(0, anatomy.disc_height / 2, -anatomy.shares[4] * anatomy.lordosis / 2)
    frame, above = bodies["C7"], "C7"
    for number, level in enumerate(THORACIC):
        step = rise * (1.06 + 0.04 * number)
        discs[above] = frame.at(0, -step / 2, 0.03)
        frame, above = discs[above].at(0, -step / 2, 0.03), level
        bodies[level] = frame
    return _centred(bodies, discs, axis, anatomy, findings)


def _centred(
    bodies: dict[str, Frame], discs: dict[str, Frame], axis: Frame, anatomy: Anatomy, findings: Findings
) -> Pose:
    y, z = bodies["C4"].centre

    def moved(frame: Frame) -> Frame:
        return Frame((frame.centre[0] - y, frame.centre[1] - z), frame.lean)

    axis = moved(axis)
    dens = axis.at(0.0, 8.0, -anatomy.dens_tilt).at(0.0, -8.0)
    sunk = TRANSLOCATION_MM * findings.translocation
    atlas = dens.at(0.0, ATLAS_LEVEL - 0.8 * sunk, 0.3 * anatomy.nod)
    head = dens.at(0.0, DENS_TIP - sunk, anatomy.nod + anatomy.dens_tilt)
    return Pose(
        {name: moved(frame) for name, frame in bodies.items()},
        {name: moved(frame) for name, frame in discs.items()},
        axis,
        dens,
        atlas,
        head,
    )


class Curve:
    """A smooth function of height z, tabulated for whole stacks."""

    def __init__(self, heights: Floats, values: Floats, smooth_mm: float = 6.0) -> None:
        z = np.arange(_LOW, _HIGH, 0.5)
        reach = int(3 * smooth_mm / 0.5)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * 0.5 / smooth_mm) ** 2)
        start, end = (
            (values[1] - values[0]) / (heights[1] - heights[0]),
            (values[-1] - values[-2]) / (heights[-1] - heights[-2]),
        )
        raw = np.interp(z, heights, values)
        raw += np.minimum(z - heights[0], 0) * start + np.maximum(z - heights[-1], 0) * end
        padded = np.pad(raw, reach, mode="reflect", reflect_type="odd")
        smooth = np.convolve(padded, kernel / kernel.sum(), "valid")
        self.table = np.interp(np.arange(_LOW, _HIGH, _STEP), z, smooth).astype(np.float32)

    def __call__(self, index: NDArray[np.int32]) -> NDArray[np.float32]:
        """Values at `heights(z)` indices."""
        return np.take(self.table, index)


def heights(z: NDArray[np.float32]) -> NDArray[np.int32]:
    """The table indices of heights z in mm."""
    index = ((z - np.float32(_LOW)) * np.float32(1 / _STEP)).astype(np.int32)
    return np.clip(index, 0, int((_HIGH - _LOW) / _STEP) - 2)


@dataclass(frozen=True)
class Canal:
    """The canal over height: its centre line and the half sizes (front to back, side to side) of sac and cord."""

    centre: Curve
    slope: Curve
    sac: Curve
    sac_side: Curve
    cord: Curve
    cord_side: Curve


def canal(anatomy: Anatomy, findings: Findings, posed: Pose) -> Canal:
    """Lays the canal behind the bodies and the dens and up through the foramen magnum to the pons."""
    sac, cord = anatomy.canal / 2, anatomy.cord / 2
    back = anatomy.body_depth / 2 + 1.2
    knots = [(posed.bodies[level].at(back + sac, 0.0).centre, sac, cord) for level in reversed(THORACIC)]
    knots += [(posed.bodies[level].at(back + sac, 0.0).centre, sac, cord) for level in CERVICAL]
    knots.append((posed.dens.at(DENS_DEPTH / 2 + 2.6 + sac, 9.0).centre, sac + 0.3, cord + 0.1))
    behind = DENS_DEPTH / 2 + anatomy.retrodental + 5.0 * findings.pannus
    high = sac + 0.8 - 1.2 * findings.pannus
    knots.append((posed.dens.at(behind + high, 23.0).centre, high, cord + 0.2 - 0.7 * findings.pannus))
    knots.append((posed.dens.at(behind + 0.3 + high, 33.0).centre, high + 1.4, cord + 0.8 - 0.7 * findings.pannus))
    base = DENS_DEPTH / 2 + 5.0 + sac
    knots.append((posed.head.at(base + 1.0, 9.0).centre, sac + 3.0, cord + 2.2))
    knots.append((posed.head.at(base - 1.0, 26.0).centre, 12.0, 8.0))
    knots.append((posed.head.at(base - 3.0, 38.0).centre, 16.0, 12.5))
    knots.append((posed.head.at(base - 5.0, 60.0).centre, 16.0, 11.0))
    y, z = np.array([knot[0] for knot in knots]).T
    sacs, cords = np.array([knot[1:] for knot in knots]).T
    centre = Curve(z, y)
    slope = np.cos(np.arctan(np.gradient(centre.table.astype(np.float64), _STEP)))
    return Canal(
        centre,
        Curve(np.arange(_LOW, _HIGH, _STEP), slope),
        Curve(z, sacs, 4.0),
        Curve(z, sacs + 3.5, 4.0),
        Curve(z, cords, 4.0),
        Curve(z, cords + 2.6, 4.0),
    )


@dataclass(frozen=True)
class Column:
    """The coordinates of a canvas along the canal: t mm behind its centre line, square to it; index of height."""

    t: NDArray[np.float32]
    index: NDArray[np.int32]


def column(canvas: Canvas, curves: Canal) -> Column:
    """Computes the coordinates along the canal of all voxels."""
    index = heights(canvas.z)
    return Column((canvas.y - curves.centre(index)) * curves.slope(index), index)
