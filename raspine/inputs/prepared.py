"""Prepared items on disk: decoded and framed once, kept as records of plain numbers, read in any order."""

import hashlib
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import atomic
from raspine.inputs import shards

Item = tuple[tf.Tensor, ...]
_VERSION = "1"


def write(
    files: Sequence[str], prepare: Callable[[tf.Tensor], Item], folder: str, key: str, variant: str
) -> tuple[dict[str, NDArray[np.int64]], Callable[[tf.Tensor], Item]]:
    """Writes the prepared items of some shards, a file each, where they do not stand yet.

    Each file is written aside and then renamed, so workers may share the folder, and an interrupted write is taken up
    with the shard at which it stopped.

    Args:
      files: the shards.
      prepare: makes an item, tensors of fixed shape, of a serialized record.
      folder: for the files.
      key: hash of the data.
      variant: says everything that `prepare` depends on beside the record.

    Returns:
      The files with the places of their records, in the order of the shards, and what makes an item of one of their
      records.

    Raises:
      ValueError: folder or key is empty.
      ShardError: a shard cannot be read.
    """
    if not folder or not key:
        raise ValueError(f"A cache on disk needs a folder and the data's hash. Received: '{folder}', '{key}'.")
    name = hashlib.sha256("\n".join((_VERSION, key, variant)).encode()).hexdigest()[:16]
    found = {}
    for file in files:
        path = pathlib.Path(folder) / name / pathlib.Path(file).name
        if not path.exists():
            _write(file, prepare, path)
        found[str(path)] = shards.places(str(path))
    specs = tf.data.TFRecordDataset(list(files)).map(prepare).element_spec
    return found, lambda record: _item(record, specs)


def _write(file: str, prepare: Callable[[tf.Tensor], Item], path: pathlib.Path) -> None:
    items = tf.data.TFRecordDataset(file).map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    with atomic.atomic_file(path) as aside, shards.named_errors([file]), tf.io.TFRecordWriter(str(aside)) as writer:
        for item in items.prefetch(2).as_numpy_iterator():
            writer.write(b"".join(np.asarray(part).tobytes() for part in item))


def _item(record: tf.Tensor, specs: tuple[tf.TensorSpec, ...]) -> Item:
    parts, begin = [], 0
    for spec in specs:
        size = spec.shape.num_elements() * spec.dtype.size
        parts.append(tf.reshape(tf.io.decode_raw(tf.strings.substr(record, begin, size), spec.dtype), spec.shape))
        begin += size
    return tuple(parts)
