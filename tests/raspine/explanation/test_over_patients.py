import numpy as np
import pytest

from raspine.evaluation import resampling
from raspine.explanation import over_patients


def _resamples(patients: list[str]) -> list[list[int]]:
    """The studies of each resample, one number as often as it is drawn."""
    names = sorted(set(patients))
    made = []
    for weights in resampling.draws(patients):
        times = dict(zip(names, weights.astype(int), strict=True))
        made.append([row for row, patient in enumerate(patients) for _ in range(times[patient])])
    return made


@pytest.mark.parametrize("seed", range(3))
def test_a_ratio_equals_one_by_loops_over_the_same_resamples(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patients = [f"P{number}" for number in rng.integers(0, 15, 30)]
    above, below = rng.uniform(1, 3, 30), rng.uniform(1, 2, (30, 3))
    above[rng.random(30) < 0.2] = np.nan
    below[rng.random((30, 3)) < 0.2] = np.nan
    above[0] = below[0, 0] = 1.0
    kept = [row for row in range(30) if not (np.isnan(above[row]) and np.isnan(below[row]).all())]
    above, below, patients = above[kept], below[kept], [patients[row] for row in kept]
    found = over_patients.ratio(above, below, patients)
    assert found.value == pytest.approx(np.nanmean(above) / np.nanmean(below), rel=1e-12)
    looped = [np.nanmean(above[rows]) / np.nanmean(below[rows]) for rows in _resamples(patients)]
    np.testing.assert_allclose(found.interval, np.quantile(looped, [0.025, 0.975]), rtol=1e-9)
    assert found.n == min(
        len({p for p, v in zip(patients, values, strict=True) if not np.isnan(v).all()}) for values in (above, below)
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_mean_equals_that_of_the_resampled_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patients = [f"P{number}" for number in rng.integers(0, 12, 25)]
    values = rng.normal(size=25)
    found = over_patients.mean(values, patients)
    expected = resampling.means(values, patients)
    assert found.value == pytest.approx(expected.value)
    assert found.interval == pytest.approx(expected.interval)
    assert found.n == len(set(patients))
    # Repeats of a study weigh as they are, and what is not defined counts nowhere.
    twice = over_patients.mean(np.stack([values, np.full(25, np.nan)], 1), patients)
    assert twice == found


def test_what_is_undefined_says_why() -> None:
    patients = ["a", "b", "c"]
    nothing = over_patients.mean([np.nan] * 3, patients)
    assert (np.isnan(nothing.value), nothing.note) == (True, "no study has a value.")
    zero = over_patients.ratio([1, 2, 3], [0, 0, 0], patients)
    assert (np.isnan(zero.value), zero.note) == (True, "there is nothing to divide by.")
    same = over_patients.mean([2, 2, 2], patients)
    assert (same.value, same.has_interval) == (2, False)
    assert same.note
    with pytest.raises(ValueError, match="every study needs a patient"):
        over_patients.mean([1, 2], patients)


def test_a_correlation_s_interval_stays_within_its_range() -> None:
    values = np.array([0.999, 0.998, 0.9, 0.997, 0.999] * 3)
    found = over_patients.mean(values, [str(number) for number in range(15)], bounds=(-1, 1))
    assert found.interval[0] < found.value < found.interval[1] < 1
