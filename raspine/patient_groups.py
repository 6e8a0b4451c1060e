"""Who is in a data set, by groups: the table records.csv of a data folder, age bands, leaks.

rows = read("build/records")
band = group(rows["F00001"], "age")        # 50-59
"""

import collections
import csv
import dataclasses
import hashlib
import math
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from raspine import atomic, spreadsheet

FILE = "records.csv"
FIELDS = ("id", "patient", "split", "position", "age", "sex", "scanner", "spacing_source", "flags")
UNKNOWN = "unknown"
AGE_BANDS = ("under 40", "40-49", "50-59", "60-69", "70-79", "80 and over")
GROUPS = ("age", "sex", "position", "scanner", "spacing_source")
_JOINT = "; "


class PatientGroupsError(ValueError):
    """A records.csv cannot be used; the message leaves the folder's name to the caller."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One film or study; empty where nothing is known.

    Attributes:
      id: pseudonym of the film or study.
      patient: pseudonym.
      split: train, validation or test.
      position: neutral, flexion, extension or empty.
      age: whole years at the study; 90 stands for 90 and older; None when unknown.
      sex: F, M, O or empty.
      scanner: a known maker or `other`, for MR with its field strength.
      spacing_source: of raspine.dicom.spacing; empty for studies.
      flags: what is doubtful.
    """

    id: str
    patient: str
    split: str
    position: str = ""
    age: int | None = None
    sex: str = ""
    scanner: str = ""
    spacing_source: str = ""
    flags: tuple[str, ...] = ()


def read(folder: str | os.PathLike[str], sha256: str | None = None) -> dict[str, Row]:
    """Returns the rows of a data folder's records.csv by id; none when the folder has no such file.

    Args:
      folder: of data_prep.radiographs or data_prep.mri.
      sha256: of the file as dataset.json has it under `records_csv`; None asks nothing.

    Raises:
      PatientGroupsError: the file is not what data_prep writes, or has another hash.
    """
    try:
        content = (pathlib.Path(folder) / FILE).read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise PatientGroupsError(f"{FILE} cannot be read: {error.strerror}.") from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise PatientGroupsError(
            f"{FILE} was changed: its sha256 is not that of dataset.json. Make the data set again."
        )
    return _parsed(content)


def write(path: str | os.PathLike[str], rows: Iterable[Row]) -> str:
    """Writes rows in the order of their ids and returns the file's sha256."""
    table = [_cells(row) for row in sorted(rows, key=lambda row: row.id)]
    atomic.write_csv(path, table, FIELDS)
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def age_band(age: float | None) -> str:
    """Returns one of AGE_BANDS, `unknown` without an age (None, NaN).

    Args:
      age: years.
    """
    if age is None or math.isnan(age):
        return UNKNOWN
    return AGE_BANDS[min(max(int(age) // 10 - 3, 0), len(AGE_BANDS) - 1)]


def group(row: Row, by: str) -> str:
    """Returns the group that a film or study belongs to, `unknown` where nothing is known.

    Args:
      row: the film or study.
      by: one of GROUPS.

    Raises:
      PatientGroupsError: `by` is none of these.
    """
    if by not in GROUPS:
        raise PatientGroupsError(f"patients are grouped by {', '.join(GROUPS)}. Received: '{by[:20]}'.")
    return age_band(row.age) if by == "age" else getattr(row, by) or UNKNOWN


def leaks(rows: Iterable[Row]) -> list[str]:
    """Returns the patients that are in more than one split, sorted; an empty list is a clean data set."""
    splits: dict[str, set[str]] = collections.defaultdict(set)
    for row in rows:
        splits[row.patient].add(row.split)
    return sorted(patient for patient, there in splits.items() if len(there) > 1)


def _cells(row: Row) -> dict[str, Any]:
    cells = {field: getattr(row, field) for field in FIELDS}
    return {**cells, "age": "" if row.age is None else row.age, "flags": _JOINT.join(row.flags)}


def _parsed(content: bytes) -> dict[str, Row]:
    try:
        lines = csv.DictReader(content.decode("utf-8").splitlines(), strict=True)
        if tuple(lines.fieldnames or ()) != FIELDS:
            raise PatientGroupsError(f"{FILE} has the columns {', '.join(FIELDS)}. Make the data set again.")
        rows = [_row(number, cells) for number, cells in enumerate(lines, 2)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise PatientGroupsError(f"{FILE} is not a CSV file in UTF-8. Make the data set again.") from error
    found = {row.id: row for row in rows}
    if len(found) < len(rows):
        raise PatientGroupsError(f"{FILE} names one film or study twice. Make the data set again.")
    return found


def _row(number: int, cells: Mapping[str, Any]) -> Row:
    if None in cells or None in cells.values():
        raise PatientGroupsError(f"{FILE}, row {number}: {len(FIELDS)} cells are expected. Make the data set again.")
    age: str = cells["age"]
    if age and not (age.isascii() and age.isdecimal() and len(age) <= 3):
        raise PatientGroupsError(
            f"{FILE}, row {number}: age is whole years or empty. Received: {spreadsheet.received(age)}."
        )
    flags = tuple(flag for flag in cells["flags"].split(_JOINT) if flag)
    return Row(**{**cells, "age": int(age) if age else None, "flags": flags})
