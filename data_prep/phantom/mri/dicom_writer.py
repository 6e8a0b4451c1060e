"""Writes the series of a visit as classic MR images or Enhanced MR objects; the same visit gives the same bytes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from data_prep.phantom.mri.scanner import Protocol, Scanner, Session
from data_prep.phantom.mri.visit import StoredStack

_FLAVOURS = {"t2": "T2", "t1": "T1", "stir": "STIR", "axial": "T2", "localizer": "LOCALIZER"}


@dataclass(frozen=True)
class Identity:
    """Whose visit it is.

    Attributes:
        seed: of the set.
        patient: number from 1.
        visit: baseline or followup.
        date: YYYYMMDD.
        age: in years.
        female: sex.
    """

    seed: int
    patient: int
    visit: str
    date: str
    age: int
    female: bool

    @property
    def patient_id(self) -> str:
        """The PatientID, as in PHANTOM-0001."""
        return f"PHANTOM-{self.patient:04d}"

    def uid(self, *levels: object) -> str:
        """A UID derived from seed, patient, visit and what is named: "study", or "series" and its key, and so on."""
        parts = ["raspine phantom mri", self.seed, self.patient, self.visit, *levels]
        return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


@dataclass(frozen=True, eq=False)
class Plane:
    """One image: its stack and place in it (from 0), its stored pixels, the stack's affine."""

    stack: int
    place: int
    pixels: NDArray[np.uint16]
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> list[str]:
        """(row, column) mm: the distance of neighbouring rows comes first (PS3.3 10.7.1.3)."""
        lengths = np.linalg.norm(self.affine[:3, :2], axis=0)
        return [_decimal(lengths[1]), _decimal(lengths[0])]

    @property
    def orientation(self) -> list[str]:
        """The cosines of a growing column index, then of a growing row index (PS3.3 C.7.6.2.1.1)."""
        unit = self.affine[:3, :2] / np.linalg.norm(self.affine[:3, :2], axis=0)
        return [_decimal(value) for value in unit.T.ravel()]

    @property
    def centre(self) -> NDArray[np.float64]:
        """LPS mm of the first voxel's centre."""
        return np.asarray((self.affine @ [0, 0, self.place, 1])[:3])

    @property
    def location(self) -> float:
        """Millimetres along the direction of growing slices."""
        step = self.affine[:3, 2] / np.linalg.norm(self.affine[:3, 2])
        return float(self.centre @ step)


def planes(stacks: Sequence[StoredStack], scanner: Scanner) -> list[Plane]:
    """The images of a series in the order of the scanner's instance numbers."""
    made = []
    for number, stack in enumerate(stacks):
        order = range(len(stack.stored))
        made += [
            Plane(number, place, stack.stored[place], stack.affine)
            for place in (reversed(order) if scanner.descending else order)
        ]
    return made


def series_datasets(
    identity: Identity, session: Session, protocol: Protocol, number: int, images: Sequence[Plane]
) -> Iterator[FileDataset]:
    """The files of a series: one for each image, or one Enhanced object for all.

    Args:
        identity: whose visit.
        session: the visit's plan.
        protocol: the series.
        number: SeriesNumber.
        images: its images, in instance order.
    """
    if session.enhanced:
        yield _enhanced(identity, session, protocol, number, images)
        return
    for instance, image in enumerate(images, start=1):
        yield _classic(identity, session, protocol, number, instance, image)


def write(path: str | os.PathLike[str], dataset: FileDataset) -> None:
    """Writes a DICOM Part 10 file in explicit little endian."""
    dcmwrite(path, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)


