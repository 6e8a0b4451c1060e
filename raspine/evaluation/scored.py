"""What every statistic of a risk model starts from: one score and one outcome a patient."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]
Outcomes = NDArray[np.bool_]


class ScoresError(ValueError):
    """Scores and outcomes that no statistic can be made of."""


def checked(scores: ArrayLike, outcomes: ArrayLike) -> tuple[Scores, Outcomes]:
    """Returns scores and outcomes as arrays of one length.

    Args:
      scores: float [patient], higher for more risk.
      outcomes: int [patient], 1 positive, 0 negative.

    Raises:
      ScoresError: nothing there, lengths differ, a score is not finite, or an outcome is neither 0 nor 1.
    """
    numbers = np.asarray(scores, np.float64)
    codes = np.asarray(outcomes)
    if numbers.ndim != 1 or codes.shape != numbers.shape:
        raise ScoresError(
            f"scores and outcomes are two lists of one length. Received shapes: {numbers.shape}, {codes.shape}."
        )
    if not numbers.size:
        raise ScoresError("there is no score to evaluate: the split holds no study with a known outcome.")
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ScoresError(f"every score is a finite number. Received: {numbers[row]} in row {row}.")
    if not np.isin(codes, (0, 1)).all():
        row = int(np.flatnonzero(~np.isin(codes, (0, 1)))[0])
        raise ScoresError(
            f"every outcome is 0 or 1. Received: {codes[row]} in row {row}; leave studies without outcome out."
        )
    return numbers, codes.astype(bool)


def patient_codes(patients: ArrayLike | None, rows: int) -> NDArray[np.intp]:
    """Returns the number of each row's patient, from 0. Names of several types, `1` and `"a"`, compare as text.

    Args:
      patients: any [row], names or numbers; None when each row is another patient.
      rows: how many there are.

    Raises:
      ScoresError: there is not one name a row, or a name is None, NaN or empty.
    """
    if patients is None:
        return np.arange(rows)
    # As objects, since numpy makes the text "nan" of a NaN among texts.
    names = patients if isinstance(patients, np.ndarray) else np.asarray(patients, object)
    if names.shape != (rows,):
        raise ScoresError(f"patients are a list, one a row. Received shape: {names.shape}, of {rows} rows.")
    if names.dtype.kind not in "iub":
        names = _named(names.tolist())
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def _named(names: list[Any]) -> NDArray[Any]:
    """Returns the names as an array that can be sorted."""
    for row, name in enumerate(names):
        is_empty = isinstance(name, str | bytes) and not name.strip()
        if name is None or name != name or is_empty:
            raise ScoresError(f"every row has a patient. Received: {name!r} in row {row}.")
    array = np.asarray(names)
    return np.array([str(name) for name in names]) if array.dtype == object else array


def one_class(positive: Outcomes) -> str:
    """Returns which outcome is the only one that occurs, for people; empty when both do.

    Args:
      positive: bool [row], at least one.
    """
    if positive.any() and not positive.all():
        return ""
    kind = "positive" if positive[0] else "negative"
    return f"the only outcome is {kind}" if positive.size == 1 else f"all {positive.size} outcomes are {kind}"
