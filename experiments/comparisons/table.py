"""A comparison as text for the terminal."""

import itertools
import math
from collections.abc import Sequence

from experiments.comparisons.pairs import Pair
from raspine.evaluation.estimate import Estimate


def text(pairs: Sequence[Pair]) -> str:
    """Returns a table for each pair of runs."""
    lines: list[str] = []
    for names, members in itertools.groupby(pairs, lambda pair: (pair.first, pair.second)):
        shown = list(members)
        rows = [("", "n (patients)", names[0], names[1], "difference", "p", "p, Holm"), *map(_cells, shown)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        notes = [(pair.title, pair.found.note or pair.found.difference.note) for pair in shown]
        lines += [f"  {title}: {note}" for title, note in notes if note]
        lines.append("")
    return "\n".join(lines)


def _cells(pair: Pair) -> tuple[str, ...]:
    found = pair.found
    sides = (_estimate(found.first), _estimate(found.second), _estimate(found.difference, "+"))
    return pair.title, f"{pair.rows} ({pair.patients})", *sides, _p(found.p), _p(pair.p_holm)


def _estimate(estimate: Estimate, sign: str = "") -> str:
    if not estimate.is_defined:
        return "-"
    value = f"{estimate.value:{sign}.3f}"
    return f"{value} [{estimate.interval[0]:.3f}, {estimate.interval[1]:.3f}]" if estimate.has_interval else value


def _p(value: float) -> str:
    return "-" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
