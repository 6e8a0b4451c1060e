"""The DICOM objects of a scored MRI study: its report and the picture that explains it.

headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
for result in objects(headers, answer, picture, identity):
    result.save_as(...)
"""

import datetime
from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset

from raspine import study_reading
from raspine.dicom_results import finishing, patient, scored_study, study_capture, study_report
from raspine.drawing import Picture
from raspine.model_identity import ModelIdentity


def objects(
    sources: Sequence[Dataset],
    answer: study_reading.Answer,
    picture: Picture | None,
    identity: ModelIdentity,
    *,
    clinical_values: Mapping[str, float] | None = None,
    method: str = "Grad-CAM",
    carry_patient: bool = True,
    when: datetime.datetime | None = None,
) -> list[Dataset]:
    """Returns a study's report (Comprehensive SR) and, with a picture, a secondary capture of it.

    The same study, model, threshold and clinical values give the same objects with the same UIDs, apart from `when`.

    Args:
      sources: headers of the series that was taken; pixels are not needed.
      answer: what the model says.
      picture: uint8 [height, width, 3] RGB of `study_reading.picture`, made with a pseudonym as its name, since pixels
        must not name the patient; None for no picture.
      identity: the model.
      clinical_values: those that the model took, by name as in `clinical.COLUMNS`, numbers as there; NaN is left out.
      method: what the red of the picture is.
      carry_patient: whether the objects carry the sources' patient and study modules, as those for their archive do;
        without, these are empty, only UIDs lead back, and the objects and their series have UIDs of their own.
      when: what every date says; None for now.

    Raises:
      ResultError: the study is no DICOM, headers are missing, hostile, or of several studies or patients, or a clinical
        value is none.
    """
    with finishing.guarded():
        explained = "" if picture is None else method
        case = scored_study.of(sources, answer, identity, clinical_values, explained, carry_patient)
        made: list[Dataset] = [study_report.build(case)]
        if picture is not None:
            made.append(study_capture.build(case, picture))
        return finishing.finished(made, _module(case), when)


def _module(case: scored_study.ScoredStudy) -> Dataset:
    """Returns the patient and study modules of the results."""
    if not case.carry_patient:
        return patient.neutral()
    patient.check_one(case.headers)
    return patient.carried(case.headers[0])
