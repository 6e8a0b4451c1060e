"""The DICOM objects of a scored MRI study: its report and the picture that explains it.

headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
for result in objects(headers, answer, picture, identity):
    result.save_as(...)
"""

import datetime
from collections.abc import Sequence

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
    method: str = "Grad-CAM",
    carry_patient: bool = True,
    when: datetime.datetime | None = None,
) -> list[Dataset]:
    """Returns a study's report (Comprehensive SR) and, with a picture, a secondary capture of it.

    The same study and model give the same objects with the same UIDs, apart from `when`.

    Args:
      sources: headers of the series that was taken; pixels are not needed.
      answer: what the model says.
      picture: uint8 [height, width, 3] RGB of `study_reading.picture`, made with a pseudonym as its name, since pixels
        must not name the patient; None for no picture.
      identity: the model; a threshold that is not the model's own belongs into it.
      method: what the red of the picture is.
      carry_patient: whether the objects carry the sources' patient and study modules, as those for their archive do;
        without, these are empty and only UIDs lead back.
      when: what every date says; None for now.

    Raises:
      ResultError: the study is no DICOM, or headers are missing, hostile, or of several studies or patients.
    """
    with finishing.guarded():
        case = scored_study.of(sources, answer, identity)
        module = patient.carried(case.header) if carry_patient else patient.neutral()
        made: list[Dataset] = [study_report.build(case, method if picture is not None else "")]
        if picture is not None:
            made.append(study_capture.build(case, picture, method))
        return finishing.finished(made, module, when)
