"""The values of image planes: stored pixels with their own rescale, one file read once for all its frames.

The display window is left out on purpose: it is chosen for one look at one slice, and would make slices of one
volume incomparable. Philips scales each slice differently, so the rescale cannot be left out (PS3.3 C.7.6.16.2.9).
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame

from raspine.dicom import decode, header, layout, lut, mr_frames, parse
from raspine.dicom.sagittal import VolumeError
from raspine.dicom.stacking import named
from raspine.dicom.study import Frame

MAX_BYTES = 1 << 30
_PIXEL_TAGS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


@dataclasses.dataclass(frozen=True, eq=False)
class PlaneValues:
    """One decoded image plane.

    Attributes:
      values: float32 [row, column], rescaled; NaN where padded.
      inverted: whether low values are white (MONOCHROME1).
      flags: what was odd about the pixel data.
    """

    values: NDArray[np.float32]
    inverted: bool
    flags: tuple[str, ...]


def read(frames: Sequence[Frame]) -> list[PlaneValues]:
    """Returns the plane of each frame; files with several of them are read once.

    Raises:
      VolumeError: a file cannot be read, or its pixels are truncated or damaged; names the frame by its number.
    """
    by_path: dict[pathlib.Path, list[int]] = {}
    for place, frame in enumerate(frames):
        by_path.setdefault(frame.path, []).append(place)
    planes: dict[int, PlaneValues] = {}
    for path, places in by_path.items():
        first = places[0]
        file = _opened(path, f"slice {first + 1} of {len(frames)} ({named(frames[first])})")
        for place in places:
            planes[place] = _plane(file, frames[place], f"slice {place + 1} of {len(frames)} ({named(frames[place])})")
    return [planes[place] for place in range(len(frames))]


@dataclasses.dataclass(frozen=True, eq=False)
class _File:
    """A file read once: its dataset, and for each frame where its attributes stand."""

    dataset: Dataset
    planes: list[mr_frames.Plane]


def _opened(path: pathlib.Path, who: str) -> _File:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise VolumeError(f"{who}: the file has more than {MAX_BYTES} bytes.")
        dataset = parse.parse(path.read_bytes())
        return _File(dataset, mr_frames.planes(dataset))
    except OSError as error:
        raise VolumeError(f"{who}: the file cannot be read: {error.strerror or type(error).__name__}.") from error
    except header.FilmError as error:
        raise VolumeError(f"{who}: {error}") from error


def _plane(file: _File, frame: Frame, who: str) -> PlaneValues:
    try:
        return _decoded(file, frame)
    except header.FilmError as error:
        raise VolumeError(f"{who}: {error}") from error
    except Exception as error:  # one hostile file must end as one line
        raise VolumeError(f"{who}: damaged in a way not foreseen: {type(error).__name__}.") from error


def _decoded(file: _File, frame: Frame) -> PlaneValues:
    count = len(file.planes)
    if not 0 <= frame.number < count:
        raise header.FilmError(f"the file has {count} frames. Received: number {frame.number}.")
    single = _cut(file.dataset, frame.number, count) if count > 1 else file.dataset
    shape = layout.read(single)
    if (shape.rows, shape.columns) != (frame.rows, frame.columns):
        raise header.FilmError(f"the size changed since the folder was indexed: {shape.rows} x {shape.columns} pixels.")
    stored = decode.stored(single, shape)
    values = stored.values()
    with np.errstate(over="ignore"):  # the volume refuses what is not finite
        table = _units(file, frame, values).astype(np.float32)
    table[_padding(file.dataset, values, shape.allocated)] = np.nan
    return PlaneValues(table[stored.codes], shape.photometric == "MONOCHROME1", stored.flags)


def _cut(dataset: Dataset, place: int, count: int) -> Dataset:
    """Returns a dataset of one frame of many, which decodes like a single image (PS3.5 8 and A.4)."""
    data = header.values(dataset, "PixelData")
    if not data or not isinstance(data[0], bytes):
        raise header.FilmError(f"no pixel data: {header.name('PixelData')} is needed, or the file is cut off.")
    element = dataset["PixelData"]
    single = Dataset()
    single.file_meta = dataset.file_meta
    for keyword in _PIXEL_TAGS:
        if header.values(dataset, keyword):
            single[keyword] = dataset[keyword]
    single.PixelData = _bytes(dataset, data[0], place, count)
    single["PixelData"].VR = element.VR
    single["PixelData"].is_undefined_length = element.is_undefined_length
    return single


def _bytes(dataset: Dataset, data: bytes, place: int, count: int) -> bytes:
    if dataset.file_meta.TransferSyntaxUID in decode.NATIVE:
        pixels = header.integer(dataset, "Rows") * header.integer(dataset, "Columns")
        size = pixels * header.integer(dataset, "SamplesPerPixel", 1) * header.integer(dataset, "BitsAllocated") // 8
        return data[place * size : (place + 1) * size]
    offsets = None
    if "ExtendedOffsetTable" in dataset and "ExtendedOffsetTableLengths" in dataset:
        offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    try:
        frame = get_frame(data, place, number_of_frames=count, extended_offsets=offsets)
    except Exception as error:  # pydicom raises of many kinds on damaged items
        raise header.FilmError(f"{header.name('PixelData')} is truncated or damaged at this frame.") from error
    return encapsulate([frame])


def _units(file: _File, frame: Frame, values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns float64: each stored value through the Modality LUT or the frame's own rescale (PS3.3 C.11.1)."""
    tables = header.items(file.dataset, "ModalityLUTSequence")
    if tables:
        return lut.read(file.dataset, tables[0], bool(values.min() < 0)).look_up(values)
    slope, intercept = (
        header.number(file.planes[frame.number].place(keyword), keyword, default)
        for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if not slope:
        raise header.FilmError(f"{header.name('RescaleSlope')} must not be 0: it erases the image.")
    return values.astype(np.float64) * slope + (intercept or 0.0)


def _padding(dataset: Dataset, values: NDArray[np.int64], allocated: int) -> NDArray[np.bool_]:
    """Returns which stored values are padding (PS3.3 C.7.5.1.1.2), whichever sign the header wrote them with."""
    if (ends := header.padding(dataset)) is None:
        return np.zeros(values.shape, bool)
    low, high = sorted(int(value) for value in ends)
    return (values - low) % (1 << allocated) <= high - low
