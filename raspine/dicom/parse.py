"""From the bytes of a DICOM file to its dataset, whatever the bytes are."""

import io
import struct
import zlib
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from raspine.dicom import header

MAX_INFLATED_BYTES = 1 << 29
MAX_READS = 1_000_000  # of elements' heads and values; Enhanced MR of a thousand frames takes 150,000
_PREAMBLE = 132
_LONG_LENGTHS = (b"OB", b"OW", b"UN", b"SQ", b"UT", b"OF", b"OD", b"UC", b"UR")


class BoundedStream:
    """A stream that ends in an error when it is read in more pieces than a header of images has.

    An empty element takes 8 bytes of a file, and thousands of times the work and memory of a byte of pixels.

    Args:
      stream: where the bytes come from.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._reads, self._items = stream, 0, 0

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes.

        Raises:
          FilmError: there were too many before.
        """
        data = self._stream.read(size)
        self._reads += 1
        self._items += data[:4] in header.ITEM_TAGS
        if self._reads > MAX_READS or self._items > header.MAX_ITEMS:
            raise header.FilmError("the header has more elements than any image's.")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def is_dicom(head: bytes) -> bool:
    """Returns whether the first bytes of a file (132 or more) are DICOM's, with or without the preamble."""
    return head[128:132] == b"DICM" or _is_bare(head)


def parse(data: bytes) -> Dataset:
    """Returns the dataset of a DICOM file; `file_meta.TransferSyntaxUID` is always set.

    Args:
      data: the whole file. A file without preamble or file meta information is taken too.

    Raises:
      FilmError: the bytes are not DICOM or are damaged beyond reading.
    """
    if not data:
        raise header.FilmError("the file is empty.")
    if not is_dicom(data[:_PREAMBLE]):
        raise header.FilmError("not a DICOM, PNG or JPEG file: neither 'DICM' at byte 128 nor a known start.")
    try:
        dataset = _inflated(data) if _is_deflated(data) else _read(data)
        _complete(dataset)
    except header.FilmError:
        raise
    except Exception as error:  # a damaged file makes pydicom raise of many kinds, RecursionError among them
        if isinstance(error.__context__, header.FilmError):  # pydicom makes an OSError of what its stream raises
            raise error.__context__ from error
        raise header.FilmError(f"the DICOM file is damaged: {type(error).__name__} while reading it.") from error
    return dataset


def _read(data: bytes) -> Dataset:
    stream: Any = BoundedStream(io.BytesIO(data))
    return pydicom.dcmread(stream, force=True)


def _is_bare(head: bytes) -> bool:
    """Returns whether a file starts with an element of group 0002 or 0008 right away, as in old archives."""
    if len(head) < 8:
        return False
    if head[:2] in (b"\x02\x00", b"\x08\x00"):
        little = head[2:4] <= b"\xff\x20" and (head[4:6].isalpha() or struct.unpack("<I", head[4:8])[0] < 256)
        return bool(little)
    return head[:2] in (b"\x00\x02", b"\x00\x08") and head[4:6].isalpha() and head[4:6].isupper()


def _is_deflated(data: bytes) -> bool:
    return DeflatedExplicitVRLittleEndian.encode() in data[: 1 << 16] and data[128:132] == b"DICM"


def _inflated(data: bytes) -> Dataset:
    """Returns the dataset of a deflated file, inflating no more than a film can need (PS3.5 A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(memoryview(data)[_end_of_meta(data) :], MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise header.FilmError(f"the deflated file grows beyond {MAX_INFLATED_BYTES} bytes: no film does.")
    if not inflater.eof:
        raise header.FilmError("the deflated DICOM file is truncated: its compressed stream does not end.")
    stream: Any = BoundedStream(io.BytesIO(plain))
    dataset = read_dataset(stream, is_implicit_VR=False, is_little_endian=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _end_of_meta(data: bytes) -> int:
    """Returns where group 0002 ends: always explicit little endian, after the preamble (PS3.10 7.1)."""
    place = _PREAMBLE
    while data[place : place + 2] == b"\x02\x00":
        if data[place + 4 : place + 6] in _LONG_LENGTHS:
            place += 12 + struct.unpack_from("<I", data, place + 8)[0]
        else:
            place += 8 + struct.unpack_from("<H", data, place + 6)[0]
    return place


def _complete(dataset: Dataset) -> None:
    """Sets the transfer syntax by how the dataset was read where the file does not say it."""
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    declared = header.text(dataset.file_meta, "TransferSyntaxUID")
    if not declared:
        implicit, little = dataset.original_encoding
        plain = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = plain if little or little is None else ExplicitVRBigEndian
    else:
        dataset.file_meta.TransferSyntaxUID = UID(declared)
