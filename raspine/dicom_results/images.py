"""The images that a result is about, as headers that hold what references need and no patient."""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pydicom.valuerep import DSfloat

from raspine.dicom import header
from raspine.dicom_results import checked_values, patient
from raspine.dicom_results.errors import ResultError

_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_OF_PLANES = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness")
TAGS = (
    *_UIDS, *_OF_PLANES, "Modality", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "FrameOfReferenceUID",
    "ImagerPixelSpacing", "PatientOrientation", "PixelAspectRatio",
)  # fmt: skip
_MULTI_FRAME = "Enhanced"  # classic images that state their one frame must not be referenced by frame
_LARGEST = 0xFFFF  # of a pixel's aspect
_FILMS = frozenset({"CR", "DX", "IO", "MG", "PX", "RF", "RG", "XA"})


def of(source: Dataset) -> Dataset:
    """Returns an image's header anew, with checked values and an empty patient module.

    Args:
      source: the header as it came, hostile or not.

    Raises:
      ResultError: it has no valid UIDs or no size, or is no image.
    """
    image = patient.neutral()
    for keyword in _UIDS:
        setattr(image, keyword, checked_values.uid(source, keyword))
    if "ImageStorage" not in UID(image.SOPClassUID).keyword:
        raise ResultError(f"{header.name('SOPClassUID')} is no image of the DICOM standard: it cannot be referenced.")
    for keyword in ("Rows", "Columns"):
        setattr(image, keyword, checked_values.count(source, keyword))
    if _MULTI_FRAME in UID(image.SOPClassUID).keyword:
        image.NumberOfFrames = checked_values.count(source, "NumberOfFrames")
    # highdicom looks here for the grey values of classes that may have several frames.
    image.SharedFunctionalGroupsSequence, image.PerFrameFunctionalGroupsSequence = [Dataset()], [Dataset()]
    image.SamplesPerPixel = 3 if header.text(source, "SamplesPerPixel") == "3" else 1
    image.Modality = ""
    aspect = checked_values.numbers(source, "PixelAspectRatio")
    if aspect and all(1 <= side <= _LARGEST and side == int(side) for side in aspect):
        image.PixelAspectRatio = [int(side) for side in aspect]
    _describe(image, source)
    return image


def of_study(sources: Sequence[Dataset]) -> list[Dataset]:
    """Returns the headers of the images of one study; see `of`.

    Raises:
      ResultError: there is none, one of them cannot be referenced, or they are of several studies or patients.
    """
    if not sources:
        raise ResultError("a result needs the headers of its images. Received: none.")
    images = [of(source) for source in sources]
    for keyword in ("StudyInstanceUID", "SOPClassUID"):
        if len({image[keyword].value for image in images}) > 1:
            raise ResultError(f"the images of a result have one {header.name(keyword)}. Received: several.")
    if len({header.text(source, "PatientID") for source in sources}) > 1:
        raise ResultError(f"the images of a result have one {header.name('PatientID')}. Received: several.")
    return images


def _describe(image: Dataset, source: Dataset) -> None:
    """Copies what an image library says of an image (PS3.16 TID 1603, 1604), where it is all there.

    highdicom describes an image by its modality and then wants every value; without modality it states the size alone.
    """
    modality = checked_values.usable_text(source, "Modality")
    frame = checked_values.usable_text(source, "FrameOfReferenceUID")
    if frame:
        image.FrameOfReferenceUID = frame
    if modality in _FILMS:
        spacing = checked_values.numbers(source, "ImagerPixelSpacing")
        directions = header.texts(source, "PatientOrientation")
        if spacing and len(directions) == 2 and all(way.isalpha() and len(way) < 4 for way in directions):
            image.Modality, image.PatientOrientation = modality, list(directions)
            image.ImagerPixelSpacing = _decimals(spacing)
    elif modality == "MR":
        found = {keyword: checked_values.numbers(source, keyword) for keyword in _OF_PLANES}
        if all(found.values()):
            image.Modality = modality
            for keyword, values in found.items():
                setattr(image, keyword, _decimals(values) if len(values) > 1 else _decimals(values)[0])


def _decimals(values: Sequence[float]) -> list[DSfloat]:
    return [DSfloat(value, auto_format=True) for value in values]
