import dataclasses
import itertools
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from raspine.inputs import epochs
from raspine.inputs.shards import ShardError

COUNTS = (5, 3, 6, 2)  # items of four shards
ITEMS = sum(COUNTS)
SEED = 11


@dataclasses.dataclass(frozen=True)
class Pipeline:
    batch: int = 4
    cache: str = "memory"
    lanes: int = 0
    cache_dir: str = ""
    cache_key: str = ""


def prepare(serialized: tf.Tensor) -> epochs.Item:
    return (tf.strings.to_number(serialized, tf.int32),)


@pytest.fixture
def files(tmp_path: pathlib.Path) -> list[str]:
    """Four shards; an item is a number, hundreds are the shard's."""
    paths = [str(tmp_path / f"train-{number:05d}-of-00004.tfrecord") for number in range(4)]
    for number, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as writer:
            for item in range(COUNTS[number]):
                writer.write(str(100 * number + item).encode())
    return paths


def batches(
    files: list[str], pipeline: Pipeline, count: int, first_step: int = 0, share: epochs.Share | None = None
) -> list[list[int]]:
    chosen = epochs.plan(files, pipeline, ITEMS, share or epochs.Share())
    made = epochs.batches(chosen, pipeline, prepare, "numbers", SEED, first_step).take(count)
    found = [(step, values[0].tolist()) for step, values in made.as_numpy_iterator()]
    assert [step for step, _ in found] == list(range(first_step, first_step + count))
    return [values for _, values in found]


@pytest.mark.parametrize(
    ("shards", "batch", "wanted", "lanes"),
    [(1, 8, 0, 1), (3, 8, 0, 1), (6, 8, 0, 2), (96, 32, 0, 8), (100, 12, 0, 4), (6, 6, 3, 3), (16, 16, 16, 16)],
)
def test_the_number_of_lanes(shards: int, batch: int, wanted: int, lanes: int) -> None:
    assert epochs.lanes(shards, batch, wanted) == lanes


@pytest.mark.parametrize(("shards", "batch", "wanted"), [(4, 8, 3), (4, 8, 8), (4, 8, -1)])
def test_impossible_lanes_are_refused(shards: int, batch: int, wanted: int) -> None:
    with pytest.raises(ValueError, match=f"batch of {batch} .* {shards} shards. Received: {wanted}"):
        epochs.lanes(shards, batch, wanted)


def test_shares_are_consecutive_and_even() -> None:
    assert epochs.Share(2, 4).part(8) == epochs.Part(4, 6, 8)
    with pytest.raises(ValueError, match=r"divides by the number of workers. Received: 6 items, 4"):
        epochs.Share(0, 4).part(6)
    with pytest.raises(ValueError, match="Received: 2 of 2"):
        epochs.Share(2, 2)


def test_one_lane_shuffles_all_items_by_seed_and_epoch(files: list[str]) -> None:
    numbers = np.array([100 * shard + item for shard, count in enumerate(COUNTS) for item in range(count)])
    expected: list[list[int]] = []
    for epoch in range(3):
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(ITEMS), tf.constant([SEED + epoch, 0], tf.int64))
        order = numbers[shuffled.numpy()]
        expected += [order[5 * step : 5 * step + 5].tolist() for step in range(3)]  # the 16th item is left out
    assert batches(files, Pipeline(5, lanes=1), 9) == expected


