"""Landmark labels from a spreadsheet: a row per image and annotator, checked cell by cell.

Points are (x, y) in pixels of the file as stored, the origin at the centre of its top-left pixel. A wrong
cell refuses its row, a refused row its image; messages name row and column, never an image or a patient.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import clinical, geometry, landmarks, records, spreadsheet
from raspine.dicom import subject

REQUIRED = ("image", "annotator")
OPTIONAL = ("patient_id", "position", "spacing_row_mm", "spacing_column_mm", "age", "sex")
NOT_VISIBLE = ("", "na", "nan", "none", "null")
OTHER_SEX = ("o", "other", "diverse")
CONSENSUS: Mapping[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median}


class LabelsError(ValueError):
    """The labels file as a whole cannot be used."""


class RowError(ValueError):
    """One row of the labels is wrong."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One annotator's points on one image.

    Attributes:
      number: row of the file as a spreadsheet shows it, the header being row 1.
      image: path relative to the images folder, with `/`.
      annotator: name.
      points: float64 [landmark, 2], (x, y) pixels of the file as stored; NaN where not visible.
      patient_id: as written; empty without the column.
      position: neutral, flexion, extension or empty.
      spacing_mm: (row, column) mm, or None.
      age: whole years, 90 standing for every higher age; None when not given.
      sex: F, M, O or empty.
    """

    number: int
    image: str
    annotator: str
    points: NDArray[np.float64]
    patient_id: str = ""
    position: str = ""
    spacing_mm: tuple[float, float] | None = None
    age: int | None = None
    sex: str = ""

    def __post_init__(self) -> None:
        if not self.image or not self.annotator:
            raise RowError(f"labels row {self.number}: image and annotator are both needed.")


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A row that cannot be used.

    Attributes:
      number: row of the file as a spreadsheet shows it.
      image: the image it names when that is a proper name, else empty.
      annotator: as written.
      reason: one line without identifiers.
    """

    number: int
    image: str
    annotator: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Table:
    """What a labels file holds.

    Attributes:
      rows: the usable rows in the file's order.
      refused: the others.
      unknown_columns: columns that mean nothing here.
      has_patients: whether there is a patient_id column.
    """

    rows: tuple[Row, ...]
    refused: tuple[Refusal, ...]
    unknown_columns: tuple[str, ...]
    has_patients: bool

    @property
    def images(self) -> tuple[str, ...]:
        """The images that any row names properly, sorted."""
        return tuple(sorted({*(row.image for row in self.rows), *(row.image for row in self.refused)} - {""}))

    @property
    def annotators(self) -> tuple[str, ...]:
        """The annotators' names, sorted."""
        return tuple(sorted({row.annotator for row in self.rows}))


@dataclasses.dataclass(frozen=True)
class FilmLabels:
    """All that the labels say about one image.

    Attributes:
      image: path relative to the images folder.
      annotators: names, sorted.
      points: float64 [annotator, landmark, 2], (x, y) pixels of the file as stored; NaN where not visible.
      rows: the row of each annotator.
      patient_id: as written, or empty.
      position: neutral, flexion, extension or empty.
      spacing_mm: (row, column) mm, or None.
      age: whole years, 90 standing for every higher age; None when not given.
      sex: F, M, O or empty.
    """

    image: str
    annotators: tuple[str, ...]
    points: NDArray[np.float64]
    rows: tuple[int, ...]
    patient_id: str = ""
    position: str = ""
    spacing_mm: tuple[float, float] | None = None
    age: int | None = None
    sex: str = ""


def read(path: str | os.PathLike[str], schema: landmarks.Schema) -> Table:
    """Returns the labels in a CSV file, its columns separated by commas, or by semicolons as Excel may do.

    Args:
      path: a UTF-8 file with the columns `image, annotator, NAME_x, NAME_y, ...`.
      schema: its landmarks name the columns.

    Raises:
      LabelsError: the file cannot be read, or a column is missing or twice there.
    """
    try:
        cells = spreadsheet.read(path)
    except spreadsheet.SpreadsheetError as error:
        raise LabelsError(f"the labels file {error}.") from error
    header = cells[0][1] if cells else []
    coordinates = [f"{name}_{axis}" for name in schema.landmarks for axis in "xy"]
    _check_header(header, coordinates, schema.name)
    rows: list[Row] = []
    refused: list[Refusal] = []
    for number, values in cells[1:]:
        try:
            rows.append(_row(number, header, values, schema))
        except RowError as error:
            named = dict(zip(header, values, strict=False))
            annotator = named.get("annotator", "")
            refused.append(Refusal(number, _image_or_empty(named), annotator, str(error)))
    known = {*REQUIRED, *OPTIONAL, *coordinates}
    unknown = [name for name in header if name not in known]
    return Table(tuple(rows), tuple(refused), tuple(unknown), "patient_id" in header)


