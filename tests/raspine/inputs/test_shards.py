import pathlib

import numpy as np
import pytest
import tensorflow as tf

from raspine.inputs import shards

RECORDS = [bytes(range(length)) for length in (3, 0, 200, 17)]


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def test_records_begin_after_the_frames_of_those_before_them(file: pathlib.Path) -> None:
    assert shards.places(str(file)).tolist() == [0, 19, 35, 251]  # a frame is 16 bytes and its record


def test_any_record_is_read_by_its_number(file: pathlib.Path) -> None:
    where = shards.places(str(file))
    read = shards.reader([str(file), str(file)], [where, where[:2]])
    numbers = tf.data.Dataset.from_tensor_slices(np.array([2, 5, 0, 3, 4], np.int32))
    found = list(numbers.map(read).as_numpy_iterator())
    assert found == [RECORDS[number] for number in (2, 1, 0, 3, 0)]


@pytest.mark.parametrize("length", [260, 251 + 5, 275])
def test_a_shard_that_is_cut_off_is_named(file: pathlib.Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(shards.ShardError, match=rf"{file}' is damaged: its record at byte 251 is cut off"):
        shards.places(str(file))


def test_errors_while_reading_name_the_shard(file: pathlib.Path) -> None:
    read = shards.reader([str(file)], [shards.places(str(file))])
    content = file.read_bytes()
    file.write_bytes(content[:60] + b"\xff" + content[61:])
    assert read(tf.constant(3)).numpy() == RECORDS[3]
    with (
        pytest.raises(
            shards.ShardError, match=rf"{file}' is damaged: one of its records does not match its checksum\."
        ),
        shards.named_errors([str(file)]),
    ):
        read(tf.constant(2))
    file.unlink()
    with (
        pytest.raises(shards.ShardError, match=rf"{file}' cannot be read: No such file or directory\."),
        shards.named_errors([str(file)]),
    ):
        read(tf.constant(3))


def test_other_errors_pass(file: pathlib.Path) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError), shards.named_errors([str(file)]):
        tf.debugging.assert_equal(1, 2)
