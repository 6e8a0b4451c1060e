import dataclasses
import pathlib

import numpy as np
import pytest
import study_shards
import tensorflow as tf

from raspine import study_records
from raspine.inputs import augmentation, epochs, studies, study_augmentation

NOTHING = study_augmentation.StudyAugmentation(
    augmentation.Augmentation(0, 0, 0, 0, 0, 0, 0, 0), brightness=0, flip_slices=0
)
PIPELINE = studies.Pipeline((40, 40), 6, (32, 32), 4, columns=(0, 2))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return studies.shards(study_shards.write(tmp_path_factory.mktemp("data"), {"train": 10}), "train")


def ramp() -> np.ndarray:
    row, column, number = np.mgrid[:40, :40, :6]
    return ((row + 40 * column) / 3200 + number / 20)[None].astype(np.float32)


def standard(images: np.ndarray) -> np.ndarray:
    axes = (1, 2, 3)
    return (images - images.mean(axes, keepdims=True)) / images.std(axes, keepdims=True)


def test_without_changes_augmentation_cuts_the_middle_as_evaluation_does() -> None:
    images = tf.constant(ramp())
    cut = study_augmentation.augment(images, tf.constant([1, 2]), NOTHING, (32, 31)).numpy()
    np.testing.assert_allclose(cut, standard(ramp()[:, 4:36, 4:35]), atol=1e-4)
    np.testing.assert_allclose(studies.cut(images, (32, 31)).numpy(), ramp()[:, 4:36, 4:35], atol=1e-6)


def test_a_left_right_flip_reverses_the_slices_and_nothing_else() -> None:
    always = study_augmentation.StudyAugmentation(NOTHING.plane, brightness=0, flip_slices=1)
    flipped = study_augmentation.augment(tf.constant(ramp()), tf.constant([1, 2]), always, (40, 40)).numpy()
    np.testing.assert_allclose(flipped, standard(ramp()[..., ::-1]), atol=1e-4)


def test_a_shift_brings_in_what_lies_beyond_the_cut() -> None:
    shifting = study_augmentation.StudyAugmentation(
        augmentation.Augmentation(0, 0, 0, 0.1, 0, 0, 0, 0), brightness=0, flip_slices=0
    )
    images = tf.ones((8, 40, 40, 6))
    moved = study_augmentation.augment(images, tf.constant([3, 4]), shifting, (32, 32))
    np.testing.assert_allclose(moved.numpy(), 0.0, atol=1e-4)  # an empty border would not be of the mean


@pytest.mark.parametrize(
    ("changes", "mean", "deviation"),
    [({"brightness": 0.3}, True, False), ({"plane": augmentation.Augmentation(0, 0, 0, 0, 0, 0.5, 0, 0)}, False, True)],
)
def test_brightness_and_contrast_reach_the_network(changes: dict, mean: bool, deviation: bool) -> None:
    """Standardising afterwards would take both out again."""
    settings = dataclasses.replace(NOTHING, **changes)
    images = study_augmentation.augment(tf.constant(ramp().repeat(8, 0)), tf.constant([5, 6]), settings, (32, 32))
    means, deviations = images.numpy().mean((1, 2, 3)), images.numpy().std((1, 2, 3))
    assert bool(np.ptp(means) > 0.3) is mean
    assert bool(np.ptp(deviations) > 0.1) is deviation


def test_all_slices_of_a_study_change_alike() -> None:
    settings = study_augmentation.StudyAugmentation(augmentation.Augmentation(noise=0, cutout=0), flip_slices=0)
    images = tf.repeat(tf.constant(ramp()[..., :1]), 6, -1)
    changed = study_augmentation.augment(images, tf.constant([5, 6]), settings, (32, 32)).numpy()
    still = study_augmentation.augment(images, tf.constant([5, 6]), NOTHING, (32, 32)).numpy()
    assert np.abs(changed - still).max() > 0.1
    np.testing.assert_allclose(changed, changed[..., :1].repeat(6, -1), atol=1e-6)


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_an_epoch_depends_on_its_number_alone_and_shows_every_study(files: list[str], cache: str) -> None:
    pipeline = studies.Pipeline((40, 40), 6, (32, 32), 2, cache, columns=(0, 2))
    scale = studies.clinical_scale(files, 6, pipeline.columns)
    begin = [
        studies.training(files, pipeline, NOTHING, 7, 10, scale, (0.5, 2.0), first).take(number).as_numpy_iterator()
        for first, number in ((0, 10), (5, 5))
    ]
    whole, later = (list(batches) for batches in begin)
    for (one, _, _), (other, _, _) in zip(whole[5:], later, strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
    first, second = ({values[0] for item in part for values in item[0]["clinical"]} for part in (whole[:5], whole[5:]))
    assert len(first) == 10
    assert first == second
    outcomes, weights = (np.concatenate([item[place] for item in whole]) for place in (1, 2))
    np.testing.assert_array_equal(weights, np.where(outcomes == 1, 2.0, 0.5))


@pytest.mark.parametrize("cache", ["memory", "none", "disk"])
def test_batches_depend_on_seed_and_step_alone(files: list[str], cache: str, tmp_path: pathlib.Path) -> None:
    """Bit for bit: not on the workers, not on the cache, not on where the run began."""
    scale, settings = studies.clinical_scale(files, 6, (0, 2)), study_augmentation.StudyAugmentation()

    def take(pipeline: studies.Pipeline, first: int, share: epochs.Share) -> list[list[np.ndarray]]:
        dataset = studies.training(files, pipeline, settings, 7, 10, scale, (0.5, 2.0), first, share)
        return [tf.nest.flatten(batch) for batch in dataset.take(3 - first).as_numpy_iterator()]

    pipeline = dataclasses.replace(PIPELINE, batch=8)
    whole = take(pipeline, 0, epochs.Share())
    kept = dataclasses.replace(pipeline, cache=cache, cache_dir=str(tmp_path), cache_key="abc")
    for workers, first in ((1, 2), (2, 1)):
        parts = [take(kept, first, epochs.Share(worker, workers)) for worker in range(workers)]
        for expected, *found in zip(whole[first:], *parts, strict=True):
            for entry, values in enumerate(expected):
                np.testing.assert_array_equal(np.concatenate([part[entry] for part in found]), values)


def test_missing_clinical_values_become_zero_and_are_marked() -> None:
    values = tf.constant([[50.0, np.nan, 4.0, 1, 1, 1], [np.nan, 1.0, 2.0, 1, 1, 1]])
    scale = tf.constant([[40.0, 3.0], [10.0, 0.5]])
    made = studies.network_inputs(tf.zeros((2, 4, 4, 6)), values, (0, 2), scale)
    np.testing.assert_allclose(made["clinical"], [[1, 2, 1, 1], [0, -2, 0, 1]])


def test_the_clinical_scale_leaves_out_what_is_missing(files: list[str]) -> None:
    ages = [record.clinical[0] for file in files for record in study_records.read(file)]
    scale = studies.clinical_scale(files, 6, (0, 1, 3))
    np.testing.assert_allclose(scale[:, 0], [np.mean(ages), np.std(ages)], rtol=1e-5)
    np.testing.assert_array_equal(scale[:, 1:], [[0, 1], [1, 1]])


def test_a_network_larger_than_the_records_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than the stored slices"):
        studies.Pipeline((40, 40), 6, (64, 32), 4)


def test_shards_that_are_not_there_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="write it with data_prep"):
        studies.shards(tmp_path, "test")
