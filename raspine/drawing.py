"""Pictures for people: a film with its landmarks and distances, a close-up beside it, and a caption.

The film is shown as displayed, in canonical orientation and with square pixels. Points are (x, y), the origin at the
centre of the top-left pixel.
"""

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from raspine import atomic, geometry, landmarks

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

PANEL = 360
RESEARCH_USE = "research use only"
_MARGIN = 14
_LEAST_SIDE = 480
_FRACTION_BITS = 4  # OpenCV draws at sixteenths of a pixel
_BACKGROUND: Colour = (24, 26, 30)
_PALE: Colour = (225, 228, 232)
_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (0, 0, 0)


@dataclasses.dataclass(frozen=True)
class Caption:
    """What stands beside the film.

    Attributes:
      heading: one line in large letters.
      lines: the rest; long ones are wrapped.
      colour: `#rrggbb` of the heading.
    """

    heading: str
    lines: Sequence[str] = ()
    colour: str = "#ffffff"


@dataclasses.dataclass(frozen=True)
class Marks:
    """What is drawn on a film.

    Attributes:
      points: float [landmark, 2], native pixels (x, y), drawn as dots; NaN is left out.
      labels: text at the middle of each distance, by its name; a distance without one is not drawn.
      truth: float [landmark, 2], drawn as rings joined to the dots; None without.
    """

    points: ArrayLike
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    truth: ArrayLike | None = None


def overlay(
    pixels: NDArray[np.uint16],
    spacing: tuple[float, float] | None,
    schema: landmarks.Schema,
    marks: Marks,
    caption: Caption,
    max_side: int = 1000,
) -> Picture:
    """Returns a picture of a film with its landmarks, uint8 [height, width, 3] RGB.

    Args:
      pixels: uint16 [height, width], canonical values as displayed, white is 65535.
      spacing: (row, column) mm, of which only the ratio counts; None for square pixels.
      schema: names, colours and distances.
      marks: the points.
      caption: what stands beside.
      max_side: longest side of the picture, pixels.
    """
    aspect = np.array(spacing or (1.0, 1.0)) / max(spacing or (1.0, 1.0))
    film, to_film = _shown(pixels, (0, 0, *pixels.shape[::-1]), aspect, (max_side - PANEL, max_side), _LEAST_SIDE)
    _draw(film, to_film, schema, marks, radius=3, with_labels=False)
    panel = np.full((max(film.shape[0], _LEAST_SIDE), PANEL, 3), _BACKGROUND, np.uint8)
    used = _MARGIN
    box = _close_up(pixels.shape, marks, aspect)
    if box:
        side = PANEL - 2 * _MARGIN
        detail, to_detail = _shown(pixels, box, aspect, (side, side), side)
        _draw(detail, to_detail, schema, marks, radius=5, with_labels=True)
        height, width = detail.shape[:2]
        panel[used : used + height, _MARGIN : _MARGIN + width] = detail
        used += height + _MARGIN
    panel = _written(panel, used, caption, schema)
    return _beside(film, panel)


def write_png(path: str | os.PathLike[str], picture: Picture) -> None:
    """Writes an RGB picture [height, width, 3] as PNG."""
    done, encoded = cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise ValueError(f"OpenCV could not write a PNG of {picture.shape}.")
    with atomic.atomic_file(path) as aside:
        aside.write_bytes(encoded.tobytes())


