import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from raspine.inputs import augmentation
from raspine.inputs.augmentation import Augmentation

OFF = Augmentation(**{field.name: 0 for field in dataclasses.fields(Augmentation)})  # type: ignore[arg-type]
HEIGHT, WIDTH = 96, 128
SEED = tf.constant([5, 9], tf.int64)


def dots(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """One picture a point, each a Gaussian dot: float32 [point, height, width, 1]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    squares = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    return np.exp(-squares / (2 * 3.0**2))[..., None].astype(np.float32)


def centroids(images: NDArray[np.float32]) -> NDArray[np.float64]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    values = images[..., 0].astype(float)
    total = values.sum((1, 2))
    return np.stack([(values * x).sum((1, 2)), (values * y).sum((1, 2))], -1) / total[:, None]


@pytest.mark.parametrize(
    "change",
    [
        {"rotation_degrees": 20.0},
        {"scale": 0.3},
        {"stretch": 0.3},
        {"translation": 0.1},
        {"mirror": 1.0},
        {"rotation_degrees": 15.0, "scale": 0.2, "stretch": 0.1, "translation": 0.06, "mirror": 0.5},
    ],
    ids=lambda change: "+".join(change),
)
def test_points_follow_the_image(change: dict[str, float]) -> None:
    points = np.random.default_rng(0).uniform((50, 36), (78, 60), (24, 2))
    settings = dataclasses.replace(OFF, **change)  # type: ignore[arg-type]
    images, moved = augmentation.augment(dots(points), points[:, None].astype(np.float32), SEED, settings)
    assert np.abs(moved.numpy()[:, 0] - points).max() > 1
    assert np.abs(centroids(images.numpy()) - moved.numpy()[:, 0]).max() < 0.05


def test_the_same_seed_gives_the_same_batch_eagerly_and_in_tf_data() -> None:
    points = np.random.default_rng(1).uniform(30, 60, (4, 3, 2)).astype(np.float32)
    images = dots(points[:, 0])
    first = augmentation.augment(images, points, SEED, Augmentation())
    dataset = tf.data.Dataset.from_tensors((images, points)).map(
        lambda a, b: augmentation.augment(a, b, SEED, Augmentation())
    )
    for result in (augmentation.augment(images, points, SEED, Augmentation()), next(iter(dataset))):
        np.testing.assert_allclose(result[0].numpy(), first[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(result[1].numpy(), first[1].numpy(), atol=1e-4)
    other = augmentation.augment(images, points, SEED + 1, Augmentation())
    assert np.abs(other[1].numpy() - first[1].numpy()).max() > 1


def test_films_of_a_batch_differ() -> None:
    points = np.full((8, 1, 2), 40, np.float32)
    moved = augmentation.augment(dots(points[:, 0]), points, SEED, Augmentation())[1].numpy()[:, 0]
    assert len(np.unique(moved.round(3), axis=0)) == 8


def test_all_switched_off_changes_nothing() -> None:
    random = np.random.default_rng(2)
    images = random.random((3, HEIGHT, WIDTH, 1)).astype(np.float32)
    points = random.uniform(0, 90, (3, 4, 2)).astype(np.float32)
    points[0, 0] = np.nan
    result, moved = augmentation.augment(images, points, SEED, OFF)
    np.testing.assert_allclose(result.numpy(), images, atol=1e-4)
    np.testing.assert_allclose(moved.numpy(), points, atol=1e-4)


@pytest.mark.parametrize("name", ["gamma", "contrast", "noise", "cutout"])
def test_grey_values_change_and_points_do_not(name: str) -> None:
    points = np.random.default_rng(0).uniform(40, 60, (4, 1, 2)).astype(np.float32)
    images = np.random.default_rng(1).random((4, HEIGHT, WIDTH, 1)).astype(np.float32)
    settings = dataclasses.replace(OFF, **{name: 1, "cutout_size": 0.2})  # type: ignore[arg-type]
    result, moved = augmentation.augment(images, points, SEED, settings)
    np.testing.assert_allclose(moved.numpy(), points, atol=1e-4)
    assert (np.abs(result.numpy() - images).max((1, 2, 3)) > 0.01).all()
    assert np.isfinite(result.numpy()).all()


def test_a_mirror_image_by_hand() -> None:
    points = np.array([[[20.0, 30.0]]], np.float32)
    _, moved = augmentation.augment(dots(points[:, 0]), points, SEED, dataclasses.replace(OFF, mirror=1.0))
    np.testing.assert_allclose(moved.numpy(), [[[WIDTH - 1 - 20.0, 30.0]]], atol=1e-4)


@pytest.mark.parametrize("change", [{"scale": -0.1}, {"noise": float("nan")}, {"mirror": 1.5}, {"cutout_size": 2}])
def test_impossible_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Received"):
        Augmentation(**change)  # type: ignore[arg-type]
