import math

import cv2
import numpy as np
import pytest
import tensorflow as tf

from raspine.inputs import framing


@pytest.mark.parametrize(
    ("native", "spacing", "network", "matrix"),
    [
        # The same size: nothing moves.
        ((64, 96), (0.2, 0.2), (64, 96), [[1, 0, 0], [0, 1, 0]]),
        # Half the size: pixel centres 0 and 1 meet at -0.25 + ... : x' = x / 2 - 1 / 4.
        ((128, 192), (0.2, 0.2), (64, 96), [[0.5, 0, -0.25], [0, 0.5, -0.25]]),
        # Letterbox: 100 x 50 into 64 x 64 scales by 0.64; 32 columns stay, 16 free on either side.
        ((100, 50), (1.0, 1.0), (64, 64), [[0.64, 0, 15.82], [0, 0.64, -0.18]]),
        # Rows twice as far apart as columns: 64 rows are as long as 128 columns.
        ((64, 128), (0.4, 0.2), (64, 64), [[0.5, 0, -0.25], [0, 1, 0]]),
        # Unknown spacing: pixels count as square.
        ((32, 64), (np.nan, np.nan), (64, 64), [[1, 0, 0], [0, 1, 16]]),
        # Odd sizes: 33 x 21 into 66 x 64 doubles; 42 columns stay, 11 free on either side.
        ((33, 21), (0.1, 0.1), (66, 64), [[2, 0, 11.5], [0, 2, 0.5]]),
    ],
)
def test_fit_by_hand(native: tuple, spacing: tuple, network: tuple, matrix: list) -> None:
    arguments = (tf.constant(native), tf.constant(spacing, tf.float32))
    eager = framing.fit(*arguments, *network)
    graph = next(iter(tf.data.Dataset.from_tensors(arguments).map(lambda a, b: framing.fit(a, b, *network))))
    np.testing.assert_allclose(eager.numpy(), matrix, atol=1e-5)
    np.testing.assert_allclose(graph.numpy(), eager.numpy())


def test_fit_takes_a_batch() -> None:
    size = tf.constant([[64, 96], [100, 50]])
    spacing = tf.constant([[0.2, 0.2], [0.3, 0.1]])
    together = framing.fit(size, spacing, 64, 64).numpy()
    apart = [framing.fit(size[row], spacing[row], 64, 64).numpy() for row in range(2)]
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_a_film_of_the_networks_size_passes_unchanged() -> None:
    film = np.random.default_rng(0).random((33, 47, 1)).astype(np.float32)
    framed = framing.resample(film, tf.eye(2, 3), 33, 47)
    np.testing.assert_allclose(framed.numpy(), film, atol=1e-6)