def test_a_batch_takes_equally_many_items_of_each_lane(files: list[str]) -> None:
    """Lanes 0 (shards 0, 2) and 1 (shards 1, 3) have 11 and 5 items; an epoch of 4 steps needs 8 of each."""
    first, second = np.reshape(batches(files, Pipeline(lanes=2), 8), (2, 4, 4))
    assert set(first[:, :2].flat) | set(second[:, :2].flat) <= {*range(5), *range(200, 206)}
    for epoch in (first, second):
        assert len(set(epoch[:, :2].flat)) == 8
        short = epoch[:, 2:].flatten().tolist()
        assert set(short) == {100, 101, 102, 300, 301}
        assert short[5:] == short[:3]
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("cache", ["memory", "none", "disk"])
@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_workers_and_caches_give_the_same_batches(
    files: list[str], cache: str, lanes: int, tmp_path: pathlib.Path
) -> None:
    whole = batches(files, Pipeline(lanes=lanes), 9)
    pipeline = Pipeline(4, cache, lanes, str(tmp_path / "cache"), "hash")
    for workers in (1, 2, 4):
        parts = [batches(files, pipeline, 9, share=epochs.Share(worker, workers)) for worker in range(workers)]
        assert [[*itertools.chain(*together)] for together in zip(*parts, strict=True)] == whole


def test_a_worker_opens_only_its_lanes_shards(files: list[str]) -> None:
    whole = batches(files, Pipeline(lanes=2), 5)
    for other in files[1::2]:
        pathlib.Path(other).unlink()
    assert batches(files, Pipeline(lanes=2), 5, share=epochs.Share(0, 2)) == [batch[:2] for batch in whole]
    with pytest.raises(ShardError, match=r"train-00001-of-00004.tfrecord' cannot be read"):
        batches(files, Pipeline(lanes=2), 1, share=epochs.Share(1, 2))


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("first_step", [1, 3, 4, 6, 11])
def test_a_resumed_run_sees_the_batches_of_an_undisturbed_one(files: list[str], cache: str, first_step: int) -> None:
    pipeline = Pipeline(cache=cache)
    assert batches(files, pipeline, 3, first_step) == batches(files, pipeline, first_step + 3)[first_step:]


def test_shards_that_do_not_hold_what_the_manifest_says_are_refused(files: list[str]) -> None:
    with pytest.raises(ShardError, match=r"The shards hold 16 films, dataset.json says 17: write them again\."):
        epochs.plan(files, Pipeline(), 17, epochs.Share(), "films")
    tf.io.TFRecordWriter(files[2]).close()
    with pytest.raises(ShardError, match=r"train-00002-of-00004.tfrecord' .* hold no items: take fewer lanes"):
        epochs.plan(files, Pipeline(lanes=4), 10, epochs.Share())


def test_a_damaged_record_is_named_while_loading(files: list[str]) -> None:
    content = bytearray(pathlib.Path(files[1]).read_bytes())
    content[12] ^= 1
    pathlib.Path(files[1]).write_bytes(content)
    with pytest.raises(ShardError, match=r"train-00001-of-00004.tfrecord' is damaged: one of its records"):
        batches(files, Pipeline(), 1)


def test_an_unknown_cache_is_refused(files: list[str]) -> None:
    with pytest.raises(ValueError, match=r"memory, disk or none. Received: 'ram'"):
        batches(files, Pipeline(cache="ram"), 1)


def test_replicas_get_consecutive_items_of_any_nest() -> None:
    dataset = tf.data.Dataset.range(12).batch(6, drop_remainder=True)
    nested = dataset.map(lambda item: ({"image": item, "more": tf.stack([item, -item], 1)}, item + 100))
    found = list(epochs.per_replica(nested, 3).as_numpy_iterator())
    assert [part[0]["image"].tolist() for part in found] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert found[1][0]["more"].tolist() == [[2, -2], [3, -3]]
    assert found[5][1].tolist() == [110, 111]
    assert [part.tolist() for part in epochs.per_replica(dataset, 2).take(2).as_numpy_iterator()] == [
        [0, 1, 2],
        [3, 4, 5],
    ]
    assert epochs.per_replica(dataset, 1) is dataset
    assert epochs.per_replica(nested, 3).element_spec[0]["more"].shape == (2, 2)
    with pytest.raises(ValueError, match="6 items, 4 replicas"):
        epochs.per_replica(dataset, 4)
