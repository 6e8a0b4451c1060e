"""Shards: TFRecord files of even size with their hashes, filled film by film so that memory stays flat."""

import dataclasses
import hashlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Shard:
    """One finished shard.

    Attributes:
      split: train, validation or test.
      file: name of the file.
      records: how many it holds.
      sha256: of the file.
    """

    split: str
    file: str
    records: int
    sha256: str


class Spool:
    """Byte strings set aside in one file, to be read back in any order."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = pathlib.Path(path)
        self._stream = self._path.open("w+b")
        self._places: list[tuple[int, int]] = []

    def add(self, content: bytes) -> int:
        """Sets a byte string aside and returns its number."""
        start = self._stream.seek(0, os.SEEK_END)
        self._stream.write(content)
        self._places.append((start, len(content)))
        return len(self._places) - 1

    def get(self, number: int) -> bytes:
        """Returns the byte string of a number."""
        start, length = self._places[number]
        self._stream.seek(start)
        return self._stream.read(length)

    def remove(self) -> None:
        """Deletes the file."""
        self._stream.close()
        self._path.unlink(missing_ok=True)


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """Returns the names in an order that the seed fixes, so that each shard mixes patients."""
    return [str(name) for name in np.random.default_rng(seed).permutation(sorted(names))] if names else []


def write(
    folder: pathlib.Path, split: str, names: Sequence[str], build: Callable[[str], bytes], per_shard: int
) -> list[Shard]:
    """Writes the shards of one split and returns them; none when the split is empty.

    Args:
      folder: where they go.
      split: train, validation or test.
      names: what to write, in this order.
      build: the serialized record of a name.
      per_shard: at most so many records in a shard; shards differ by one record at most.
    """
    count = -(-len(names) // per_shard)
    return [
        _write(folder / f"{split}-{index:05d}-of-{count:05d}.tfrecord", split, part, build)
        for index, part in enumerate(_parts(names, count))
    ]


def _parts(names: Sequence[str], count: int) -> Iterator[Sequence[str]]:
    edges = np.linspace(0, len(names), count + 1).round().astype(int)
    return (names[start:end] for start, end in itertools.pairwise(edges))


def _write(path: pathlib.Path, split: str, names: Sequence[str], build: Callable[[str], bytes]) -> Shard:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name in names:
            writer.write(build(name))
    with path.open("rb") as stream:
        return Shard(split, path.name, len(names), hashlib.file_digest(stream, "sha256").hexdigest())
