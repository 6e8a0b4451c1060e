"""Outcomes of studies from a spreadsheet: a row per study with two raters, their consensus and clinical columns.

A wrong cell refuses its row, and with it the study that the row names; messages name row and column, never a
patient or a study.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep import manifest
from raspine import clinical, spreadsheet

RATERS = ("rater1", "rater2")
NAMES = ("patient_id", "study_uid", "file", "series_uid")
POSITIVE, NEGATIVE, DOUBTFUL = "1", "0", "doubtful"

_GRADES = {"0": NEGATIVE, "0.0": NEGATIVE, "1": POSITIVE, "1.0": POSITIVE, "doubtful": DOUBTFUL}
_KNOWN = {*NAMES, *RATERS, "consensus", *clinical.COLUMNS}
_EMPTY = ("", "na", "n/a", "nan", "none", "null")


class OutcomesError(ValueError):
    """The outcomes file as a whole cannot be used."""


class RowError(ValueError):
    """One row of the outcomes is wrong."""


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """The outcome of one study.

    Attributes:
      number: row of the file as a spreadsheet shows it, the header being row 1.
      patient_id: as written.
      study_uid: StudyInstanceUID; empty for the patient's earliest study, or with `file`.
      file: path of a NIfTI file relative to the studies folder, with `/`; empty for a DICOM study.
      series_uid: SeriesInstanceUID to take whatever it looks like; empty lets the program choose.
      rater1: `0`, `1`, `doubtful` or empty.
      rater2: the same.
      consensus: `0`, `1` or `doubtful`; the raters' grade where the cell was empty and they agree.
      has_consensus: whether the cell was filled.
      clinical: float32 [6], the columns of raspine.clinical; NaN where unknown.
    """

    number: int
    patient_id: str
    study_uid: str
    file: str
    series_uid: str
    rater1: str
    rater2: str
    consensus: str
    has_consensus: bool
    clinical: NDArray[np.float32]

    @property
    def key(self) -> str:
        """What names the study; empty where only the patient is named."""
        return self.study_uid or self.file


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A row that cannot be used.

    Attributes:
      number: row of the file as a spreadsheet shows it.
      key: the study that it names, or empty.
      reason: one line without identifiers.
    """

    number: int
    key: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Table:
    """What an outcomes file holds.

    Attributes:
      rows: the usable rows in the file's order.
      refused: the others.
      unknown_columns: columns that mean nothing here.
      clinical_columns: those of raspine.clinical.COLUMNS that are there, in that order.
    """

    rows: tuple[Row, ...]
    refused: tuple[Refusal, ...]
    unknown_columns: tuple[str, ...]
    clinical_columns: tuple[str, ...]


def read(path: str | os.PathLike[str]) -> Table:
    """Returns the outcomes in a CSV file, its columns separated by commas, or by semicolons as Excel may do.

    Args:
      path: a UTF-8 file with the columns `patient_id, study_uid, rater1, rater2, consensus`, then clinical ones;
        study_uid may be left out when file or the patient's earliest study is meant, consensus or the raters too.

    Raises:
      OutcomesError: the file cannot be read, or a column is missing or twice there.
    """
    try:
        cells = spreadsheet.read(path)
    except spreadsheet.SpreadsheetError as error:
        raise OutcomesError(f"the outcomes file {error}.") from error
    header = cells[0][1] if cells else []
    _check_header(header)
    rows: list[Row] = []
    refused: list[Refusal] = []
    for number, values in cells[1:]:
        named = dict(zip(header, values, strict=False))
        try:
            if len(values) != len(header):
                raise RowError(f"{len(values)} cells under {len(header)} columns.")
            rows.append(_row(number, named))
        except (RowError, clinical.ClinicalError) as error:
            refused.append(Refusal(number, _key(named), f"outcomes row {number}: {error}"))
    unknown = tuple(name for name in header if name not in _KNOWN)
    return Table(tuple(rows), tuple(refused), unknown, tuple(name for name in clinical.COLUMNS if name in header))


def label(consensus: str, doubtful: str) -> int | None:
    """Returns 1 or 0, or None for a doubtful study that is left out.

    Args:
      consensus: `0`, `1` or `doubtful`.
      doubtful: `exclude`, `negative` or `positive`.
    """
    if consensus == DOUBTFUL:
        return {"exclude": None, "negative": 0, "positive": 1}[doubtful]
    return int(consensus)


def agreement(rows: Iterable[Row]) -> dict[str, Any]:
    """Returns how the raters' grades stand to each other and to the consensus, as counts of studies."""
    given = list(rows)
    both = [row for row in given if row.rater1 and row.rater2]
    same = [row for row in both if row.rater1 == row.rater2]
    return {
        "graded_by_both": len(both),
        "agree": len(same),
        "disagree": len(both) - len(same),
        "rater1_rater2": manifest.tally(f"{row.rater1}/{row.rater2}" for row in both),
        "consensus_from_agreeing_raters": sum(not row.has_consensus for row in given),
        "consensus_against_agreeing_raters": sum(row.consensus != row.rater1 for row in same),
        "consensus": manifest.tally(row.consensus for row in given),
    }


def naming(rows: Iterable[Row]) -> str:
    """Returns how messages name rows: `outcomes row 2` or `outcomes rows 2, 3`."""
    numbers = sorted(row.number for row in rows)
    return f"outcomes row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _check_header(header: Sequence[str]) -> None:
    if twice := spreadsheet.repeated(header, _KNOWN):
        raise OutcomesError(f"the outcomes file has columns more than once: {', '.join(twice)}.")
    if "patient_id" not in header:
        raise OutcomesError("the outcomes file lacks the column patient_id.")
    if "consensus" not in header and not set(RATERS) <= set(header):
        raise OutcomesError("the outcomes file lacks the column consensus, and has no rater1 and rater2 instead.")


def _row(number: int, cells: Mapping[str, str]) -> Row:
    if not cells["patient_id"]:
        raise RowError("column 'patient_id' is empty.")
    study, file = cells.get("study_uid", ""), _file(cells)
    if study and file:
        raise RowError("columns 'study_uid' and 'file' are both filled: a study is one of them.")
    first, second = (_grade(cells, column) for column in RATERS)
    given = _grade(cells, "consensus")
    return Row(
        number,
        cells["patient_id"],
        study,
        file,
        cells.get("series_uid", ""),
        first,
        second,
        given or _agreed(first, second),
        bool(given),
        clinical.vector(cells),
    )


def _file(cells: Mapping[str, str]) -> str:
    text = cells.get("file", "")
    if text and not spreadsheet.contained_path(text):
        raise RowError("column 'file' must be a path inside the studies folder, without '..' or a leading '/'.")
    return spreadsheet.contained_path(text)


def _key(cells: Mapping[str, str]) -> str:
    return cells.get("study_uid", "") or spreadsheet.contained_path(cells.get("file", ""))


def _grade(cells: Mapping[str, str], column: str) -> str:
    text = cells.get(column, "").casefold()
    if text in _EMPTY:
        return ""
    if text not in _GRADES:
        raise RowError(f"column '{column}' is 0, 1, doubtful or empty. Received: {spreadsheet.received(text)}.")
    return _GRADES[text]


def _agreed(first: str, second: str) -> str:
    if not first and not second:
        raise RowError("no outcome is given: fill consensus, or both rater1 and rater2.")
    if not first or not second:
        raise RowError("only one rater gives a grade and there is no consensus.")
    if first != second:
        raise RowError("the raters disagree and there is no consensus.")
    return first
