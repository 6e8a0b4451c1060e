import numpy as np
import pytest

from raspine.evaluation import auc, risk_groups, studies


def known(count: int = 40) -> studies.Studies:
    rng = np.random.default_rng(0)
    outcomes = rng.integers(0, 2, count)
    texts = {name: ("",) * count for name in ("rater1", "rater2", "consensus", "flags")}
    names = tuple(f"S{number:05}" for number in range(count))
    risks = np.clip(0.4 + 0.2 * outcomes + rng.normal(0, 0.2, count), 0, 1)
    return studies.Studies(names=names, patients=names, risks=risks, outcomes=outcomes, **texts)


def test_figures_of_a_level_are_those_of_its_studies() -> None:
    some = known()
    levels = ["F" if number % 3 else "M" for number in range(40)]
    found = risk_groups.by_level(some, {"sex": levels}, 0.5, resamples=200)["sex"]
    women = np.array(levels) == "F"
    assert found["F"]["n"] == women.sum()
    assert found["F"]["auc"] == pytest.approx(auc.area(some.risks[women], some.outcomes[women]).value)
    positive = women & (some.outcomes == 1)
    assert found["F"]["sensitivity"] == pytest.approx((some.risks[positive] >= 0.5).mean())
    assert found["M"]["n_patients"] == (~women).sum()


def test_a_level_with_one_outcome_has_a_reason() -> None:
    some = known()
    levels = np.where(some.outcomes == 1, "old", "young").tolist()
    found = risk_groups.by_level(some, {"age": levels}, 0.5, resamples=200)["age"]["old"]
    assert found["auc"] is None
    assert any("auc" in note for note in found["notes"])
