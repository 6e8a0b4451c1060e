"""Named tensors in a file, texts of bytes among them, without pickle; imports nothing but numpy.

So that a process without raspine and without TensorFlow can read it, `c_loader` and the process of `verification` run
this file by its path.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LENGTHS = ".lengths"  # beside an array of bytes: how long each of its texts is, in the shape of the tensor


def write(path: str | os.PathLike[str], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Writes arrays by name; an array of objects holds bytes."""
    stored: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        array = np.asarray(tensor)
        if array.dtype != object:
            stored[name] = array
            continue
        stored[name] = np.frombuffer(b"".join(array.ravel()), np.uint8)
        stored[name + _LENGTHS] = np.array([len(text) for text in array.ravel()], np.int64).reshape(array.shape)
    with open(path, "wb") as stream:
        np.savez(stream, **stored)  # type: ignore[arg-type]


def read(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Returns the arrays that `write` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        names = [name for name in stored.files if not name.endswith(_LENGTHS)]
        return {name: _tensor(stored, name) for name in names}


def _tensor(stored: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name + _LENGTHS not in stored:
        return stored[name]
    lengths, data = stored[name + _LENGTHS], stored[name].tobytes()
    ends = np.cumsum(lengths.ravel())
    texts = np.empty(lengths.size, object)
    texts[:] = [data[end - length : end] for end, length in zip(ends, lengths.ravel(), strict=True)]
    return texts.reshape(lengths.shape)
