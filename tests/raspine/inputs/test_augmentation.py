import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from scipy import stats

from raspine.inputs import augmentation, epochs
from raspine.inputs.augmentation import Augmentation

OFF = Augmentation(**{field.name: 0 for field in dataclasses.fields(Augmentation)})
HEIGHT, WIDTH = 96, 128
SEED = tf.constant([5, 9], tf.int64)


def dots(points: NDArray[Any]) -> NDArray[np.float32]:
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


def test_a_warp_is_bilinear_and_0_beyond_the_edges() -> None:
    """TensorFlow's own kernel is the oracle; it takes ten times as long."""
    random = np.random.default_rng(3)
    for channels in (1, 2, 6):
        images = random.random((3, 40, 52, channels)).astype(np.float32)
        matrices = np.array([[1, 0, 0], [0, 1, 0]]) + random.uniform(-0.2, 0.2, (3, 2, 3)) * [1, 1, 40]
        expected = tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=np.concatenate([matrices.reshape(3, 6), np.zeros((3, 2))], 1).astype(np.float32),
            output_shape=(33, 47),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        warped = augmentation.transform(tf.constant(images), tf.constant(matrices, tf.float32), (33, 47))
        np.testing.assert_allclose(warped.numpy(), expected.numpy(), atol=1e-4)


def test_noise_is_standard_normal_and_differs_between_items_and_calls() -> None:
    draw = augmentation.Draw(SEED, epochs.Part(0, 4, 4))
    drawn = np.concatenate([draw.normal(64, 64, 1).numpy(), draw.normal(64, 64, 1).numpy()]).reshape(8, -1)
    np.testing.assert_allclose(drawn.mean(1), 0, atol=5 / 64)
    np.testing.assert_allclose(drawn.std(1), 1, atol=0.06)
    np.testing.assert_allclose(np.corrcoef(drawn), np.eye(8), atol=5 / 64)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("workers", [2, 4])
def test_an_items_numbers_do_not_depend_on_how_the_batch_is_split(workers: int) -> None:
    def numbers(part: epochs.Part) -> list[NDArray[np.float32]]:
        draw = augmentation.Draw(SEED, part)
        return [
            draw.part(draw.uniform(-1, 2, 3)).numpy(),
            draw.normal(5, 7, 2).numpy(),
            draw.part(draw.factor(0.3)).numpy(),
        ]

    whole = numbers(epochs.Part(0, 8, 8))
    parts = [numbers(epochs.Share(worker, workers).part(8)) for worker in range(workers)]
    for expected, found in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(found), expected)
    np.testing.assert_array_equal(
        whole[0], tf.random.stateless_uniform((8, 3), tf.random.experimental.stateless_fold_in(SEED, 1), -1, 2)
    )


@pytest.mark.parametrize("size", [1, 2, 4])
def test_an_image_is_changed_alike_in_a_batch_of_any_size(size: int) -> None:
    """Bit for bit, in batches where vector instructions round otherwise than scalar ones."""
    random = np.random.default_rng(4)
    images = tf.constant(random.random((16, 64, 64, 1)).astype(np.float32))
    points = tf.constant(random.uniform(0, 64, (16, 3, 2)).astype(np.float32))

    @tf.function
    def change(begin: int, end: int) -> tuple[tf.Tensor, tf.Tensor]:
        part = epochs.Part(begin, end, 16)
        changed, moved = augmentation.augment(images[begin:end], points[begin:end], SEED, Augmentation(), part)
        return augmentation.standardise(changed), moved

    whole = change(0, 16)
    for begin in range(0, 16, 16 // 2):
        for found, expected in zip(change(begin, begin + size), whole, strict=True):
            np.testing.assert_array_equal(found, expected[begin : begin + size])
