"""Two simulated scanners: their names, the series they acquire, and how their images look and are stored."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data_prep.phantom.mri.canvas import Affine, Grid
from data_prep.phantom.mri.patient import Anatomy
from data_prep.phantom.mri.signal import Contrast

Plane = Literal["sagittal", "axial", "coronal"]
Generator = np.random.Generator
# Directions of a growing column, row and slice index, LPS.
_DIRECTIONS: dict[Plane, tuple[tuple[float, ...], ...]] = {
    "sagittal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}


@dataclass(frozen=True)
class Protocol:
    """One series. Times in ms, lengths in mm.

    Attributes:
        key: short name in the phantom itself.
        description: SeriesDescription.
        planes: of its stacks, each with `slices` slices.
        image_type: ImageType.
        sequence, variant, options: ScanningSequence, SequenceVariant, ScanOptions.
        inversion_time: of an inversion recovery, None otherwise.
    """

    key: str
    description: str
    contrast: Contrast
    planes: tuple[Plane, ...]
    matrix: int
    field: float
    slices: int
    pitch: float
    thickness: float
    echo_time: float
    repetition_time: float
    echo_train: int
    flip: float
    image_type: tuple[str, ...]
    sequence: tuple[str, ...] = ("SE",)
    variant: tuple[str, ...] = ("SK",)
    options: tuple[str, ...] = ("SAT",)
    inversion_time: float | None = None


@dataclass(frozen=True)
class Scanner:
    """A simulated scanner.

    Attributes:
        noise: standard deviation of the noise in each channel, fluid on T2 is 1.
        ghost: strength of a motion ghost.
        reach: mm over which the posterior coil's sensitivity falls to 1/e.
        bits: stored bits.
        white: displayed value of fluid at full sensitivity.
        slope, intercept: rescale of stored values; None leaves the tags out.
        descending: files are numbered from left to right.
        enhanced_share: share of studies stored as Enhanced multi-frame objects.
        derived_share: share of studies whose T2 calls itself DERIVED and SECONDARY.
    """

    name: str
    manufacturer: str
    model: str
    field_strength: float
    noise: float
    ghost: float
    reach: float
    bits: int
    white: float
    slope: float | None
    intercept: float | None
    descending: bool
    enhanced_share: float
    derived_share: float
    protocols: tuple[Protocol, ...]

    def protocol(self, key: str) -> Protocol:
        """The protocol of this key."""
        return next(item for item in self.protocols if item.key == key)


_PRIMARY = ("ORIGINAL", "PRIMARY", "M", "ND")
_PRIMARY_SE = ("ORIGINAL", "PRIMARY", "M_SE", "M", "SE")
_A_T2 = Protocol(
    "t2", "t2_tse_sag", "t2", ("sagittal",), 288, 240.0, 15, 3.3, 3.0, 96.0, 3400.0, 17, 150.0, _PRIMARY
)  # fmt: skip
_B_T2 = Protocol(
    "t2", "T2W SAG C-spine", "t2", ("sagittal",), 384, 250.0, 13, 3.85, 3.5, 120.0, 2850.0, 28, 90.0, _PRIMARY_SE
)  # fmt: skip
_A_LOCALIZER = Protocol(
    "localizer", "localizer", "t2", ("sagittal", "coronal", "axial"), 192, 300.0, 3, 12.0, 8.0, 3.7, 8.0, 1, 20.0,
    ("ORIGINAL", "PRIMARY", "M", "NORM"), ("GR",), ("SP",), ("PFP",),
)  # fmt: skip
SCANNERS = (
    Scanner(
        "A", "raspine phantom A", "Meridian 1.5", 1.5, 0.020, 0.020, 85.0, 12, 1450.0, None, None, True, 0.0, 0.1,
        (
            _A_LOCALIZER,
            _A_T2,
            replace(_A_T2, key="t1", description="t1_tse_sag", contrast="t1", echo_time=11.0, repetition_time=560.0,
                    echo_train=3),
            replace(_A_T2, key="axial", description="t2_tse_tra", planes=("axial",), matrix=256, field=180.0,
                    slices=20, pitch=4.4, thickness=4.0, echo_time=102.0, repetition_time=3900.0),
        ),
    ),
    Scanner(
        "B", "raspine phantom B", "Aurora 3T", 3.0, 0.026, 0.030, 70.0, 16, 2900.0, 2.4417582417582, 0.0, False,
        0.3, 0.05,
        (
            replace(_A_LOCALIZER, description="SURVEY", matrix=224, image_type=("ORIGINAL", "PRIMARY", "M_FFE", "M",
                    "FFE"), echo_time=5.2, repetition_time=11.0),
            _B_T2,
            replace(_B_T2, key="t1", description="T1W SAG C-spine", contrast="t1", matrix=320, echo_time=8.5,
                    repetition_time=620.0, echo_train=5),
            replace(_B_T2, key="stir", description="STIR SAG C-spine", contrast="stir", matrix=320, echo_time=70.0,
                    repetition_time=3600.0, echo_train=14, sequence=("SE", "IR"), options=("OTHER",),
                    image_type=("ORIGINAL", "PRIMARY", "M_IR", "M", "IR"), inversion_time=200.0),
            replace(_B_T2, key="axial", description="T2W TRA C-spine", planes=("axial",), matrix=288, field=170.0,
                    slices=22, pitch=4.0, thickness=3.6, echo_time=110.0),
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """One visit to a scanner: how the technician planned it.

    Attributes:
        scanner: which one.
        slices: of the sagittal stacks.
        zoom: factor on the fields of view.
        centre: of the fields of view, LPS mm.
        yaw, roll: turn of the sagittal stack, radians.
        enhanced: whether the series are Enhanced multi-frame objects.
        derived: whether the T2 calls itself DERIVED and SECONDARY.
        gain: factor on all stored values.
    """

    scanner: Scanner
    slices: int
    zoom: float
    centre: tuple[float, float, float]
    yaw: float
    roll: float
    enhanced: bool
    derived: bool
    gain: float


def plan(anatomy: Anatomy, g: Generator) -> Session:
    """Draws a session; the technician sees the midline and follows it, nearly."""
    scanner = SCANNERS[int(g.integers(2))]
    aim = g.normal(0.0, 1.0, 3) * [0.8, 4.0, 4.0]
    turn = g.normal(0.0, np.radians(0.7), 2)
    return Session(
        scanner=scanner,
        slices=int(g.choice([13, 15, 17] if scanner.name == "A" else [11, 12, 13])),
        zoom=float(g.uniform(0.94, 1.08)),
        centre=(anatomy.shift[0] + aim[0], anatomy.shift[1] - 4.0 + aim[1], anatomy.shift[2] + 2.0 + aim[2]),
        yaw=0.7 * anatomy.yaw + float(turn[0]),
        roll=0.7 * anatomy.roll + float(turn[1]),
        enhanced=bool(g.random() < scanner.enhanced_share),
        derived=bool(g.random() < scanner.derived_share),
        gain=float(g.uniform(0.8, 1.2)),
    )


def grids(session: Session, protocol: Protocol, matrix: int = 0) -> tuple[Grid, ...]:
    """The stacks of a series.

    Args:
        session: the visit.
        protocol: the series.
        matrix: rows and columns instead of the protocol's own; 0 keeps those.
    """
    return tuple(_grid(session, protocol, plane, matrix or protocol.matrix) for plane in protocol.planes)


def _grid(session: Session, protocol: Protocol, plane: Plane, matrix: int) -> Grid:
    slices = session.slices if plane == "sagittal" and len(protocol.planes) == 1 else protocol.slices
    directions = turn(session.yaw, session.roll) @ np.array(_DIRECTIONS[plane], np.float64).T
    pixel = protocol.field * session.zoom / matrix
    steps = directions * [pixel, pixel, protocol.pitch]
    affine = np.eye(4)
    affine[:3, :3] = steps
    affine[:3, 3] = np.asarray(session.centre) - steps @ ((np.array([matrix, matrix, slices]) - 1) / 2)
    return Grid((slices, matrix, matrix), affine)


def turn(yaw: float, roll: float) -> NDArray[np.float64]:
    """A rotation [3, 3]: about the long axis, then about the front-to-back axis, radians."""
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return np.asarray(about_y @ about_z)


def anatomy_from_patient(anatomy: Anatomy) -> Affine:
    """The affine [4, 4] from LPS mm to the anatomy's own frame, of unit scale and with C4 at the origin."""
    affine = np.eye(4)
    affine[:3, :3] = turn(anatomy.yaw, anatomy.roll).T / anatomy.scale
    affine[:3, 3] = -affine[:3, :3] @ np.asarray(anatomy.shift)
    return affine
