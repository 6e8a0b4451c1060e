"""The picture of an explained study: its slices side by side with the map in red, as a radiologist reads a series.

Slices are shown with the head up and anterior on the left, from the patient's right to the left.
"""

import dataclasses
import math
import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from raspine import drawing

WIDTH = 1200
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_GAP = 4
_MARGIN = 14
_LARGE, _PLAIN, _SMALL = 28, 17, 16
_STRONGEST = 0.6  # of the red where the map is 1, so that the anatomy still shows
_RED = np.array([255.0, 0.0, 0.0])
_BACKGROUND, _WHITE, _BLACK = (24, 26, 30), (255, 255, 255), (0, 0, 0)
_PALE, _DIM = (225, 228, 232), (165, 170, 177)
_BAR = (160, 14)  # width and height of the colour bar, pixels


@dataclasses.dataclass(frozen=True)
class Caption:
    """What stands above the slices.

    Attributes:
      heading: large: the risk and the verdict, say `Risk 0.73: positive`.
      method: what the red is, say `Grad-CAM`.
      lines: the rest, one below the other; long ones are wrapped.
      colour: `#rrggbb` of the heading.
    """

    heading: str
    method: str = "Grad-CAM"
    lines: Sequence[str] = ()
    colour: str = "#ffffff"


def picture(
    slices: NDArray[np.uint16],
    maps: ArrayLike | None,
    positions_mm: ArrayLike,
    caption: Caption,
    spacing_mm: tuple[float, float] = (1.0, 1.0),
    plain: bool = False,
    columns: int = 3,
    width: int = WIDTH,
) -> drawing.Picture:
    """Returns the study's picture, uint8 [height, width, 3] RGB.

    Args:
      slices: uint16 [slice, row, column], from the patient's right to the left, rows from superior to inferior, columns
        from anterior to posterior; white is 65535.
      maps: float32 [slice, row, column], or [row, column] for one map of all slices, 0..1; None for no red.
      positions_mm: float [slice], centres along the normal, written below each slice.
      caption: what stands above.
      spacing_mm: (row, column) mm, of which only the ratio counts.
      plain: True shows every row of slices once more without red, above the one with it.
      columns: slices in a row.
      width: of the picture, pixels.

    Raises:
      ValueError: if maps or positions do not belong to the slices.
    """
    heat = _checked(slices, maps, positions_mm)
    positions = np.asarray(positions_mm, np.float64)
    top, bottom, left, right = _content(slices)
    shown, side = slices[:, top:bottom, left:right], (width - (columns - 1) * _GAP) // columns
    heat = heat[:, top:bottom, left:right]
    size = (side, max(1, round(side * shown.shape[1] / shown.shape[2] * spacing_mm[0] / spacing_mm[1])))
    rows = []
    for start in range(0, len(slices), columns):
        numbers = range(start, min(start + columns, len(slices)))
        for strength in (0.0, _STRONGEST) if plain and maps is not None else (_STRONGEST,):
            tiles = [reddened(_resized(shown[n], size), _resized(heat[n], size), strength) for n in numbers]
            rows.append(_row([_labelled(tile, n, positions) for tile, n in zip(tiles, numbers, strict=True)], width))
    above = _header(caption, width, has_map=maps is not None, is_empty=not (heat > 0).any())
    gap = np.full((_GAP, width, 3), _BACKGROUND, np.uint8)
    return np.concatenate([above, *(part for row in rows for part in (row, gap))])


def reddened(grey: NDArray[np.uint16], heat: NDArray[np.float32], strongest: float = _STRONGEST) -> drawing.Picture:
    """Lays red over grey, the more opaque the larger the map.

    Args:
      grey: uint16 [row, column], white is 65535.
      heat: float32 [row, column], 0..1.
      strongest: opacity where the map is 1.

    Returns:
      uint8 [row, column, 3] RGB.
    """
    alpha = strongest * np.clip(heat, 0, 1)[..., None]
    mixed = (1 - alpha) * (grey / 257.0)[..., None] + alpha * _RED
    return np.round(mixed).astype(np.uint8)


