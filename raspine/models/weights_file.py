"""HDF5 files of weights, looked through before anything is read from them.

HDF5 lets a file name other files to read from, and lets a few bytes stand for gigabytes (compression, virtual and
unwritten datasets). What Keras writes does neither, so a file that does is refused. And the library goes round for ever
in a damaged heap of texts, so heaps are walked here before it sees them.
"""

import io
import mmap
import os
from collections.abc import Iterator

import h5py

MAX_OBJECTS = 100_000
_START = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0"
_HEAP = b"GCOL\x01\0\0\0"
_HEAD = 16  # bytes before the first object of a heap, and before an object's own
_NUMBERS = "biufV"  # V: bfloat16, which HDF5 has no name for


class WeightsFileError(ValueError):
    """A file of weights is damaged or holds what Keras never writes; the one-line message names no path."""


def check_path(path: str | os.PathLike[str]) -> None:
    """Raises WeightsFileError unless a file holds plain numbers, as many bytes of them as the file has; see `check`."""
    try:
        with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_start(content)
            _check_heaps(content)
        with h5py.File(path, "r") as file:
            _check(file, os.stat(path).st_size)
    except WeightsFileError:
        raise
    except Exception as error:  # h5py raises of many kinds on damaged files
        raise WeightsFileError(f"the file of weights is damaged: {type(error).__name__} while reading it.") from error


def check(content: bytes) -> int:
    """Returns how many bytes of numbers a file's bytes hold.

    Raises:
      WeightsFileError: it points at other files, its numbers are more than its bytes, or a heap is damaged.
      Exception: of h5py, when the file is damaged.
    """
    _check_start(content)
    _check_heaps(content)
    with h5py.File(io.BytesIO(content), "r") as file:
        return _check(file, len(content))


def _check_start(content: bytes | mmap.mmap) -> None:
    """Refuses any superblock but h5py's (HDF5 file format 3.0, II.A): another may claim a block of 4 GiB."""
    if content[:16] != _START or content[24:32] != bytes(8) or content[48:56] != b"\xff" * 8:
        raise WeightsFileError("it is no file of weights: no HDF5 file as Keras writes it.")


def _check_heaps(content: bytes | mmap.mmap) -> None:
    """Walks the global heaps (HDF5 file format 3.0, III.E): each object must end inside its heap, beyond its start."""
    place = content.find(_HEAP)
    while place >= 0:
        start, end = place + _HEAD, place + int.from_bytes(content[place + 8 : place + _HEAD], "little")
        while start + _HEAD <= min(end, len(content)):
            number = int.from_bytes(content[start : start + 2], "little")
            length = int.from_bytes(content[start + 8 : start + _HEAD], "little")
            taken = _HEAD + -(-length // 8) * 8 if number else length  # free space counts its own head
            if not _HEAD <= taken <= end - start:
                raise WeightsFileError("the file of weights is damaged: a heap of texts goes round in itself.")
            start += taken
        place = content.find(_HEAP, place + 1)


def _check(file: h5py.File, size: int) -> int:
    total = 0
    for dataset in _datasets(file):
        if dataset.dtype.kind not in _NUMBERS:
            raise WeightsFileError("the file of weights holds values of a type that is no number's.")
        total += _bytes(dataset)
        if total > size:
            raise WeightsFileError(f"the file of weights has {size} bytes and claims more than {total} of numbers.")
    return total


def _bytes(dataset: h5py.Dataset) -> int:
    creation = dataset.id.get_create_plist()
    if creation.get_external_count() or dataset.is_virtual:
        raise WeightsFileError("the file of weights points at other files: nothing is read from these.")
    if creation.get_nfilters():
        raise WeightsFileError("the file of weights is compressed inside: save it by Keras's save or save_weights.")
    return int(dataset.nbytes)


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Yields every dataset, found through plain links alone."""
    waiting: list[h5py.Group] = [file]
    count = 0
    while waiting:
        group = waiting.pop()
        for name in group:
            count += 1
            if count > MAX_OBJECTS:
                raise WeightsFileError(f"the file of weights has more than {MAX_OBJECTS} entries.")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise WeightsFileError("the file of weights holds links: nothing is read through these.")
            found = group[name]
            if isinstance(found, h5py.Dataset):
                yield found
            elif isinstance(found, h5py.Group):
                waiting.append(found)
