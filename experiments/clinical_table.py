"""The flag --clinical of experiments.predict: clinical values of studies from a CSV file."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from raspine import clinical, program, spreadsheet, study_search
from raspine.dicom.study import Study
from raspine.study_search import Source

KEYS = ("study", "study_uid", "patient_id")


class SeveralRowsError(ValueError):
    """More than one row is a study's."""


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """One row of the file.

    Attributes:
      number: as a spreadsheet shows it.
      keys: its filled cells among KEYS; a study must match them all.
      values: float32 [6] as in `clinical.COLUMNS`, NaN where missing.
    """

    number: int
    keys: Mapping[str, str]
    values: NDArray[np.float32]


def read(path: str) -> tuple[Row, ...]:
    """Returns the rows of a CSV file whose columns are separated by commas or semicolons.

    Args:
      path: UTF-8, with a column `study` (path of folder or file), `study_uid` or `patient_id`, and clinical columns.

    Raises:
      UsageError: the file cannot be read, lacks a column, or has a value that means nothing.
    """
    try:
        table = spreadsheet.read(path)
    except spreadsheet.SpreadsheetError as error:
        # Without its path: names of folders can be names of people.
        raise program.UsageError(f"--clinical: the file {error}.") from error
    header = table[0][1] if table else []
    _check(header)
    return tuple(_row(number, header, cells) for number, cells in table[1:])


def find(rows: Sequence[Row], source: Source) -> Row | None:
    """Returns the row of a study, None without one.

    Raises:
      SeveralRowsError: there are several.
    """
    found = [row for row in rows if _is_of(row, source)]
    if len(found) > 1:
        numbers = ", ".join(str(row.number) for row in found)
        raise SeveralRowsError(f"rows {numbers} of --clinical are all of this study: add a column study or study_uid.")
    return found[0] if found else None


def _check(header: Sequence[str]) -> None:
    if twice := spreadsheet.repeated(header, {*KEYS, *clinical.COLUMNS}):
        raise program.UsageError(f"--clinical: columns more than once: {', '.join(twice)}.")
    if not set(KEYS) & set(header):
        raise program.UsageError(f"--clinical: none of the columns {', '.join(KEYS)} says which study a row is of.")
    if not set(clinical.COLUMNS) & set(header):
        raise program.UsageError(f"--clinical: none of the columns {', '.join(clinical.COLUMNS)}.")


def _row(number: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(header):
        raise program.UsageError(f"--clinical: row {number} has {len(cells)} cells under {len(header)} columns.")
    named = dict(zip(header, cells, strict=True))
    keys = {key: named[key] for key in KEYS if named.get(key)}
    if not keys:
        raise program.UsageError(f"--clinical: row {number} names no study.")
    try:
        return Row(number, keys, clinical.vector(named))
    except clinical.ClinicalError as error:
        raise program.UsageError(f"--clinical: row {number}: {error}") from error


def _is_of(row: Row, source: Source) -> bool:
    return all(_MATCHES[key](value, source) for key, value in row.keys.items())


def _has_path(value: str, source: Source) -> bool:
    named = os.path.abspath(value)
    return named == os.path.abspath(source.name) or [named] == [
        study_search.shown(path.absolute()) for path in source.files
    ]


def _has_uid(value: str, source: Source) -> bool:
    return isinstance(source.content, Study) and source.content.uid == value


def _has_patient(value: str, source: Source) -> bool:
    """Returns whether a study is of a patient by PatientID, with its issuer or without."""
    people = source.content.people if isinstance(source.content, Study) else ()
    return any(value in (person.patient_id, person.patient_id.rpartition("\\")[2]) for person in people)


_MATCHES = {"study": _has_path, "study_uid": _has_uid, "patient_id": _has_patient}
