import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import multitest

from raspine.evaluation import model_difference


def by_hand(differences: np.ndarray, patients: np.ndarray) -> float:
    people = sorted(set(patients))
    sums = [differences[patients == person].sum() for person in people]
    observed = abs(sum(sums))
    reached = [
        abs(sum(sign * value for sign, value in zip(signs, sums, strict=True))) >= observed * (1 - 1e-12)
        for signs in itertools.product((1, -1), repeat=len(sums))
    ]
    return float(np.mean(reached))


def test_all_swaps_of_few_patients_are_tried() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = rng.integers(2, 9)
        patients = rng.integers(0, count, 20)
        differences = rng.integers(-3, 4, 20) / 2 + 0.0
        assert model_difference.permutation(differences, patients)[0] == pytest.approx(
            by_hand(differences, patients), abs=1e-12
        )


def test_two_calls_a_patient_are_mcnemars_exact_test() -> None:
    differences = np.array([1.0] * 9 + [-1.0] * 2 + [0.0] * 30)
    p, note = model_difference.permutation(differences, np.arange(41))
    assert (p, note) == (pytest.approx(stats.binomtest(2, 11).pvalue), "")


def test_random_swaps_come_near_the_t_test() -> None:
    rng = np.random.default_rng(1)
    differences = rng.normal(0.25, 1, 80)
    p, _ = model_difference.permutation(differences, np.arange(80))
    # 20,000 swaps: a standard error of at most 0.0035.
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.015)
    assert p == model_difference.permutation(differences, np.arange(80))[0]


def test_models_that_never_differ_have_p_one() -> None:
    found = model_difference.of_means([1.0, 2.0], [1.0, 2.0], ["a", "b"])
    assert (found.difference.value, found.p) == (0.0, 1.0)
    assert found.note == "the models do not differ in any patient's sum."


def test_rows_without_a_value_of_both_are_left_out() -> None:
    found = model_difference.of_means([1.0, np.nan, 4.0, 2.0], [2.0, 5.0, np.nan, 1.5], ["a", "b", "c", "d"])
    assert (found.first.value, found.second.value, found.difference.value) == (1.5, 1.75, -0.25)
    assert found.difference.n == 2


def test_nothing_in_common_is_undefined_with_a_reason() -> None:
    found = model_difference.of_means([np.nan], [1.0], ["a"])
    assert math.isnan(found.p)
    assert "no row" in found.note
    assert found.to_dict()["difference"]["value"] is None


def test_shares_stay_between_0_and_1() -> None:
    found = model_difference.of_means([1.0] * 19 + [0.0], [1.0] * 20, np.arange(20), is_share=True)
    assert 0 < found.first.interval[0] < 0.95 < found.first.interval[1] < 1
    assert found.second.interval[1] == pytest.approx(1.0)


@pytest.mark.parametrize(("first", "patients"), [([1.0], ["a", "b"]), ([1.0, np.inf], ["a", "b"])])
def test_rows_that_do_not_fit_are_refused(first: list[float], patients: list[str]) -> None:
    with pytest.raises(model_difference.DifferenceError, match="Received"):
        model_difference.of_means(first, [1.0, 2.0], patients)


def test_holm_is_statsmodels_holm() -> None:
    rng = np.random.default_rng(2)
    for count in range(1, 51, 4):
        p = rng.random(count) ** 2
        np.testing.assert_allclose(model_difference.holm(p), multitest.multipletests(p, method="holm")[1], atol=1e-12)
    adjusted = model_difference.holm([0.01, np.nan, 0.04])
    np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.04])


def test_the_difference_of_two_shares_stays_between_minus_1_and_1() -> None:
    found = model_difference.of_means([1.0, 1, 1, 0, 1, 1], [0.0, 0, 0, 0, 0, 1], list("aaabbb"), is_share=True)
    assert found.difference.interval == (-1.0, 1.0)


def test_few_patients_that_differ_are_named() -> None:
    found = model_difference.of_means([1.0, 1, 0], [0.0, 0, 0], ["a", "b", "c"])
    assert (found.p, found.note) == (0.5, "only 2 patients differ, so p cannot be below 0.5.")
