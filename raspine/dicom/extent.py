"""Whether a file holds all the pixels that its header announces, by its size: the pixels are not read."""

import os
import struct
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from raspine.dicom import header

_UNDEFINED = 0xFFFFFFFF
_PIXELS = (0x7FE0, 0x0010)
_FLOATS = ((0x7FE0, 0x0008), (0x7FE0, 0x0009))


def check(stream: BinaryIO, dataset: Dataset, syntax: str, compressed: bool) -> None:
    """Raises unless the pixel data element starts at the stream's place and is as long as it must be.

    Args:
      stream: an open file at the first byte after the header.
      dataset: the header.
      syntax: the transfer syntax.
      compressed: whether that is an encapsulated one, whose length says nothing.

    Raises:
      FilmError: there is no pixel data or too little of it.
    """
    announced = _announced(stream, syntax)
    if announced == _UNDEFINED or compressed:
        return
    place = stream.tell()
    there = min(announced, os.fstat(stream.fileno()).st_size - place)
    require(there, dataset)


def require(there: int, dataset: Dataset) -> None:
    """Raises FilmError unless `there` bytes hold all pixels of the header (PS3.5 8.1.1)."""
    bits = header.integer(dataset, "BitsAllocated", 16) * header.integer(dataset, "SamplesPerPixel", 1)
    sides = header.integer(dataset, "Rows") * header.integer(dataset, "Columns")
    needed = (sides * header.integer(dataset, "NumberOfFrames", 1) * bits + 7) // 8
    if there < needed:
        raise header.FilmError(f"the file is truncated: {needed} bytes of pixels announced, {there} there.")


def _announced(stream: BinaryIO, syntax: str) -> int:
    """Returns the length of the pixel data element (PS3.5 7.1) and leaves the stream at its value."""
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    head = stream.read(8)
    if len(head) < 8:
        raise header.FilmError("the file is truncated or holds no image: it ends before the pixels.")
    tag = struct.unpack_from(f"{order}HH", head)
    if tag in _FLOATS:
        raise header.FilmError("an MR image has integer pixels. Received: floating point ones.")
    if tag != _PIXELS:
        raise header.FilmError(f"{header.name('PixelData')} is missing.")
    if syntax == ImplicitVRLittleEndian:
        return int(struct.unpack_from("<I", head, 4)[0])
    if len(length := stream.read(4)) < 4:
        raise header.FilmError("the file is truncated: it ends before the pixels.")
    return int(struct.unpack(f"{order}I", length)[0])
