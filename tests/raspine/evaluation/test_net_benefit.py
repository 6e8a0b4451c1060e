import numpy as np
import pytest

from raspine.evaluation import confusion, decision_curve
from raspine.evaluation.scored import ScoresError


def test_by_hand() -> None:
    # At 0.2 three true and two false positives of eight: 3/8 - 2/8 * 1/4. Treating all: 4/8 - 4/8 * 1/4.
    risks, outcomes = [0.9, 0.6, 0.2, 0.1, 0.7, 0.3, 0.1, 0.05], [1, 1, 1, 1, 0, 0, 0, 0]
    found = decision_curve.curve(risks, outcomes, [0.2, 0.5, 0.95])
    assert found.model == pytest.approx([3 / 8 - 2 / 32, 2 / 8 - 1 / 8, 0.0])
    assert found.treat_all == pytest.approx([0.375, 0.0, 0.5 - 0.5 * 19])
    assert found.treat_none.tolist() == [0.0, 0.0, 0.0]
    assert found.to_dict()["thresholds"] == [0.2, 0.5, 0.95]


def test_the_mri_paper_s_table() -> None:
    # TP 9, FP 7 of 67; acting on a risk of 0.25 counts a false positive a third.
    risks, outcomes = np.repeat([0.8, 0.1, 0.8, 0.1], [9, 3, 7, 48]), np.repeat([1, 1, 0, 0], [9, 3, 7, 48])
    found = decision_curve.curve(risks, outcomes, [0.25])
    assert found.model == pytest.approx([(9 - 7 / 3) / 67])
    assert found.treat_all == pytest.approx([(12 - 55 / 3) / 67])


@pytest.mark.parametrize("seed", range(50))
def test_against_the_cells_at_each_threshold(seed: int) -> None:
    random = np.random.default_rng(seed)
    outcomes = random.integers(0, 2, random.integers(1, 40))
    risks = np.round(random.random(outcomes.size), 1 + seed % 3)
    found = decision_curve.curve(risks, outcomes)
    assert found.thresholds.tolist() == pytest.approx([k / 100 for k in range(1, 100)])
    for threshold, model, everybody in zip(found.thresholds, found.model, found.treat_all, strict=True):
        for value, limit in ((model, threshold), (everybody, 0.0)):
            cells = confusion.at(risks, outcomes, limit)
            assert value == pytest.approx((cells.tp - cells.fp * threshold / (1 - threshold)) / cells.n)


@pytest.mark.parametrize("thresholds", [[0.0], [1.0], [0.2, np.nan], 0.5])
def test_thresholds_lie_between_0_and_1(thresholds: object) -> None:
    with pytest.raises(ScoresError, match="above 0 and below 1"):
        decision_curve.curve([0.1, 0.2], [0, 1], thresholds)  # type: ignore[arg-type]
    with pytest.raises(ScoresError, match="-2 to"):
        decision_curve.curve([-2, 0.2], [0, 1])
