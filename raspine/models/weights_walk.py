"""Walks an HDF5 file of weights in a process of its own: on a damaged one the library may loop, crash or fill memory.

    python weights_walk.py FILE [MEMBER]

FILE is the HDF5 file, or a zip archive that holds it as MEMBER. Prints how many bytes of numbers there are and ends
with 0, or prints why the file is refused and ends with 1. Imports nothing of raspine, so that it starts at once.
"""

import io
import os
import resource
import sys
import zipfile
from collections.abc import Iterator

import h5py

MAX_OBJECTS = 100_000
CPU_SECONDS = 20
_ROOM = 2 << 30  # bytes beside three times the file
_NUMBERS = "biufV"  # V: bfloat16, which HDF5 has no name for


class RefusedError(Exception):
    """The file holds what Keras never writes."""


def walk(file: h5py.File, size: int) -> int:
    """Returns how many bytes of numbers an open file of `size` bytes holds; every name and attribute is read.

    Raises:
      RefusedError: it points at other files, or its numbers are more than its bytes.
    """
    total = 0
    for dataset in _datasets(file):
        if dataset.dtype.kind not in _NUMBERS:
            raise RefusedError("the file of weights holds values of a type that is no number's.")
        total += _bytes(dataset)
        if total > size:
            raise RefusedError(f"the file of weights has {size} bytes and claims more than {total} of numbers.")
    return total


def _bytes(dataset: h5py.Dataset) -> int:
    creation = dataset.id.get_create_plist()
    if creation.get_external_count() or dataset.is_virtual:
        raise RefusedError("the file of weights points at other files: nothing is read from these.")
    if creation.get_nfilters():
        raise RefusedError("the file of weights is compressed inside: save it by Keras's save or save_weights.")
    return int(dataset.nbytes)


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Yields every dataset, found through plain links alone."""
    waiting: list[h5py.Group] = [file]
    count = 0
    while waiting:
        group = waiting.pop()
        dict(group.attrs)
        for name in group:
            count += 1
            if count > MAX_OBJECTS:
                raise RefusedError(f"the file of weights has more than {MAX_OBJECTS} entries.")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise RefusedError("the file of weights holds links: nothing is read through these.")
            found = group[name]
            if isinstance(found, h5py.Dataset):
                dict(found.attrs)
                yield found
            elif isinstance(found, h5py.Group):
                waiting.append(found)


def _limit(size: int) -> None:
    limits = {resource.RLIMIT_AS: _ROOM + 3 * size, resource.RLIMIT_CPU: CPU_SECONDS, resource.RLIMIT_CORE: 0}
    for kind, wanted in limits.items():
        _, most = resource.getrlimit(kind)  # whoever started this may have set a lower one
        lower = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(kind, (lower, lower))


def main() -> int:
    """Returns the exit status."""
    path, member = sys.argv[1], "".join(sys.argv[2:])
    _limit(os.stat(path).st_size)
    try:
        if not member:
            with h5py.File(path, "r") as file:
                print(walk(file, os.stat(path).st_size))
            return 0
        with zipfile.ZipFile(path) as archive:
            content = archive.read(member)
        with h5py.File(io.BytesIO(content), "r") as file:
            print(walk(file, len(content)))
    except RefusedError as error:
        print(error)
        return 1
    except Exception as error:  # h5py raises of many kinds on damaged files
        print(f"the file of weights is damaged: {type(error).__name__} while reading it.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
