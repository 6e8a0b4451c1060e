import re

import numpy as np
import pytest

from raspine.evaluation import paired


def test_pairs_with_a_missing_value_are_left_out_and_counted() -> None:
    nan = np.nan
    found = paired.complete([1, nan, 3, 4, nan], [1.5, 2, nan, 4, nan], ["b", "a", "a", "a", "c"])
    np.testing.assert_array_equal(found.first, [1, 4])
    np.testing.assert_array_equal(found.second, [1.5, 4])
    assert (found.n, found.left_out, found.n_patients, found.repeats) == (2, 3, 2, False)
    np.testing.assert_array_equal(found.groups, [1, 0])


def test_patients_repeat_only_if_their_complete_pairs_do() -> None:
    assert paired.complete([1, 2, 3], [1, 2, 3], ["a", "a", "b"]).repeats
    assert not paired.complete([1, np.nan, 3], [1, 2, 3], ["a", "a", "b"]).repeats
    assert not paired.complete([1, 2, 3], [1, 2, 3]).repeats


def test_nothing_is_left() -> None:
    found = paired.complete([np.nan], [1.0], ["a"])
    assert (found.n, found.left_out, found.n_patients, found.repeats, found.scale) == (0, 1, 0, False, 0.0)


@pytest.mark.parametrize(
    ("first", "second", "patients", "part"),
    [
        ([1, 2], [1], None, "2 and 1 values"),
        ([1, np.inf], [1, 2], None, "'first' is finite"),
        ([1, 2], [1, -np.inf], None, "'second' is finite"),
        ([[1, 2]], [1, 2], None, "shape (1, 2)"),
        ([1, 2], [1, 2], ["a"], "1 patients of 2 films"),
        ([1, 2], [1, 2], ["a", ""], "'' in row 1"),
        ([1, 2], [1, 2], ["a", "  "], "'  ' in row 1"),
        ([1, 2], [1, 2], [None, "a"], "None in row 0"),
        ([1, np.nan], [1, 2], ["a", np.nan], "nan in row 1"),
        ([1, 2], [1e200, np.nan], None, "'second' is at most 1e+60 in size. Received: 1e+200."),
    ],
)
def test_input_that_makes_no_sense(first: list, second: list, patients: list | None, part: str) -> None:
    with pytest.raises(ValueError, match=re.escape(part)):
        paired.complete(first, second, patients)


def test_rounding_is_no_variance_and_a_millionth_is() -> None:
    assert paired.is_constant(np.array([0.3, 0.1 + 0.2]))
    assert not paired.is_constant(np.array([3.0, 3.000001]))
    assert paired.is_constant(np.array([1e-15, -1e-15]), scale=5.0)
    assert paired.is_constant(np.array([0.0, 0.0]))
