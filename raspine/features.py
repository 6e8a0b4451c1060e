"""Entries of a tf.Example: how a record contract names them, and values into them and out of them."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sized
from typing import Any

import numpy as np
import tensorflow as tf

DTYPES = {"string": tf.string, "int64": tf.int64, "float32": tf.float32}


@dataclasses.dataclass(frozen=True)
class Feature:
    """One entry of a record contract.

    Attributes:
      key: the name in the tf.Example and in the parsed dict.
      dtype: `string`, `int64` or `float32`.
      shape: -1 stands for a length that the reader names; None for a list of any length.
      unit: unit and frame of the values.
      origin: where the value comes from.
    """

    key: str
    dtype: str
    shape: tuple[int, ...] | None
    unit: str
    origin: str


def serialize(features: Iterable[Feature], values: Mapping[str, Any]) -> bytes:
    """Returns a serialized tf.Example; the same values always give the same bytes.

    Args:
      features: the entries to write.
      values: by key; texts, bytes, numbers or arrays of them.
    """
    filled = {feature.key: _filled(feature.dtype, values[feature.key]) for feature in features}
    example = tf.train.Example(features=tf.train.Features(feature=filled))
    return example.SerializeToString(deterministic=True)


def parse(features: Iterable[Feature], serialized: tf.Tensor, length: int = 0) -> dict[str, Any]:
    """Returns entries of one tf.Example or of a batch by key, as tf.io.parse_example does; eagerly and in a graph.

    Args:
      features: the entries to read.
      serialized: string [] or [batch], at least one.
      length: what -1 stands for in their shapes.

    Raises:
      tf.errors.DataLossError: it is no tf.Example.
      tf.errors.InvalidArgumentError: an entry is missing, or of another type or number of values.
    """
    serialized = tf.convert_to_tensor(serialized)
    specification = {feature.key: _specification(feature, length) for feature in features}
    read = tf.io.parse_example if serialized.shape.rank else tf.io.parse_single_example
    return read(_sound(serialized), specification)


def values_of(features: Iterable[Feature], serialized: bytes) -> dict[str, list[Any]]:
    """Returns the values of every entry by key; an entry that is not there is empty, texts are bytes.

    Raises:
      ValueError: the bytes are no tf.Example.
    """
    try:
        stored = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # the protobuf library's error class differs between its implementations
        raise ValueError("Not a tf.Example.") from error
    lists = {"string": "bytes_list", "int64": "int64_list", "float32": "float_list"}
    return {f.key: list(getattr(stored[f.key], lists[f.dtype]).value) for f in features}


def check_counts(features: Iterable[Feature], values: Mapping[str, Sized]) -> None:
    """Raises ValueError unless every entry of `values_of` has as many values as its shape says."""
    for feature in features:
        if feature.shape is None:
            continue
        unit, count = math.prod(length for length in feature.shape if length != -1), len(values[feature.key])
        if count % unit or (-1 not in feature.shape and count != unit):
            expected = f"a multiple of {unit}" if -1 in feature.shape else f"{unit}"
            raise ValueError(f"A record's '{feature.key}' holds {expected} values. Received: {count}.")


def texts(values: Iterable[Any]) -> list[Any]:
    """Returns the values with bytes turned into text; bytes that are no UTF-8 become replacement characters."""
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]


def _sound(serialized: tf.Tensor) -> tf.Tensor:
    """Returns tf.Examples as they are, each taken and written anew by protobuf's own parser.

    TensorFlow's faster one (2.21) reads beyond a text whose length is said to be 2 GiB or more, and the process ends.
    """
    # The identity keeps control edges, such as checks that come first: TensorFlow drops them with an idle reshape.
    flat = tf.reshape(tf.identity(serialized), [-1])
    sizes, values = tf.io.decode_proto(flat, "tensorflow.Example", ["features"], [tf.string], sanitize=True)
    return tf.reshape(tf.io.encode_proto(sizes, values, ["features"], "tensorflow.Example"), tf.shape(serialized))


def _specification(feature: Feature, length: int) -> Any:
    if feature.shape is None:
        return tf.io.VarLenFeature(DTYPES[feature.dtype])
    return tf.io.FixedLenFeature([length if n == -1 else n for n in feature.shape], DTYPES[feature.dtype])


def _filled(dtype: str, values: Any) -> tf.train.Feature:
    if dtype == "string":
        texts = [values] if isinstance(values, str | bytes) else values
        encoded = [text.encode() if isinstance(text, str) else text for text in texts]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
    if dtype == "int64":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=np.ravel(values).astype(np.int64)))
    return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(values).astype(np.float32)))
