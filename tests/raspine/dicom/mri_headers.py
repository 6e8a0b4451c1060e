"""Tiny MR files, classic and multi-frame, with the headers that a test wants."""

import pathlib
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

SIDE = 4
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def uid(name: object) -> str:
    return str(generate_uid(entropy_srcs=[str(name)]))


def header(**tags: Any) -> Dataset:
    """Returns a sagittal T2 turbo spin echo of the neck; a tag given as None is left out, others are set."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    defaults = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": uid(sorted(map(str, tags.items()))),
        "StudyInstanceUID": uid("study"),
        "SeriesInstanceUID": uid("series"),
        "FrameOfReferenceUID": uid("frame"),
        "Modality": "MR",
        "StudyDate": "20200102",
        "PatientID": "SECRET-ID",
        "PatientName": "Secret^Name",
        "PatientBirthDate": "19600101",
        "PatientSex": "F",
        "SeriesNumber": 3,
        "SeriesDescription": "T2 TSE SAG",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "ScanningSequence": "SE",
        "EchoTime": 96,
        "RepetitionTime": 3200,
        "InstanceNumber": 1,
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": list(SAGITTAL),
        "PixelSpacing": [0.5, 0.5],
        "Rows": SIDE,
        "Columns": SIDE,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
    }
    for keyword, value in {**defaults, **tags}.items():
        if value is not None:
            setattr(file, keyword, value)
    return file


def save(path: pathlib.Path, file: Dataset, frames: int = 1) -> pathlib.Path:
    pixels = np.arange(frames * file.Rows * file.Columns, dtype=np.uint16)
    file.PixelData = pixels.tobytes()
    file["PixelData"].VR = "OW"
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    dcmwrite(path, file, enforce_file_format=True)
    return path


def save_stack(folder: pathlib.Path, name: str = "t2", count: int = 8, **tags: Any) -> list[pathlib.Path]:
    """Writes a stack of slices, 4 mm apart along the normal, as a series of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    direction = np.asarray(tags.get("ImageOrientationPatient", SAGITTAL), dtype=float)
    normal = np.cross(direction[:3], direction[3:])
    origin = np.asarray(tags.pop("origin", (0, 0, 0)), dtype=float)
    start = tags.pop("start", 0)
    paths = []
    for number in range(start, start + count):
        position = [float(f"{value:g}") for value in origin + 4 * (number - start) * normal]
        own = {"SeriesInstanceUID": uid(name), "InstanceNumber": number + 1, "ImagePositionPatient": position}
        paths.append(save(folder / f"{name}{number:03d}", header(**{**own, **tags})))
    return paths


def item(**tags: Any) -> Dataset:
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def enhanced(planes: int = 6, **tags: Any) -> Dataset:
    """Returns an Enhanced MR object of as many sagittal planes, 4 mm apart, each of which has two echoes."""
    file = header(
        SOPClassUID=EnhancedMRImageStorage,
        NumberOfFrames=2 * planes,
        EchoPulseSequence="SPIN",
        **dict.fromkeys(
            ("ScanningSequence", "EchoTime", "RepetitionTime", "ImagePositionPatient", "ImageOrientationPatient")
        ),
        PixelSpacing=None,
    )
    file.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=list(SAGITTAL))],
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25], SliceThickness=3)],
            MRTimingAndRelatedParametersSequence=[item(RepetitionTime=3000)],
            MRModifierSequence=[item(InversionRecovery="NO", SpectrallySelectedSuppression="NONE")],
        )
    ]
    file.PerFrameFunctionalGroupsSequence = [
        item(
            FrameContentSequence=[item(StackID="1", FrameAcquisitionNumber=1, TemporalPositionIndex=1)],
            PlanePositionSequence=[item(ImagePositionPatient=[4 * plane, 0, 0])],
            MREchoSequence=[item(EffectiveEchoTime=echo)],
            MRImageFrameTypeSequence=[
                item(FrameType=["ORIGINAL", "PRIMARY", "T2", "NONE"], ComplexImageComponent="MAGNITUDE")
            ],
        )
        for plane in range(planes)
        for echo in (15.0, 90.0)
    ]
    for keyword, value in tags.items():
        setattr(file, keyword, value)
    return file
