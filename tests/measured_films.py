"""Tiny films as DICOM whose landmarks are bright pixels, with a measurement that found them there."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pydicom
from conftest import write_dicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from raspine import landmarks, measurement
from raspine.dicom import film as film_reader
from raspine.dicom.spacing import MAGNIFIED_FLAGS
from raspine.model_identity import ModelIdentity

IDENTITY = ModelIdentity("atlantoaxial", "7", "ab" * 32)
ROWS, COLUMNS = 48, 40
# (column, row) of the stored pixels that are bright, the brightest first: the schema's landmarks in their order.
MARKS = np.array([[4, 20], [9, 22], [17, 25], [33, 31]])
CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.65])
SECRETS = {"PatientName": "SECRET^Name", "PatientID": "SECRET-ID", "PatientBirthDate": "19330401", "PatientSex": "F",
           "AccessionNumber": "SECRET-ACC", "ReferringPhysicianName": "SECRET^Doctor", "StudyDate": "20200102",
           "StudyTime": "030405", "StudyID": "SECRET-7", "InstitutionName": "SECRET Hospital",
           "PatientAddress": "SECRET street", "StudyDescription": "SECRET study"}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """A film, its header, and the measurement."""

    source: Dataset
    film: film_reader.Film
    result: measurement.Measurement
    schema: landmarks.Schema = landmarks.ATLANTOAXIAL

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.source, self.film, self.result, self.schema, IDENTITY


def measured(path: pathlib.Path, **tags: Any) -> Measured:
    """Writes a film and finds its bright pixels in it as a perfect model would; see `write`."""
    write(path, **tags)
    film = film_reader.read(path)
    points = brightest(film.pixels)
    magnified = bool(MAGNIFIED_FLAGS & set(film.flags))
    result = measurement.measure(
        landmarks.ATLANTOAXIAL, points, CONFIDENCE, film.pixels.shape, film.spacing.millimetres, magnified
    )
    result = dataclasses.replace(result, flags=(*film.flags, *result.flags))
    return Measured(pydicom.dcmread(path, stop_before_pixels=True), film, result)


def write(path: pathlib.Path, **tags: Any) -> None:
    """Writes a film with bright pixels at MARKS on mid grey; dark ones when it is stored as a negative."""
    values = np.full((ROWS, COLUMNS), 20000, np.uint16)
    values[MARKS[:, 1], MARKS[:, 0]] = 65000 - 3000 * np.arange(len(MARKS))
    if tags.get("PhotometricInterpretation") == "MONOCHROME1":
        values = 65535 - values
    known = {
        "StudyInstanceUID": generate_uid(entropy_srcs=["study"]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series"]),
        "ImagerPixelSpacing": [0.2, 0.3],
        **SECRETS,
    }
    write_dicom(path, values, **{**known, **tags})


def brightest(pixels: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Returns float64 [landmark, 2]: (x, y) of the brightest pixels of a film, the brightest first."""
    order = np.argsort(pixels, axis=None)[::-1][: len(MARKS)]
    rows, columns = np.unravel_index(order, pixels.shape)
    return np.column_stack([columns, rows]).astype(np.float64)
