"""Tiny sagittal MR series, classic and Enhanced, written as a test wants them."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from raspine.dicom import index, series

STUDY, SERIES = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"


def affine_of(
    rows: Sequence[float], columns: Sequence[float], origin: Sequence[float], spacing: Sequence[float]
) -> NDArray[np.float64]:
    """Returns float64 [4, 4]; spacing is (column, row, slice) mm, slices run along rows x columns."""
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([rows, columns, np.cross(rows, columns)]) * spacing
    affine[:3, 3] = origin
    return affine


def scanner() -> NDArray[np.float64]:
    """Returns the usual scanner's sagittal affine: slices run towards the patient's right."""
    return affine_of([0, 1, 0], [0, 0, -1], [9.0, -40.0, 60.0], [0.8, 0.9, 3.3])


def numbers(slices: int = 7, rows: int = 9, columns: int = 8) -> NDArray[np.int16]:
    """Returns int16 [slice, row, column] in which every voxel differs."""
    return np.arange(slices * rows * columns, dtype=np.int16).reshape(slices, rows, columns) - 100


def classic(voxels: NDArray[Any], affine: NDArray[np.float64], **tags: Any) -> list[Dataset]:
    """Returns one MR image per slice; a tag given as a list of as many values as slices goes one to each."""
    images = []
    for place, plane in enumerate(voxels):
        image = _image(MRImageStorage, plane, voxels.dtype, f"{SERIES}.{place + 1}")
        image.InstanceNumber = place + 1
        image.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        image.EchoTime, image.RepetitionTime = 100.0, 3000.0
        image.ScanningSequence, image.SequenceVariant = "SE", "SK"
        image.PixelSpacing, image.ImageOrientationPatient = _plane(affine)
        image.ImagePositionPatient = _decimal(affine @ [0, 0, place, 1])[:3]
        image.PixelData = _padded(plane.tobytes())
        for keyword, value in tags.items():
            chosen = value[place] if isinstance(value, list) and len(value) == len(voxels) else value
            setattr(image, keyword, chosen)
        images.append(image)
    return images


def enhanced(
    voxels: NDArray[Any],
    affine: NDArray[np.float64],
    order: Sequence[int],
    slopes: Sequence[float],
    frames: Sequence[bytes] | None = None,
    syntax: UID = ExplicitVRLittleEndian,
) -> Dataset:
    """Returns an Enhanced MR object whose frames are the slices in `order`, each with its own slope and intercept 5."""
    image = _image(EnhancedMRImageStorage, voxels[0], voxels.dtype, f"{SERIES}.99")
    image.file_meta.TransferSyntaxUID = syntax
    image.NumberOfFrames = len(order)
    image.SharedFunctionalGroupsSequence = [Dataset()]
    spacing, orientation = _plane(affine)
    image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence = [_item(PixelSpacing=spacing)]
    image.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = [_item(ImageOrientationPatient=orientation)]
    image.SharedFunctionalGroupsSequence[0].MREchoSequence = [_item(EffectiveEchoTime=100.0)]
    groups = []
    for place in order:
        group = Dataset()
        position = _decimal(affine @ [0, 0, place, 1])[:3]
        group.PlanePositionSequence = [_item(ImagePositionPatient=position)]
        rescale = _item(RescaleSlope=slopes[place], RescaleIntercept=5.0, RescaleType="US")
        group.PixelValueTransformationSequence = [rescale]
        groups.append(group)
    image.PerFrameFunctionalGroupsSequence = groups
    if frames is None:
        image.PixelData = _padded(np.stack([voxels[place] for place in order]).tobytes())
    else:
        image.PixelData = encapsulate([frames[place] for place in order])
        image["PixelData"].VR = "OB"
    return image


def write(images: Sequence[Dataset], folder: pathlib.Path) -> pathlib.Path:
    """Writes images in reverse, under names that say nothing of their order."""
    for place, image in enumerate(reversed(images)):
        image.save_as(folder / f"D{place:04d}", enforce_file_format=True)
    return folder


def indexed(folder: pathlib.Path) -> series.Stack:
    """Returns all frames of the one series in a folder as one stack."""
    (study,) = index.scan([folder]).studies
    (found,) = study.series
    return series.Stack(found, found.frames)


def _image(kind: UID, plane: NDArray[Any], dtype: np.dtype[Any], uid: str) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = kind
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = STUDY, SERIES, f"{STUDY}.1"
    image.Modality, image.SeriesDescription, image.BodyPartExamined = "MR", "T2 SAG", "CSPINE"
    image.PatientID, image.PatientName = "SECRET-ID", "Secret^Name"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = plane.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelRepresentation = int(dtype.kind == "i")
    return image


def _item(**tags: Any) -> Dataset:
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return item


def _plane(affine: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    cosines = affine[:3, :3] / lengths
    return _decimal([lengths[1], lengths[0]]), _decimal([*cosines[:, 0], *cosines[:, 1]])


def _decimal(values: Any) -> list[float]:
    return [float(f"{value:.8f}") for value in values]


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)
