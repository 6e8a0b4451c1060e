"""What a compressed frame says of itself: its kind, size and precision, known before anything is decoded.

A header may declare another compression or another size than the frame has; decoders then fail late, allocate
what the frame asks for, or return other pixels. So the two are compared first.
"""

import dataclasses
import struct

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MAX_SCANS = 64  # of a JPEG: a progressive one has about ten, and each takes a pass over the whole picture
_NO_PAYLOAD = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclasses.dataclass(frozen=True)
class Codestream:
    """The first header of a compressed frame.

    Attributes:
      kind: `JPEG`, `JPEG-LS` or `JPEG 2000`.
      process: the JPEG start-of-frame number (0 baseline, 1 extended, 2 progressive, 3 lossless), else -1.
      rows, columns, components: size of the frame.
      bits: precision of a sample.
      complete: whether the stream has its end marker, that is, is not cut off.
    """

    kind: str
    process: int
    rows: int
    columns: int
    components: int
    bits: int
    complete: bool


def describe(stream: bytes) -> Codestream | None:
    """Returns what a compressed frame is, None when it is none of the kinds DICOM uses.

    Args:
      stream: the frame's bytes, fragments joined; padding after the end marker is allowed.
    """
    try:
        if stream[:12] == b"\x00\x00\x00\x0cjP  \r\n\x87\n":
            return _jpeg2000(stream, stream.index(b"\xff\x4f\xff\x51"))
        if stream[:4] == b"\xff\x4f\xff\x51":
            return _jpeg2000(stream, 0)
        if stream[:2] == b"\xff\xd8":
            return _jpeg(stream)
    except (struct.error, IndexError, ValueError):
        return None
    return None


def has_too_many_scans(stream: bytes) -> bool:
    """Returns whether a JPEG starts more scans than any encoder writes: 60 bytes of them cost as much as a picture.

    Args:
      stream: of a JPEG; inside a scan the marker cannot occur (ISO/IEC 10918-1 B.1.1.5).
    """
    return stream.count(b"\xff\xda") > MAX_SCANS


def _has_end(stream: bytes) -> bool:
    return stream[-64:].rstrip(b"\0\xff").endswith(b"\xff\xd9")


def _jpeg2000(stream: bytes, start: int) -> Codestream:
    """Reads the SIZ segment (ISO/IEC 15444-1 A.5.1)."""
    right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
    components = struct.unpack_from(">H", stream, start + 40)[0]
    bits = (stream[start + 42] & 0x7F) + 1
    return Codestream("JPEG 2000", -1, bottom - top, right - left, components, bits, _has_end(stream))


def _jpeg(stream: bytes) -> Codestream | None:
    """Reads the frame header (ISO/IEC 10918-1 B.2.2; 0xF7 is JPEG-LS, ISO/IEC 14495-1 C.2.2)."""
    place = 2
    while True:
        while stream[place + 1] == 0xFF:
            place += 1
        if stream[place] != 0xFF:
            return None
        marker = stream[place + 1]
        if marker in _JPEG_FRAMES or marker == 0xF7:
            bits, rows, columns, components = struct.unpack_from(">BHHB", stream, place + 4)
            kind, process = ("JPEG-LS", -1) if marker == 0xF7 else ("JPEG", marker - 0xC0)
            return Codestream(kind, process, rows, columns, components, bits, _has_end(stream))
        if marker in (0xD9, 0xDA):
            return None
        place += 2 if marker in _NO_PAYLOAD else 2 + struct.unpack_from(">H", stream, place + 2)[0]
