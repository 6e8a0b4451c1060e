import math

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from raspine.models import heatmaps

STRIDES = (1, 2, 4, 8, 16)
CELLS = (14, 18)  # height and width of the maps


def size(stride: int) -> tuple[int, int]:
    return CELLS[0] * stride, CELLS[1] * stride


def round_trip(points: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    height, width = size(stride)
    maps, weights = heatmaps.encode(points, height, width, stride=stride)
    assert maps.shape == (len(points), *CELLS, points.shape[1])
    assert (weights.numpy() == 1).all()
    found, confidence = heatmaps.decode(maps, stride=stride)
    assert (confidence.numpy() > 0.6).all()
    return found.numpy()


def worst(found: NDArray[np.float32], points: NDArray[np.float32]) -> float:
    return float(np.hypot(*np.moveaxis(found - points, -1, 0)).max())


@pytest.mark.parametrize("stride", STRIDES)
def test_round_trip_inside_is_exact_to_a_hundredth_of_a_pixel(stride: int) -> None:
    height, width = size(stride)
    low, high = 1.5 * stride, np.array([width, height]) - 1 - 1.5 * stride
    points = np.random.default_rng(0).uniform(low, high, (40, 5, 2)).astype(np.float32)
    assert worst(round_trip(points, stride), points) <= 0.01


@pytest.mark.parametrize("stride", STRIDES)
def test_round_trip_holds_at_borders_and_corners(stride: int) -> None:
    height, width = size(stride)
    x, y = np.linspace(-0.5, width - 0.5, 41), np.linspace(-0.5, height - 0.5, 41)
    rims = [np.stack([x, np.full(41, edge)], -1) for edge in (-0.5, 0.0, height - 1.0, height - 0.5)]
    rims += [np.stack([np.full(41, edge), y], -1) for edge in (-0.5, 0.0, width - 1.0, width - 0.5)]
    points = np.stack(rims).astype(np.float32)
    assert worst(round_trip(points, stride), points) <= 0.1


def test_a_point_on_a_cell_centre_peaks_there_and_is_symmetric() -> None:
    maps, _ = heatmaps.encode(np.array([[[4 * 5 + 1.5, 4 * 7 + 1.5]]], np.float32), 64, 64)
    values = maps.numpy()[0, ..., 0]
    assert np.unravel_index(values.argmax(), values.shape) == (7, 5)
    assert values[7, 5] == pytest.approx(1)
    assert values[7, 7] == pytest.approx(math.exp(-4 / 8))
    np.testing.assert_allclose(values[7, 5 + 3], values[7, 5 - 3])
    np.testing.assert_allclose(values[7 + 3, 5], values[7, 5 + 3])


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0, -np.inf])
@pytest.mark.parametrize("codec", heatmaps.CODECS)
def test_a_map_without_a_peak_gives_no_point(value: float, codec: str) -> None:
    points, confidence = heatmaps.decode(np.full((2, 8, 9, 3), value, np.float32), codec=codec)
    assert np.isnan(points.numpy()).all()
    assert (confidence.numpy() == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_broken_value_spoils_its_own_map_only(value: float) -> None:
    maps = heatmaps.encode(np.array([[[20, 30], [40, 10]]], np.float32), 64, 64)[0].numpy()
    maps[0, 0, 0, 1] = value
    points, confidence = heatmaps.decode(maps)
    assert worst(points.numpy()[:, :1], np.array([[[20, 30]]], np.float32)) <= 0.01
    assert np.isnan(points.numpy()[0, 1]).all()
    assert confidence.numpy()[0, 1] == 0


def test_a_single_lit_cell_is_its_own_centre() -> None:
    maps = np.zeros((1, 8, 8, 1), np.float32)
    maps[0, 3, 5] = 0.5
    points, confidence = heatmaps.decode(maps)
    np.testing.assert_allclose(points.numpy()[0, 0], [4 * 5 + 1.5, 4 * 3 + 1.5], atol=1e-4)
    assert confidence.numpy()[0, 0] == 0.5


@pytest.mark.parametrize("codec", heatmaps.CODECS)
def test_weights_are_zero_outside_and_without_label(codec: str) -> None:
    places = [[-0.5, 0], [-0.51, 0], [95.5, 63.5], [95.51, 5], [5, 63.51], [np.nan, np.nan], [3, np.nan], [np.inf, 3]]
    maps, weights = heatmaps.encode(np.array([places], np.float32), 64, 96, codec=codec)
    assert weights.numpy().tolist() == [[1, 0, 1, 0, 0, 0, 0, 0]]
    lit = maps.numpy().max((1, 2))[0] > 0
    assert lit.tolist() == [True, False, True, False, False, False, False, False]
    assert np.isfinite(maps.numpy()).all()


def published_target(
    point: NDArray[np.float64], rows: int, columns: int, stride: int, sigma: float
) -> NDArray[np.float64]:
    """HRNet's JointsDataset.generate_target: the centre int(x / stride + 0.5), a Gaussian cut at 3 sigma."""
    target = np.zeros((rows, columns))
    mu_x, mu_y = int(point[0] / stride + 0.5), int(point[1] / stride + 0.5)
    reach = int(3 * sigma)
    for y in range(rows):
        for x in range(columns):
            if abs(x - mu_x) <= reach and abs(y - mu_y) <= reach:
                target[y, x] = math.exp(-((x - mu_x) ** 2 + (y - mu_y) ** 2) / (2 * sigma**2))
    return target


def published_decoding(target: NDArray[np.float64], stride: int) -> tuple[float, float]:
    """HRNet's get_final_preds: the highest cell and a quarter towards the higher neighbour, inside 1 < p < n - 1."""
    row, column = np.unravel_index(target.argmax(), target.shape)
    x, y = float(column), float(row)
    if 1 < column < target.shape[1] - 1 and 1 < row < target.shape[0] - 1:
        x += 0.25 * np.sign(target[row, column + 1] - target[row, column - 1])
        y += 0.25 * np.sign(target[row + 1, column] - target[row - 1, column])
    return x * stride, y * stride


@pytest.mark.parametrize(("stride", "sigma"), [(4, 2.0), (2, 1.0), (4, 3.0)])
def test_the_paper_codec_is_the_published_one(stride: int, sigma: float) -> None:
    rows, columns = 16, 20
    random = np.random.default_rng(2)
    points = random.uniform(0, (columns * stride - stride, rows * stride - stride), (30, 2)).astype(np.float32)
    maps, _ = heatmaps.encode(points[None], rows * stride, columns * stride, stride, sigma, "paper")
    expected = np.stack([published_target(point, rows, columns, stride, sigma) for point in points.astype(float)], -1)
    np.testing.assert_allclose(maps.numpy()[0], expected, atol=1e-6)

    noisy = expected + random.normal(0, 0.02, expected.shape)
    found, _ = heatmaps.decode(noisy[None], stride, "paper")
    answers = [published_decoding(np.float32(noisy[..., index]), stride) for index in range(len(points))]
    np.testing.assert_allclose(found.numpy()[0], answers, atol=1e-5)


def test_the_codec_runs_the_same_in_a_graph() -> None:
    points = np.random.default_rng(1).uniform(3, 60, (2, 4, 2)).astype(np.float32)

    @tf.function
    def both(places: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return heatmaps.decode(heatmaps.encode(places, 64, 64)[0])

    np.testing.assert_allclose(both(points)[0].numpy(), round_trip_64(points), atol=1e-4)


def round_trip_64(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return heatmaps.decode(heatmaps.encode(points, 64, 64)[0])[0].numpy()


def test_spatial_softmax_turns_logits_of_the_target_into_the_target() -> None:
    target, _ = heatmaps.encode(np.array([[[30, 33], [28.2, 35.7]]], np.float32), 64, 64)
    logits = tf.math.log(target + 1e-12) + 7.0
    maps = heatmaps.spatial_softmax(logits, 2.0)
    np.testing.assert_allclose(maps.numpy(), target.numpy(), atol=2e-3)
    extreme = heatmaps.spatial_softmax(tf.constant([1e4, -1e4, 0, 0], shape=(1, 2, 2, 1)), 2.0)
    assert np.isfinite(extreme.numpy()).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"codec": "dark"}, "'dark'"), ({"stride": 5}, "64 x 64, stride 5")],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        heatmaps.encode(np.zeros((1, 1, 2), np.float32), 64, 64, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("cells", [[(4, 4), (4, 5), (5, 4)], [(4, 4)], [(4, 4), (4, 5)], [(0, 0), (7, 7)]])
def test_plateaus_give_a_point_and_no_error(cells: list[tuple[int, int]]) -> None:
    """Few equal cells leave the least squares without a unique answer."""
    maps = np.zeros((1, 8, 8, 1), np.float32)
    for row, column in cells:
        maps[0, row, column, 0] = 1.0
    points, confidence = heatmaps.decode(maps)
    row, column = cells[0]
    np.testing.assert_allclose(points[0, 0], [4 * column + 1.5, 4 * row + 1.5], atol=4.01)
    assert float(confidence[0, 0]) == 1.0
