"""Writes a phantom film as a DICOM file, byte for byte the same for the same film and identity."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from data_prep.phantom import demography
from data_prep.phantom.acquisition import SOURCE_TO_DETECTOR_MM, Acquisition
from data_prep.phantom.film import Film

Stored = NDArray[np.uint16] | NDArray[np.uint8]
MODALITY = {
    DigitalXRayImageStorageForPresentation: "DX",
    ComputedRadiographyImageStorage: "CR",
    SecondaryCaptureImageStorage: "OT",
}
_SIGMOID_REACH = 0.01
_LUT_BITS = 16


@dataclass(frozen=True)
class Identity:
    """Whose film it is: the seed of the whole set, patient and film number, both from 1, and the position."""

    seed: int
    patient: int
    film: int
    position: str

    @property
    def patient_id(self) -> str:
        """The PatientID, as in PHANTOM-0001."""
        return f"PHANTOM-{self.patient:04d}"

    def uid(self, level: str) -> str:
        """A UID derived from seed, patient and film; `level` is study, series or instance."""
        parts = ["raspine phantom", str(self.seed), str(self.patient), level]
        return str(generate_uid(entropy_srcs=parts if level == "study" else [*parts, str(self.film)]))


def write_film(path: str | os.PathLike[str], film: Film, acquisition: Acquisition, identity: Identity) -> None:
    """Writes the film to `path` as a DICOM Part 10 file."""
    dataset = film_dataset(film, acquisition, identity)
    stored = stored_pixels(film, acquisition)
    syntax = acquisition.transfer_syntax
    if syntax.is_compressed and syntax.is_encapsulated:
        dataset.compress(syntax, stored, generate_instance_uid=False)
    else:
        data = (stored.byteswap() if syntax == ExplicitVRBigEndian else stored).tobytes()
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        dataset["PixelData"].VR = "OB" if acquisition.bits == 8 and not syntax.is_implicit_VR else "OW"
        dataset.file_meta.TransferSyntaxUID = syntax
    dcmwrite(
        path,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        enforce_file_format=True,
    )


def film_dataset(film: Film, acquisition: Acquisition, identity: Identity) -> FileDataset:
    """The header of a film, without pixel data, in explicit little endian."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = acquisition.sop_class
    meta.MediaStorageSOPInstanceUID = UID(identity.uid("instance"))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for group in (
        _identity_attributes(acquisition, identity),
        _class_attributes(acquisition),
        _spacing_attributes(film, acquisition),
        _pixel_attributes(film, acquisition),
        _voi_attributes(acquisition),
    ):
        for name, value in group.items():
            setattr(dataset, name, value)
    return dataset


def stored_pixels(film: Film, acquisition: Acquisition) -> Stored:
    """Displayed grey 0..1 to stored values, through the inverse of the VOI transform and of MONOCHROME1.

    Returns:
        uint8 or uint16 [row, column], mirrored when the acquisition is.
    """
    low, high = stored_range(acquisition)
    grey = np.clip(film.pixels, 0, 1).astype(np.float64)
    if acquisition.voi == "lut":
        grey = np.sqrt(grey)
    if acquisition.voi == "sigmoid":
        grey = 0.5 - 0.25 * np.log(1 / np.clip(grey, _SIGMOID_REACH, 1 - _SIGMOID_REACH) - 1)
        grey = np.clip(grey, -low / (high - low), 1 + (_maximum(acquisition) - high) / (high - low))
    values = np.round(low + (high - low) * grey)
    if _padding_applies(film, acquisition):
        values = np.where(film.shutter, 0, np.maximum(values, 1))
    if acquisition.photometric == "MONOCHROME1":
        values = _maximum(acquisition) - values
    if acquisition.mirrored:
        values = values[:, ::-1]
    return np.ascontiguousarray(values.astype(np.uint8 if acquisition.bits == 8 else np.uint16))


def stored_landmarks(film: Film, acquisition: Acquisition) -> NDArray[np.float64]:
    """The landmarks [4, 2] in the (x, y) pixels of the stored film."""
    points = film.landmarks.copy()
    if acquisition.mirrored:
        points[:, 0] = film.pixels.shape[1] - 1 - points[:, 0]
    return points


def stored_range(acquisition: Acquisition) -> tuple[int, int]:
    """The stored values, before MONOCHROME1's inversion, that are displayed as black and white."""
    top = _maximum(acquisition)
    if acquisition.voi in ("none", "lut"):
        return 0, top
    if acquisition.voi == "sigmoid":
        return round(0.36 * top), round(0.64 * top)
    return round(0.06 * top), round(0.9 * top)


def _maximum(acquisition: Acquisition) -> int:
    return int(2**acquisition.bits - 1)


def _padding_applies(film: Film, acquisition: Acquisition) -> bool:
    return acquisition.padded and film.shutter_is_black and bool(film.shutter.any())


