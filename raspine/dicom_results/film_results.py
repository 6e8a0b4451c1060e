"""The DICOM objects of a measured film: its report and its overlay.

source = pydicom.dcmread("film.dcm", stop_before_pixels=True)
for result in objects(source, film, measurement, schema, identity):
    result.save_as(...)
"""

import datetime

from pydicom.dataset import Dataset

from raspine import landmarks, measurement
from raspine.dicom.film import Film
from raspine.dicom_results import film_overlay, film_report, finishing, images, patient
from raspine.dicom_results.measured_film import MeasuredFilm
from raspine.model_identity import ModelIdentity


def objects(
    source: Dataset,
    film: Film,
    result: measurement.Measurement,
    schema: landmarks.Schema,
    identity: ModelIdentity,
    *,
    carry_patient: bool = True,
    when: datetime.datetime | None = None,
) -> list[Dataset]:
    """Returns a film's report (Comprehensive SR) and overlay (Grayscale Softcopy Presentation State).

    The same film and model give the same objects with the same UIDs, apart from `when`. A film stored in colour has no
    overlay, since a grayscale presentation state cannot be of it.

    Args:
      source: the film's header; pixels are not needed.
      film: the same film as it was read.
      result: what was measured.
      schema: the landmarks and the rules that the result is by; other thresholds give other UIDs.
      identity: the model.
      carry_patient: whether the objects carry the source's patient and study modules, as those for its archive do;
        without, these are empty, only UIDs lead back, and the objects and their series have UIDs of their own.
      when: what every date says; None for now.

    Raises:
      ResultError: the header has no valid UIDs, holds a damaged patient, or is not the film's.
    """
    with finishing.guarded():
        module = patient.carried(source) if carry_patient else patient.neutral()
        case = MeasuredFilm(images.of(source), film, result, schema, identity, carry_patient)
        made: list[Dataset] = [film_report.build(case)]
        if case.image.SamplesPerPixel == 1:
            made.append(film_overlay.build(case, source))
        return finishing.finished(made, module, when)