def _classic(
    identity: Identity, session: Session, protocol: Protocol, number: int, instance: int, image: Plane
) -> FileDataset:
    dataset = _start(MRImageStorage, identity.uid("instance", protocol.key, instance))
    _fill(dataset, _identity_attributes(identity, session, protocol, number))
    _fill(dataset, _pixel_attributes(session.scanner, image.pixels))
    _fill(dataset, _mr_attributes(session, protocol))
    _fill(dataset, {
        "InstanceNumber": instance,
        "PixelSpacing": image.spacing,
        "ImagePositionPatient": [_decimal(value) for value in image.centre],
        "ImageOrientationPatient": image.orientation,
        "SliceLocation": _decimal(image.location),
        "SliceThickness": _decimal(protocol.thickness),
        "SpacingBetweenSlices": _decimal(protocol.pitch),
    })  # fmt: skip
    if session.scanner.slope is not None:
        _fill(dataset, _rescale(session.scanner))
    dataset.PixelData = image.pixels.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _start(sop_class: UID, instance_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, instance_uid
    return dataset


def _fill(dataset: Dataset, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(dataset, name, value)


def _identity_attributes(identity: Identity, session: Session, protocol: Protocol, number: int) -> dict[str, Any]:
    minute = f"10{10 + 4 * number:02d}00"
    return {
        "StudyInstanceUID": identity.uid("study"),
        "SeriesInstanceUID": identity.uid("series", protocol.key),
        "FrameOfReferenceUID": identity.uid("frame of reference"),
        "PositionReferenceIndicator": "",
        "Modality": "MR",
        "PatientName": f"Phantom^{identity.patient:04d}",
        "PatientID": identity.patient_id,
        "PatientBirthDate": "",
        "PatientSex": "F" if identity.female else "M",
        "PatientAge": f"{identity.age:03d}Y",
        "PatientPosition": "HFS",
        "StudyDate": identity.date,
        "SeriesDate": identity.date,
        "AcquisitionDate": identity.date,
        "ContentDate": identity.date,
        "StudyTime": "100000",
        "SeriesTime": minute,
        "AcquisitionTime": minute,
        "ContentTime": minute,
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": f"{identity.patient}",
        "StudyDescription": "MR cervical spine, phantom",
        "SeriesDescription": protocol.description,
        "ProtocolName": protocol.description,
        "BodyPartExamined": "CSPINE",
        "SeriesNumber": number,
        "Manufacturer": session.scanner.manufacturer,
        "ManufacturerModelName": session.scanner.model,
        "DeviceSerialNumber": f"phantom-{session.scanner.name}",
        "SoftwareVersions": "1",
        "MagneticFieldStrength": _decimal(session.scanner.field_strength),
        "ImageComments": "synthetic study; shows no person",
        "SyntheticData": "YES",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
    }


def _pixel_attributes(scanner: Scanner, pixels: NDArray[np.uint16]) -> dict[str, Any]:
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "BitsAllocated": 16,
        "BitsStored": scanner.bits,
        "HighBit": scanner.bits - 1,
        "PixelRepresentation": 0,
        "WindowCenter": _decimal(round(scanner.white / 2)),
        "WindowWidth": _decimal(round(scanner.white)),
    }


def _mr_attributes(session: Session, protocol: Protocol) -> dict[str, Any]:
    """What a classic MR image says of its sequence (PS3.3 C.8.3.1)."""
    attributes: dict[str, Any] = {
        "ImageType": _image_type(session, protocol),
        "ScanningSequence": list(protocol.sequence),
        "SequenceVariant": list(protocol.variant),
        "ScanOptions": list(protocol.options),
        "MRAcquisitionType": "2D",
        "EchoTime": _decimal(protocol.echo_time),
        "RepetitionTime": _decimal(protocol.repetition_time),
        "EchoTrainLength": protocol.echo_train,
        "FlipAngle": _decimal(protocol.flip),
        "NumberOfAverages": "2",
        "ImagedNucleus": "1H",
        "AcquisitionNumber": 1,
        "InPlanePhaseEncodingDirection": "COL",
    }
    if protocol.inversion_time is not None:
        attributes["InversionTime"] = _decimal(protocol.inversion_time)
    return attributes


def _image_type(session: Session, protocol: Protocol) -> list[str]:
    start = ("DERIVED", "SECONDARY") if session.derived and protocol.key == "t2" else protocol.image_type[:2]
    return [*start, *protocol.image_type[2:]]


def _rescale(scanner: Scanner) -> dict[str, Any]:
    return {
        "RescaleIntercept": _decimal(scanner.intercept or 0.0),
        "RescaleSlope": _decimal(scanner.slope or 1.0),
        "RescaleType": "normalized" if scanner.slope is not None else "US",
    }


def _enhanced(
    identity: Identity, session: Session, protocol: Protocol, number: int, images: Sequence[Plane]
) -> FileDataset:
    """One Enhanced MR object (PS3.3 A.36.2) with the functional groups that place its frames."""
    dataset = _start(EnhancedMRImageStorage, identity.uid("instance", protocol.key, "all"))
    _fill(dataset, _identity_attributes(identity, session, protocol, number))
    _fill(dataset, _pixel_attributes(session.scanner, images[0].pixels))
    del dataset.WindowCenter, dataset.WindowWidth
    kind = [*_image_type(session, protocol)[:2], _FLAVOURS[protocol.key], "NONE"]
    _fill(dataset, {
        "ImageType": kind,
        "InstanceNumber": 1,
        "NumberOfFrames": len(images),
        "AcquisitionDateTime": f"{identity.date}101000",
        "AcquisitionDuration": 180.0,
        "ContentQualification": "RESEARCH",
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
        "ComplexImageComponent": "MAGNITUDE",
        "AcquisitionContrast": {"t2": "T2", "t1": "T1", "stir": "STIR"}[protocol.contrast],
        "ResonantNucleus": "1H",
        "PresentationLUTShape": "IDENTITY",
        "AcquisitionContextSequence": [],
        **_sequence_attributes(protocol),
        "SharedFunctionalGroupsSequence": [_shared_groups(session, protocol, kind, images[0])],
        "PerFrameFunctionalGroupsSequence": [_frame_groups(image) for image in images],
    })  # fmt: skip
    _add_dimensions(dataset, identity.uid("dimensions", protocol.key))
    dataset.PixelData = np.stack([image.pixels for image in images]).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _sequence_attributes(protocol: Protocol) -> dict[str, Any]:
    """The MR Pulse Sequence attributes of an Enhanced object (PS3.3 C.8.13.4)."""
    gradient = "GR" in protocol.sequence
    return {
        "PulseSequenceName": protocol.description,
        "MRAcquisitionType": "2D",
        "EchoPulseSequence": "GRADIENT" if gradient else "SPIN",
        "MultipleSpinEcho": "NO" if gradient else "YES",
        "MultiPlanarExcitation": "NO",
        "PhaseContrast": "NO",
        "TimeOfFlightContrast": "NO",
        "SteadyStatePulseSequence": "NONE",
        "EchoPlanarPulseSequence": "NO",
        "SpectrallySelectedSuppression": "NONE",
        "GeometryOfKSpaceTraversal": "RECTILINEAR",
        "SegmentedKSpaceTraversal": "PARTIAL",
        "RectilinearPhaseEncodeReordering": "LINEAR",
        "NumberOfKSpaceTrajectories": 1,
    }


def _shared_groups(session: Session, protocol: Protocol, kind: Sequence[str], image: Plane) -> Dataset:
    groups = {
        "PixelMeasuresSequence": {
            "PixelSpacing": image.spacing,
            "SliceThickness": _decimal(protocol.thickness),
            "SpacingBetweenSlices": _decimal(protocol.pitch),
        },
        "PixelValueTransformationSequence": _rescale(session.scanner),
        "FrameVOILUTSequence": {
            "WindowCenter": _decimal(round(session.scanner.white / 2)),
            "WindowWidth": _decimal(round(session.scanner.white)),
        },
        "MRImageFrameTypeSequence": {
            "FrameType": list(kind),
            "PixelPresentation": "MONOCHROME",
            "VolumetricProperties": "VOLUME",
            "VolumeBasedCalculationTechnique": "NONE",
            "ComplexImageComponent": "MAGNITUDE",
            "AcquisitionContrast": {"t2": "T2", "t1": "T1", "stir": "STIR"}[protocol.contrast],
        },
        "MRTimingAndRelatedParametersSequence": {
            "RepetitionTime": _decimal(protocol.repetition_time),
            "FlipAngle": _decimal(protocol.flip),
            "EchoTrainLength": protocol.echo_train,
            "RFEchoTrainLength": protocol.echo_train,
            "GradientEchoTrainLength": 0,
        },
        "MREchoSequence": {"EffectiveEchoTime": protocol.echo_time},
        "MRModifierSequence": _modifiers(protocol),
        "FrameAnatomySequence": {"FrameLaterality": "U", "AnatomicRegionSequence": [_cervical_spine()]},
    }
    shared = Dataset()
    for name, attributes in groups.items():
        setattr(shared, name, [_item(attributes)])
    return shared


def _modifiers(protocol: Protocol) -> dict[str, Any]:
    inverted = protocol.inversion_time is not None
    modifiers: dict[str, Any] = {
        "InversionRecovery": "YES" if inverted else "NO",
        "FlowCompensation": "NONE",
        "Spoiling": "NONE",
        "T2Preparation": "NO",
        "SpectrallySelectedExcitation": "NONE",
        "SpatialPresaturation": "NONE",
        "PartialFourier": "NO",
        "ParallelAcquisition": "NO",
    }
    if inverted:
        modifiers["InversionTimes"] = [protocol.inversion_time]
    return modifiers


def _cervical_spine() -> Dataset:
    return _item({"CodeValue": "122494005", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Cervical spine"})


def _frame_groups(image: Plane) -> Dataset:
    groups = Dataset()
    groups.FrameContentSequence = [
        _item({
            "StackID": str(image.stack + 1),
            "InStackPositionNumber": image.place + 1,
            "DimensionIndexValues": [image.stack + 1, image.place + 1],
            "FrameAcquisitionNumber": 1,
        })
    ]  # fmt: skip
    groups.PlanePositionSequence = [_item({"ImagePositionPatient": [_decimal(value) for value in image.centre]})]
    groups.PlaneOrientationSequence = [_item({"ImageOrientationPatient": image.orientation})]
    return groups


def _add_dimensions(dataset: Dataset, uid: str) -> None:
    """Frames are indexed by stack and by place in it (PS3.3 C.7.6.17)."""
    dataset.DimensionOrganizationSequence = [_item({"DimensionOrganizationUID": uid})]
    dataset.DimensionIndexSequence = [
        _item({"DimensionOrganizationUID": uid, "DimensionIndexPointer": pointer, "FunctionalGroupPointer": 0x00209111})
        for pointer in (0x00209056, 0x00209057)
    ]


def _item(attributes: dict[str, Any]) -> Dataset:
    item = Dataset()
    _fill(item, attributes)
    return item


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2)."""
    return f"{value + 0.0:.10g}"