def _identity_attributes(acquisition: Acquisition, identity: Identity) -> dict[str, Any]:
    groups = demography.sample(identity.seed, identity.patient)
    return {
        "SOPClassUID": acquisition.sop_class,
        "SOPInstanceUID": identity.uid("instance"),
        "StudyInstanceUID": identity.uid("study"),
        "SeriesInstanceUID": identity.uid("series"),
        "Modality": MODALITY[acquisition.sop_class],
        "PatientName": f"Phantom^{identity.patient:04d}",
        "PatientID": identity.patient_id,
        "PatientBirthDate": "",
        "PatientSex": "F" if groups.female else "M",
        "PatientAge": f"{groups.age:03d}Y",
        "StudyDate": "20000101",
        "StudyTime": "120000",
        "SeriesDate": "20000101",
        "ContentDate": "20000101",
        "ContentTime": f"12{identity.film:02d}00",
        "AcquisitionDate": "20000101",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyID": f"{identity.patient}",
        "StudyDescription": "Cervical spine, phantom",
        "SeriesDescription": f"C-spine lateral {identity.position}",
        "SeriesNumber": identity.film,
        "InstanceNumber": 1,
        "Manufacturer": f"raspine phantom {groups.machine}",
        "SyntheticData": "YES",
        "ImageComments": f"synthetic film, {identity.position}; shows no person",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
    }


def _class_attributes(acquisition: Acquisition) -> dict[str, Any]:
    """What the IOD of the SOP class adds (PS3.3 A.2, A.8.1, A.26)."""
    common = {
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "BodyPartExamined": "CSPINE",
        "PatientOrientation": ["A", "F"] if acquisition.mirrored else ["P", "F"],
    }
    if acquisition.sop_class == SecondaryCaptureImageStorage:
        return {**common, "ConversionType": "DF"}
    common["ViewPosition"] = "RL" if acquisition.mirrored else "LL"
    if acquisition.sop_class == ComputedRadiographyImageStorage:
        return common
    inverted = acquisition.photometric == "MONOCHROME1"
    return {
        **common,
        "PresentationIntentType": "FOR PRESENTATION",
        "PresentationLUTShape": "INVERSE" if inverted else "IDENTITY",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": 1 if inverted else -1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "US",
        "ImageLaterality": "U",
        "DetectorType": "DIRECT",
        "AcquisitionContextSequence": [],
        "AnatomicRegionSequence": [_code("122494005", "SCT", "Cervical spine")],
    }


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _spacing_attributes(film: Film, acquisition: Acquisition) -> dict[str, Any]:
    """The millimetres and where they come from (PS3.3 10.7.1.3)."""
    source, factor = acquisition.spacing_source, acquisition.magnification
    detector = [f"{value * factor:.10g}" for value in film.spacing]
    if source in ("geometry", "fiducial"):
        return {
            "PixelSpacing": [f"{value:.10g}" for value in film.spacing],
            "PixelSpacingCalibrationType": source.upper(),
            "PixelSpacingCalibrationDescription": "phantom, exact in the patient's midline",
        }
    if source == "magnification":
        return {"ImagerPixelSpacing": detector, "EstimatedRadiographicMagnificationFactor": f"{factor:.10g}"}
    if source == "distances":
        return {
            "ImagerPixelSpacing": detector,
            "DistanceSourceToDetector": f"{SOURCE_TO_DETECTOR_MM:.10g}",
            "DistanceSourceToPatient": f"{SOURCE_TO_DETECTOR_MM / factor:.10g}",
        }
    return {"ImagerPixelSpacing": detector}


def _pixel_attributes(film: Film, acquisition: Acquisition) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": acquisition.photometric,
        "Rows": film.pixels.shape[0],
        "Columns": film.pixels.shape[1],
        "BitsAllocated": 8 if acquisition.bits == 8 else 16,
        "BitsStored": acquisition.bits,
        "HighBit": acquisition.bits - 1,
        "PixelRepresentation": 0,
    }
    if _padding_applies(film, acquisition):
        attributes["PixelPaddingValue"] = _maximum(acquisition) if acquisition.photometric == "MONOCHROME1" else 0
    return attributes


def _voi_attributes(acquisition: Acquisition) -> dict[str, Any]:
    """Window or VOI LUT in stored values (PS3.3 C.11.2): it acts before MONOCHROME1's inversion."""
    if acquisition.voi == "none":
        return {}
    inverted, top = acquisition.photometric == "MONOCHROME1", _maximum(acquisition)
    if acquisition.voi == "lut":
        return {"VOILUTSequence": [_gamma_lut(top, inverted)]}
    low, high = stored_range(acquisition)
    if inverted:
        low, high = top - high, top - low
    centre, width = (low + high) / 2, high - low
    if acquisition.voi == "linear":
        return {
            "WindowCenter": f"{centre + 0.5:g}",
            "WindowWidth": f"{width + 1:g}",
            "VOILUTFunction": "LINEAR",
        }
    return {
        "WindowCenter": f"{centre:g}",
        "WindowWidth": f"{width:g}",
        "VOILUTFunction": acquisition.voi.upper(),
    }


def _gamma_lut(top: int, inverted: bool) -> Dataset:
    """A square-law table; for MONOCHROME1 its mirror image, so that the inverted film looks the same."""
    grey = (np.arange(top + 1) / top) ** 2
    if inverted:
        grey = 1 - grey[::-1]
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [top + 1, 0, _LUT_BITS])
    item.LUTExplanation = "square law"
    item.add_new("LUTData", "US", np.round(grey * (2**_LUT_BITS - 1)).astype(int).tolist())
    return item
