"""The picture that explains a study's risk, as a secondary capture."""

import numpy as np
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from raspine.dicom_results import equipment
from raspine.dicom_results.errors import ResultError
from raspine.dicom_results.scored_study import ScoredStudy
from raspine.drawing import Picture

TITLE = "explanation"
_BAND, _LETTERS, _MARGIN = 34, 20, 14
_INK, _PAPER = (255, 209, 102), (24, 26, 30)
_LONGEST_SIDE = 0xFFFF - _BAND


def build(case: ScoredStudy, picture: Picture) -> SCImage:
    """Returns the capture of a picture, which gets a band that says what it is.

    Args:
      case: the study.
      picture: uint8 [height, width, 3] RGB, without anything that names the patient.
    """
    capture = SCImage(
        pixel_array=marked(picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("P", "F"),
        study_instance_uid=case.images[0].StudyInstanceUID,
        **equipment.attributes(equipment.CAPTURE, TITLE, case.sources, case.identity, *case.settings),
    )
    if case.body_part:
        capture.BodyPartExamined = case.body_part
    else:
        capture.Laterality = ""  # wanted where the part of the body may be one of a pair (PS3.3 C.7.3.1)
    capture.BurnedInAnnotation = "NO"
    capture.DerivationDescription = f"{equipment.RESEARCH_USE}: {case.method} over the slices that the model saw"
    capture.ImageComments = equipment.RESEARCH_USE
    capture.SourceImageSequence = [_source(image, case) for image in case.images]
    return capture


def marked(picture: Picture) -> Picture:
    """Returns the picture below a band that says that it is a research result, uint8 [height, width, 3].

    Raises:
      ResultError: it is no such picture.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or max(picture.shape) > _LONGEST_SIDE:
        raise ResultError(f"a picture is uint8 [height, width, 3]. Received: {picture.dtype} {list(picture.shape)}.")
    band = Image.new("RGB", (picture.shape[1], _BAND), _PAPER)
    font = ImageFont.load_default(_LETTERS)
    ImageDraw.Draw(band).text((_MARGIN, _BAND / 2), equipment.RESEARCH_USE, _INK, font, anchor="lm")
    return np.concatenate([np.asarray(band), picture])


def _source(image: Dataset, case: ScoredStudy) -> Dataset:
    """Returns a reference to an image that the picture is of (PS3.3 C.7.6.1.1.4)."""
    purpose = Dataset()
    code = codes.DCM.SourceImageForImageProcessingOperation
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code.value, "DCM", code.meaning
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    if frames := case.frames[image.SOPInstanceUID]:
        reference.ReferencedFrameNumber = list(frames)
    reference.PurposeOfReferenceCodeSequence = [purpose]
    return reference
