"""One DICOM file to the MR object in it: the header alone, opened once."""

import dataclasses
import os
import pathlib
import stat
import warnings
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from raspine.dicom import extent, header, mr_frames, parse, subject
from raspine.dicom.study import Frame, Person, Series

_CLASSES = (MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)
MAX_BYTES = 1 << 30
_HEAD = 4096
_NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
# Scanners write hundreds of other tags; leaving them out halves the time.
_TAGS = [
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyDate",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "SeriesNumber",
    "BodyPartExamined",
    "FrameOfReferenceUID",
    "AcquisitionNumber",
    "InstanceNumber",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "Manufacturer",
    "SyntheticData",
    "ImageType",
    "FrameType",
    "ComplexImageComponent",
    "AcquisitionContrast",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "SequenceName",
    "PulseSequenceName",
    "EchoPulseSequence",
    "EchoPlanarPulseSequence",
    "InversionRecovery",
    "EchoTime",
    "EffectiveEchoTime",
    "RepetitionTime",
    "InversionTime",
    "InversionTimes",
    "SliceThickness",
    "MagneticFieldStrength",
    "SpectrallySelectedSuppression",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]
_PULSES = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}


@dataclasses.dataclass(frozen=True)
class Found:
    """What one file adds to its study.

    Attributes:
      study_uid: Study Instance UID.
      date: Study Date.
      person: the patient of the header.
      series: facts of the series as this file tells them, with this file's frames; none when it is damaged.
      reason: why the file is refused although its series is known; empty when it is not.
    """

    study_uid: str = dataclasses.field(repr=False)
    date: str = dataclasses.field(repr=False)
    person: Person
    series: Series
    reason: str = ""