def _checked(slices: NDArray[np.uint16], maps: ArrayLike | None, positions_mm: ArrayLike) -> NDArray[np.float32]:
    """Returns a map per slice, float32 [slice, row, column]."""
    if slices.ndim != 3 or slices.dtype != np.uint16:
        raise ValueError(f"slices must be uint16 [slice, row, column]. Received: {slices.dtype} {slices.shape}.")
    if np.shape(positions_mm) != slices.shape[:1]:
        raise ValueError(f"positions_mm must be one per slice, {len(slices)}. Received: {np.shape(positions_mm)}.")
    heat = np.zeros(slices.shape[1:], np.float32) if maps is None else np.asarray(maps, np.float32)
    if heat.shape not in (slices.shape, slices.shape[1:]):
        raise ValueError(f"maps must have the shape {slices.shape} or {slices.shape[1:]}. Received: {heat.shape}.")
    return np.broadcast_to(heat, slices.shape)


def _content(slices: NDArray[np.uint16]) -> tuple[int, int, int, int]:
    """Returns top, bottom, left and right of what is not padding; the whole slice if all of it is."""
    largest = slices.max(0)
    rows, columns = np.flatnonzero(largest.max(1)), np.flatnonzero(largest.max(0))
    if not len(rows):
        return 0, slices.shape[1], 0, slices.shape[2]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _resized(plane: NDArray, size: tuple[int, int]) -> NDArray:
    how = cv2.INTER_AREA if size[0] < plane.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(plane), size, interpolation=how)


def _labelled(tile: drawing.Picture, number: int, positions: NDArray[np.float64]) -> drawing.Picture:
    """Writes number, side and position on a slice, and the directions at its edges."""
    canvas = Image.fromarray(tile)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(_SMALL)
    height, width = tile.shape[:2]
    side = {0: " right", len(positions) - 1: " left"}.get(number, "")
    texts = [
        ((6, 4), "la", f"{number + 1}/{len(positions)}{side}"),
        ((6, height - 5), "ls", f"{positions[number]:+.1f} mm"),
        ((width / 2, 4), "ma", "H"),
        ((6, height / 2), "lm", "A"),
        ((width - 6, height / 2), "rm", "P"),
    ]
    for place, anchor, text in texts:
        pen.text(place, text, _WHITE, font, anchor=anchor, stroke_width=2, stroke_fill=_BLACK)
    return np.asarray(canvas)


def _row(tiles: Sequence[drawing.Picture], width: int) -> drawing.Picture:
    row = np.full((tiles[0].shape[0], width, 3), _BACKGROUND, np.uint8)
    for number, tile in enumerate(tiles):
        left = number * (tile.shape[1] + _GAP)
        row[:, left : left + tile.shape[1]] = tile
    return row


def _header(caption: Caption, width: int, has_map: bool, is_empty: bool) -> drawing.Picture:
    """Returns heading and lines on the left, colour bar and the note on use on the right."""
    large, plain, small = (ImageFont.load_default(size) for size in (_LARGE, _PLAIN, _SMALL))
    room = width - 3 * _MARGIN - _BAR[0] - 80
    letters = int(room / plain.getlength("n"))
    lines = [part for line in caption.lines for part in textwrap.wrap(line, letters)]
    height = max(_MARGIN + 40 + 23 * len(lines) + 6, 86)
    canvas = Image.fromarray(np.full((height, width, 3), _BACKGROUND, np.uint8))
    pen = ImageDraw.Draw(canvas)
    pen.text((_MARGIN, _MARGIN - 4), caption.heading, drawing.rgb(caption.colour), large)
    for number, line in enumerate(lines):
        pen.text((_MARGIN, _MARGIN + 36 + 23 * number), line, _PALE, plain)
    right = width - _MARGIN
    pen.text((right, height - 8), drawing.RESEARCH_USE, _DIM, small, anchor="rs")
    if has_map:
        named = f"{caption.method}: the map is empty" if is_empty else caption.method
        pen.text((right, 8), named, _PALE, small, anchor="ra")
        _bar(canvas, pen, right, small)
    return np.asarray(canvas)


def _bar(canvas: Image.Image, pen: ImageDraw.ImageDraw, right: int, font: Font) -> None:
    """Draws the reds of 0..1 over mid grey, as they look on tissue."""
    width, height = _BAR
    label = math.ceil(font.getlength("max")) + 8
    heat = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    left = right - label - width
    canvas.paste(Image.fromarray(reddened(np.full((height, width), 26000, np.uint16), heat)), (left, 34))
    pen.text((left - 8, 34 + height / 2), "0", _PALE, font, anchor="rm")
    pen.text((right, 34 + height / 2), "max", _PALE, font, anchor="rm")
