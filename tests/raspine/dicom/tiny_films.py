"""Tiny DICOM films, written byte by byte as a test wants them."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian


def picture(rows: int = 48, columns: int = 37, bits: int = 12) -> NDArray[np.uint16]:
    """Every film's content here: smooth, with a corner that shows any flip, over the whole range of `bits`."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    waves = 0.25 * (np.sin(x / 3.0) + np.cos(y / 4.0) + 2.0)
    waves[: rows // 4, : columns // 4] = 1.0
    scaled = (waves - waves.min()) / (waves.max() - waves.min()) * ((1 << bits) - 1)
    return np.rint(scaled).astype(np.uint16)


def build_film(
    array: NDArray[Any] | None = None, bits: int = 12, syntax: str = ExplicitVRLittleEndian, **tags: Any
) -> Dataset:
    """Returns a DX film of `array`; a tag given as None is left out, others replace the defaults."""
    pixels = picture(bits=bits) if array is None else array
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = syntax
    film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    film.Modality = "DX"
    film.PatientID = "SECRET-ID"
    film.PatientName = "Secret^Name"
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.Rows, film.Columns = pixels.shape[:2]
    film.BitsAllocated = 8 * pixels.dtype.itemsize
    film.BitsStored, film.HighBit = bits, bits - 1
    film.PixelRepresentation = int(pixels.dtype.kind == "i")
    film.PatientOrientation = ["P", "F"]
    film.ImagerPixelSpacing = [0.2, 0.2]
    big = syntax == "1.2.840.10008.1.2.2"
    data = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes()
    film.PixelData = data + b"\0" * (len(data) % 2)
    film["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    for keyword, value in tags.items():
        if value is None:
            if keyword in film:
                delattr(film, keyword)
        else:
            setattr(film, keyword, value)
    return film


def a_lut(entries: list[int], first: int, bits: int = 16) -> list[Dataset]:
    """Returns a Modality LUT or VOI LUT sequence of one table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries)
    return [item]


def to_bytes(film: Dataset) -> bytes:
    """Returns the film as a file's bytes."""
    stream = io.BytesIO()
    dcmwrite(stream, film, enforce_file_format=True)
    return stream.getvalue()
