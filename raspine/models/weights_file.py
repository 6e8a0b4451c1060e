"""HDF5 files of weights, looked through before anything is read from them.

HDF5 lets a file name other files to read from, and lets a few bytes stand for gigabytes (compression, virtual and
unwritten datasets). What Keras writes does neither, so a file that does is refused.
"""

import os
from collections.abc import Iterator

import h5py

MAX_OBJECTS = 100_000
_NUMBERS = "biufV"  # V: bfloat16, which HDF5 has no name for


class WeightsFileError(ValueError):
    """A file of weights is damaged or holds what Keras never writes; the one-line message names no path."""


def check_path(path: str | os.PathLike[str]) -> None:
    """Raises WeightsFileError unless a file holds plain numbers, as many bytes of them as the file has; see `check`."""
    try:
        with h5py.File(path, "r") as file:
            check(file, os.stat(path).st_size)
    except WeightsFileError:
        raise
    except Exception as error:  # h5py raises of many kinds on damaged files
        raise WeightsFileError(f"the file of weights is damaged: {type(error).__name__} while reading it.") from error


def check(file: h5py.File, size: int) -> int:
    """Returns how many bytes of numbers an open file holds.

    Args:
      file: the open file.
      size: of the whole file, bytes.

    Raises:
      WeightsFileError: it points at other files, or its numbers are more than its bytes.
    """
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
