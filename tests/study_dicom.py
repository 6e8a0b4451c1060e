"""Tiny MRI studies as DICOM files, series by series, with the headers that a test wants."""

import pathlib
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

ROWS, COLUMNS, PITCH, SPACING = 20, 16, 4.0, 1.5
SAGITTAL, AXIAL = (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 1, 0)
Tags = dict[str, Any]
T2: Tags = {"EchoTime": 100, "RepetitionTime": 3500, "ScanningSequence": "SE", "SeriesDescription": "T2 SAG"}
T1: Tags = {"EchoTime": 10, "RepetitionTime": 500, "ScanningSequence": "SE", "SeriesDescription": "T1 SAG"}
AXIAL_T2: Tags = {**T2, "SeriesDescription": "T2 AX", "ImageOrientationPatient": list(AXIAL)}


def uid(*names: object) -> str:
    return str(generate_uid(entropy_srcs=[repr(names)]))


def write(
    folder: pathlib.Path, study: str, number: int = 1, indices: Sequence[int] = range(8), **tags: Any
) -> list[pathlib.Path]:
    """Writes a series of the study named `study`, by default a sagittal T2, and returns its files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in indices:
        image = _image(study, number, index, {**T2, **tags})
        paths.append(folder / f"{study}-{number}-{index:02}")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def truncate(path: pathlib.Path) -> None:
    """Cuts the last bytes of the pixels off."""
    path.write_bytes(path.read_bytes()[:-100])


def _image(study: str, number: int, index: int, tags: Tags) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(uid(study, number, index))
    image.StudyInstanceUID, image.SeriesInstanceUID = uid(study), uid(study, number)
    image.PatientID, image.PatientName, image.StudyDate = f"SECRET-{study}", "Secret^Name", "20200101"
    image.Modality, image.SeriesNumber, image.InstanceNumber = "MR", number, index + 1
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns, image.PixelSpacing = ROWS, COLUMNS, [SPACING, SPACING]
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.ImageOrientationPatient = list(SAGITTAL)
    for keyword, value in tags.items():
        setattr(image, keyword, value)
    way = [float(value) for value in image.ImageOrientationPatient]
    normal = np.abs(np.cross(way[:3], way[3:]))
    image.ImagePositionPatient = list(np.round((index - 3.5) * PITCH * normal + (0, -12, 15), 3))
    seed = zlib.crc32(repr((study, number, index)).encode())
    image.PixelData = np.random.default_rng(seed).integers(0, 900, (ROWS, COLUMNS)).astype(np.uint16).tobytes()
    return image
