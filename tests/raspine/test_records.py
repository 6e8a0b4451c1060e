import dataclasses
import pathlib
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from raspine import features, geometry, records

DEEP = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5001
FLAT = np.arange(12, dtype=np.uint16).reshape(3, 4) * 257 * 20
POINTS = np.array([[1.25, 2.5], [np.nan, np.nan]])


def film(**changes: Any) -> records.FilmRecord:
    values: dict[str, Any] = {
        "film": "F00001",
        "patient": "P0001",
        "schema": "two",
        "image": records.encode_image(DEEP),
        "native_size": (6, 8),
        "landmarks": POINTS,
        "annotators": ("anna", "ben"),
        "annotator_points": np.stack([POINTS, POINTS + 1]),
        "spacing_mm": (0.2, 0.125),
        "spacing_source": "given",
        "position": "flexion",
        "flags": ("one", "two"),
        "to_file": geometry.mirror(8),
    }
    return records.FilmRecord(**{**values, **changes})


def assert_parsed(parsed: dict[str, Any]) -> None:
    values = {key: value.numpy() for key, value in parsed.items()}
    assert set(values) == {feature.key for feature in records.FILM_FEATURES}
    assert values[records.RECORD_VERSION] == records.VERSION
    assert values[records.RECORD_KIND] == b"film"
    assert (values[records.ID], values[records.PATIENT]) == (b"F00001", b"P0001")
    assert (values[records.POSITION], values[records.SCHEMA]) == (b"flexion", b"two")
    assert values[records.FLAGS] == b"one,two"
    assert values[records.SPACING_SOURCE] == b"given"
    np.testing.assert_array_equal(values[records.IMAGE_SIZE], [3, 4])
    np.testing.assert_array_equal(values[records.NATIVE_SIZE], [6, 8])
    np.testing.assert_array_equal(values[records.SPACING], np.float32([0.2, 0.125]))
    np.testing.assert_array_equal(values[records.POINTS], np.float32(POINTS))
    np.testing.assert_array_equal(values[records.VISIBLE], [1, 0])
    np.testing.assert_array_equal(values[records.STORED_TO_NATIVE], [[2, 0, 0.5], [0, 2, 0.5]])
    np.testing.assert_array_equal(values[records.NATIVE_TO_FILE], [[-1, 0, 7], [0, 1, 0]])


def test_parse_eagerly() -> None:
    assert_parsed(records.parse(tf.constant(records.build(film())), 2))


def test_parse_in_a_tf_data_graph_and_batch() -> None:
    serialized = [records.build(film()), records.build(film())]
    data = tf.data.Dataset.from_tensor_slices(serialized).map(lambda s: records.parse(s, 2)).batch(2)
    (batch,) = data
    for index in range(2):
        assert_parsed({key: value[index] for key, value in batch.items()})
    expected = {f.key: (2, *(2 if n == -1 else n for n in f.shape or ())) for f in records.FILM_FEATURES}
    assert {key: tuple(value.shape) for key, value in batch.items()} == expected


def test_dtypes_are_those_of_the_table() -> None:
    parsed = records.parse(tf.constant(records.build(film())), 2)
    assert {key: value.dtype.name for key, value in parsed.items()} == {
        feature.key: feature.dtype for feature in records.FILM_FEATURES
    }


def test_keys_are_unique_and_all_written() -> None:
    keys = [f.key for f in records.FILM_FEATURES + records.ANNOTATOR_FEATURES]
    assert len(set(keys)) == len(keys)
    written = tf.train.Example.FromString(records.build(film())).features.feature
    assert set(written) == set(keys)


def test_annotators_apart() -> None:
    for number in (0, 1, 3):
        points = np.arange(number * 4, dtype=np.float32).reshape(number, 2, 2)
        serialized = records.build(film(annotators=tuple("abc"[:number]), annotator_points=points))
        names, parsed = records.parse_annotators(tf.constant(serialized), 2)
        assert [name.decode() for name in names.numpy()] == list("abc"[:number])
        np.testing.assert_array_equal(parsed, points)


def test_no_spacing_is_nan_and_no_flag_is_empty() -> None:
    parsed = records.parse(tf.constant(records.build(film(spacing_mm=None, spacing_source="none", flags=()))), 2)
    assert np.isnan(parsed[records.SPACING]).all()
    assert parsed[records.SPACING_SOURCE] == b"none"
    assert parsed[records.FLAGS] == b""


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_landmarks_is_an_error(count: int) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        records.parse(tf.constant(records.build(film())), count)


def test_another_version_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "VERSION", 99)
    serialized = records.build(film())
    monkeypatch.undo()
    with pytest.raises(tf.errors.InvalidArgumentError, match="version 1"):
        records.parse(tf.constant(serialized), 2)
    with pytest.raises(ValueError, match="version"):
        records.from_serialized(serialized)


@pytest.mark.parametrize("pixels", [DEEP, FLAT])
def test_images_are_lossless_eagerly_and_in_a_graph(pixels: np.ndarray) -> None:
    encoded = records.encode_image(pixels)
    assert encoded[24] == (8 if pixels is FLAT else 16)
    np.testing.assert_array_equal(records.decode_image(encoded, tf.uint16)[..., 0], pixels)
    np.testing.assert_array_equal(film(image=encoded).pixels(), pixels)
    (graph,) = tf.data.Dataset.from_tensors(encoded).map(records.decode_image)
    assert (graph.dtype, graph.shape) == (tf.float32, (3, 4, 1))
    np.testing.assert_array_equal(graph[..., 0], np.float32(pixels) / np.float32(65535))