def read_png(path: str | os.PathLike[str]) -> Picture:
    """Returns a PNG file as an RGB picture [height, width, 3].

    Raises:
      OSError: it cannot be read.
    """
    picture = cv2.imread(os.fspath(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise OSError(f"the picture '{path}' cannot be read.")
    return picture.astype(np.uint8, copy=False)


def of_figure(draw: Callable[[pathlib.Path], None]) -> Picture:
    """Returns as a picture what a function draws into a PNG file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "figure.png"
        draw(path)
        return read_png(path)


def rgb(colour: str) -> Colour:
    """Returns `#rrggbb` as three numbers of 0..255."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return red, green, blue


def _shown(
    pixels: NDArray[np.uint16],
    box: tuple[int, int, int, int],
    aspect: NDArray[np.float64],
    room: tuple[int, int],
    least: int,
) -> tuple[Picture, geometry.Affine]:
    """Returns a part of the film scaled into a room, and native pixels to its pixels.

    Args:
      pixels: uint16 [height, width].
      box: (left, top, right, bottom) in native pixels, right and bottom excluded.
      aspect: (row, column) size of a pixel, the larger 1.
      room: (width, height) at most.
      least: a smaller part is enlarged until its longer side has this length, if the room allows.
    """
    left, top, right, bottom = box
    part = (pixels[top:bottom, left:right] >> 8).astype(np.uint8)
    true_size = np.array([right - left, bottom - top]) * aspect[::-1]
    factor = min(min(np.array(room) / true_size), max(1.0, least / max(true_size)))
    width, height = (max(1, round(side)) for side in true_size * factor)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    grey = cv2.resize(part, (width, height), interpolation=how)
    scale = np.array([width / (right - left), height / (bottom - top)])
    shift = (0.5 - np.array([left, top])) * scale - 0.5
    return np.repeat(grey[..., None], 3, -1), geometry.Affine(np.column_stack([np.diag(scale), shift]))


def _close_up(shape: tuple[int, ...], marks: Marks, aspect: NDArray[np.float64]) -> tuple[int, int, int, int] | None:
    """Returns a square box about all points, None when it would show most of the film or nothing."""
    every = np.concatenate(
        [np.reshape(marks.points, (-1, 2)), np.reshape(marks.truth if marks.truth is not None else [], (-1, 2))]
    )
    limits = np.array(shape[::-1], np.float64)
    every = every[np.isfinite(every).all(-1)]
    if not len(every):
        return None
    every = np.clip(every, 0, limits - 1)
    middle = (every.min(0) + every.max(0)) / 2
    spread = float(((every.max(0) - every.min(0)) * aspect[::-1]).max())
    half = max(0.75 * spread, 0.06 * float(max(limits * aspect[::-1]))) / aspect[::-1]
    if (2 * half > 0.7 * limits).any():
        return None
    start = np.clip(middle - half, 0, limits - 2 * half)
    left, top = (int(value) for value in start)
    right, bottom = (int(np.ceil(value)) for value in start + 2 * half)
    return left, top, min(right, shape[1]), min(bottom, shape[0])


def _draw(
    picture: Picture, view: geometry.Affine, schema: landmarks.Schema, marks: Marks, radius: int, with_labels: bool
) -> None:
    """Draws distances, rings and dots into the picture."""
    points = view.apply(marks.points)
    for distance in schema.distances:
        start, end = points[schema.index(distance.start)], points[schema.index(distance.end)]
        if distance.name in marks.labels and np.isfinite([start, end]).all():
            _line(picture, start, end, _WHITE, max(1, radius // 3))
    colours = [rgb(colour) for colour in schema.colours]
    if marks.truth is not None:
        for true, point, colour in zip(view.apply(marks.truth), points, colours, strict=True):
            if np.isfinite([true, point]).all():
                _line(picture, true, point, colour, 1)
            _ring(picture, true, colour, radius + 3)
    for point, colour in zip(points, colours, strict=True):
        _dot(picture, point, colour, radius)
    if with_labels:
        _label(picture, points, schema, marks.labels)


def _fixed(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = (round(float(value) * (1 << _FRACTION_BITS)) for value in point)
    return x, y


def _drawable(point: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(point).all() and (np.abs(point) < 1e5).all())


def _line(picture: Picture, start: NDArray[np.float64], end: NDArray[np.float64], colour: Colour, width: int) -> None:
    if not (_drawable(start) and _drawable(end)):
        return
    for shade, thickness in ((_BLACK, width + 2), (colour, width)):
        cv2.line(picture, _fixed(start), _fixed(end), shade, thickness, cv2.LINE_AA, _FRACTION_BITS)


def _dot(picture: Picture, point: NDArray[np.float64], colour: Colour, radius: int) -> None:
    """Draws a disc with a white and a black rim, to be seen on bright bone and on black air."""
    if not _drawable(point):
        return
    for shade, reach in ((_BLACK, radius + 2), (_WHITE, radius + 1), (colour, radius)):
        cv2.circle(picture, _fixed(point), reach << _FRACTION_BITS, shade, -1, cv2.LINE_AA, _FRACTION_BITS)


def _ring(picture: Picture, point: NDArray[np.float64], colour: Colour, radius: int) -> None:
    if not _drawable(point):
        return
    for shade, width in ((_BLACK, 3), (colour, 1)):
        cv2.circle(picture, _fixed(point), radius << _FRACTION_BITS, shade, width, cv2.LINE_AA, _FRACTION_BITS)


def _label(picture: Picture, points: NDArray[np.float64], schema: landmarks.Schema, labels: Mapping[str, str]) -> None:
    """Writes each distance's text beside its line, on the side where it covers less."""
    canvas = Image.fromarray(picture)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(18)
    occupied = [point for point in points if _drawable(point)]
    for distance in schema.distances:
        start, end = points[schema.index(distance.start)], points[schema.index(distance.end)]
        if distance.name not in labels or not (_drawable(start) and _drawable(end)):
            continue
        text = labels[distance.name]
        half = np.array([pen.textlength(text, font) / 2, 11.0])
        centre = _beside_line(start, end, half, occupied, np.array(picture.shape[1::-1]))
        pen.text(tuple(centre - half), text, _WHITE, font, stroke_width=2, stroke_fill=_BLACK)
        side = half * (1, 0)
        occupied += [centre - side, centre, centre + side]
    picture[:] = np.asarray(canvas)


def _beside_line(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    half: NDArray[np.float64],
    occupied: Sequence[NDArray[np.float64]],
    size: NDArray[np.int_],
) -> NDArray[np.float64]:
    """Returns the centre of a box of half size `half` beside a line, clear of it, away from what is occupied."""
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6)
    normal = np.array([along[1], -along[0]]) if along.any() else np.array([0.0, -1.0])
    reach = float(np.abs(normal) @ half) + 14
    sides = [(start + end) / 2 + side * reach * normal for side in (1, -1)]
    inside = [np.clip(centre, half + 4, np.maximum(size - half - 4, half + 4)) for centre in sides]

    def room(centre: NDArray[np.float64]) -> float:
        gaps = np.maximum(np.abs(np.array(occupied) - centre) - half, 0)
        return float(np.hypot(*gaps.T).min())

    return max(inside, key=room)


def _written(panel: Picture, top: int, caption: Caption, schema: landmarks.Schema) -> Picture:
    """Returns the panel with heading, lines, legend and the note on use; it grows when they need more room."""
    large, plain, small = (ImageFont.load_default(size) for size in (24, 15, 13))
    width = PANEL - 2 * _MARGIN
    legend = [*zip(schema.landmarks, schema.colours, strict=True)] if len(schema.landmarks) <= 8 else []
    lines = [part for line in caption.lines for part in _wrapped(line, plain, width)]
    needed = top + 34 + 21 * len(lines) + 10 + 19 * len(legend) + 34
    tall = np.full((max(panel.shape[0], needed), PANEL, 3), _BACKGROUND, np.uint8)
    tall[: panel.shape[0]] = panel
    canvas = Image.fromarray(tall)
    pen = ImageDraw.Draw(canvas)
    pen.text((_MARGIN, top), caption.heading, rgb(caption.colour), large)
    for number, line in enumerate(lines):
        pen.text((_MARGIN, top + 34 + 21 * number), line, _PALE, plain)
    start = top + 34 + 21 * len(lines) + 10
    for number, (name, colour) in enumerate(legend):
        y = start + 19 * number
        pen.ellipse((_MARGIN, y + 2, _MARGIN + 11, y + 13), rgb(colour), _WHITE)
        pen.text((_MARGIN + 20, y), name.replace("_", " "), _PALE, small)
    pen.text((_MARGIN, tall.shape[0] - 26), RESEARCH_USE, (150, 155, 162), small)
    return np.asarray(canvas)


def _wrapped(line: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int) -> list[str]:
    """Returns a line broken so that each part is at most `width` pixels long, at spaces where there are any."""
    parts = [""]
    for word in line.split():
        longer = f"{parts[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            parts[-1] = longer
            continue
        if parts[-1]:
            parts.append("")
        for letter in word:
            if font.getlength(parts[-1] + letter) > width:
                parts.append("")
            parts[-1] += letter
    return parts


def _beside(film: Picture, panel: Picture) -> Picture:
    height = max(film.shape[0], panel.shape[0])
    whole = np.full((height, film.shape[1] + PANEL, 3), _BACKGROUND, np.uint8)
    top = (height - film.shape[0]) // 2
    whole[top : top + film.shape[0], : film.shape[1]] = film
    whole[: panel.shape[0], film.shape[1] :] = panel
    return whole
