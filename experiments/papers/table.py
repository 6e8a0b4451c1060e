"""The audit as a table for the terminal."""

import itertools
from collections.abc import Mapping, Sequence

from experiments.papers.figures import AGREES, DISAGREES, Figure

_HEADER = ("figure", "printed", "recomputed [95 % interval]", "verdict")


def text(
    figures: Sequence[Figure], titles: Mapping[int, str], remarks: Mapping[int, Sequence[str]], only: bool = False
) -> str:
    """Returns the figures grouped by paper and table, each paper followed by its remarks.

    Args:
      figures: in the order to show.
      titles: by paper.
      remarks: by paper.
      only: whether just what disagrees is shown.
    """
    shown = [figure for figure in figures if not only or figure.verdict == DISAGREES]
    widths = [max(map(len, column)) for column in zip(_HEADER, *map(_cells, shown), strict=True)]
    lines: list[str] = []
    for paper, members in itertools.groupby(shown, lambda figure: figure.paper):
        lines += [f"Paper {paper}: {titles[paper]}", _line(_HEADER, widths)]
        for group, rows in itertools.groupby(members, lambda figure: figure.group):
            lines += ["", f"  {group}"]
            for figure in rows:
                lines.append(_line(_cells(figure), widths))
                lines += [f"      {figure.remark}"] if figure.remark else []
        lines += ["", *(f"  - {remark}" for remark in remarks[paper] if not only), ""]
    return "\n".join(lines)


def closing(figures: Sequence[Figure]) -> str:
    """Returns how many figures there are, and how many disagree."""
    counted = [figure.verdict for figure in figures if not figure.is_again]
    agree, disagree = counted.count(AGREES), counted.count(DISAGREES)
    return f"{len(figures)} figures recomputed; of the printed ones {agree} agree and {disagree} disagree"


def _cells(figure: Figure) -> tuple[str, ...]:
    share = f" ({figure.counted}/{figure.total})" if figure.total else ""
    return f"{figure.name}{share}", figure.printed_text, figure.text, figure.verdict


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "    " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
