import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from raspine.evaluation import over_folds


@pytest.mark.parametrize("seed", range(60))
def test_the_interval_is_that_of_independent_implementations(seed: int) -> None:
    random = np.random.default_rng(seed)
    figures = np.round(random.normal(0.8, 0.05, random.integers(2, 21)), int(random.integers(1, 4)))
    if np.ptp(figures) == 0:
        figures[0] += 0.1
    confidence = float(random.uniform(0.5, 0.99))
    # Without test patients the correction vanishes, and the interval is Student's.
    plain = over_folds.mean(figures, 0.0, confidence=confidence)
    assert plain.interval == pytest.approx(DescrStatsW(figures).tconfint_mean(1 - confidence), abs=1e-9)
    # Nadeau and Bengio widen it by the root of 1 + J * n_test / n_train.
    ratio = float(random.uniform(0.05, 1))
    corrected = over_folds.mean(figures, ratio, confidence=confidence)
    scale = math.sqrt(1 + len(figures) * ratio)
    error = stats.sem(figures) * scale
    expected = stats.t.interval(confidence, len(figures) - 1, figures.mean(), error)
    assert corrected.interval == pytest.approx(expected, abs=1e-9)
    assert corrected.value == pytest.approx(figures.mean(), abs=1e-12)
    assert over_folds.deviation(figures) == pytest.approx(stats.tstd(figures), abs=1e-12)


def test_the_corrected_variance_of_scikit_learns_worked_example() -> None:
    """`corrected_std` of "Statistical comparison of models using grid search", 10 x 10 folds of 100 patients."""
    figures = np.random.default_rng(0).normal(0.9, 0.02, 100)
    n_train, n_test = 90, 10
    corrected = np.sqrt(np.var(figures, ddof=1) * (1 / len(figures) + n_test / n_train))
    found = over_folds.mean(figures, n_test / n_train)
    assert (found.interval[1] - found.value) / corrected == pytest.approx(stats.t.ppf(0.975, 99), abs=1e-9)


def test_folds_without_the_figure_are_left_out_and_said() -> None:
    found = over_folds.mean([0.5, math.nan, 0.7, 0.9], 0.25)
    assert found.value == pytest.approx(0.7)
    assert found.n == 3
    assert found.note == "1 of 4 folds does not have this figure."
    assert found.interval == over_folds.mean([0.5, 0.7, 0.9], 0.25).interval


@pytest.mark.parametrize(
    ("figures", "value", "note"),
    [
        ([math.nan, math.nan], math.nan, "none of 2 folds has this figure"),
        ([0.5], 0.5, "a single fold"),
        ([0.5, math.nan], 0.5, "1 of 2 folds does not have this figure. No interval: only a single fold"),
        ([1.0, 1.0, 1.0], 1.0, "no interval: all folds have the same figure."),
        ([0.3, 0.1 + 0.2], 0.3, "no interval: all folds have the same figure."),
        ([math.nan], math.nan, "no fold has this figure."),
        ([math.nan, math.nan, 0.5], 0.5, "2 of 3 folds do not have"),
    ],
)
def test_what_is_undefined_says_why(figures: list[float], value: float, note: str) -> None:
    found = over_folds.mean(figures, 0.25)
    assert found.value == pytest.approx(value, nan_ok=True)
    assert not found.has_interval
    assert note in found.note


def test_intervals_are_cut_at_what_the_figure_can_be() -> None:
    assert over_folds.mean([0.9, 1.0, 0.95], 0.5, over_folds.SHARE).interval[1] == 1.0
    assert over_folds.mean([0.9, 1.0, 0.95], 0.5).interval[1] > 1.0
    assert math.isnan(over_folds.deviation([0.5, math.nan]))


def test_input_that_makes_no_sense_is_refused() -> None:
    for ratio, confidence in ((-0.1, 0.95), (math.nan, 0.95), (math.inf, 0.95), (0.25, 1.0)):
        with pytest.raises(ValueError, match="test_to_train"):
            over_folds.mean([0.5, 0.6], ratio, confidence=confidence)


@pytest.mark.parametrize("figure", [math.inf, -math.inf, 1e200])
def test_a_figure_without_bounds_is_refused(figure: float) -> None:
    for call in (lambda: over_folds.mean([0.5, figure], 0.25), lambda: over_folds.deviation([0.5, figure])):
        with pytest.raises(ValueError, match=r"figures of folds are .* Received: "):
            call()
