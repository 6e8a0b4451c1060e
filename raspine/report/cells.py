"""Figures as cells of a table: the value, and its interval below."""

from collections.abc import Mapping
from typing import Any

from raspine.report import blocks, wording


def figure(found: Mapping[str, Any], digits: int = 2) -> blocks.Cell:
    """Returns a figure's cell; it sorts by the value.

    Args:
      found: `Estimate.to_dict()`.
      digits: behind the point.
    """
    value = found["value"]
    return blocks.Cell(
        wording.number(value, digits), wording.as_number(value), between=wording.interval(found["ci"], digits)
    )


def share(found: Mapping[str, Any]) -> blocks.Cell:
    """Returns a share's cell in per cent; it sorts by the value.

    Args:
      found: `Estimate.to_dict()`, 0..1.
    """
    value = found["value"]
    return blocks.Cell(
        wording.share(value), wording.as_number(value), between=wording.interval(found["ci"], percent=True)
    )


def count(value: Any) -> blocks.Cell:
    """Returns a count's cell."""
    return blocks.Cell(wording.number(value, 0), wording.as_number(value))
