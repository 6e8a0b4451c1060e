"""A radiograph in: values as displayed, in one orientation, with millimetres that say where they come from.

film = read("film.dcm")
points = find_landmarks(film.pixels)
native_points = film.to_native.apply(points)
"""

import dataclasses
import os
import pathlib
import stat
import warnings

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from raspine import geometry
from raspine.dicom import orientation, parse, pixels, position, radiograph, raster
from raspine.dicom import spacing as spacings
from raspine.dicom.discovery import discover, is_film_file
from raspine.dicom.header import FilmError, text

__all__ = ["FLAGS", "Film", "FilmError", "discover", "is_film_file", "read", "read_bytes"]

MAX_BYTES = 1 << 30

FLAGS = {
    spacings.FLAG_DETECTOR_PLANE: "the spacing is the detector's: distances are magnified, unknown how much",
    spacings.FLAG_UNKNOWN_METHOD: "the spacing was corrected by a method that the header does not state",
    spacings.FLAG_UNKNOWN_PLANE: "the header does not say in which plane the spacing holds",
    spacings.FLAG_NOMINAL: "the spacing is a digitised film's: distances are magnified, unknown how much",
    spacings.FLAG_NONE: "no spacing: pixels only, no verdict",
    spacings.FLAG_GIVEN: "the user's spacing differs from the header's",
    spacings.FLAG_HEADER_UNUSABLE: "the header's spacing is damaged; the user's was taken",
    spacings.FLAG_DISTANCES_UNUSABLE: "the source's distances are 0 or impossible and were not used",
    spacings.FLAG_MAGNIFICATION_DISAGREES: "the magnification factor and the source's distances disagree",
    spacings.FLAG_CALIBRATION_UNCHANGED: "the spacing is declared calibrated, yet equals the detector's",
    spacings.FLAG_IMPLAUSIBLE: "the spacing is outside 0.01 to 2 mm",
    orientation.FLAG_UNKNOWN: "the header does not say which way the film lies; nothing was turned",
    orientation.FLAG_UNUSABLE: "Patient Orientation cannot be understood; nothing was turned",
    orientation.FLAG_CONTRADICTION: "the header contradicts itself on which way the film lies",
    orientation.FLAG_NOT_LATERAL: "the header says that this is not a lateral view",
    orientation.FLAG_LATERALITY: "the header names both sides",
    radiograph.FLAG_FOR_PROCESSING: "raw detector values that were meant for processing, not for display",
    radiograph.FLAG_BURNED_IN: "the header says that text is burned into the pixels",
    raster.FLAG_EXIF: "an EXIF orientation was not applied",
    "no_voi": "no window in the header: scaled between percentiles of the film",
    "voi_unusable": "the window in the header is damaged: scaled between percentiles of the film",
    "inversion_contradiction": "Presentation LUT Shape was taken, Photometric Interpretation disagrees",
    "excess_pixel_data": "more pixel data than rows x columns; the rest was left out",
    "grey_of_equal_channels": "stored in colour with equal channels",
}
"""What each flag of a film means, for people."""


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """A lateral radiograph in the canonical orientation: anterior on the left, head up.

    Attributes:
      pixels: uint16 [row, column], values as displayed: 0 black to 65535 white, bone bright.
      valid: bool [row, column], False on padding, where pixels are 0; None when every pixel is valid.
      spacing: (row, column) mm of the canonical film, with provenance.
      to_native: canonical pixels to the pixels of the file as stored.
      native_size: (rows, columns) of the file.
      flags: keys of `FLAGS`, the spacing's among them.
      patient_key: the patient's ID, to group films by patient and for nothing else; never written out.
      position: `neutral`, `flexion` or `extension` where the header tells it reliably.
    """

    pixels: NDArray[np.uint16] = dataclasses.field(repr=False)
    valid: NDArray[np.bool_] | None = dataclasses.field(repr=False)
    spacing: spacings.Spacing
    to_native: geometry.Affine
    native_size: tuple[int, int]
    flags: tuple[str, ...]
    patient_key: str | None = dataclasses.field(repr=False)
    position: str | None


