"""Serialized tf.Examples, and shards of them, spoiled entry by entry."""

import random
import struct

from fuzz.mutation import documents, numbers, pictures


def example(data: bytes, rng: random.Random) -> bytes:
    """Returns a serialized tf.Example with one entry changed, emptied, removed or of another kind."""
    import tensorflow as tf

    if rng.random() < 0.2:
        return numbers.spoil(data, rng)
    try:
        stored = tf.train.Example.FromString(data)
    except Exception:  # already spoiled
        return numbers.spoil(data, rng)
    entries = stored.features.feature
    if not entries:
        return numbers.spoil(data, rng)
    key = rng.choice(sorted(entries))
    kind = rng.randrange(6)
    if kind == 0:
        del entries[key]
    elif kind == 1:
        entries[rng.choice(sorted(entries))].CopyFrom(entries[key])
    else:
        _spoil_values(entries[key], rng)
    return bytes(stored.SerializeToString(deterministic=True))


def _spoil_values(entry: object, rng: random.Random) -> None:
    kind = entry.WhichOneof("kind")  # type: ignore[attr-defined]
    if kind is None or rng.random() < 0.15:
        kind = rng.choice(("bytes_list", "float_list", "int64_list"))
    values = getattr(entry, kind).value
    if not values or rng.random() < 0.2:
        count = rng.choice((0, 1, 2, 7, 4096))
        values.extend([_value(kind, b"", rng)] * count)
        return
    place = rng.randrange(len(values))
    if rng.random() < 0.2:
        del values[place]
    else:
        values[place] = _value(kind, values[place] if kind == "bytes_list" else b"", rng)


def _value(kind: str, before: bytes, rng: random.Random) -> object:
    if kind == "float_list":
        return rng.choice((0.0, -1.0, 1e30, float("nan"), float("inf"), -1e-30, 0.5))
    if kind == "int64_list":
        return max(-(1 << 63), min(rng.choice(numbers.WHOLE), (1 << 63) - 1))
    if before.startswith(b"\x89PNG"):
        return pictures.mutate(before, rng)
    if before.startswith(b"{"):
        return documents.json_text(before, rng)
    return numbers.text(rng).encode("utf-8", "replace")


def shard(data: bytes, rng: random.Random) -> bytes:
    """Returns a TFRecord file with a length, a checksum or a record spoiled."""
    if rng.random() < 0.5 or len(data) < 12:
        return numbers.spoil(data, rng)
    places, place = [0], 0
    while place + 16 <= len(data):
        place += 16 + struct.unpack_from("<Q", data, place)[0]
        if place < len(data):
            places.append(place)
    place = rng.choice(places)
    return data[:place] + struct.pack("<Q", rng.choice(numbers.WHOLE) & ((1 << 64) - 1)) + data[place + 8 :]
