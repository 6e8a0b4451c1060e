from typing import Any

import numpy as np
import pytest

from raspine.serving.answers import FLOAT, INT, STRING, NonsenseError, Output, checked

WANTED = {
    "points": Output(FLOAT, (1, 2), -1e6, 1e6, may_miss=True),
    "confidence": Output(FLOAT, (1,), 0.0, 1.0),
    "verdict": Output(INT, (1,), -1, 1),
    "card": Output(STRING, (1,)),
}


def good() -> dict[str, Any]:
    return {
        "points": np.array([[1.5, np.nan]], np.float32),
        "confidence": np.array([0.5], np.float32),
        "verdict": np.array([1], np.int32),
        "card": np.array([b"{}"], object),
        "more": np.zeros(3),
    }


def test_what_is_wanted_comes_back_and_nothing_else() -> None:
    found = checked(good(), WANTED)
    assert {name: value.dtype for name, value in found.items()} == {
        "points": np.float32, "confidence": np.float32, "verdict": np.int32, "card": object,
    }  # fmt: skip


def test_nested_lists_become_arrays() -> None:
    listed = {"points": [[1, float("nan")]], "confidence": [1], "verdict": [0], "card": ["{}"]}
    found = checked(listed, WANTED)
    np.testing.assert_array_equal(found["points"], np.array([[1, np.nan]], np.float32))
    assert found["card"].tolist() == [b"{}"]
    assert checked({**listed, "card": [{"b64": "e30="}]}, WANTED)["card"].tolist() == [b"{}"]


NONSENSE = {
    "the answer has no 'confidence'": {"confidence": None},
    "'points' is float64, not float32": {"points": np.zeros((1, 2))},
    "'points' has the shape (2, 2), not (1, 2)": {"points": np.zeros((2, 2), np.float32)},
    "'points' has the shape (1, 3), not (1, 2)": {"points": [[1, 2, 3]]},
    "'points' holds infinity": {"points": np.array([[np.inf, 0]], np.float32)},
    "'points' is no regular array": {"points": [[1, 2], [3]]},
    "'points' does not hold numbers of float32": {"points": [["1", "2"]]},
    "'points' holds -1e+20 to 0, which is beyond": {"points": [[-1e20, 0]]},
    "'confidence' holds NaN": {"confidence": [float("nan")]},
    "'confidence' holds 1.5 to 1.5, which is beyond 0 to 1": {"confidence": [1.5]},
    "'confidence' does not hold numbers": {"confidence": [True]},
    "'verdict' does not hold numbers of int32": {"verdict": [0.5]},
    "'verdict' holds 7 to 7": {"verdict": np.array([7], np.int32)},
    "'card' does not hold text": {"card": [3]},
    "'card' has the shape (2,)": {"card": ["a", "b"]},
}


@pytest.mark.parametrize("message", NONSENSE)
def test_nonsense_is_named(message: str) -> None:
    changed = {**good(), **NONSENSE[message]}
    answer = {name: value for name, value in changed.items() if value is not None}
    with pytest.raises(NonsenseError) as caught:
        checked(answer, WANTED)
    assert message in str(caught.value)
