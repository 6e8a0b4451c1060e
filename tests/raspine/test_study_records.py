import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from raspine import records, study_records

PIXELS = np.random.default_rng(0).integers(0, 65536, (3, 5, 4)).astype(np.uint16)
AFFINE = np.array([[0, 0, 3.5, -4.25], [0.5, 0, 0, 1], [0, -0.5, 0, 2], [0, 0, 0, 1]])


def study(**changes: Any) -> study_records.StudyRecord:
    values: dict[str, Any] = {
        "study": "S00001",
        "patient": "P0001",
        "slices": PIXELS,
        "affine": AFFINE,
        "positions_mm": np.array([-4.25, -0.75, 2.75]),
        "spacing_mm": (0.5, 0.25),
        "choice": {"kind": "slab", "count": 3},
        "outcome": 1,
        "rater1": "1",
        "rater2": "doubtful",
        "consensus": "1",
        "clinical": np.array([61, 1, np.nan, 0, 1, np.nan], np.float32),
        "series_reason": "sagittal (0.99)",
        "flags": ("one", "unreadable_files: 2"),
    }
    return study_records.StudyRecord(**{**values, **changes})


def assert_parsed(parsed: dict[str, Any]) -> None:
    values = {key: value.numpy() for key, value in parsed.items()}
    assert set(values) == {feature.key for feature in study_records.STUDY_FEATURES}
    assert values[study_records.RECORD_VERSION] == study_records.VERSION
    assert values[study_records.RECORD_KIND] == b"study"
    assert (values[study_records.ID], values[study_records.PATIENT]) == (b"S00001", b"P0001")
    assert values[study_records.FLAGS] == b"one,unreadable_files: 2"
    assert values[study_records.CHOICE] == b'{"count": 3, "kind": "slab"}'
    assert values[study_records.OUTCOME] == 1
    assert values[study_records.CONSENSUS] == b"1"
    np.testing.assert_array_equal(values[study_records.SLICE_SIZE], [5, 4])
    np.testing.assert_array_equal(values[study_records.AFFINE], AFFINE)
    np.testing.assert_array_equal(values[study_records.POSITIONS], [-4.25, -0.75, 2.75])
    np.testing.assert_array_equal(values[study_records.SPACING], [0.5, 0.25])
    np.testing.assert_array_equal(values[study_records.CLINICAL], [61, 1, np.nan, 0, 1, np.nan])


def test_parse_eagerly() -> None:
    assert_parsed(study_records.parse(tf.constant(study_records.build(study())), 3))


def test_parse_and_decode_in_a_tf_data_graph_and_batch() -> None:
    def read(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = study_records.parse(serialized, 3)
        return {**parsed, "pixels": study_records.decode_slices(parsed[study_records.SLICES])}

    data = tf.data.Dataset.from_tensor_slices([study_records.build(study())] * 2).map(read).batch(2)
    (batch,) = data
    pixels = batch.pop("pixels")
    assert pixels.dtype == tf.uint16
    for index in range(2):
        np.testing.assert_array_equal(pixels[index], np.moveaxis(PIXELS, 0, -1))
        assert_parsed({key: value[index] for key, value in batch.items()})
    expected = {f.key: (2, *(3 if n == -1 else n for n in f.shape or ())) for f in study_records.STUDY_FEATURES}
    assert {key: tuple(value.shape) for key, value in batch.items()} == expected


@pytest.mark.parametrize("pixels", [np.zeros((1, 2, 3), np.uint16), np.full((2, 3, 2), 257, np.uint16), PIXELS])
def test_slices_are_lossless(pixels: np.ndarray) -> None:
    record = study(slices=pixels, positions_mm=np.arange(len(pixels)))
    serialized = study_records.build(record)
    np.testing.assert_array_equal(study_records.from_serialized(serialized).slices, pixels)
    parsed = study_records.parse(tf.constant(serialized), len(pixels))
    decoded = study_records.decode_slices(parsed[study_records.SLICES])
    np.testing.assert_array_equal(decoded, np.moveaxis(pixels, 0, -1))


def test_a_shard_is_read_back(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "x.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(study_records.build(study()))
        writer.write(study_records.build(study(outcome=-1, clinical=None, consensus="", flags=())))
    first, second = study_records.read(path)
    assert (first.study, first.patient, first.spacing_mm) == ("S00001", "P0001", (0.5, 0.25))
    assert (first.rater1, first.rater2, first.consensus, first.outcome) == ("1", "doubtful", "1", 1)
    assert (first.choice, first.flags) == ({"kind": "slab", "count": 3}, ("one", "unreadable_files: 2"))
    assert first.series_reason == "sagittal (0.99)"
    np.testing.assert_array_equal(first.affine, AFFINE)
    np.testing.assert_array_equal(first.positions_mm, [-4.25, -0.75, 2.75])
    assert (second.outcome, second.flags, np.isnan(second.clinical).all()) == (-1, (), True)


def test_the_same_record_gives_the_same_bytes() -> None:
    other = study(choice={"count": 3, "kind": "slab"})
    assert study_records.build(study()) == study_records.build(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slices": PIXELS.astype(np.int32)}, r"slices are uint16 \[slice, row, column\]. Received: int32"),
        ({"slices": PIXELS[0]}, "slices are uint16"),
        ({"affine": np.eye(3)}, r"affine is finite numbers of shape \(4, 4\)"),
        ({"positions_mm": [1, 2]}, "positions_mm is finite numbers of shape"),
        ({"positions_mm": [1, 2, np.nan]}, "positions_mm is finite"),
        ({"spacing_mm": (0, 1)}, "two positive numbers"),
        ({"clinical": [1, 2]}, "clinical has shape"),
        ({"outcome": 2}, "An outcome is 0, 1 or -1"),
        ({"rater2": "yes"}, "A grade is 0, 1, doubtful or empty. Received: 'yes'"),
        ({"flags": ("a,b",)}, "a word without commas"),
        ({"patient": ""}, "needs a study and a patient"),
    ],
)
def test_wrong_records(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study(**changes)


def test_other_records_are_told_apart() -> None:
    film = records.FilmRecord("F1", "P1", "two", records.encode_image(PIXELS[0]), (5, 4), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"A record here is a .study. of version 1\. Received: \[.film.\]"):
        study_records.from_serialized(records.build(film))
    with pytest.raises(ValueError, match="A record here is a 'film'"):
        records.from_serialized(study_records.build(study()))
    with pytest.raises(tf.errors.InvalidArgumentError):
        study_records.parse(tf.constant(records.build(film)), 3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        study_records.parse(tf.constant(study_records.build(study())), 6)
    with pytest.raises(ValueError, match=r"Not a tf\.Example"):
        study_records.from_serialized(b"nonsense")


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_records, "VERSION", 2)
    newer = study_records.build(study())
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"version \[2\]"):
        study_records.from_serialized(newer)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"data_prep\.mri"):
        study_records.parse(tf.constant(newer), 3)
