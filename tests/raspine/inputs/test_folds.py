"""Property tests of the dealing: patients whole, everyone tests once a repeat, nothing chosen on who tests."""

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raspine.inputs import folds

# Some patients with one record, some with several, of both outcomes.
cohorts = st.integers(0, 2**32 - 1).map(
    lambda seed: (
        lambda random: {
            f"P{number:03d}": random.integers(0, 2, random.integers(1, 5)).astype(bool).tolist()
            if number % 3
            else [bool(number % 2)]
            for number in range(random.integers(30, 60))
        }
    )(np.random.default_rng(seed))
)


@settings(max_examples=40, deadline=None)
@given(cohorts, st.integers(2, 6), st.integers(1, 3), st.floats(0.1, 0.5), st.integers(0, 9), st.booleans())
def test_patients_are_whole_and_everyone_tests_once_a_repeat(
    cohort: dict[str, list[bool]], count: int, repeats: int, inner: float, seed: int, stratify: bool
) -> None:
    dealt = folds.deal(cohort, count, repeats, inner, seed, stratify)
    assert [(fold.repeat, fold.number) for fold in dealt] == list(itertools.product(range(repeats), range(count)))
    for fold in dealt:
        assert sorted(itertools.chain(*fold.parts.values())) == sorted(cohort)
        assert not folds.leaked(fold.parts)
        assert all(fold.parts.values())
    for repeat in range(repeats):
        tested = [patient for fold in dealt if fold.repeat == repeat for patient in fold.test]
        assert sorted(tested) == sorted(cohort)


@settings(max_examples=40, deadline=None)
@given(st.integers(6, 40), st.integers(6, 60), st.integers(2, 6), st.integers(0, 9))
def test_outcomes_are_spread_evenly(ill: int, healthy: int, count: int, seed: int) -> None:
    cohort = {f"P{number:03d}": [number < ill] for number in range(ill + healthy)}
    for fold in folds.deal(cohort, count, 1, 0.25, seed):
        positive = {part: sum(cohort[name][0] for name in names) for part, names in fold.parts.items()}
        assert ill // count <= positive["test"] <= -(-ill // count)
        assert healthy // count <= len(fold.test) - positive["test"] <= -(-healthy // count)
        left = ill - positive["test"]
        assert positive["validation"] == min(max(1, round(0.25 * left)), left - 1)
        assert min(positive.values()) >= 1


def test_the_same_seed_deals_the_same_whatever_the_order_and_the_number_of_repeats() -> None:
    cohort = {f"P{number}": [number % 3 == 0] for number in range(30)}
    turned = dict(reversed(cohort.items()))
    assert folds.deal(cohort, 3, 1, 0.25, 5) == folds.deal(turned, 3, 3, 0.25, 5)[:3]
    first, second = folds.deal(cohort, 3, 1, 0.25, 5), folds.deal(cohort, 3, 1, 0.25, 6)
    assert [fold.test for fold in first] != [fold.test for fold in second]
    repeats = folds.deal(cohort, 3, 2, 0.25, 5)
    assert [fold.test for fold in repeats[:3]] != [fold.test for fold in repeats[3:]]


def test_smaller_shares_of_the_training_patients_are_part_of_larger_ones() -> None:
    cohort = {f"P{number}": [number % 5 == 0] for number in range(60)}
    positive = [name for name, codes in cohort.items() if any(codes)]
    (whole, *_) = folds.deal(cohort, 3, 1, 0.25, 0)
    thin = [folds.thinned(whole, share, positive, 0) for share in (0.01, 0.25, 0.5)]
    sizes = [collections.Counter(cohort[name][0] for name in fold.train) for fold in thin]
    assert sizes[0] == {True: 1, False: 1}
    assert sizes[2] == {True: round(0.5 * 6), False: round(0.5 * 24)}
    for smaller, larger in itertools.pairwise([*thin, whole]):
        assert set(smaller.train) < set(larger.train)
        assert (smaller.validation, smaller.test) == (larger.validation, larger.test)
    assert [fold.name for fold in [whole, *thin]] == [
        "repeat1_fold1", "repeat1_fold1_share0.01", "repeat1_fold1_share0.25", "repeat1_fold1_share0.5"
    ]  # fmt: skip


def test_a_patient_in_two_parts_is_a_leak() -> None:
    with pytest.raises(folds.LeakError, match="repeat1_fold1: patient P1 is in two parts; 2 patients are"):
        folds.Fold(0, 0, train=("P0", "P1", "P2"), validation=("P1",), test=("P2", "P3"))


@pytest.mark.parametrize(
    ("cohort", "count", "stratify", "message"),
    [
        ({f"P{n}": [n < 4] for n in range(40)}, 5, True, "5 positive patients.*Received: 4 of 40.*4 folds or fewer"),
        ({f"P{n}": [n > 2] for n in range(40)}, 5, True, "5 negative patients.*Received: 3 of 40.*3 folds or fewer"),
        ({f"P{n}": [n < 2] for n in range(40)}, 2, True, "Received: 2 of 40.*nothing can be cross-validated"),
        ({"P0": [True], "P1": [False]}, 2, False, "2 folds need 3 patients. Received: 2"),
        ({f"P{n}": [False] for n in range(4)}, 5, False, "5 folds need 5 patients. Received: 4"),
        ({f"P{n}": [n < 3] for n in range(40)}, 2, True, "only negative records"),
    ],
)
def test_too_few_patients_are_refused_with_advice(
    cohort: dict[str, list[bool]], count: int, stratify: bool, message: str
) -> None:
    with pytest.raises(folds.FoldError, match=message):
        folds.deal(cohort, count, 1, 0.25, 0, stratify)