def read(path: str | os.PathLike[str], spacing: tuple[float, float] | None = None, *, voi: int = 0) -> Film:
    """Returns the film in a DICOM, PNG or JPEG file, told apart by content.

    Args:
      path: the file.
      spacing: (row, column) mm of the file's rows and columns as stored, where the user knows it; goes before
        the header's.
      voi: which VOI LUT or window to show when a DICOM header offers several.

    Raises:
      FilmError: the file is no film, or its pixels or spacing are damaged. The message is one line and leaves
        the file's name to the caller.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FilmError("not a regular file.")
        if os.stat(path).st_size > MAX_BYTES:
            raise FilmError(f"a film's file has at most {MAX_BYTES} bytes. Received: {os.stat(path).st_size}.")
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise FilmError(f"the file cannot be read: {error.strerror or type(error).__name__}.") from error
    return read_bytes(data, spacing, voi=voi)


def read_bytes(data: bytes, spacing: tuple[float, float] | None = None, *, voi: int = 0) -> Film:
    """Returns the film in the bytes of a DICOM, PNG or JPEG file; see `read`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if raster.is_raster(data[:8]):
                return _of_raster(raster.decode_raster(data), spacing)
            return _of_dataset(parse.parse(data), spacing, voi)
    except FilmError:
        raise
    except Exception as error:  # one hostile file must not end a folder of films
        raise FilmError(f"the file is damaged in a way not foreseen: {type(error).__name__}.") from error


def _of_dataset(dataset: Dataset, spacing: tuple[float, float] | None, voi: int) -> Film:
    radiograph.check(dataset)
    shown = pixels.displayed(dataset, voi)
    way = orientation.orient(dataset)
    native = _spacing(dataset, spacing)
    return _film(shown.pixels, shown.valid, native, way, (*radiograph.flags(dataset), *shown.flags), dataset)


def _of_raster(picture: raster.Raster, spacing: tuple[float, float] | None) -> Film:
    found = spacings.given(*spacing) if spacing else spacings.Spacing(None, spacings.NONE, (spacings.FLAG_NONE,))
    way = orientation.Orientation(flags=(orientation.FLAG_UNKNOWN,))
    return _film(picture.pixels, None, found, way, picture.flags, Dataset())


def _film(
    native_pixels: NDArray[np.uint16],
    valid: NDArray[np.bool_] | None,
    spacing: spacings.Spacing,
    way: orientation.Orientation,
    flags: tuple[str, ...],
    dataset: Dataset,
) -> Film:
    rows, columns = native_pixels.shape
    return Film(
        pixels=way.canonical(native_pixels),
        valid=None if valid is None else way.canonical(valid),
        spacing=spacing.transposed() if way.transpose else spacing,
        to_native=way.to_native((rows, columns)),
        native_size=(rows, columns),
        flags=tuple(dict.fromkeys((*spacing.flags, *way.flags, *flags))),
        patient_key=_patient_key(dataset),
        position=position.position(dataset),
    )


def _spacing(dataset: Dataset, given: tuple[float, float] | None) -> spacings.Spacing:
    """Returns the user's spacing before the header's, flagged when the header says something else."""
    if given is None:
        return spacings.resolve(dataset)
    user = spacings.given(*given)
    try:
        own = spacings.resolve(dataset).millimetres
    except FilmError:
        return dataclasses.replace(user, flags=(spacings.FLAG_HEADER_UNUSABLE,))
    if own is None or spacings.are_equal(own, given):
        return user
    return dataclasses.replace(user, flags=(spacings.FLAG_GIVEN,))


def _patient_key(dataset: Dataset) -> str | None:
    """Returns Patient ID with its issuer: two hospitals may give one number to two patients."""
    patient = text(dataset, "PatientID")
    return f"{text(dataset, 'IssuerOfPatientID')}\\{patient}" if patient else None
