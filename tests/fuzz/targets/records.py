"""Records of films and studies, and the shards they stand in; read one by one and in TensorFlow's graph."""

import pathlib
import random
import tempfile

import numpy as np
import study_shards
import tensorflow as tf

from fuzz.mutation import examples
from fuzz.targets import Target
from raspine import landmarks, records, study_records
from raspine.inputs import shards

_LANDMARKS = len(landmarks.ATLANTOAXIAL.landmarks)


def _film() -> bytes:
    random_ = np.random.default_rng(1)
    points = random_.uniform(4, 20, (2, _LANDMARKS, 2))
    return records.build(
        records.FilmRecord(
            film="F1",
            patient="P1",
            schema="atlantoaxial",
            image=records.encode_image(random_.integers(0, 65536, (30, 24)).astype(np.uint16)),
            native_size=(60, 48),
            landmarks=points.mean(0),
            annotators=("ann", "bob"),
            annotator_points=points,
            spacing_mm=(0.2, 0.3),
            spacing_source="geometry",
            position="neutral",
            flags=("no_voi",),
        )
    )


def _study() -> bytes:
    return study_records.build(study_shards.study("S1", 1, np.random.default_rng(1), 24))


def _read_film(data: bytes) -> object:
    _in_graph(lambda: _graph_film(tf.constant(data)))
    found = records.from_serialized(data)
    found.pixels()
    return found.flags and ()


def _graph_film(serialized: tf.Tensor) -> None:
    parsed = records.parse(serialized, _LANDMARKS)
    records.decode_image(parsed[records.IMAGE])
    records.parse_annotators(serialized, _LANDMARKS)


def _read_study(data: bytes) -> object:
    _in_graph(lambda: _graph_study(tf.constant(data)))
    study_records.from_serialized(data)
    return ()


def _graph_study(serialized: tf.Tensor) -> None:
    parsed = study_records.parse(serialized, study_shards.COUNT)
    study_records.decode_slices(parsed[study_records.SLICES])


def _in_graph(read: object) -> None:
    """Reads as the input pipeline does: TensorFlow's own error is the documented one there."""
    try:
        read()  # type: ignore[operator]
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.DataLossError,
        UnicodeDecodeError,
    ):  # its message quotes bytes that are no text
        return


def _shard_seed() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "train-00000-of-00001.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for _ in range(3):
                writer.write(_film())
        return {"three": path.read_bytes()}


def _read_shard(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "train-00000-of-00001.tfrecord"
        path.write_bytes(data)
        where = shards.places(str(path))
        with shards.named_errors([str(path)]):
            read = shards.reader([str(path)], [where]) if len(where) else None
            for number in range(min(len(where), 20)):
                read(tf.constant(number))  # type: ignore[misc]
        return [shards.unreadable([str(path)])]


def _mutate_shard(data: bytes, rng: random.Random) -> bytes:
    return examples.shard(data, rng)


TARGETS = {
    "film_record": Target(_read_film, (ValueError,), lambda: {"film": _film()}, examples.example),
    "study_record": Target(_read_study, (ValueError,), lambda: {"study": _study()}, examples.example),
    "shard": Target(_read_shard, (shards.ShardError,), _shard_seed, _mutate_shard),
}
