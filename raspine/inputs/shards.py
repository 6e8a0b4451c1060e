"""Shards of TFRecords: which there are, where their records begin, and reading any of them."""

import contextlib
import hashlib
import os
import pathlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_HEADER = 12  # bytes: length of the record, and its checksum
_FOOTER = 4  # bytes: checksum of the record
_RECORD = tf.TensorSpec((), tf.string)


class ShardError(ValueError):
    """A shard is missing or damaged, or shards do not hold what they should; the message names the file."""


def data_hash(files: Iterable[tuple[str, str]]) -> str:
    """Returns a hash of shards that tells whether two data sets are the same.

    Args:
      files: name and sha256 of each shard, in order.
    """
    return hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in files).encode()).hexdigest()


def listed(folder: str | pathlib.Path, split: str, program: str) -> list[str]:
    """Returns the shards of a split in order.

    Args:
      folder: of the data.
      split: name of the split.
      program: that writes such shards, for the message.

    Raises:
      FileNotFoundError: there is none.
    """
    found = sorted(str(path) for path in pathlib.Path(folder).glob(f"{split}-*-of-*.tfrecord"))
    if not found:
        raise FileNotFoundError(f"'{folder}' holds no {split}-*.tfrecord: write it with {program}.")
    return found


def places(file: str) -> NDArray[np.int64]:
    """Returns int64 [record]: the byte at which each record of a shard begins; only their lengths are read.

    Raises:
      ShardError: the file is missing, or cut off.
    """
    found, place = [], 0
    try:
        with open(file, "rb", buffering=0) as stream:
            end = os.fstat(stream.fileno()).st_size
            while place < end:
                found.append(place)
                header = stream.read(_HEADER)
                if len(header) == _HEADER:
                    place += _HEADER + struct.unpack("<Q", header[:8])[0] + _FOOTER
                if len(header) < _HEADER or place > end:
                    raise ShardError(f"'{file}' is damaged: its record at byte {found[-1]} is cut off.")
                stream.seek(place)
    except OSError as error:
        raise ShardError(f"'{file}' cannot be read: {error.strerror}.") from error
    return np.array(found, np.int64)


def reader(files: Sequence[str], where: Sequence[NDArray[np.int64]]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns what reads the serialized record of a number, counted through all the files.

    Errors while reading are TensorFlow's: `named_errors` makes them name the file.

    Args:
      files: the shards.
      where: `places` of each.
    """
    numbers = np.repeat(np.arange(len(files)), [len(part) for part in where])
    owners, starts = tf.constant(numbers, tf.int32), tf.constant(np.concatenate(where), tf.int64)
    names = tf.constant(list(files))

    def read(number: tf.Tensor) -> tf.Tensor:
        # tf.data.TFRecordDataset has no way to begin in the middle of a file, its op has.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=names[owners[number], None],
            compression_type="",
            buffer_size=0,
            byte_offsets=starts[number, None],
        )
        return tf.data.experimental.from_variant(variant, _RECORD).take(1).get_single_element()

    return read


@contextlib.contextmanager
def named_errors(files: Sequence[str]) -> Iterator[None]:
    """Turns TensorFlow's errors about unreadable shards into ones that name the file.

    Args:
      files: that are read inside.

    Raises:
      ShardError: one of them cannot be read.
    """
    try:
        yield
    except (tf.errors.OpError, UnicodeDecodeError) as error:  # TensorFlow quotes the record in its message
        # TensorFlow names a file that is missing, but not one that is damaged, so each is read once more.
        if found := unreadable(files):
            raise ShardError(found) from error
        raise


def unreadable(files: Sequence[str]) -> str:
    """Returns which of some shards is missing or damaged, as a sentence; empty when all can be read."""
    for file in files:
        try:
            places(file)
            for _ in tf.data.TFRecordDataset(file).prefetch(1):
                pass
        except ShardError as error:
            return str(error)
        except tf.errors.DataLossError:
            return f"'{file}' is damaged: one of its records does not match its checksum."
    return ""
