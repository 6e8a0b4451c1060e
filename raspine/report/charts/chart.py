"""A chart as a page embeds it: the picture as inline SVG, its words, and the numbers behind it."""

import dataclasses
import math

from raspine.report import wording
from raspine.report.charts import number

Cell = str | int | float


@dataclasses.dataclass(frozen=True)
class Table:
    """The numbers behind a chart.

    Attributes:
      header: what the columns hold.
      rows: a cell a column; NaN where unknown.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"a row has a cell for each of {self.header}. Received: {row}.")

    def cells(self) -> list[list[str]]:
        """Returns the rows as text for people: numbers with four significant digits, a dash for NaN."""
        return [[_cell_text(cell) for cell in row] for row in self.rows]


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart and what a page says about it.

    Attributes:
      name: a-z, digits and _; all ids within the SVG begin with it and a hyphen.
      title: for the heading.
      svg: one `<svg>` element without outside references, scripts and style sheets.
      alternative: one sentence that says what is to be seen, with the main figure.
      caption: what one must know to read it.
      table: the numbers behind it.
      natural_width: the width in CSS pixels at which its text has 12 to 13 pixels.
    """

    name: str
    title: str
    svg: str
    alternative: str
    caption: str
    table: Table
    natural_width: int


def _cell_text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return str(cell)
    if math.isnan(cell):
        return wording.UNKNOWN
    if abs(cell) < 1e-4:
        return "0" if cell == 0 else "0.0000"
    return number.short(cell, 4).replace("inf", "∞")
