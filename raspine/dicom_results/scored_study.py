"""An MRI study and its risk, with the images that the model's slices are from."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from pydicom.dataset import Dataset

from raspine import study_reading
from raspine.dicom import series, stack
from raspine.dicom.sagittal import normal_of
from raspine.dicom.study import Frame, Study
from raspine.dicom_results import clinical_items, concepts, images, patient
from raspine.dicom_results.errors import ResultError
from raspine.model_identity import ModelIdentity

_PARALLEL = 0.999  # cosine between the normals of images and slices
_SPINE = ("TSPINE", "LSPINE")
_LEAST = 1e-3  # of a pitch: an image that only touches a slice's interpolation has no weight in it


@dataclasses.dataclass(frozen=True, eq=False)
class ScoredStudy:
    """A study and what a model said of it.

    Attributes:
      images: headers, of `images.of`, of the images that the slices are from, in the order of their UIDs.
      frames: which frames of an image they are, 1-based, by SOP Instance UID; empty for single-frame images.
      answer: what the model says.
      identity: the model.
      headers: of the same images as they came, which say who the patient is, in the same order.
      clinical_values: those that the model took, by name as in `clinical.COLUMNS`.
      method: what explains the risk in the picture beside, say `Grad-CAM`; '' without picture.
      carry_patient: whether the objects will carry the patient.
    """

    images: Sequence[Dataset]
    frames: Mapping[str, Sequence[int]]
    answer: study_reading.Answer
    identity: ModelIdentity
    headers: Sequence[Dataset] = dataclasses.field(repr=False)
    clinical_values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    method: str = ""
    carry_patient: bool = True

    @property
    def sources(self) -> list[str]:
        """SOP Instance UIDs of the images."""
        return [image.SOPInstanceUID for image in self.images]

    @property
    def settings(self) -> tuple[str, ...]:
        """What shapes the results beside images and model."""
        return (
            f"threshold {self.answer.threshold}",
            f"explanation {self.method}",
            *(f"{name} {value}" for name, value in sorted(self.clinical_values.items())),
            *(f"frames {uid} {list(frames)}" for uid, frames in sorted(self.frames.items()) if frames),
            *patient.settings(self.carry_patient),
        )

    @property
    def body_part(self) -> str:
        """Body Part Examined: the cervical spine, unless the header says another part; '' for one off the spine."""
        part = series.other_part(self.answer.flags)
        return concepts.BODY_PART if not part else part if part in _SPINE else ""


def of(
    sources: Sequence[Dataset],
    answer: study_reading.Answer,
    identity: ModelIdentity,
    clinical_values: Mapping[str, float] | None = None,
    method: str = "",
    carry_patient: bool = True,
) -> ScoredStudy:
    """Returns a study's answer with the images it rests on.

    Args:
      sources: headers of the series that was taken; more of them do no harm.
      answer: what the model says.
      identity: the model.
      clinical_values: see `ScoredStudy`; those that are not known, NaN, are left out.
      method: see `ScoredStudy`.
      carry_patient: see `ScoredStudy`.

    Raises:
      ResultError: the study is no DICOM, headers are missing, hostile, or of several studies or patients, or a clinical
        value is none.
    """
    by_frame = collections.defaultdict(list)
    for frame in used(answer):
        by_frame[frame.instance_uid].append(frame.number + 1)
    wanted = [source for source in sources if str(source.get("SOPInstanceUID", "")) in by_frame]
    headers = {image.SOPInstanceUID: image for image in images.of_study(wanted)} if wanted else {}
    if missing := len(set(by_frame) - set(headers)):
        raise ResultError(
            f"the headers of {missing} of the {len(by_frame)} images that the slices are from are missing."
        )
    frames = {uid: sorted(by_frame[uid]) if headers[uid].get("NumberOfFrames") else () for uid in sorted(by_frame)}
    found = {uid: headers[uid] for uid in sorted(headers)}
    told = sorted(wanted, key=lambda source: str(source.SOPInstanceUID))
    known = clinical_items.known(clinical_values or {})
    return ScoredStudy(list(found.values()), frames, answer, identity, told, known, method, carry_patient)


def used(answer: study_reading.Answer) -> list[Frame]:
    """Returns the image planes that a study's slices are interpolated from: those within a slice's distance of one.

    Where the slices lie across the images as acquired, every plane of the stack has a part.

    Raises:
      ResultError: the study is no DICOM.
    """
    reading = answer.reading
    if reading.chosen is None or not isinstance(reading.source.content, Study):
        raise ResultError("a study that is no DICOM has no images that a DICOM object could be about.")
    taken = series.pick(series.rank(reading.source.content), reading.chosen.uid).stack.frames
    slices = reading.scan.slices
    normal = normal_of(slices.affine)
    reach = max(reading.native.pitch_mm, float(slices.affine[:3, 2] @ normal))
    if any(not _is_parallel(frame, normal) for frame in taken):
        return list(taken)
    return [
        frame
        for frame in taken
        if np.abs(np.array(frame.position) @ normal - slices.positions_mm).min() < reach * (1 - _LEAST)
    ]


def _is_parallel(frame: Frame, normal: np.ndarray) -> bool:
    direction = stack.normal(frame)
    return frame.position is not None and direction is not None and bool(abs(np.dot(direction, normal)) > _PARALLEL)
