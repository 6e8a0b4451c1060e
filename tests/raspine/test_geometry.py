import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raspine import geometry

COORDINATE = st.floats(-5000, 5000)


def test_affine_applies_matrix_to_x_y() -> None:
    affine = geometry.Affine(np.array([[2.0, 0.0, 1.0], [0.0, 3.0, -1.0]]))
    np.testing.assert_array_equal(affine.apply([[1.0, 1.0], [0.0, 2.0]]), [[3.0, 2.0], [1.0, 5.0]])


def test_affine_keeps_missing_points_missing() -> None:
    mapped = geometry.mirror(10).apply([[np.nan, np.nan], [1.0, 2.0]])
    assert np.isnan(mapped[0]).all()
    np.testing.assert_array_equal(mapped[1], [8.0, 2.0])


@pytest.mark.parametrize("matrix", [np.eye(2), np.zeros((2, 3)), [[1, 0, math.nan], [0, 1, 0]], [[1, 1, 0], [1, 1, 5]]])
def test_affine_refuses_what_cannot_be_undone(matrix: object) -> None:
    with pytest.raises(ValueError, match="affine"):
        geometry.Affine(np.asarray(matrix, float))


@settings(deadline=None)
@given(x=COORDINATE, y=COORDINATE, scale=st.floats(0.1, 10), shift=COORDINATE, angle=st.floats(-3, 3))
def test_inverse_undoes_and_then_chains(x: float, y: float, scale: float, shift: float, angle: float) -> None:
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    affine = geometry.Affine(np.array([[cos, -sin, shift], [sin, cos, -shift]]))
    point = np.array([x, y])
    np.testing.assert_allclose(affine.inverse().apply(affine.apply(point)), point, atol=1e-7)
    both = affine.then(geometry.mirror(100))
    np.testing.assert_allclose(both.apply(point), geometry.mirror(100).apply(affine.apply(point)), atol=1e-8)


def test_mirror_is_numpys_flip() -> None:
    image = np.arange(12).reshape(3, 4)
    x, y = geometry.mirror(4).apply([1.0, 2.0]).astype(int)
    assert image[:, ::-1][y, x] == image[2, 1]


def test_distance_scales_x_by_the_column_spacing() -> None:
    # 3 columns of 2 mm and 4 rows of 0.5 mm: hypot(6, 2).
    assert geometry.distance_mm([0, 0], [3, 4], (0.5, 2.0)) == pytest.approx(math.sqrt(40))


def test_distance_of_a_missing_point_or_spacing_is_missing() -> None:
    assert np.isnan(geometry.distance_mm([np.nan, np.nan], [1, 1], (1, 1)))
    assert np.isnan(geometry.distance_mm([0, 0], [1, 1], (np.nan, np.nan)))


def test_distance_takes_batches_of_spacings() -> None:
    first, second = np.zeros((2, 2)), np.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(geometry.distance_mm(first, second, [[9, 1], [9, 3]]), [1.0, 3.0])


@pytest.mark.parametrize(
    ("spacing", "good"),
    [((0.2, 0.1), True), ((0, 1), False), ((-1, 1), False), ((math.nan, 1), False), ((1, math.inf), False)],
)
def test_is_spacing(spacing: tuple[float, float], good: bool) -> None:
    assert geometry.is_spacing(spacing) is good


def test_is_spacing_refuses_other_shapes() -> None:
    assert not geometry.is_spacing([0.2])
    assert not geometry.is_spacing(())
