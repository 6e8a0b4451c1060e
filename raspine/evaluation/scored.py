"""What every statistic of a risk model starts from: one score and one outcome a patient."""

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
    """Returns the number of each row's patient, from 0.

    Args:
      patients: any [row], names or numbers; None when each row is another patient.
      rows: how many there are.

    Raises:
      ScoresError: there is not one name a row.
    """
    if patients is None:
        return np.arange(rows)
    names = np.asarray(patients)
    if names.shape != (rows,):
        raise ScoresError(f"patients are a list, one a row. Received shape: {names.shape}, of {rows} rows.")
    return np.unique(names, return_inverse=True)[1].astype(np.intp)