def merge(rows: Sequence[Row]) -> FilmLabels:
    """Returns the labels of one image from its rows, the annotators in sorted order.

    Raises:
      RowError: two rows by one annotator, or rows that contradict each other.
    """
    ordered = sorted(rows, key=lambda row: row.annotator)
    names = tuple(row.annotator for row in ordered)
    if len(set(names)) != len(names):
        raise RowError(f"{naming(rows)}: an annotator has more than one row for this image: keep one.")
    for field in ("patient_id", "position", "spacing_mm", "age", "sex"):
        if len({getattr(row, field) for row in rows} - {"", None}) > 1:
            raise RowError(f"{naming(rows)}: the rows of this image differ in {field}: make them agree.")
    points = np.stack([row.points for row in ordered])
    if not np.isfinite(points).any():
        raise RowError(f"{naming(rows)}: no landmark is given on this image.")
    position = max(row.position for row in rows)
    spacing = next((row.spacing_mm for row in rows if row.spacing_mm), None)
    patient = max(row.patient_id for row in rows)
    age = next((row.age for row in rows if row.age is not None), None)
    sex = max(row.sex for row in rows)
    lines = tuple(row.number for row in ordered)
    return FilmLabels(ordered[0].image, names, points, lines, patient, position, spacing, age, sex)


def naming(rows: Iterable[Row]) -> str:
    """Returns how messages name rows: `labels row 2` or `labels rows 2, 3`."""
    numbers = sorted(row.number for row in rows)
    return f"labels row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def consensus(points: NDArray[np.float64], rule: str = "mean") -> NDArray[np.float64]:
    """Returns float64 [landmark, 2]: mean or median over who gave the point; NaN where nobody did.

    Args:
      points: float64 [annotator, landmark, 2], pixels (x, y); NaN where not visible.
      rule: `mean` or `median`.
    """
    result = np.full(points.shape[1:], np.nan)
    for index in range(points.shape[1]):
        given = points[np.isfinite(points[:, index]).all(-1), index]
        if len(given):
            result[index] = CONSENSUS[rule](given, axis=0)
    return result


def image_name(text: str) -> str:
    """Returns an image's name as a relative path with `/`, in Unicode's composed form.

    Raises:
      RowError: the name is empty, absolute, or leaves the images folder.
    """
    if not (name := spreadsheet.contained_path(text)):
        raise RowError("column 'image' must be a path inside the images folder, without '..' or a leading '/'.")
    return name


def _check_header(header: Sequence[str], coordinates: Sequence[str], schema: str) -> None:
    if missing := [name for name in (*REQUIRED, *coordinates) if name not in header]:
        raise LabelsError(f"the labels file lacks the columns {', '.join(missing)} (schema '{schema}').")
    if twice := spreadsheet.repeated(header, {*REQUIRED, *OPTIONAL, *coordinates}):
        raise LabelsError(f"the labels file has columns more than once: {', '.join(twice)}.")
    if ("spacing_row_mm" in header) != ("spacing_column_mm" in header):
        raise LabelsError("the labels file needs both of spacing_row_mm and spacing_column_mm, or neither.")


def _image_or_empty(cells: Mapping[str, str]) -> str:
    try:
        return image_name(cells.get("image", ""))
    except RowError:
        return ""


def _row(number: int, header: Sequence[str], values: Sequence[str], schema: landmarks.Schema) -> Row:
    if len(values) != len(header):
        raise RowError(f"labels row {number}: {len(values)} cells under {len(header)} columns.")
    cells = dict(zip(header, values, strict=True))
    try:
        if not cells["annotator"]:
            raise RowError("column 'annotator' is empty.")
        return Row(
            number,
            image_name(cells["image"]),
            cells["annotator"],
            np.array([_point(cells, name) for name in schema.landmarks]),
            _patient(cells),
            _position(cells.get("position", "")),
            _spacing(cells),
            subject.capped(clinical.parse("age", cells.get("age", ""))),
            _sex(cells.get("sex", "")),
        )
    except (RowError, clinical.ClinicalError) as error:
        raise RowError(f"labels row {number}: {error}") from error


def _point(cells: Mapping[str, str], name: str) -> tuple[float, float]:
    x, y = _number(cells, f"{name}_x"), _number(cells, f"{name}_y")
    if math.isnan(x) != math.isnan(y):
        raise RowError(f"landmark '{name}' has only one of x and y: give both, or neither where it is not visible.")
    return x, y


def _number(cells: Mapping[str, str], column: str) -> float:
    text = cells[column]
    if text.lower() in NOT_VISIBLE:
        return math.nan
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise RowError(f"column '{column}' is not a number. Received: {spreadsheet.received(text)}.")
    return value


def _patient(cells: Mapping[str, str]) -> str:
    if "patient_id" in cells and not cells["patient_id"]:
        raise RowError("column 'patient_id' is empty: fill it, or leave the whole column away.")
    return cells.get("patient_id", "")


def _position(text: str) -> str:
    position = text.lower()
    if position not in ("", *records.POSITIONS):
        received = spreadsheet.received(text)
        raise RowError(f"column 'position' is {', '.join(records.POSITIONS)} or empty. Received: {received}.")
    return position


def _sex(text: str) -> str:
    if text.casefold() in OTHER_SEX:
        return "O"
    return subject.sex_of(clinical.parse("sex", text))


def _spacing(cells: Mapping[str, str]) -> tuple[float, float] | None:
    if "spacing_row_mm" not in cells:
        return None
    row, column = _number(cells, "spacing_row_mm"), _number(cells, "spacing_column_mm")
    if math.isnan(row) and math.isnan(column):
        return None
    if not geometry.is_spacing((row, column)):
        raise RowError(f"spacing_row_mm and spacing_column_mm are both above 0 mm. Received: {row}, {column}.")
    return row, column
