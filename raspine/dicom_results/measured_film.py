"""A film and what was measured on it, in the coordinates that DICOM objects use.

DICOM counts pixels from the top-left corner of the top-left pixel (PS3.3 C.18.6.1.2 for reports, C.10.5.1.2 for
overlays), raspine from that pixel's centre: DICOM's (column, row) is raspine's (x, y) plus a half.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from raspine import landmarks, measurement, printed
from raspine.dicom import film as film_reader
from raspine.dicom import spacing
from raspine.dicom_results import patient
from raspine.dicom_results.errors import ResultError
from raspine.model_identity import ModelIdentity

CORNER_TO_CENTRE = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredFilm:
    """A film and what a model measured on it.

    Attributes:
      image: the header of the film, of `images.of`.
      film: the film.
      result: what was measured.
      schema: landmarks and rules.
      identity: the model.
      carry_patient: whether the objects will carry the patient.
    """

    image: Dataset
    film: film_reader.Film
    result: measurement.Measurement
    schema: landmarks.Schema
    identity: ModelIdentity
    carry_patient: bool = True

    def __post_init__(self) -> None:
        size = (self.image.Rows, self.image.Columns)
        if size != self.film.native_size:
            raise ResultError(f"the film is not of this image: {self.film.native_size} pixels, the image has {size}.")
        if len(self.result.points) != len(self.schema.landmarks):
            raise ResultError(
                f"schema '{self.schema.name}' has {len(self.schema.landmarks)} landmarks. "
                f"Received: {len(self.result.points)} points."
            )

    @property
    def sources(self) -> list[str]:
        """The film's SOP Instance UID."""
        return [self.image.SOPInstanceUID]

    @property
    def settings(self) -> tuple[str, ...]:
        """What shapes the result beside film and model: the rules, a spacing that the user gave, no patient."""
        rules = (f"{one.name} {one.comparison} {one.threshold_mm}" for one in self.schema.distances)
        is_given = self.film.spacing.source == spacing.GIVEN
        given = (f"spacing {self.film.spacing.millimetres}",) if is_given else ()
        return (*rules, *given, *patient.settings(self.carry_patient))

    @property
    def places(self) -> NDArray[np.float64]:
        """float64 [landmark, 2], (column, row) of the file as DICOM counts; NaN where not found or outside the film."""
        places = self.film.to_native.apply(self.result.points) + CORNER_TO_CENTRE
        inside = np.all((places >= 0) & (places <= (self.image.Columns, self.image.Rows)), axis=-1, keepdims=True)
        return np.where(inside, places, math.nan)

    def line(self, distance: landmarks.Distance) -> NDArray[np.float64]:
        """Returns float64 [2, 2]: both ends of a distance, as `places`."""
        return self.places[[self.schema.index(distance.start), self.schema.index(distance.end)]]

    def label(self, distance: landmarks.Distance) -> str:
        """Returns a distance for people, e.g. `ADI 3.4 mm`."""
        return printed.label(distance, self.result.millimetres[distance.name])

    def full_label(self, distance: landmarks.Distance) -> str:
        """Returns a distance for people, and why it has no line where an end lies outside the film."""
        return f"{self.label(distance)}{', end outside the film' if self.is_cut(distance) else ''}"

    def is_cut(self, distance: landmarks.Distance) -> bool:
        """Returns whether both ends of a distance were found, and one of them outside the film."""
        ends = [self.schema.index(distance.start), self.schema.index(distance.end)]
        return bool(np.isfinite(self.result.points[ends]).all() and not np.isfinite(self.places[ends]).all())

    @property
    def spacing(self) -> tuple[float, float] | None:
        """(row, column) mm of the file as stored; None when unknown."""
        known = self.film.spacing.millimetres
        is_transposed = self.film.to_native.matrix[0, 0] == 0
        return None if known is None else (known[1], known[0]) if is_transposed else known
