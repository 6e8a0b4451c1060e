import pathlib

import numpy as np
import pytest
import tensorflow as tf

from raspine.inputs import epochs, prepared, shards

ITEMS = 5


@pytest.fixture
def files(tmp_path: pathlib.Path) -> list[str]:
    paths = [str(tmp_path / f"train-{number:05d}-of-00002.tfrecord") for number in range(2)]
    for path in paths:
        with tf.io.TFRecordWriter(path) as writer:
            for number in range(ITEMS):
                writer.write(str(number).encode())
    return paths


def prepare(serialized: tf.Tensor) -> epochs.Item:
    number = tf.strings.to_number(serialized, tf.float32)
    return tf.cast(tf.fill((2, 3), number), tf.float16), tf.cast(number, tf.int64), tf.stack([number, np.nan])


def fail(serialized: tf.Tensor) -> epochs.Item:
    with tf.control_dependencies([tf.debugging.assert_less(tf.strings.to_number(serialized, tf.int32), 3)]):
        return prepare(serialized)


def test_items_come_back_as_they_were_prepared_and_only_once(files: list[str], tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "cache"
    for _ in range(2):
        found, item = prepared.write(files, prepare, str(folder), "hash", "small")
        assert list(map(len, found.values())) == [ITEMS, ITEMS]
        read = shards.reader(list(found), list(found.values()))
        image, number, values = item(read(tf.constant(8)))
        np.testing.assert_array_equal(image, np.full((2, 3), 3, np.float16))
        assert number.numpy() == 3
        np.testing.assert_array_equal(values, np.array([3, np.nan], np.float32))
        for path in files:
            pathlib.Path(path).write_bytes(b"")  # nothing is read from the shards a second time
    assert len(list(folder.rglob("*.tfrecord"))) == 2


def test_other_data_or_sizes_are_kept_apart(files: list[str], tmp_path: pathlib.Path) -> None:
    made = {
        tuple(prepared.write(files, prepare, str(tmp_path / "cache"), key, variant)[0])
        for key, variant in (("hash", "small"), ("hash", "large"), ("other", "small"))
    }
    assert len(made) == 3


def test_an_interrupted_write_leaves_nothing_that_passes_for_whole(files: list[str], tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "cache"
    with pytest.raises(tf.errors.InvalidArgumentError):
        prepared.write(files, fail, str(folder), "hash", "small")
    assert not [path for path in folder.rglob("*") if path.is_file()]
    found, _ = prepared.write(files, prepare, str(folder), "hash", "small")
    assert sum(map(len, found.values())) == 2 * ITEMS


def test_a_folder_and_a_key_are_needed(files: list[str]) -> None:
    with pytest.raises(ValueError, match="needs a folder and the data's hash"):
        prepared.write(files, prepare, "somewhere", "", "small")
