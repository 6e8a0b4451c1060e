"""Several explained studies on one sheet."""

from collections.abc import Sequence

import numpy as np

from raspine import drawing

_BACKGROUND = (24, 26, 30)
_GAP = 12


def grid(rows: Sequence[Sequence[drawing.Picture]]) -> drawing.Picture:
    """Returns pictures in rows, each at the top left of its cell.

    Args:
      rows: uint8 [height, width, 3] RGB; the rows may differ in length.

    Raises:
      ValueError: there is no picture.
    """
    if not any(rows):
        raise ValueError("a sheet needs a picture.")
    width = max(picture.shape[1] for row in rows for picture in row)
    columns = max(len(row) for row in rows)
    lines = [_line(row, width, columns) for row in rows if row]
    return np.concatenate(lines)


def _line(row: Sequence[drawing.Picture], width: int, columns: int) -> drawing.Picture:
    height = max(picture.shape[0] for picture in row)
    line = np.full((height + _GAP, columns * (width + _GAP) - _GAP, 3), _BACKGROUND, np.uint8)
    for number, picture in enumerate(row):
        left = number * (width + _GAP)
        line[: picture.shape[0], left : left + picture.shape[1]] = picture
    return line
