"""How a phantom film is stored: the variety that a hospital's archive shows, drawn at random."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

Photometric = Literal["MONOCHROME1", "MONOCHROME2"]
Voi = Literal["none", "linear", "linear_exact", "sigmoid", "lut"]
SpacingSource = Literal["geometry", "fiducial", "magnification", "distances", "detector_plane"]

SPACING_SOURCES: tuple[SpacingSource, ...] = get_args(SpacingSource)
TRANSFER_SYNTAXES: dict[UID, float] = {
    ExplicitVRLittleEndian: 0.3,
    ImplicitVRLittleEndian: 0.15,
    ExplicitVRBigEndian: 0.05,
    DeflatedExplicitVRLittleEndian: 0.05,
    RLELossless: 0.15,
    JPEGLSLossless: 0.15,
    JPEG2000Lossless: 0.15,
}
SOURCE_TO_DETECTOR_MM = 1800.0


@dataclass(frozen=True)
class Acquisition:
    r"""The storage of one film.

    Attributes:
        sop_class: DX, CR or secondary capture.
        transfer_syntax: lossless in every case.
        photometric: MONOCHROME1 films are stored inverted, so that both look alike.
        bits: bits stored; 8 in one byte, more in two.
        voi: which VOI transform turns stored values into the displayed ones.
        mirrored: True when the patient faces right: PatientOrientation A\F in place of P\F.
        spacing_source: where a reader finds the millimetres.
        magnification: detector over patient plane.
        padded: whether a black shutter is declared as pixel padding.
    """

    sop_class: UID
    transfer_syntax: UID
    photometric: Photometric
    bits: int
    voi: Voi
    mirrored: bool
    spacing_source: SpacingSource
    magnification: float
    padded: bool


def sample_acquisition(generator: np.random.Generator, detector_plane_fraction: float = 0.0) -> Acquisition:
    """Draws an acquisition.

    Args:
        generator: the film's.
        detector_plane_fraction: share of films that give the detector's spacing without a correction.
    """
    g = generator
    classes = (
        DigitalXRayImageStorageForPresentation,
        ComputedRadiographyImageStorage,
        SecondaryCaptureImageStorage,
    )
    sop_class = classes[int(g.choice(3, p=[0.75, 0.15, 0.1]))]
    captured = sop_class == SecondaryCaptureImageStorage
    bits = int(g.choice([8, 12] if captured else [10, 12, 14, 16]))
    share = [0.5, 0.5, 0, 0] if captured else [0.5, 0.2, 0.2, 0.1]
    source = SPACING_SOURCES[int(g.choice(4, p=share))]
    if g.random() < detector_plane_fraction:
        source = "detector_plane"
    syntaxes = list(TRANSFER_SYNTAXES)
    names: list[Voi] = ["none", "linear", "linear_exact", "sigmoid", "lut" if bits <= 12 else "linear"]
    return Acquisition(
        sop_class=sop_class,
        transfer_syntax=syntaxes[int(g.choice(len(syntaxes), p=list(TRANSFER_SYNTAXES.values())))],
        photometric="MONOCHROME1" if g.random() < 0.35 else "MONOCHROME2",
        bits=bits,
        voi=names[int(g.choice(5, p=[0.2, 0.4, 0.1, 0.1, 0.2]))],
        mirrored=bool(g.random() < 0.2),
        spacing_source=source,
        magnification=round(float(g.uniform(1.08, 1.22)), 3),
        padded=bool(g.random() < 0.5),
    )
