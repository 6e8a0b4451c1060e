"""The stored values of a single-frame film, out of every transfer syntax, without GPL packages.

pydicom with its free plugins decodes RLE, JPEG baseline, JPEG-LS, JPEG 2000 and HTJ2K; SimpleITK (GDCM)
decodes JPEG lossless and 12-bit JPEG. Either is given a small dataset of the pixels alone, so that neither
another damaged tag nor SimpleITK's own rescale touches the values.
"""

import contextlib
import dataclasses
import os
import pathlib
import tempfile
import threading
from collections.abc import Iterator

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    JPEGLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from raspine.dicom import codestream, header
from raspine.dicom.layout import Layout

NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
MAX_JPEG2000_PIXELS = 40_000_000  # noise of this size takes 10 s, four times as long as any other compression
_LOSSY = tuple(f"1.2.840.10008.1.2.4.{last}" for last in (50, 51, 81, 91, 203))
_EQUAL_CHANNELS = 2  # grey levels of 255 that a lossy colour transform leaves between equal channels
_STDERR = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Stored:
    """Stored values as bit patterns.

    Attributes:
      codes: uint8 or uint16 [row, column], the low `bits` bits of each stored value.
      bits: how many bits a stored value has.
      signed: whether they are two's complement.
      flags: what was odd about the pixel data.
    """

    codes: NDArray[np.generic]
    bits: int
    signed: bool
    flags: tuple[str, ...] = ()

    def values(self) -> NDArray[np.int64]:
        """Returns int64 [2 ** bits]: the stored value of every code."""
        codes = np.arange(1 << self.bits, dtype=np.int64)
        return np.where(codes >= 1 << (self.bits - 1), codes - (1 << self.bits), codes) if self.signed else codes


def stored(dataset: Dataset, shape: Layout) -> Stored:
    """Returns the stored values of a film.

    Args:
      dataset: the film with its file meta information.
      shape: what `layout.read` returned for it.

    Raises:
      FilmError: there are no pixel data, or they are truncated, damaged or not what the header declares.
    """
    if "PixelData" not in dataset:
        other = [key for key in ("FloatPixelData", "DoubleFloatPixelData") if key in dataset]
        found = f"only {header.name(other[0])}" if other else "none, or the file is cut off before its end"
        raise header.FilmError(f"no pixel data: {header.name('PixelData')} is needed. Received: {found}.")
    data = header.values(dataset, "PixelData")
    if not data or not isinstance(data[0], bytes):
        raise header.FilmError(f"{header.name('PixelData')} is empty.")
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in NATIVE:
        return _native(dataset, data[0], shape, syntax)
    return _compressed(data[0], shape, syntax)


