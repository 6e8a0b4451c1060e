"""A film in memory: field of view, placement, collimation and marker around a rendered patient."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.phantom.head import head_parts
from data_prep.phantom.outlines import Points, ellipse
from data_prep.phantom.parts import Material, Part
from data_prep.phantom.patient import Patient, Position
from data_prep.phantom.radiograph import render, sample_exposure
from data_prep.phantom.raster import Grid, Image
from data_prep.phantom.soft_tissue import body_outlines, soft_parts
from data_prep.phantom.spine import pose_spine, spine_parts

SQUARE_SPACINGS = (0.144, 0.15, 0.16, 0.175, 0.2, 0.2, 0.25, 0.3)
ASPECTS = (0.8, 0.9, 1.1, 1.25)
MARGIN_MM = 14.0
SHUTTER_MARGIN_MM = 11.0


@dataclass(frozen=True)
class Film:
    """A rendered film, anterior to the left.

    Attributes:
        pixels: float32 [row, column], 0..1 as displayed, bone bright.
        landmarks: float64 [4, 2], (x, y) pixels, in the order of the atlantoaxial schema.
        spacing: (row, column) mm in the patient's plane.
        adi, sac: mm, exact.
        shutter: bool [row, column], True where a collimator or shutter hides the patient.
        shutter_is_black: whether the shutter is drawn black (else unexposed, hence bright).
    """

    pixels: Image
    landmarks: Points
    spacing: tuple[float, float]
    adi: float
    sac: float
    shutter: NDArray[np.bool_]
    shutter_is_black: bool


def make_film(
    patient: Patient,
    position: Position,
    generator: np.random.Generator,
    spacing: tuple[float, float] | None = None,
) -> Film:
    """Takes a film of a patient.

    Args:
        patient: whom.
        position: neutral, flexion or extension.
        generator: placement, technique, noise; the anatomy is the patient's.
        spacing: (row, column) mm in the patient's plane; drawn when None.

    Returns:
        The film and its exact landmarks.
    """
    spine = pose_spine(patient, position)
    parts, landmarks = spine_parts(patient, spine, position)
    parts = [*parts, *head_parts(patient, spine.head), *soft_parts(patient, spine)]
    parts += _jewellery(patient, spine.head.place([-2, -8]), generator)
    grid = sample_grid(landmarks, spacing or sample_spacing(generator), generator)
    depth = render(parts, body_outlines(patient, spine), patient, grid, sample_exposure(generator), generator)
    shutter, black = _collimate(grid, grid.to_pixels(landmarks), generator)
    pixels = _tone(depth, grid, grid.to_pixels(landmarks), generator)
    pixels = _draw_marker(pixels, grid, grid.to_pixels(landmarks), generator)
    adi = patient.adi[position]
    return Film(
        pixels=np.where(shutter, np.float32(0 if black else 1), pixels),
        landmarks=grid.to_pixels(landmarks),
        spacing=grid.spacing,
        adi=adi,
        sac=patient.ring_space - adi,
        shutter=shutter,
        shutter_is_black=black,
    )


def sample_spacing(generator: np.random.Generator) -> tuple[float, float]:
    """Draws (row, column) mm; one film in six has pixels that are not square."""
    row = float(generator.choice(SQUARE_SPACINGS))
    if generator.random() < 1 / 6:
        return row, round(row * float(generator.choice(ASPECTS)), 4)
    return row, row


def sample_grid(landmarks: Points, spacing: tuple[float, float], generator: np.random.Generator) -> Grid:
    """Draws a field of view that holds the landmarks (in mm) at a random place."""
    height = float(generator.uniform(185, 285))
    width = float(generator.uniform(0.72, 0.95)) * height
    rows, columns = round(height / spacing[0]), round(width / spacing[1])
    turn = float(np.radians(np.clip(generator.normal(0, 5), -12, 12)))
    unplaced = Grid(rows, columns, (1.0, 1.0), (0.0, 0.0), turn)
    middle = unplaced.to_pixels(landmarks).mean(0)
    span = np.ptp(unplaced.to_pixels(landmarks), axis=0) / 2
    aim = np.array([generator.normal(0.5, 0.07) * width, generator.normal(0.36, 0.06) * height])
    low = span + MARGIN_MM
    aim = np.clip(aim, low, np.array([width, height]) - low)
    corner = middle - aim
    return Grid(rows, columns, spacing, (float(corner[0]), float(corner[1])), turn)


def _jewellery(patient: Patient, ear: Points, generator: np.random.Generator) -> list[Part]:
    if not patient.earring:
        return []
    centre = ear + generator.normal(0, 3, 2)
    ring, hole = ellipse(centre, (6.0, 8.0)), ellipse(centre, (5.1, 7.1))
    return [Part(ring, Material.METAL, 1.2), Part(hole, Material.METAL, -1.2)]


def _collimate(grid: Grid, landmarks: Points, generator: np.random.Generator) -> tuple[NDArray[np.bool_], bool]:
    """The hidden border: none, a rectangle, or a slightly turned rectangle; never over a landmark."""
    kind = generator.choice(["none", "straight", "turned"], p=[0.4, 0.35, 0.25])
    black = bool(generator.random() < 0.7)
    insets = generator.uniform(0.0, 22.0, 4) * (generator.random(4) < 0.75)
    angle = float(np.radians(generator.normal(0, 1.5))) if kind == "turned" else 0.0
    if kind == "none":
        return np.zeros((grid.rows, grid.columns), bool), black
    corners = _open_field(grid, landmarks, insets, angle)
    shutter = np.ones((grid.rows, grid.columns), np.uint8)
    cv2.fillPoly(shutter, [np.round(corners * 16).astype(np.int32)], 0, shift=4)
    return shutter.astype(bool), black


def _open_field(grid: Grid, landmarks: Points, insets: Points, angle: float) -> Points:
    """Corners [4, 2] in pixels of the exposed rectangle; insets (left, top, right, bottom) in mm at most."""
    room = np.asarray(grid.spacing)[::-1]
    size = np.array([grid.columns, grid.rows]) * room
    before = landmarks.min(0) * room - SHUTTER_MARGIN_MM
    after = size - landmarks.max(0) * room - SHUTTER_MARGIN_MM
    left, top = np.minimum(insets[:2], np.maximum(before, 0))
    right, bottom = size - np.minimum(insets[2:], np.maximum(after, 0))
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    centre = corners.mean(0)
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = (corners - centre) @ np.array([[cosine, sine], [-sine, cosine]]) + centre
    return np.asarray(turned / room)


def _tone(depth: Image, grid: Grid, landmarks: Points, generator: np.random.Generator) -> Image:
    """Optical depth to 0..1 as displayed; as a radiographer does, the window is set on the spine."""
    reach = np.array([45.0, 60.0]) / np.asarray(grid.spacing)[::-1]
    low_corner = np.maximum(landmarks.mean(0) - reach * [1, 0.4], 0).astype(int)
    high_corner = (landmarks.mean(0) + reach).astype(int)
    seen = depth[low_corner[1] : high_corner[1], low_corner[0] : high_corner[0]][::3, ::3]
    low, high = np.percentile(seen, [8, 99])
    span = max(float(high - low), 0.2)
    low, high = low - generator.uniform(0.05, 0.45) * span, high + generator.uniform(0.0, 0.3) * span
    grey = np.clip((depth - low) / (high - low), 0, None)
    knee = np.where(grey > 0.85, 1 - 0.15 * np.exp(-(grey - 0.85) / 0.15), grey)
    return np.asarray(knee ** np.float32(generator.uniform(0.9, 1.5)), np.float32)


def _draw_marker(pixels: Image, grid: Grid, landmarks: Points, generator: np.random.Generator) -> Image:
    """A lead side letter in a corner away from the landmarks, on three films in four."""
    letter = str(generator.choice(["L", "R"]))
    place = generator.uniform(0.05, 0.18, 2)
    mirrored = generator.random(2) < [0.5, 0.6]
    slant, size = float(generator.normal(0, 0.15)), float(generator.uniform(9, 15))
    left_out = generator.random() < 0.25
    centre = np.where(mirrored, 1 - place, place) * [grid.columns, grid.rows]
    room = np.asarray(grid.spacing)[::-1]
    if left_out or np.linalg.norm((landmarks - centre) * room, axis=1).min() < 2.5 * size:
        return pixels
    layer = np.zeros_like(pixels)
    width = max(round(0.14 * size / grid.spacing[1]), 1)
    for stroke in _letter_strokes(letter):
        points = stroke @ np.array([[1, slant], [-slant, 1]]) * size / room + centre
        cv2.polylines(layer, [np.round(points * 16).astype(np.int32)], False, 1.0, width, cv2.LINE_AA, 4)
    layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.8), np.float32)
    return np.asarray(pixels + (np.maximum(pixels, 0.97) - pixels) * layer, np.float32)


def _letter_strokes(letter: str) -> list[Points]:
    if letter == "L":
        return [np.array([(-0.3, -0.5), (-0.3, 0.5), (0.3, 0.5)])]
    bowl = ellipse((-0.05, -0.24), (0.36, 0.26), samples=40)
    bowl = bowl[bowl[:, 0] > -0.3]
    start = int(np.argmax(np.linalg.norm(np.diff(bowl, axis=0), axis=1))) + 1
    bowl = np.roll(bowl, -start, axis=0)
    return [np.array([(-0.3, 0.5), (-0.3, -0.5)]), bowl, np.array([(-0.05, 0.02), (0.33, 0.5)])]
