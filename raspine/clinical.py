"""The clinical columns that may go with a study: cells of a spreadsheet into numbers, NaN where nothing is known."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from raspine import quoting, spreadsheet

COLUMNS = ("age", "sex", "disease_duration", "rf", "anti_ccp", "biologic")
MISSING = ("", "na", "n/a", "nan", "none", "null", "unknown")

# An MRI may come before the diagnosis: paper 1 gives durations of the disease from -4 years on.
YEARS = {"age": (0.0, 120.0), "disease_duration": (-80.0, 120.0)}
RANGES = {column: YEARS.get(column, (0.0, 1.0)) for column in COLUMNS}  # of the others the ends alone
_FEMALE = ("1", "f", "female", "w", "woman")
_MALE = ("0", "m", "male", "man")
_YES = ("1", "yes", "y", "true", "positive", "pos", "+")
_NO = ("0", "no", "n", "false", "negative", "neg", "-")


class ClinicalError(ValueError):
    """A clinical value cannot be read; the one-line message names the column."""


def parse(column: str, text: str) -> float:
    """Returns the number behind a cell; NaN for an empty one.

    Args:
      column: one of COLUMNS.
      text: age and disease_duration in years (with a decimal point or comma; a duration is negative before the
        diagnosis); sex `female` (1) or `male` (0); rf, anti_ccp and biologic `yes` (1) or `no` (0), also written
        `positive` and `negative`.

    Raises:
      ClinicalError: the column or the value is none of these.
    """
    if column not in COLUMNS:
        raise ClinicalError(f"a clinical column is {', '.join(COLUMNS)}. Received: {quoting.received(column)}.")
    value = text.strip().casefold()
    if value in MISSING:
        return math.nan
    if column in YEARS:
        return _years(column, value)
    if column == "sex":
        return _choice(column, value, _FEMALE, _MALE, "female (1) or male (0)")
    return _choice(column, value, _YES, _NO, "yes (1) or no (0), a titre by your laboratory's limit")


def vector(cells: Mapping[str, str]) -> NDArray[np.float32]:
    """Returns float32 [6]: the values of COLUMNS in their order, NaN where a column is absent or empty.

    Args:
      cells: text by column; other columns are left alone.

    Raises:
      ClinicalError: a value cannot be read.
    """
    return np.array([parse(column, cells.get(column, "")) for column in COLUMNS], np.float32)


def _years(column: str, value: str) -> float:
    try:
        years = float(value.replace(",", "."))
    except ValueError:
        years = math.nan
    lowest, highest = YEARS[column]
    if not lowest <= years <= highest:
        raise ClinicalError(
            f"column '{column}' is a number of years from {lowest:g} to {highest:g}, or empty. "
            f"Received: {spreadsheet.received(value)}."
        )
    return years


def _choice(column: str, value: str, one: tuple[str, ...], zero: tuple[str, ...], rule: str) -> float:
    if value in one:
        return 1.0
    if value in zero:
        return 0.0
    raise ClinicalError(f"column '{column}' is {rule}, or empty. Received: {spreadsheet.received(value)}.")
