import math
import warnings

import numpy as np
import pytest
from scipy import stats

from raspine.evaluation import deming


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two raters; by turns smooth, tied, negatively related, with an almost constant rater."""
    random = np.random.default_rng(seed)
    n = (2, 3, 5, 9, 40)[seed % 5]
    truth = random.gamma(2, 1.5, n)
    first, second = truth * (1.2, -0.7)[seed % 7 == 3] + random.normal(0, 0.6, n), truth + random.normal(0, 0.6, n)
    if seed % 3 == 1 and n > 4:
        first, second = np.round(first * 2) / 2, np.round(second * 2) / 2
    if seed % 3 == 2:
        first = 3 + 1e-6 * first
    return first, second


def by_eigenvector(first: np.ndarray, second: np.ndarray, ratio: float) -> tuple[float, float]:
    """The axis of greatest variance once both errors have one size."""
    _, vectors = np.linalg.eigh(np.cov(second, first / math.sqrt(ratio)))
    slope = vectors[1, 1] / vectors[0, 1] * math.sqrt(ratio) if vectors[0, 1] else math.nan
    return slope, float(first.mean() - slope * second.mean())


def jackknifed(first: np.ndarray, second: np.ndarray, numbers: np.ndarray, ratio: float) -> np.ndarray:
    """Intervals [slope and intercept, end] from Linnet's pseudo-values."""
    whole, kinds = np.array(by_eigenvector(first, second, ratio)), np.unique(numbers)
    left = np.array([by_eigenvector(first[numbers != one], second[numbers != one], ratio) for one in kinds])
    count = len(kinds)
    pseudo = count * whole - (count - 1) * left
    half = stats.t.ppf(0.975, count - 2) * pseudo.std(0, ddof=1) / math.sqrt(count)
    return np.stack([whole - half, whole + half], 1)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_equal_to_the_principal_axis_and_a_jackknife_by_hand(seed: int, ratio: float) -> None:
    first, second = data(seed)
    line = deming.fit(first, second, ratio)
    slope, intercept = by_eigenvector(first, second, ratio)
    assert line.slope.value == pytest.approx(slope, rel=1e-6, abs=1e-12)
    assert line.intercept.value == pytest.approx(intercept, rel=1e-6, abs=1e-9)
    if len(first) < 3:
        assert "3 pairs" in line.slope.note
        return
    expected = jackknifed(first, second, np.arange(len(first)), ratio)
    assert line.slope.interval == pytest.approx(expected[0], rel=1e-6, abs=1e-9, nan_ok=True)
    assert line.intercept.interval == pytest.approx(expected[1], rel=1e-6, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(10))
def test_patients_are_left_out_whole(seed: int) -> None:
    first, second = data(15 * seed + 4)
    numbers = np.append(np.arange(7), np.random.default_rng(seed).integers(0, 7, len(first) - 7))
    line = deming.fit(first, second, patients=[f"p{number}" for number in numbers])
    expected = jackknifed(first, second, numbers, 1)
    assert line.slope.interval == pytest.approx(expected[0], rel=1e-6)
    assert line.intercept.interval == pytest.approx(expected[1], rel=1e-6)
    assert "patients, t with 5" in line.slope.method


def test_published_example() -> None:
    # NCSS, Deming regression, its example with a ratio of 4 (horizontal over vertical); SimplyAgree prints
    # -0.08974 (-4.0607 to 3.881) and 1.00119 (0.5696 to 1.433).
    second = [7, 8.3, 10.5, 9, 5.1, 8.2, 10.2, 10.3, 7.1, 5.9]
    first = [7.9, 8.2, 9.6, 9, 6.5, 7.3, 10.2, 10.6, 6.3, 5.2]
    line = deming.fit(first, second, ratio=1 / 4)
    assert line.intercept.value == pytest.approx(-0.08974, abs=5e-6)
    assert line.slope.value == pytest.approx(1.00119, abs=5e-6)
    assert line.intercept.interval == pytest.approx((-4.0607, 3.881), abs=5e-4)
    assert line.slope.interval == pytest.approx((0.5696, 1.433), abs=5e-4)


def test_raters_exchanged_give_the_inverse_line() -> None:
    first, second = data(4)
    one, other = deming.fit(first, second), deming.fit(second, first)
    assert one.slope.value * other.slope.value == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second", "part"),
    [
        ([], [], "there are 0"),
        ([1.0], [1.0], "there is 1"),
        ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], "do not vary"),
        ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0], "do not vary"),
        ([0.0, 1.0, 0.0, -1.0], [1.0, 0.0, -1.0, 0.0], "without direction"),
        ([0.0, 2.0, 0.0, -2.0], [1.0, 0.0, -1.0, 0.0], "straight upwards"),
    ],
)
def test_undefined_says_why(first: list, second: list, part: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        line = deming.fit(first, second)
    for found in (line.slope, line.intercept):
        assert math.isnan(found.value)
        assert part in found.note
    assert line.to_dict()["slope"]["value"] is None


def test_points_on_a_line_and_a_patient_without_whom_there_is_none_have_no_interval() -> None:
    exact = deming.fit([1.0, 3.0, 5.0, 7.0], [0.0, 1.0, 2.0, 3.0])
    assert exact.slope.value == pytest.approx(2)
    assert "on the line" in exact.slope.note
    alone = deming.fit([1.0, 1.0, 1.0, 2.0, 4.0], [3.0, 3.0, 3.0, 4.0, 3.5], patients=["a", "b", "c", "d", "d"])
    assert alone.slope.is_defined
    assert not alone.slope.has_interval
    assert "one of the patients is left out" in alone.slope.note


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.inf, math.nan])
def test_a_ratio_out_of_bounds(ratio: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        deming.fit([1, 2, 3], [1, 2, 4], ratio)
