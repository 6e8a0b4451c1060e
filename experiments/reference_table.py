"""The flag --reference of experiments.evaluate: another score of the same studies from a CSV file."""

import math
from collections.abc import Sequence

from raspine import program, spreadsheet

COLUMNS = ("study", "score")


def read(path: str) -> dict[str, float]:
    """Returns the scores by study from a CSV file whose columns are separated by commas or semicolons.

    Args:
      path: UTF-8, with the columns `study` (pseudonym) and `score`; others are left alone.

    Raises:
      UsageError: the file cannot be read, lacks a column, or has a study twice or a score that is no number.
    """
    try:
        rows = spreadsheet.read(path)
    except spreadsheet.SpreadsheetError as error:
        raise program.UsageError(f"--reference: '{path}' {error}.") from error
    try:
        return _scores(rows)
    except ValueError as error:
        raise program.UsageError(f"--reference: '{path}': {error}.") from error


def _scores(rows: Sequence[tuple[int, list[str]]]) -> dict[str, float]:
    header = rows[0][1] if rows else []
    if missing := [name for name in COLUMNS if name not in header]:
        raise ValueError(f"it has no column '{missing[0]}'")
    scores: dict[str, float] = {}
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            raise ValueError(f"row {number} has {len(cells)} cells under {len(header)} columns")
        named = dict(zip(header, cells, strict=True))
        name = named["study"]
        if not name or name in scores:
            raise ValueError(f"row {number} has {'a study twice' if name else 'no study'}: each has one row")
        scores[name] = _score(number, named["score"])
    return scores


def _score(number: int, text: str) -> float:
    try:
        score = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"row {number} has a score that is no number") from None
    if not math.isfinite(score):
        raise ValueError(f"row {number} has a score that is not finite")
    return score
