"""What a section of the report is made of: plain values that the templates turn into HTML."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from raspine.report import charts


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
      text: of it.
      tone: `plain`, `note`, `missing` (a command would make what is not there) or `verdict`.
    """

    text: str
    tone: str = "plain"
    kind: ClassVar[str] = "text"


@dataclasses.dataclass(frozen=True)
class Tile:
    """A key figure.

    Attributes:
      label: what it is.
      value: ready text.
      interval: ready text, empty without one.
      note: what it rests on.
    """

    label: str
    value: str
    interval: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Key figures side by side."""

    tiles: Sequence[Tile]
    kind: ClassVar[str] = "tiles"


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
      text: what it shows.
      order: number that sorting uses; None sorts by the text.
      tone: `good`, `bad`, `open` or empty; always beside words that say the same.
      link: name of the section that the text leads to.
      between: the interval, below the text.
    """

    text: str
    order: float | None = None
    tone: str = ""
    link: str = ""
    between: str = ""


Row = Sequence[Cell | str]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose columns sort on a click.

    Attributes:
      caption: of the table.
      header: of the columns.
      rows: cells; a plain string is a cell of text.
      numeric: numbers of the columns that stand at the right.
      narrow: whether the page shows it as a list of cards on a narrow screen.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Row]
    numeric: Sequence[int] = ()
    narrow: bool = False
    kind: ClassVar[str] = "table"

    def cells(self) -> list[list[Cell]]:
        """Returns the rows with every cell a `Cell`."""
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]


@dataclasses.dataclass(frozen=True)
class Charts:
    """Charts side by side where there is room."""

    charts: Sequence[charts.Chart]
    kind: ClassVar[str] = "charts"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of the gallery.

    Attributes:
      source: data URI.
      width, height: pixels.
      alternative: what it shows, for those who do not see it.
      title: the case.
      group: `best`, `median`, `worst`, `tp`, ...
      group_name: the group for people.
      series: a second thing to filter by, as the method of a map; empty for none.
      facts: lines below it.
    """

    source: str
    width: int
    height: int
    alternative: str
    title: str
    group: str
    group_name: str
    series: str = ""
    facts: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Pictures with filters and a large view."""

    name: str
    pictures: Sequence[Picture]
    kind: ClassVar[str] = "gallery"

    @property
    def groups(self) -> dict[str, str]:
        """Names of the groups by key, in the order of the pictures."""
        return {picture.group: picture.group_name for picture in self.pictures}

    @property
    def series(self) -> list[str]:
        """The second filter's values, in the order of the pictures."""
        return list(dict.fromkeys(picture.series for picture in self.pictures if picture.series))


@dataclasses.dataclass(frozen=True)
class Explorer:
    """What decisions would follow from any threshold.

    Attributes:
      risks: float [study].
      outcomes: int [study], 1 or 0.
      threshold: the frozen one.
      at_frozen: ready texts at the frozen threshold by output's name, shown until the script takes over.
    """

    risks: Sequence[float]
    outcomes: Sequence[int]
    threshold: float
    at_frozen: dict[str, str]
    kind: ClassVar[str] = "explorer"


@dataclasses.dataclass(frozen=True)
class Terms:
    """Words and what they mean, or a card's rows."""

    terms: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "terms"


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclasses.dataclass(frozen=True)
class Folded:
    """Blocks that open on a click; open in print."""

    summary: str
    blocks: Sequence[Any]
    kind: ClassVar[str] = "folded"


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
      name: its anchor, a-z and '-'.
      title: its heading.
      blocks: what it holds.
      short: its name in the navigation.
    """

    name: str
    title: str
    blocks: Sequence[Any]
    short: str = ""
