"""What a data folder says of its films or studies beside the truth: columns for tables, and groups for figures."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from raspine import patient_groups, program

COLUMNS = ("age", "sex", "scanner", "spacing_source")
Rows = Mapping[str, patient_groups.Row]


def read(folder: str) -> dict[str, patient_groups.Row]:
    """Returns the rows of a data folder's records.csv by pseudonym; none where it has no such file.

    Raises:
      UsageError: the file is damaged, or was changed after dataset.json.
    """
    try:
        manifest = json.loads((pathlib.Path(folder) / "dataset.json").read_text(encoding="utf-8"))
        return patient_groups.read(folder, manifest.get("records_csv"))
    except patient_groups.PatientGroupsError as error:
        raise program.UsageError(f"--data: {error}") from error


def columns(rows: Rows, name: str) -> dict[str, Any]:
    """Returns the cells of COLUMNS for a film or study, None where nothing is known."""
    row = rows.get(name)
    return {column: (getattr(row, column) if row else None) or None for column in COLUMNS}


def groups(rows: Rows, names: Sequence[str]) -> dict[str, list[str]]:
    """Returns by group the level of each film or study; groups of which nothing is known are left out.

    Args:
      rows: of `read`.
      names: pseudonyms of the films or studies.
    """
    unknown = patient_groups.UNKNOWN
    found = {
        by: [patient_groups.group(rows[name], by) if name in rows else unknown for name in names]
        for by in patient_groups.GROUPS
    }
    return {by: levels for by, levels in found.items() if set(levels) != {unknown}}
