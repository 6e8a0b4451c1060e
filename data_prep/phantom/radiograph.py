"""From shapes to a film: attenuation along the beam, Beer-Lambert, scatter, noise and the detector's log."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.phantom.outlines import Points
from data_prep.phantom.parts import Material, Part
from data_prep.phantom.patient import Patient
from data_prep.phantom.raster import Grid, Image, blur, coverage

_COARSE_MM = 2.0


@dataclass(frozen=True)
class Exposure:
    """How a film was taken and processed.

    Attributes:
        photons: mean quanta per mm2 without a patient.
        scatter: scattered over primary radiation behind the neck.
        scatter_mm: spread of the scatter.
        focus_mm: blur by focal spot and detector, a standard deviation.
        gradient: relative exposure change over half the film, (down, right).
        equalisation: 0..1, how much of the slow density variation the processing takes out.
        sharpening: gain of the fine detail.
    """

    photons: float
    scatter: float
    scatter_mm: float
    focus_mm: float
    gradient: tuple[float, float]
    equalisation: float
    sharpening: float


def sample_exposure(generator: np.random.Generator) -> Exposure:
    """Draws a technique: from a noisy computed-radiography plate to a good flat panel."""
    return Exposure(
        photons=float(10 ** generator.uniform(5.4, 6.6)),
        scatter=float(generator.uniform(0.05, 0.5)),
        scatter_mm=float(generator.uniform(12, 30)),
        focus_mm=float(generator.uniform(0.12, 0.34)),
        gradient=(float(generator.normal(0, 0.15)), float(generator.normal(0, 0.15))),
        equalisation=float(generator.uniform(0.25, 0.8)),
        sharpening=float(generator.uniform(0.0, 0.5)),
    )


def render(
    parts: Sequence[Part],
    silhouettes: tuple[Points, Points],
    patient: Patient,
    grid: Grid,
    exposure: Exposure,
    generator: np.random.Generator,
) -> Image:
    """Makes the log-exposure image of a scene.

    Args:
        parts: shapes in mm.
        silhouettes: outlines of head and neck in mm.
        patient: whose bones attenuate.
        grid: the film.
        exposure: technique and processing.
        generator: noise.

    Returns:
        float32 [row, column], optical depth after processing: 0 where the beam was free, more (brighter on a
        MONOCHROME2 film) behind bone.
    """
    depth = soft_tissue_depth(silhouettes, patient, grid)
    skin = depth > 0
    bone, other = np.zeros_like(depth), np.zeros_like(depth)
    for part in parts:
        add_part(part, patient, grid, bone if part.material.is_bone else other)
    bone *= _texture(grid, generator)
    depth += np.maximum(bone, 0) + other
    np.maximum(depth, 0, out=depth)
    return process(expose(depth, grid, exposure, generator), skin, grid, exposure)


def soft_tissue_depth(silhouettes: tuple[Points, Points], patient: Patient, grid: Grid) -> Image:
    """Optical depth of head and neck without bones or air: elliptical cross-sections."""
    head, neck = (grid.to_pixels(outline) for outline in silhouettes)
    thick = np.maximum(
        _rounded_depth(head, grid, 138 * patient.scale, 46.0),
        _rounded_depth(neck, grid, patient.neck_thickness, 42.0),
    )
    return np.asarray(Material.SOFT_TISSUE.value * thick, np.float32)


def add_part(part: Part, patient: Patient, grid: Grid, image: Image) -> None:
    """Adds a part's optical depth to an image in place: its filling and its compact rim."""
    outline = grid.to_pixels(part.outline)
    patch = coverage(outline, grid, 3 * max(part.shell_width, min(part.rounding, 3.0)))
    if patch is None:
        return
    mask = patch.values
    trabecular = patient.trabecular if part.material is Material.SPONGY_BONE else 1.0
    filling: Image = np.float32(part.material.value * part.depth * trabecular) * mask
    if part.rounding > 0:
        filling *= np.sqrt(np.clip(2 * blur(mask, part.rounding, grid.spacing) - 1, 0, 1))
    if part.shell > 0:
        rim = np.clip(2 - 2 * blur(mask, part.shell_width, grid.spacing), 0, 1) * mask
        filling += np.float32(Material.COMPACT_BONE.value * part.shell * patient.cortical) * rim
    patch.values[...] = filling
    patch.add_to(image)