def test_halving_by_antialiasing_keeps_the_mean_and_the_place() -> None:
    film = np.zeros((64, 64, 1), np.float32)
    film[20:24, 40:44] = 1
    matrix = framing.fit(tf.constant([64, 64]), tf.constant([0.1, 0.1]), 32, 32)
    framed = framing.resample(film, matrix, 32, 32).numpy()[..., 0]
    assert framed.sum() == pytest.approx(film.sum() / 4, rel=1e-4)
    y, x = np.mgrid[:32, :32]
    centre = [(framed * x).sum() / framed.sum(), (framed * y).sum() / framed.sum()]
    expected = framing.apply(matrix, tf.constant([[41.5, 21.5]]))[0]
    np.testing.assert_allclose(centre, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("native", "spacing"), [((150, 90), (0.2, 0.2)), ((61, 150), (0.25, 0.15)), ((40, 31), (0.3, 0.3))]
)
def test_points_follow_the_film(native: tuple[int, int], spacing: tuple[float, float]) -> None:
    height, width = native
    point = np.array([0.4 * width + 0.3, 0.55 * height - 0.2])
    y, x = np.mgrid[:height, :width]
    film = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / 32)[..., None].astype(np.float32)

    def frame(picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        matrix = framing.fit(tf.shape(picture)[:2], tf.constant(spacing, tf.float32), 96, 64)
        return framing.resample(picture, matrix, 96, 64), matrix

    for framed, matrix in (frame(tf.constant(film)), next(iter(tf.data.Dataset.from_tensors(film).map(frame)))):
        values = framed.numpy()[..., 0]
        moments = cv2.moments(values)
        centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
        expected = framing.apply(matrix, tf.constant([point], tf.float32))[0].numpy()
        assert np.abs(centre - expected).max() < 0.02


def test_what_lies_beside_the_film_is_black() -> None:
    matrix = framing.fit(tf.constant([100, 50]), tf.constant([1.0, 1.0]), 64, 64)
    framed = framing.resample(np.ones((100, 50, 1), np.float32), matrix, 64, 64).numpy()[..., 0]
    assert (framed[:, :15] == 0).all()
    assert (framed[:, 49:] == 0).all()
    np.testing.assert_allclose(framed[:, 17:47], 1, atol=1e-6)


def test_inverse_and_then() -> None:
    first = tf.constant([[[0.5, 0.1, 3], [-0.2, 1.5, -7]]])
    second = tf.constant([[[2.0, 0, 1], [0.3, 0.8, 2]]])
    points = tf.constant([[[3.0, 4.0], [-2.0, 9.0], [np.nan, np.nan]]])
    there = framing.apply(first, points)
    np.testing.assert_allclose(framing.apply(framing.inverse(first), there).numpy(), points.numpy(), atol=1e-4)
    both = framing.apply(framing.then(first, second), points)
    np.testing.assert_allclose(both.numpy(), framing.apply(second, there).numpy(), atol=1e-4)
    # By hand: (3, 4) goes to (0.5 * 3 + 0.1 * 4 + 3, -0.2 * 3 + 1.5 * 4 - 7).
    np.testing.assert_allclose(there.numpy()[0, 0], [4.9, -1.6], atol=1e-5)


def test_standardise_each_image_alone() -> None:
    random = np.random.default_rng(0)
    images = np.stack([random.random((8, 9, 1)), 5 + 3 * random.random((8, 9, 1)), np.full((8, 9, 1), 0.7)])
    result = framing.standardise(tf.constant(images, tf.float32)).numpy()
    np.testing.assert_allclose(result.mean((1, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(result[:2].std((1, 2, 3)), 1, atol=1e-3)
    assert np.abs(result[2]).max() < 1e-3


def test_a_region_is_centred_on_the_points_and_as_wide_as_their_spread_says() -> None:
    points = tf.constant([[20.0, 50.0], [60.0, 50.0], [40.0, 40.0], [40.0, 60.0]])
    matrix = framing.region(points, tf.constant([100, 200]), tf.constant([0.2, 0.1]), 64, 96, 2.0)
    # Aspect (1, 0.5): offsets are (-10, 0), (10, 0), (0, -10), (0, 10) in the larger spacing, the spread is 10.
    # 32 network pixels hold a reach of 2 * 10: the scale is 1.6 along rows' spacing, 0.8 along columns'.
    np.testing.assert_allclose(matrix, [[0.8, 0, 47.5 - 0.8 * 40], [0, 1.6, 31.5 - 1.6 * 50]], atol=1e-5)


def test_a_region_ignores_missing_points_and_falls_back_to_the_middle_of_the_film() -> None:
    nan = math.nan
    size, spacing = tf.constant([100, 200]), tf.constant([nan, nan])
    some = tf.constant([[30.0, 50.0], [nan, nan], [50.0, 50.0]])
    both = tf.constant([[30.0, 50.0], [50.0, 50.0]])
    np.testing.assert_allclose(
        framing.region(some, size, spacing, 64, 64, 2.0), framing.region(both, size, spacing, 64, 64, 2.0)
    )
    none = framing.region(tf.fill((3, 2), nan), size, spacing, 64, 64, 2.0)
    middle = framing.apply(none[None], tf.constant([[[99.5, 49.5]]]))
    np.testing.assert_allclose(middle, [[[31.5, 31.5]]], atol=1e-4)


def test_points_on_one_spot_do_not_magnify_without_end() -> None:
    matrix = framing.region(tf.fill((2, 2), 50.0), tf.constant([100, 200]), tf.constant([1.0, 1.0]), 64, 64, 2.0)
    assert float(matrix[0, 0]) == pytest.approx(32 / (2 * 0.01 * 200))


@pytest.mark.parametrize("spacing", [(0.2, 4e9), (1e-30, 1.0), (0.0, 1.0), (-1.0, 1.0), (1e-45, 1e-45), (3e38, 1.0)])
def test_spacing_that_no_film_has_ends_as_an_oblong_pixel(spacing: tuple[float, float]) -> None:
    """The op that resamples overflows on a greater ratio, which ends the process and not the call."""
    matrix = framing.fit(tf.constant([80, 72]), tf.constant(spacing, tf.float32), 64, 64)
    assert np.isfinite(matrix).all()
    assert 1 / 16 <= float(matrix[0, 0] / matrix[1, 1]) <= 16
    assert np.isfinite(framing.resample(tf.ones((80, 72, 1)), matrix, 64, 64)).all()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e30, 1e-30, -1.0, 0.0])
@pytest.mark.parametrize("place", [(0, 0), (1, 1), (0, 2)])
def test_an_affine_of_a_damaged_record_resamples_to_something(number: float, place: tuple[int, int]) -> None:
    matrix = np.array([[0.8, 0.0, 0.0], [0.0, 0.8, 0.0]], np.float32)
    matrix[place] = number
    framed = framing.resample(tf.ones((80, 72, 1)), tf.constant(matrix), 64, 64)
    assert framed.shape == (64, 64, 1)