def test_white_is_one() -> None:
    white = np.full((2, 2), 65535, np.uint16)
    assert records.decode_image(records.encode_image(white)).numpy().min() == 1.0


@settings(max_examples=25, deadline=None)
@given(arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_any_image_round_trips(pixels: np.ndarray) -> None:
    encoded = records.encode_image(pixels)
    assert records.png_size(encoded) == pixels.shape
    np.testing.assert_array_equal(film(image=encoded).pixels(), pixels)


@pytest.mark.parametrize("pixels", [DEEP.astype(np.float32), DEEP[..., np.newaxis], DEEP.astype(np.uint8)])
def test_other_arrays_are_no_image(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint16"):
        records.encode_image(pixels)


def test_build_is_deterministic_and_from_serialized_undoes_it() -> None:
    serialized = records.build(film())
    assert serialized == records.build(film())
    back = records.from_serialized(serialized)
    assert records.build(back) == serialized
    for field in dataclasses.fields(records.FilmRecord):
        first, second = getattr(film(), field.name), getattr(back, field.name)
        if isinstance(first, geometry.Affine):
            first, second = first.matrix, second.matrix
        if field.name == "spacing_mm":
            first = tuple(np.float32(first).tolist())
        np.testing.assert_array_equal(first, second, field.name)


def test_stored_to_native_matches_an_area_resize() -> None:
    native = np.zeros((20, 30), np.float32)
    native[10:15, 20:25] = 1
    small = cv2.resize(native, (6, 4), interpolation=cv2.INTER_AREA)
    (y,), (x,) = np.nonzero(small)
    np.testing.assert_allclose(records.stored_to_native((4, 6), (20, 30)).apply([x, y]), [22, 12])


def masked_crc(data: bytes) -> int:
    """CRC-32C by its definition, then TensorFlow's mask: an oracle apart from TensorFlow's own code."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_a_hand_made_tfrecord_is_read(tmp_path: pathlib.Path) -> None:
    serialized = records.build(film())
    length = struct.pack("<Q", len(serialized))
    framed = length + struct.pack("<I", masked_crc(length)) + serialized + struct.pack("<I", masked_crc(serialized))
    path = tmp_path / "a.tfrecord"
    path.write_bytes(framed * 2)
    assert [record.film for record in records.read(path)] == ["F00001", "F00001"]
    with tf.io.TFRecordWriter(str(tmp_path / "b.tfrecord")) as writer:
        writer.write(serialized)
    assert (tmp_path / "b.tfrecord").read_bytes() == framed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"film": ""}, "needs a film"),
        ({"patient": ""}, "needs a patient"),
        ({"position": "sitting"}, "position is"),
        ({"flags": ("a,b",)}, "without commas"),
        ({"image": b"GIF89a"}, "grey PNG"),
        ({"native_size": (0, 8)}, "above 0"),
        ({"landmarks": np.zeros((2, 3))}, "landmarks has 2 axes"),
        ({"landmarks": np.zeros((0, 2)), "annotators": (), "annotator_points": None}, "landmarks has 2 axes"),
        ({"landmarks": [[1, np.nan], [1, 1]]}, "both NaN"),
        ({"landmarks": [[1, np.inf], [1, 1]]}, "both NaN"),
        ({"annotators": ("anna",)}, "annotator_points has shape"),
        ({"annotator_points": np.zeros((2, 3, 2))}, "annotator_points has shape"),
        ({"spacing_mm": (0.2, 0.0)}, "two positive numbers"),
        ({"spacing_mm": (0.2, np.nan)}, "two positive numbers"),
        ({"spacing_mm": None}, "exactly when there is no spacing"),
        ({"spacing_source": "none"}, "exactly when there is no spacing"),
    ],
)
def test_a_record_checks_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        film(**changes)


def test_a_colour_png_is_refused() -> None:
    encoded = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()
    with pytest.raises(ValueError, match="grey PNG"):
        film(image=encoded)


def test_a_damaged_picture_says_so() -> None:
    encoded = records.encode_image(DEEP)
    with pytest.raises(ValueError, match="damaged"):
        film(image=encoded[:33] + zlib.compress(b"")).pixels()


@pytest.mark.parametrize("serialized", [b"", b"\xff\xff\xff", tf.train.Example().SerializeToString()])
def test_what_is_no_record_is_refused(serialized: bytes) -> None:
    with pytest.raises(ValueError, match=r"record here|Not a tf\.Example"):
        records.from_serialized(serialized)


def test_checks_that_come_before_a_record_in_a_graph_stay_first() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def read(serialized: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.Assert(tf.size(serialized) > 0, ["nothing came"])]):
            return features.parse(records.FILM_FEATURES, serialized, 4)[records.ID]

    for _ in range(30):
        with pytest.raises(tf.errors.InvalidArgumentError, match="nothing came"):
            read(tf.zeros([0], tf.string))


def test_a_record_alone_and_in_a_batch_read_alike() -> None:
    serialized = records.build(film())
    alone = features.parse(records.FILM_FEATURES, serialized, 2)
    both = features.parse(records.FILM_FEATURES, [serialized, serialized], 2)
    assert alone[records.ID].numpy() == both[records.ID][1].numpy()
    np.testing.assert_array_equal(alone[records.POINTS], both[records.POINTS][0])
