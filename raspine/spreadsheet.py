"""CSV files as people and spreadsheet programs write them."""

import collections
import csv
import io
import os
import pathlib
import re
import unicodedata
from collections.abc import Collection, Sequence

MAX_BYTES = 1 << 26  # 100,000 rows of 600 letters
_SHOWN = 4  # characters of a cell
_LISTED = 20  # columns
_DRIVE = re.compile("[A-Za-z]:")


class SpreadsheetError(ValueError):
    """A file is no CSV file; the message leaves the file's name to the caller."""


def read(path: str | os.PathLike[str]) -> list[tuple[int, list[str]]]:
    """Returns (row number, stripped cells) of every row that is not empty, the header among them.

    Columns are separated by commas, or by semicolons as spreadsheet programs do where the comma is the decimal
    sign. Rows count from 1, as a spreadsheet shows them.

    Args:
      path: a UTF-8 file, with or without a byte order mark.

    Raises:
      SpreadsheetError: the file cannot be read, is not UTF-8 or has broken quotes.
    """
    try:
        text = _text(path)
        header = text.split("\n", 1)[0]
        delimiter = ";" if header.count(";") > header.count(",") else ","
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = [(number, [cell.strip() for cell in cells]) for number, cells in enumerate(lines, 1)]
    except UnicodeDecodeError as error:
        raise SpreadsheetError("is not UTF-8 text: save it as 'CSV UTF-8'") from error
    except OSError as error:
        raise SpreadsheetError(f"cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise SpreadsheetError(f"is not a CSV file: {error}") from error
    return [(number, cells) for number, cells in rows if any(cells)]


def _text(path: str | os.PathLike[str]) -> str:
    with pathlib.Path(path).open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SpreadsheetError(f"has more than {MAX_BYTES} bytes")
    return content.decode("utf-8-sig")


def received(cell: str) -> str:
    """Returns how a message shows a cell: in quotes when it is short; of a longer one only its length.

    In a row whose cells are shifted, any column may hold a name or a number of a patient.
    """
    if len(cell) <= _SHOWN and cell.isprintable():
        return f"'{cell}'"
    return f"a text of {len(cell)} characters"


def repeated(header: Sequence[str], known: Collection[str]) -> list[str]:
    """Returns the columns whose title another one has too: `known` titles by themselves, others as `column 7`.

    A file without a header has a patient's cells in its place.
    """
    counts = collections.Counter(header)
    twice = {title: place for place, title in enumerate(header, 1) if title and counts[title] > 1}
    return [title if title in known else f"column {place}" for title, place in sorted(twice.items())][:_LISTED]


def contained_path(text: str) -> str:
    """Returns a path in a cell as a relative one with `/`, in Unicode's composed form; "" when it leaves its folder.

    Args:
      text: as people write it; the path of nothing, an absolute one and one with `..` leave the folder.
    """
    name = unicodedata.normalize("NFC", text.strip().replace("\\", "/"))
    parts = [part for part in name.split("/") if part != "."]
    leaves = not name or name.startswith("/") or ".." in parts or "" in parts or _DRIVE.match(name) or "\0" in name
    return "" if leaves else "/".join(parts)
