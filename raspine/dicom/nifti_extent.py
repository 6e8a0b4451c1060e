"""Whether a NIfTI file holds all the voxels that its header announces.

SimpleITK fills what a cut or damaged file lacks with zeros and says nothing, so that is found out before.
"""

import gzip
import math
import os
import pathlib
import struct
import zlib
from collections.abc import Iterator

from raspine.dicom.sagittal import VolumeError

MAX_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


def check(path: str | os.PathLike[str]) -> None:
    """Raises VolumeError unless a .nii or .nii.gz file is whole."""
    try:
        chunks = _chunks(pathlib.Path(path))
        head = next(chunks, b"")
        needed = _announced(head)
        if needed > MAX_BYTES:
            raise VolumeError(f"a NIfTI file has at most {MAX_BYTES} bytes, and its header announces {needed}.")
        there = len(head)
        for chunk in chunks:
            there += len(chunk)
            if there > MAX_BYTES:
                raise VolumeError(f"a NIfTI file has at most {MAX_BYTES} bytes.")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VolumeError("the NIfTI file is truncated or damaged: its compressed stream is broken.") from error
    except OSError as error:
        raise VolumeError(f"the file cannot be read: {error.strerror or type(error).__name__}.") from error
    if there < needed:
        raise VolumeError(f"the NIfTI file is truncated: {needed} bytes announced, {there} there.")


def _chunks(path: pathlib.Path) -> Iterator[bytes]:
    """Yields the plain bytes of a file; which suffix it has decides, since SimpleITK goes by that as well."""
    compressed = path.name.lower().endswith(".gz")
    with path.open("rb") as stream:
        if compressed != (stream.read(2) == _GZIP):
            raise VolumeError("a NIfTI file ends in .nii, or in .nii.gz when compressed. Received: the contrary.")
        stream.seek(0)
        with gzip.open(stream) if compressed else stream as plain:
            while chunk := plain.read(_CHUNK):
                yield chunk


def _announced(head: bytes) -> int:
    """Returns how long the file must be by its header, NIfTI-1 (nifti1.h) or NIfTI-2 (nifti2.h)."""
    for order in "<>":
        if head[:4] == struct.pack(f"{order}i", 348) and head[344:348] == b"n+1\0" and len(head) >= 352:
            dim = struct.unpack_from(f"{order}8h", head, 40)
            (bits,) = struct.unpack_from(f"{order}h", head, 72)
            (start,) = struct.unpack_from(f"{order}f", head, 108)
            return _length(dim, bits, start)
        if head[:4] == struct.pack(f"{order}i", 540) and head[4:7] == b"n+2" and len(head) >= 540:
            (bits,) = struct.unpack_from(f"{order}h", head, 14)
            dim = struct.unpack_from(f"{order}8q", head, 16)
            (start,) = struct.unpack_from(f"{order}q", head, 168)
            return _length(dim, bits, start)
    raise VolumeError("not a NIfTI file: neither a NIfTI-1 nor a NIfTI-2 header in one file with its voxels.")


def _length(dim: tuple[int, ...], bits: int, start: float) -> int:
    count, sides = dim[0], dim[1 : max(dim[0], 0) + 1]
    if not 1 <= count <= 7 or min(sides) < 1 or bits < 1 or not math.isfinite(start):
        raise VolumeError("the NIfTI file is damaged: its header announces impossible dimensions.")
    return int(start) + math.prod(sides) * bits // 8