def _native(dataset: Dataset, data: bytes, shape: Layout, syntax: UID) -> Stored:
    samples = 2 if shape.photometric == "YBR_FULL_422" else shape.samples
    expected = shape.rows * shape.columns * samples * shape.allocated // 8
    if dataset["PixelData"].is_undefined_length or _is_encapsulated(data, expected):
        raise header.FilmError(
            f"{header.name('TransferSyntaxUID')} declares uncompressed {syntax.name}, but "
            f"{header.name('PixelData')} is encapsulated."
        )
    if len(data) < expected:
        raise header.FilmError(
            f"{header.name('PixelData')} is truncated: {shape.rows} rows x {shape.columns} columns need "
            f"{expected} bytes. Received: {len(data)}."
        )
    flags = ("excess_pixel_data",) if len(data) > expected + expected % 2 else ()
    if shape.samples == 3:
        single = _pixels_only(data, shape, syntax, shape.allocated)
        single["PixelData"].VR = dataset["PixelData"].VR
        return _grey_of_colour(_masked(_unsigned(_decode(single)), shape, flags), shape)
    big = syntax == ExplicitVRBigEndian
    if shape.allocated == 8:
        swap = big and dataset["PixelData"].VR == "OW" and len(data) % 2 == 0
        whole = np.frombuffer(data, "u2").byteswap().view("u1") if swap else np.frombuffer(data, "u1")
        words = whole[:expected]
    else:
        words = np.frombuffer(data, ">u2" if big else "<u2", count=expected // 2)
    return _masked(words.reshape(shape.rows, shape.columns), shape, flags)


def _is_encapsulated(data: bytes, expected: int) -> bool:
    return len(data) != expected and data[:4] == b"\xfe\xff\x00\xe0"


def _masked(words: NDArray[np.generic], shape: Layout, flags: tuple[str, ...] = ()) -> Stored:
    """Drops the bits outside the stored ones: overlays and rubbish live there (PS3.5 8.1.1)."""
    low = shape.high + 1 - shape.stored
    codes = words.astype(words.dtype.newbyteorder("="), copy=False)
    if low:
        codes = codes >> low
    if shape.stored < shape.allocated - low:
        codes = codes & codes.dtype.type((1 << shape.stored) - 1)
    return Stored(codes, shape.stored, shape.signed, flags)


def _compressed(data: bytes, shape: Layout, syntax: UID) -> Stored:
    frame = _frame(data, syntax)
    if syntax == RLELossless:
        array = _decode(_pixels_only(encapsulate([frame]), shape, syntax, shape.allocated))
        return _grey_of_colour(_masked(_unsigned(array), shape), shape)
    stream = _checked(frame, shape, syntax)
    if stream.kind == "JPEG" and (stream.process == 3 or stream.bits > 8):
        single = dataclasses.replace(shape, signed=False)
        process = JPEGLossless if stream.process == 3 else JPEGExtended12Bit
        decoded = _gdcm(_pixels_only(encapsulate([frame]), single, process, stream.bits))
    else:
        decoded = _decode(_pixels_only(encapsulate([frame]), shape, syntax, stream.bits))
    return _grey_of_colour(_fitted(decoded, shape, stream.bits, syntax), shape)


def _frame(data: bytes, syntax: UID) -> bytes:
    try:
        frame = get_frame(data, 0, number_of_frames=1)
    except Exception as error:  # pydicom raises of many kinds on damaged items
        start = "its items are damaged" if data[:4] == b"\xfe\xff\x00\xe0" else "it is not encapsulated"
        raise header.FilmError(
            f"{header.name('TransferSyntaxUID')} declares {_title(syntax)}, but {header.name('PixelData')} "
            f"cannot be that: {start}."
        ) from error
    if not frame:
        raise header.FilmError(f"{header.name('PixelData')} is empty.")
    return frame


def _title(syntax: UID) -> str:
    return syntax.name if not syntax.is_private and syntax.name != str(syntax) else f"unknown {header.received(syntax)}"


def _kind(syntax: UID) -> str | None:
    """Returns the kind of stream that a transfer syntax holds (PS3.5 A.4), None when it is not supported."""
    family, _, last = str(syntax).rpartition(".")
    if family != "1.2.840.10008.1.2.4" or not last.isdecimal():
        return None
    number = int(last)
    if 50 <= number <= 70:
        return "JPEG"
    return {80: "JPEG-LS", 81: "JPEG-LS", **dict.fromkeys((90, 91, 201, 202, 203), "JPEG 2000")}.get(number)


def _checked(frame: bytes, shape: Layout, syntax: UID) -> codestream.Codestream:
    """Returns what the frame is, once it is what the header declares."""
    kind = _kind(syntax)
    if kind is None:
        raise header.FilmError(f"{header.name('TransferSyntaxUID')} is not supported: {_title(syntax)}.")
    stream = codestream.describe(frame)
    if stream is None or stream.kind != kind:
        raise header.FilmError(
            f"{header.name('TransferSyntaxUID')} declares {syntax.name}, but {header.name('PixelData')} "
            f"holds {'a ' + stream.kind + ' stream' if stream else 'no such stream'}."
        )
    if (stream.rows, stream.columns, stream.components) != (shape.rows, shape.columns, shape.samples):
        raise header.FilmError(
            f"{header.name('Rows')}, {header.name('Columns')} and {header.name('SamplesPerPixel')} are "
            f"{shape.rows}, {shape.columns} and {shape.samples}, but the compressed frame has {stream.rows}, "
            f"{stream.columns} and {stream.components}."
        )
    if not 1 <= stream.bits <= 16:
        raise header.FilmError(f"a compressed frame has 1 to 16 bits a sample. Received: {stream.bits}.")
    if kind == "JPEG 2000" and stream.rows * stream.columns > MAX_JPEG2000_PIXELS:
        raise header.FilmError(
            f"a JPEG 2000 frame has at most {MAX_JPEG2000_PIXELS} pixels. "
            f"Received: {stream.rows} x {stream.columns}. Send it uncompressed."
        )
    if kind == "JPEG" and codestream.has_too_many_scans(frame):
        raise header.FilmError(f"a JPEG frame has at most {codestream.MAX_SCANS} scans. Received: more.")
    if not stream.complete:
        raise header.FilmError(f"{header.name('PixelData')} is truncated: the {kind} stream has no end marker.")
    return stream


def _pixels_only(data: bytes, shape: Layout, syntax: UID, bits: int) -> Dataset:
    """Returns a secondary capture of nothing but pixels of `bits` bits, which a decoder cannot misread."""
    single = Dataset()
    single.file_meta = FileMetaDataset()
    single.file_meta.TransferSyntaxUID = syntax
    single.file_meta.MediaStorageSOPClassUID = single.SOPClassUID = SecondaryCaptureImageStorage
    single.file_meta.MediaStorageSOPInstanceUID = single.SOPInstanceUID = UID("2.25.1")
    single.Modality = "OT"
    single.Rows, single.Columns, single.SamplesPerPixel = shape.rows, shape.columns, shape.samples
    single.BitsAllocated = 8 if bits <= 8 else 16
    single.BitsStored, single.HighBit = bits, bits - 1
    single.PixelRepresentation = int(shape.signed)
    single.PhotometricInterpretation = shape.photometric if shape.samples == 3 else "MONOCHROME2"
    if shape.samples == 3:
        single.PlanarConfiguration = shape.planar
    single.PixelData = data
    single["PixelData"].VR = "OB" if syntax.is_encapsulated or bits <= 8 else "OW"
    single["PixelData"].is_undefined_length = syntax.is_encapsulated
    return single


def _decode(single: Dataset) -> NDArray[np.generic]:
    syntax = single.file_meta.TransferSyntaxUID
    try:
        # pylibjpeg's RLE plugin panics on damaged runs, which no `except Exception` catches.
        plugin = "pydicom" if syntax == RLELossless else ""
        return get_decoder(syntax).as_array(single, index=0, decoding_plugin=plugin)[0]
    except Exception as error:  # every plugin raises its own kinds
        raise _undecodable(syntax) from error


def _gdcm(single: Dataset) -> NDArray[np.generic]:
    syntax = single.file_meta.TransferSyntaxUID
    frame = (single.Rows, single.Columns) + ((3,) if single.SamplesPerPixel == 3 else ())
    handle, path = tempfile.mkstemp(suffix=".dcm")
    os.close(handle)
    try:
        single.save_as(path, enforce_file_format=True)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(path)
        with _silenced():
            image = reader.Execute()
        return SimpleITK.GetArrayFromImage(image).reshape(frame)
    except Exception as error:  # SimpleITK raises RuntimeError, pydicom of many kinds
        raise _undecodable(syntax) from error
    finally:
        pathlib.Path(path).unlink(missing_ok=True)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Closes standard error to GDCM, whose libraries print lines for every 12-bit or damaged frame."""
    with _STDERR, open(os.devnull, "wb") as nowhere:
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _undecodable(syntax: UID) -> header.FilmError:
    return header.FilmError(
        f"{header.name('PixelData')} cannot be decoded as {_title(syntax)}: damaged, truncated or wrongly declared."
    )


def _fitted(decoded: NDArray[np.generic], shape: Layout, bits: int, syntax: UID) -> Stored:
    """Fits decoded samples of `bits` bits into the bits that the header says are stored.

    Lossy samples overshoot and are clipped; in lossless ones the bits above are an overlay or rubbish and go.
    """
    if bits > shape.stored and syntax in _LOSSY:
        half = 1 << (shape.stored - 1)
        low, high = (-half, half - 1) if shape.signed else (0, 2 * half - 1)
        decoded = np.clip(decoded, low, high)
    unsigned = _unsigned(decoded)
    return _masked(unsigned, dataclasses.replace(shape, allocated=8 * unsigned.itemsize, high=shape.stored - 1))


def _unsigned(decoded: NDArray[np.generic]) -> NDArray[np.generic]:
    return decoded.view(f"u{decoded.itemsize}")


def _grey_of_colour(stored: Stored, shape: Layout) -> Stored:
    """Returns one channel of a colour capture whose three channels are equal, and what is grey as it is.

    Raises:
      FilmError: the channels differ.
    """
    if stored.codes.ndim == 2:
        return stored
    spread = int((stored.codes.max(axis=-1) - stored.codes.min(axis=-1)).max())
    if spread > _EQUAL_CHANNELS * ((1 << stored.bits) - 1) // 255:
        raise header.FilmError(
            f"a film is grey. {header.name('PhotometricInterpretation')} received: "
            f"{header.received(shape.photometric)} with channels that differ by up to {spread}."
        )
    flags = (*stored.flags, "grey_of_equal_channels")
    return Stored(np.ascontiguousarray(stored.codes[..., 1]), stored.bits, False, flags)
