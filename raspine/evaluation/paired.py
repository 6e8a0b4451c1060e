"""Paired measurements: what two raters measured on the same films, in mm."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Differences below this share of the values' size are rounding; scipy.stats.pearsonr draws the line there too.
ROUNDING = 1e-13

# Sums of squares of larger values multiply to more than a float holds; no length in mm comes near.
LARGEST = 1e60


@dataclasses.dataclass(frozen=True, eq=False)
class Paired:
    """Complete pairs of measurements.

    Attributes:
      first: float64 [pair].
      second: float64 [pair].
      groups: intp [pair], the number of each pair's patient, 0..n_patients - 1; every pair its own without patients.
      left_out: pairs that lack one or both values.
    """

    first: Array
    second: Array
    groups: NDArray[np.intp]
    left_out: int

    @property
    def n(self) -> int:
        """How many pairs are complete."""
        return len(self.first)

    @property
    def differences(self) -> Array:
        """First minus second, float64 [pair]."""
        return self.first - self.second

    @property
    def n_patients(self) -> int:
        """How many patients the pairs come from."""
        return int(self.groups.max()) + 1 if self.n else 0

    @property
    def repeats(self) -> bool:
        """Whether some patient has more than one pair."""
        return self.n_patients < self.n

    @property
    def scale(self) -> float:
        """The largest value there is, which says what rounding can do."""
        return float(max(np.abs(self.first).max(initial=0), np.abs(self.second).max(initial=0)))


def complete(first: ArrayLike, second: ArrayLike, patients: Sequence[str] | None = None) -> Paired:
    """Leaves out pairs with a missing value and counts them.

    Args:
      first: float [film], NaN where missing.
      second: float [film], NaN where missing.
      patients: pseudonym of each film's patient; None: every film its own.

    Raises:
      ValueError: lengths differ, a value is infinite or beyond 1e60, or a film has no patient.
    """
    one, two = (_column(values, name) for values, name in ((first, "first"), (second, "second")))
    if len(one) != len(two):
        raise ValueError(
            f"both raters give a value, or NaN, for each film. Received: {len(one)} and {len(two)} values."
        )
    kept = ~(np.isnan(one) | np.isnan(two))
    return Paired(one[kept], two[kept], groups(patients, kept), int((~kept).sum()))


def groups(patients: Sequence[str] | None, kept: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Numbers the patients of the films that are kept.

    Args:
      patients: pseudonym of each film's patient; None: every film its own.
      kept: bool [film].

    Returns:
      intp [kept film], 0..patients - 1.

    Raises:
      ValueError: there are more or fewer patients than films, or one is None, NaN or empty.
    """
    if patients is None:
        return np.arange(int(kept.sum()))
    if len(patients) != len(kept):
        raise ValueError(f"each film has one patient. Received: {len(patients)} patients of {len(kept)} films.")
    for row, patient in enumerate(patients):
        if _is_nobody(patient):
            raise ValueError(f"each film has a patient, whose name is not empty. Received: {patient!r} in row {row}.")
    names = np.array([str(patient) for patient in patients], str)
    return np.unique(names[kept], return_inverse=True)[1]


def is_constant(values: Array, scale: float | None = None) -> bool:
    """Whether values differ by no more than rounding.

    Args:
      values: float64 [film].
      scale: size of the numbers that they were made from; None: their own.
    """
    size = float(np.abs(values).max(initial=0)) if scale is None else scale
    return not len(values) or float(np.ptp(values)) <= ROUNDING * size


def there_are(count: int) -> str:
    """Returns `there is 1` or `there are 3`, for notes on too few films."""
    return f"there {'is' if count == 1 else 'are'} {count}"


def check_size(values: Array, name: str) -> None:
    """Lets missing values pass, and values that statistics can be computed of.

    Args:
      values: float64 of any shape, NaN where missing.
      name: what they are, for the message.

    Raises:
      ValueError: a value is infinite or beyond 1e60.
    """
    if np.isinf(values).any():
        raise ValueError(f"{name} finite, or NaN where missing. Received: an infinite value.")
    if (np.abs(values) > LARGEST).any():
        raise ValueError(f"{name} at most {LARGEST:g} in size. Received: {np.nanmax(np.abs(values)):g}.")


def _is_nobody(patient: object) -> bool:
    return patient is None or patient != patient or not str(patient).strip()


def _column(values: ArrayLike, name: str) -> Array:
    column = np.asarray(values, np.float64)
    if column.ndim != 1:
        raise ValueError(f"'{name}' is one value for each film. Received: shape {column.shape}.")
    check_size(column, f"'{name}' is")
    return column
