import dataclasses
import pathlib

import numpy as np
import pytest

from raspine import geometry, records
from raspine.inputs import augmentation, epochs, films

PIPELINE = films.Pipeline(4, 64, 64, 4)


def test_evaluation_gives_every_film_once_with_its_way_back(data_set: pathlib.Path) -> None:
    files = films.shards(data_set, "test")
    assert len(files) == 2
    batches = list(films.evaluation(files, PIPELINE))
    assert [len(batch[records.ID]) for batch in batches] == [4, 2]
    names = [name.decode() for batch in batches for name in batch[records.ID].numpy()]
    assert sorted(names) == [f"F{number:03d}" for number in range(6)]
    for batch in batches:
        assert batch[films.IMAGE].shape[1:] == (64, 64, 1)
        np.testing.assert_allclose(batch[films.IMAGE].numpy().mean((1, 2, 3)), 0, atol=1e-3)
        for row in range(len(batch[records.ID])):
            back = geometry.Affine(batch[films.TO_NATIVE].numpy()[row]).apply(batch[films.POINTS].numpy()[row])
            np.testing.assert_allclose(back, batch[records.POINTS].numpy()[row], atol=1e-3)


def test_training_is_endless_and_repeats_with_its_seed(data_set: pathlib.Path) -> None:
    files = films.shards(data_set, "test")

    def take(seed: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        dataset = films.training(files, PIPELINE, augmentation.Augmentation(), seed, films=6)
        return [(images.numpy(), points.numpy()) for images, points in dataset.take(count)]

    first, again, other = take(1, 4), take(1, 4), take(2, 4)
    assert all(images.shape == (4, 64, 64, 1) for images, _ in first)
    for (images, points), (same_images, same_points) in zip(first, again, strict=True):
        np.testing.assert_array_equal(points, same_points)
        np.testing.assert_array_equal(images, same_images)
    assert not np.array_equal(first[0][1], other[0][1])


@pytest.mark.parametrize("cache", ["memory", "none", "disk"])
def test_batches_depend_on_seed_and_step_alone(data_set: pathlib.Path, cache: str, tmp_path: pathlib.Path) -> None:
    """Bit for bit: not on the workers, not on the cache, not on where the run began."""
    files, settings = films.shards(data_set, "test"), augmentation.Augmentation()

    def take(pipeline: films.Pipeline, first: int, share: epochs.Share) -> list[tuple[np.ndarray, np.ndarray]]:
        dataset = films.training(files, pipeline, settings, 1, 6, first, share)
        return list(dataset.take(3 - first).as_numpy_iterator())

    pipeline = dataclasses.replace(PIPELINE, batch=8)
    whole = take(pipeline, 0, epochs.Share())
    kept = dataclasses.replace(pipeline, cache=cache, cache_dir=str(tmp_path), cache_key="abc")
    for workers, first in ((1, 2), (2, 1)):
        parts = [take(kept, first, epochs.Share(worker, workers)) for worker in range(workers)]
        assert parts[0][0][0].shape == (8 // workers, 64, 64, 1)
        for expected, *found in zip(whole[first:], *parts, strict=True):
            for entry in range(2):
                np.testing.assert_array_equal(np.concatenate([part[entry] for part in found]), expected[entry])


def test_a_missing_split_is_named(data_set: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train-\*.tfrecord"):
        films.shards(data_set, "train")
