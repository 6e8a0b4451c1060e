import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from raspine.evaluation import confusion, operating_point
from raspine.evaluation.scored import ScoresError


@st.composite
def patients(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    outcomes = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=15))]
    score = st.one_of(st.integers(0, 4).map(float), st.floats(-1e300, 1e300))
    return np.array(draw(st.lists(score, min_size=len(outcomes), max_size=len(outcomes)))), np.array(outcomes)


def rates(scores: NDArray[np.float64], outcomes: NDArray[np.int64], threshold: float) -> tuple[float, float]:
    cells = confusion.at(scores, outcomes, threshold)
    return cells.tp / (cells.tp + cells.fn), cells.tn / (cells.tn + cells.fp)


def test_youden_by_hand() -> None:
    # Sensitivity + specificity - 1 from the top: 1/3, 2/3, 1/3, 2/3 at 0.4 (all positives, one of three negatives), ...
    scores, outcomes = [0.9, 0.8, 0.6, 0.4, 0.2, 0.1], [1, 1, 0, 1, 0, 0]
    found = operating_point.youden(scores, outcomes)
    # Of the two equal best points the more sensitive one, halfway between 0.2 and 0.4.
    assert found.threshold == pytest.approx(0.3)
    assert (found.sensitivity, found.specificity) == (1.0, pytest.approx(2 / 3))
    assert (found.n, found.positives) == (6, 3)
    assert str(found) == "Youden's index, 6 patients (3 positive)"


def test_wanted_sensitivity_by_hand() -> None:
    scores, outcomes = [0.9, 0.8, 0.6, 0.4, 0.2, 0.1], [1, 1, 0, 1, 0, 0]
    assert operating_point.at_sensitivity(scores, outcomes, 0.3).threshold == pytest.approx(0.85)
    assert operating_point.at_sensitivity(scores, outcomes, 2 / 3).threshold == pytest.approx(0.7)
    found = operating_point.at_sensitivity(scores, outcomes, 0.9)
    assert found.threshold == pytest.approx(0.3)
    assert str(found) == "sensitivity at least 0.9, 6 patients (3 positive)"


def test_nine_of_ten_is_ninety_percent() -> None:
    scores, outcomes = np.arange(20.0), np.repeat([0, 1], 10)
    for wanted in np.arange(1, 11) / 10:
        assert operating_point.at_sensitivity(scores, outcomes, wanted).sensitivity == pytest.approx(wanted)


def test_tied_scores_stay_together() -> None:
    found = operating_point.at_sensitivity([0.5, 0.5, 0.5, 0.1], [1, 0, 1, 0], 0.5)
    assert found.threshold == pytest.approx(0.3)
    assert (found.sensitivity, found.specificity) == (1.0, 0.5)


def test_all_called_positive_takes_the_lowest_score() -> None:
    assert operating_point.youden([0.4, 0.4], [0, 1]).threshold == 0.4
    assert operating_point.at_sensitivity([0.2, 0.7], [1, 0], 1.0).threshold == 0.2


def test_no_middle_between_neighbouring_floats() -> None:
    low, high = 0.1, math.nextafter(0.1, 1)
    found = operating_point.youden([low, high], [0, 1])
    assert low < found.threshold <= high
    assert rates(np.array([low, high]), np.array([0, 1]), found.threshold) == (1.0, 1.0)


@given(patients())
def test_youden_is_the_best_of_all_thresholds(some: tuple) -> None:
    scores, outcomes = some
    found = operating_point.youden(scores, outcomes)
    assert rates(scores, outcomes, found.threshold) == pytest.approx((found.sensitivity, found.specificity))
    indices = {level: sum(rates(scores, outcomes, level)) for level in scores}
    assert sum(rates(scores, outcomes, found.threshold)) == pytest.approx(max(indices.values()))


@given(patients(), st.floats(0.01, 1.0))
def test_no_higher_threshold_reaches_the_sensitivity(some: tuple, wanted: float) -> None:
    scores, outcomes = some
    found = operating_point.choose(scores, outcomes, wanted)
    sensitivity, specificity = rates(scores, outcomes, found.threshold)
    assert sensitivity >= wanted - 1e-9
    assert (sensitivity, specificity) == pytest.approx((found.sensitivity, found.specificity))
    called = scores[scores >= found.threshold].min()
    higher = [level for level in scores if level > called]
    assert all(rates(scores, outcomes, level)[0] < wanted for level in higher)


def test_choose_takes_youden_unless_a_sensitivity_is_wanted() -> None:
    scores, outcomes = [0.1, 0.4, 0.3, 0.9], [0, 1, 0, 1]
    assert operating_point.choose(scores, outcomes) == operating_point.youden(scores, outcomes)


def test_missing_classes_are_refused_with_advice() -> None:
    with pytest.raises(ScoresError, match=r"2 patients, none positive.*stratify"):
        operating_point.youden([0.1, 0.2], [0, 0])
    with pytest.raises(ScoresError, match="none negative"):
        operating_point.youden([0.1, 0.2], [1, 1])
    with pytest.raises(ScoresError, match=r"2, none positive.*stratify"):
        operating_point.at_sensitivity([0.1, 0.2], [0, 0], 0.9)


def test_a_wanted_sensitivity_needs_no_negatives() -> None:
    found = operating_point.at_sensitivity([0.1, 0.3], [1, 1], 0.5)
    assert found.threshold == pytest.approx(0.2)
    assert math.isnan(found.specificity)


@pytest.mark.parametrize("wanted", [0.0, -0.1, 1.1, math.nan])
def test_impossible_sensitivities_are_refused(wanted: float) -> None:
    with pytest.raises(ScoresError, match="above 0 and up to 1"):
        operating_point.at_sensitivity([0.1, 0.2], [0, 1], wanted)