def expose(depth: Image, grid: Grid, exposure: Exposure, generator: np.random.Generator) -> Image:
    """Optical depth to what the detector reads of it: blur, scatter, heel effect, quanta."""
    primary = np.exp(-depth)
    primary = blur(primary, exposure.focus_mm, grid.spacing)
    scatter = exposure.scatter * blur(primary, exposure.scatter_mm, grid.spacing)
    rows = np.linspace(-1, 1, grid.rows, dtype=np.float32)[:, None] * np.float32(exposure.gradient[0])
    columns = np.linspace(-1, 1, grid.columns, dtype=np.float32)[None] * np.float32(exposure.gradient[1])
    signal = (primary + scatter) * np.exp(rows + columns)
    quanta = np.float32(exposure.photons * grid.spacing[0] * grid.spacing[1])
    noise = generator.standard_normal(signal.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.55) * np.float32(1.9)
    signal += noise * np.sqrt(signal / quanta) + noise * np.float32(0.0005)
    return np.asarray(-np.log(np.maximum(signal, 1e-4)), np.float32)


def process(depth: Image, skin: np.ndarray, grid: Grid, exposure: Exposure) -> Image:
    """The console's processing: evens out slow variations inside the patient and sharpens detail."""
    weight = skin.astype(np.float32)
    slow = blur(depth * weight, 22.0, grid.spacing) / np.maximum(blur(weight, 22.0, grid.spacing), 1e-3)
    level = float(np.mean(depth[skin])) if skin.any() else 0.0
    even = depth - np.float32(exposure.equalisation) * (slow - level) * weight
    detail = depth - blur(depth, 0.9, grid.spacing)
    return np.asarray(even + np.float32(exposure.sharpening) * detail, np.float32)


def _rounded_depth(outline: Points, grid: Grid, thickness: float, radius: float) -> Image:
    """Thickness in mm of a body with an elliptical edge, `radius` mm from skin to full thickness."""
    patch = coverage(outline, grid, 0.0)
    mask = np.zeros((grid.rows, grid.columns), np.float32)
    if patch is None:
        return mask
    patch.add_to(mask)
    return mask * _coarse_profile(outline, grid, radius) * np.float32(thickness)


def _coarse_profile(outline: Points, grid: Grid, radius: float) -> Image:
    """The share of full thickness, sqrt(1 - (1 - d / radius)^2) at d mm from the skin.

    It runs on a coarse grid that reaches beyond the film, so that the film's border is no skin.
    """
    size = np.array([grid.columns, grid.rows]) * np.asarray(grid.spacing)[::-1]
    margin = radius + 5
    cells = np.ceil((size + 2 * margin) / _COARSE_MM).astype(int)
    place = (outline * np.asarray(grid.spacing)[::-1] + margin) / _COARSE_MM
    mask = np.zeros((cells[1], cells[0]), np.uint8)
    cv2.fillPoly(mask, [np.round(place * 64).astype(np.int32)], 1, shift=6)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5).astype(np.float32) * _COARSE_MM
    profile = np.sqrt(1 - (1 - np.clip(distance / radius, 0.06, 1)) ** 2).astype(np.float32)
    profile = cv2.GaussianBlur(profile, (0, 0), 1.5)
    scale = np.asarray(grid.spacing)[::-1] / _COARSE_MM
    matrix = np.array([[scale[0], 0, margin / _COARSE_MM], [0, scale[1], margin / _COARSE_MM]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(profile, matrix, (grid.columns, grid.rows), flags=flags), np.float32)


def _texture(grid: Grid, generator: np.random.Generator) -> Image:
    """Trabecular mottle: band-pass noise around 1, about 0.5 to 3 mm."""
    field = generator.standard_normal((grid.rows // 2 + 1, grid.columns // 2 + 1), np.float32)
    spacing = (2 * grid.spacing[0], 2 * grid.spacing[1])
    fine, middle, coarse = (blur(field, sigma, spacing) for sigma in (0.3, 0.8, 2.4))
    band = (fine - middle) / max(float((fine - middle).std()), 1e-6)
    slow = (middle - coarse) / max(float((middle - coarse).std()), 1e-6)
    texture = 1 + 0.07 * band + 0.06 * slow
    full = cv2.resize(texture, (2 * field.shape[1], 2 * field.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full[: grid.rows, : grid.columns], np.float32)
