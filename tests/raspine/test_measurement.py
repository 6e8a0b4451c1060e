import math

import numpy as np
import pytest

from raspine import landmarks, measurement
from raspine.landmarks import ATLANTOAXIAL

SIZE = (400, 400)
SURE = np.full(4, 0.9)


def points(adi: float, sac: float, dens: float = 40.0) -> np.ndarray:
    """Four points on a row, ADI and SAC in pixels."""
    columns = np.cumsum([100.0, adi, dens, sac])
    return np.stack([columns, np.full(4, 50.0)], -1)


def measure(places: np.ndarray, spacing: tuple[float, float] | None, magnified: bool = False, **more: bool):
    return measurement.measure(ATLANTOAXIAL, places, SURE, SIZE, spacing, magnified, **more)


@pytest.mark.parametrize(
    ("adi", "sac", "verdict"),
    [
        (3.0, 20.0, "negative"),  # ADI is positive above 3.0, not at it
        (3.0001, 20.0, "positive"),
        (2.0, 13.0, "positive"),  # SAC is positive up to and including 13.0
        (2.0, 13.0001, "negative"),
        (3.5, 12.0, "positive"),
    ],
)
def test_thresholds_at_equality(adi: float, sac: float, verdict: str) -> None:
    result = measure(points(adi, sac), (1.0, 1.0))
    assert result.millimetres == {"adi": pytest.approx(adi), "sac": pytest.approx(sac)}
    assert result.verdict == verdict
    assert result.flags == ()
    assert result.by_magnification == ()


def test_anisotropic_spacing_scales_x_by_the_column_and_y_by_the_row() -> None:
    places = np.array([[100, 50], [106, 58], [150, 60], [190, 90]], float)
    result = measure(places, (0.25, 0.5))
    # ADI: 6 columns of 0.5 mm, 8 rows of 0.25 mm: (3, 2). SAC: 40 columns, 30 rows: (20, 7.5).
    assert result.millimetres["adi"] == pytest.approx(math.sqrt(13))
    assert result.millimetres["sac"] == pytest.approx(math.hypot(20, 7.5))
    assert result.verdict == "positive"


def test_a_detector_plane_film_tells_when_magnification_decides() -> None:
    result = measure(points(17.0, 100.0), (0.2, 0.2), magnified=True)
    # ADI 3.4 mm at the detector is 3.4, 3.238, 3.0909, 2.957 and 2.833 mm at 1.0 to 1.2: it flips at 1.15.
    assert result.verdict == "positive"
    assert [row["magnification"] for row in result.by_magnification] == [1.0, 1.05, 1.1, 1.15, 1.2]
    assert [row["verdict"] for row in result.by_magnification] == ["positive"] * 3 + ["negative"] * 2
    assert [row["adi_mm"] for row in result.by_magnification] == pytest.approx(
        [3.4, 3.4 / 1.05, 3.4 / 1.1, 3.4 / 1.15, 3.4 / 1.2]
    )
    assert result.flags == ("verdict_depends_on_magnification",)


def test_a_detector_plane_film_far_from_the_threshold_is_not_flagged() -> None:
    result = measure(points(5.0, 100.0), (0.2, 0.2), magnified=True)
    assert {row["verdict"] for row in result.by_magnification} == {"negative"}
    assert result.flags == ()


def test_sac_falls_below_its_threshold_with_magnification() -> None:
    result = measure(points(5.0, 70.0), (0.2, 0.2), magnified=True)
    # SAC 14 mm at the detector is 13.33 at 1.05 and 12.7 at 1.1.
    assert [row["verdict"] for row in result.by_magnification] == ["negative"] * 2 + ["positive"] * 3
    assert result.verdict == "negative"
    assert "verdict_depends_on_magnification" in result.flags


def test_no_spacing_gives_no_millimetres_and_no_verdict() -> None:
    result = measure(points(5.0, 5.0), None)
    assert all(math.isnan(value) for value in result.millimetres.values())
    assert result.verdict == "none"
    assert result.by_magnification == ()


@pytest.mark.parametrize("spacing", [(0.0, 0.2), (-0.2, 0.2), (math.nan, 0.2), (math.inf, 0.2)])
def test_an_impossible_spacing_is_refused(spacing: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="two positive numbers"):
        measure(points(5.0, 5.0), spacing)


@pytest.mark.parametrize(("adi", "verdict"), [(2.0, "none"), (4.0, "positive")])
def test_a_missing_point_leaves_a_verdict_only_when_the_other_distance_is_pathological(
    adi: float, verdict: str
) -> None:
    places = points(adi, 20.0)
    places[3] = np.nan
    result = measure(places, (1.0, 1.0))
    assert result.millimetres["adi"] == pytest.approx(adi)
    assert math.isnan(result.millimetres["sac"])
    assert result.verdict == verdict
    assert result.flags == ("landmark_not_found",)


def test_a_missing_point_on_a_detector_plane_film_gives_nulls_in_the_table() -> None:
    places = points(2.0, 20.0)
    places[3] = np.nan
    table = measure(places, (1.0, 1.0), magnified=True).by_magnification
    assert {row["sac_mm"] for row in table} == {None}


def test_doubts_are_flagged() -> None:
    assert measure(points(2, 20) * [-1, 1] + [300, 0], (1.0, 1.0)).flags == ("landmark_order_contradicts_orientation",)
    assert measure(points(2, 20) * [-1, 1] + [300, 0], (1.0, 1.0), orientation_known=False).flags == ()
    assert measure(points(2, 20) * [3, 1], (1.0, 1.0)).flags == ("landmark_outside_film",)
    faint = measurement.measure(ATLANTOAXIAL, points(2, 20), [0.9, 0.1, 0.9, 0.9], SIZE, (1.0, 1.0))
    assert faint.flags == ("low_confidence",)


def test_a_schema_without_rules_gives_no_verdict() -> None:
    schema = landmarks.Schema("two", ("a", "b"), (landmarks.Distance("gap", "a", "b"),))
    result = measurement.measure(schema, [[0, 0], [3, 4]], [1, 1], (10, 10), (2.0, 2.0))
    assert result.millimetres == {"gap": 10.0}
    assert result.verdict == "none"