def read(path: pathlib.Path) -> Found:
    """Returns the MR object in a file by its header.

    Raises:
      FilmError: the file is not DICOM, holds no MR image, or does not say which series it belongs to. The
        message is one line and leaves the file's name to the caller.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise header.FilmError("not a regular file.")
        if os.stat(path).st_size > MAX_BYTES:
            raise header.FilmError(f"an MR object's file has at most {MAX_BYTES} bytes.")
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(path, stream)
    except OSError as error:
        raise header.FilmError(f"the file cannot be read: {error.strerror or type(error).__name__}.") from error
    except header.FilmError:
        raise
    except Exception as error:  # one hostile file must not end a folder of thousands
        raise header.FilmError(f"the file is damaged in a way not foreseen: {type(error).__name__}.") from error


def _read(path: pathlib.Path, stream: BinaryIO) -> Found:
    head = stream.read(_HEAD)
    if not parse.is_dicom(head):
        raise header.FilmError("the file is empty." if not head else "not a DICOM file.")
    stream.seek(0)
    deflated = DeflatedExplicitVRLittleEndian.encode() in head and head[128:132] == b"DICM"
    dataset = parse.parse(stream.read()) if deflated else _header(stream)
    _require_mr(dataset)
    damage = _damage(stream, dataset, deflated)
    found = _facts(dataset, damage)
    if damage:
        return dataclasses.replace(found, reason=damage)
    try:
        planes = mr_frames.planes(dataset)
        frames = tuple(mr_frames.frame(path, number, dataset, plane) for number, plane in enumerate(planes))
    except header.FilmError as error:
        return dataclasses.replace(found, reason=str(error))
    return dataclasses.replace(found, series=_series(dataset, planes[0], frames))


def _header(stream: BinaryIO) -> Dataset:
    bounded: Any = parse.BoundedStream(stream)
    try:
        return pydicom.dcmread(bounded, stop_before_pixels=True, force=True, specific_tags=[*_TAGS])
    except header.FilmError:
        raise
    except Exception as error:  # a damaged file makes pydicom raise of many kinds
        if isinstance(error.__context__, header.FilmError):  # pydicom makes an OSError of what its stream raises
            raise error.__context__ from error
        raise header.FilmError(f"the DICOM file is damaged: {type(error).__name__} while reading it.") from error


def _require_mr(dataset: Dataset) -> None:
    meta = getattr(dataset, "file_meta", None) or Dataset()
    kind = header.text(dataset, "SOPClassUID") or header.text(meta, "MediaStorageSOPClassUID")
    if kind == MediaStorageDirectoryStorage:
        raise header.FilmError("a DICOMDIR: a table of contents, no image.")
    modality = header.text(dataset, "Modality").upper()
    if kind in _CLASSES or (not kind and modality == "MR"):
        return
    # A private class has no name but its UID.
    known = header.uid_name(kind) or "an object of unknown class"
    raise header.FilmError(f"no MR image: {known}, modality {header.received(modality)}.")


def _facts(dataset: Dataset, damage: str) -> Found:
    study, series = (header.text(dataset, keyword) for keyword in ("StudyInstanceUID", "SeriesInstanceUID"))
    for uid, keyword in ((study, "StudyInstanceUID"), (series, "SeriesInstanceUID")):
        if not uid:
            raise header.FilmError(damage or f"{header.name(keyword)} is missing.")
    return Found(study, header.text(dataset, "StudyDate"), _person(dataset), Series(series))


def _person(dataset: Dataset) -> Person:
    keywords = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
    patient, issuer, name, birth, sex = (header.text(dataset, keyword) for keyword in keywords)
    # Two hospitals may give one number to two patients.
    key = f"{issuer}\\{patient}" if patient and issuer else patient
    return Person(key, name.upper(), birth, sex if sex in ("M", "F") else "")


def _damage(stream: BinaryIO, dataset: Dataset, deflated: bool) -> str:
    try:
        _check_extent(stream, dataset, deflated)
    except header.FilmError as error:
        return str(error)
    return ""


def _check_extent(stream: BinaryIO, dataset: Dataset, deflated: bool) -> None:
    if deflated:
        extent.require(len(dataset.get("PixelData") or b""), dataset)
        return
    declared = header.text(getattr(dataset, "file_meta", None) or Dataset(), "TransferSyntaxUID")
    extent.check(stream, dataset, _written(dataset), compressed=bool(declared) and declared not in _NATIVE)


def _written(dataset: Dataset) -> str:
    """Returns the plain syntax in which the header was found written."""
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little is False else ExplicitVRLittleEndian


def _series(dataset: Dataset, plane: mr_frames.Plane, frames: tuple[Frame, ...]) -> Series:
    return Series(
        uid=header.text(dataset, "SeriesInstanceUID"),
        modality=header.text(dataset, "Modality").upper() or "MR",
        description=header.text(dataset, "SeriesDescription"),
        protocol=header.text(dataset, "ProtocolName"),
        study_description=header.text(dataset, "StudyDescription"),
        body_part=header.text(dataset, "BodyPartExamined").upper(),
        number=plane.whole("SeriesNumber"),
        frame_of_reference=header.text(dataset, "FrameOfReferenceUID"),
        echo_time=frames[0].echo_time,
        repetition_time=plane.positive("RepetitionTime"),
        inversion_time=plane.positive("InversionTimes") or plane.positive("InversionTime"),
        scanning_sequence=_scanning_sequence(plane),
        sequence_variant=plane.texts("SequenceVariant"),
        scan_options=_scan_options(plane),
        sequence_name="".join(plane.texts("SequenceName")[:1] or plane.texts("PulseSequenceName")[:1]),
        contrast="".join(plane.texts("AcquisitionContrast")[:1]),
        slice_thickness=plane.positive("SliceThickness"),
        field_strength=plane.positive("MagneticFieldStrength"),
        subject=subject.of(dataset),
        frames=frames,
    )


def _scanning_sequence(plane: mr_frames.Plane) -> tuple[str, ...]:
    """Returns Scanning Sequence (0018,0020), put together from Enhanced MR's attributes (PS3.3 C.8.13.4) without it."""
    if found := plane.texts("ScanningSequence"):
        return found
    pulses = [pulse for name in plane.texts("EchoPulseSequence") for pulse in _PULSES.get(name, ())]
    inverted = ["IR"] if "YES" in plane.texts("InversionRecovery") else []
    planar = ["EP"] if "YES" in plane.texts("EchoPlanarPulseSequence") else []
    return (*pulses, *inverted, *planar)


def _scan_options(plane: mr_frames.Plane) -> tuple[str, ...]:
    """Returns Scan Options (0018,0022), and FS where Enhanced MR says that fat was suppressed (0018,9025)."""
    suppressed = ("FS",) if "FAT" in plane.texts("SpectrallySelectedSuppression") else ()
    return tuple(dict.fromkeys((*plane.texts("ScanOptions"), *suppressed)))
