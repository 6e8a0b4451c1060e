import json
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import contingency_tables

from raspine.evaluation import paired_decisions, resampling
from raspine.evaluation.scored import ScoresError


def test_published_examples() -> None:
    # Airway hyper-responsiveness before and after transplantation, 1, 1, 7, 12 patients: the p of Fagerland, Lydersen
    # and Laake, BMC Medical Research Methodology 13 (2013).
    found = paired_decisions.mcnemar(1, 7)
    assert (found.p_exact, found.p_mid, found.p_chi2) == pytest.approx((0.0703, 0.0391, 0.0771), abs=5e-5)
    # Complete response before and after consolidation, 59, 6, 16, 80 patients: Newcombe's interval as the R package
    # contingencytables of the same authors prints it.
    gap = paired_decisions.share_difference(59, 6, 16, 80)
    assert (gap.value, *gap.interval) == pytest.approx((-0.0621, -0.1186, -0.0046), abs=5e-5)


@pytest.mark.parametrize("seed", range(60))
def test_mcnemar_against_statsmodels(seed: int) -> None:
    first, second = (int(count) for count in np.random.default_rng(seed).integers(0, [4, 4] if seed % 2 else [60, 60]))
    found = paired_decisions.mcnemar(first, second)
    table = [[5, first], [second, 7]]
    assert found.p_exact == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue, abs=1e-12)
    if first != second:
        expected = contingency_tables.mcnemar(table, exact=False, correction=True)
        assert (found.chi2, found.p_chi2) == pytest.approx((expected.statistic, expected.pvalue))
        at_least = [k for k in range(first + second + 1) if abs(2 * k - first - second) >= abs(first - second)]
        chances = stats.binom.pmf(at_least, first + second, 0.5)
        ends = stats.binom.pmf([first, second], first + second, 0.5)
        assert found.p_mid == pytest.approx(chances.sum() - ends.sum() / 2)
    assert found.p_mid <= found.p_exact + 1e-12


def test_models_that_never_differ() -> None:
    found = paired_decisions.mcnemar(0, 0)
    assert (found.p_exact, found.p_mid, found.note) == (1.0, 1.0, "no chi2, since the two models never differ")
    assert math.isnan(found.chi2)
    # As often one as the other: no correction is larger than what it corrects (as R has it).
    even = paired_decisions.mcnemar(4, 4)
    assert (even.chi2, even.p_chi2, even.p_exact) == (0.0, 1.0, 1.0)
    assert even.p_mid == pytest.approx(1 - stats.binom.pmf(4, 8, 0.5) / 2)
    with pytest.raises(ValueError, match="-1"):
        paired_decisions.mcnemar(-1, 2)


def newcombe(a: int, b: int, c: int, d: int, confidence: float = 0.95) -> tuple[float, float]:
    """Method 10, from his text."""
    n = a + b + c + d
    one, two = (stats.binomtest(a + k, n).proportion_ci(confidence, "wilson") for k in (b, c))
    p1, p2 = (a + b) / n, (a + c) / n
    dl1, du1, dl2, du2 = p1 - one.low, one.high - p1, p2 - two.low, two.high - p2
    whole = (a + b) * (c + d) * (a + c) * (b + d)
    top = float(a * d - b * c)
    top = top if top <= 0 else max(top - n / 2, 0.0)
    phi = top / math.sqrt(whole) if whole else 0.0
    below = math.sqrt(dl1**2 - 2 * phi * dl1 * du2 + du2**2)
    above = math.sqrt(du1**2 - 2 * phi * du1 * dl2 + dl2**2)
    return p1 - p2 - below, p1 - p2 + above


@pytest.mark.parametrize("seed", range(60))
def test_the_difference_against_newcombes_text(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = [int(count) for count in random.integers(0, random.choice([2, 6, 60]), 4)]
    counts[int(random.integers(4))] += 1
    confidence = (0.95, 0.8)[seed % 2]
    found = paired_decisions.share_difference(*counts, confidence)
    assert found.value == pytest.approx((counts[1] - counts[2]) / sum(counts))
    low, high = newcombe(*counts, confidence)
    assert found.interval == pytest.approx((max(-1, low), min(1, high)), abs=1e-9)
    opposite = paired_decisions.share_difference(counts[0], counts[2], counts[1], counts[3], confidence)
    assert opposite.interval == pytest.approx((-found.interval[1], -found.interval[0]))


def test_nothing_to_compare_is_undefined() -> None:
    found = paired_decisions.share_difference(0, 0, 0, 0)
    assert math.isnan(found.value)
    assert found.note
    with pytest.raises(ValueError, match="start at 0"):
        paired_decisions.share_difference(1, -1, 0, 0)


FIRST, SECOND, OUTCOMES = [1, 1, 0, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 0, 1, 0], [1, 1, 1, 1, 0, 0, 0, 0]


def test_two_models_by_hand() -> None:
    found = paired_decisions.compare(FIRST, SECOND, OUTCOMES)
    assert (found["sensitivity_difference"], found["specificity_difference"]) == (0.5, 0.25)
    assert found["accuracy_difference"] == pytest.approx(3 / 8)
    assert found["sensitivity_mcnemar"]["first_only"] == 2
    assert found["sensitivity_mcnemar"]["p_exact"] == 0.5
    assert found["sensitivity_difference_ci"] == pytest.approx(newcombe(1, 2, 0, 1))
    assert found["specificity_difference_ci"] == pytest.approx(newcombe(2, 1, 0, 1))
    narrow = paired_decisions.compare(FIRST, SECOND, OUTCOMES, confidence=0.8)
    assert narrow["accuracy_difference_ci"] == pytest.approx(newcombe(3, 3, 0, 2, 0.8))
    assert found["notes"] == []


def test_films_of_one_patient_take_the_bootstrap() -> None:
    patients = ["a", "b", "b", "c", "d", "e", "e", "f"]
    found = paired_decisions.compare(FIRST, SECOND, OUTCOMES, patients, 0.8, seed=3, resamples=200)
    right = np.equal(FIRST, OUTCOMES) * 1.0 - np.equal(SECOND, OUTCOMES)
    expected = resampling.means(right, patients, 200, 3, 0.8)
    assert found["accuracy_difference_ci"] == pytest.approx(list(expected.interval))
    assert "draws patients" in found["notes"][-1]


def test_an_empty_class_is_null_with_the_reason() -> None:
    found = paired_decisions.compare([1, 0], [1, 0], [0, 0], ["a", "a"])
    json.dumps(found, allow_nan=False)
    for name in ("sensitivity_difference", "sensitivity_difference_ci", "sensitivity_mcnemar"):
        assert found[name] is None
    assert found["notes"][0] == "sensitivity: undefined, no outcome is positive."
    assert not any("sensitivity" in note for note in found["notes"][1:])
    assert found["specificity_mcnemar"]["p_exact"] == 1.0
    alone = paired_decisions.compare([1, 0], [0, 0], [1, 1])
    assert alone["specificity_mcnemar"] is None
    assert alone["notes"] == ["specificity: undefined, no outcome is negative."]
    with pytest.raises(ScoresError, match="0 or 1"):
        paired_decisions.compare([0.3, 1], [1, 0], [0, 0])


def test_the_difference_of_two_shares_stays_within_its_range() -> None:
    calls = [1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 1]
    for one, other in (calls, calls[::-1]):
        found = paired_decisions.compare(one, other, [1] * 6, list("aaabbb"))
        for name in ("sensitivity", "accuracy"):
            assert abs(found[f"{name}_difference"]) == pytest.approx(2 / 3)
            assert found[f"{name}_difference_ci"] == [-1.0, 1.0]
