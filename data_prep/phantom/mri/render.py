"""From a patient and a stack's plan to its voxels: tissue, coil, ghosts, noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.phantom.mri import anatomy as spine
from data_prep.phantom.mri import bones, signs, soft_tissue
from data_prep.phantom.mri.anatomy import heights
from data_prep.phantom.mri.canvas import Canvas, Grid, Image
from data_prep.phantom.mri.patient import Anatomy, Findings
from data_prep.phantom.mri.scanner import Scanner, anatomy_from_patient
from data_prep.phantom.mri.signal import Contrast, tissues

Generator = np.random.Generator
_TEXTURE_MM = (2.5, 9.0)


@dataclass(frozen=True, eq=False)
class Rendering:
    """A stack.

    Attributes:
        signal: float32 [slice, row, column], fluid on T2 about 1.
        mask: uint8 of the same shape, labels of the signs.
    """

    signal: Image
    mask: NDArray[np.uint8]


def render(
    anatomy: Anatomy,
    findings: Findings,
    grid: Grid,
    contrast: Contrast,
    scanner: Scanner,
    generator: Generator,
    spoiled: bool = True,
) -> Rendering:
    """Renders a stack.

    Args:
        anatomy: the patient.
        findings: what the visit shows.
        grid: the stack.
        contrast: its weighting.
        scanner: gives coil, ghosts and noise.
        generator: draws texture and noise.
        spoiled: whether ghosts and noise are added.
    """
    canvas = Canvas(grid, anatomy_from_patient(anatomy), tissues(contrast, anatomy.marrow_signal, anatomy.disc_signal))
    fine, coarse = (_texture(grid, size, generator) for size in _TEXTURE_MM)
    skin = paint(canvas, anatomy, findings, coarse)
    signal = canvas.signal
    signal *= np.float32(1) + np.float32(0.07) * fine + np.float32(0.05) * coarse
    signal *= _sensitivity(canvas, skin, scanner, generator)
    if spoiled:
        signal = add_noise(add_ghosts(signal, scanner, generator), scanner, generator)
    return Rendering(signal, canvas.mask)


def paint(canvas: Canvas, anatomy: Anatomy, findings: Findings, texture: Image) -> soft_tissue.Surface:
    """Paints all tissue, what covers after what is covered, and returns the skin."""
    posed = spine.pose(anatomy, findings)
    curves = spine.canal(anatomy, findings, posed)
    along = spine.column(canvas, curves)
    skin = soft_tissue.surface(anatomy, curves)
    soft_tissue.paint_body(canvas, anatomy, skin, along, texture)
    bones.paint_skull(canvas, posed)
    soft_tissue.paint_throat(canvas, anatomy, posed, along)
    bones.paint_cerebellum(canvas, posed)
    soft_tissue.paint_canal_walls(canvas, anatomy, curves, along)
    bones.paint_vertebrae(canvas, anatomy, posed)
    bones.paint_discs(canvas, anatomy, posed)
    bones.paint_axis(canvas, anatomy, findings, posed)
    bones.paint_atlas(canvas, anatomy, findings, posed)
    soft_tissue.paint_sac(canvas, anatomy, curves, along)
    signs.paint_pannus(canvas, findings, posed)
    signs.paint_retro_odontoid(canvas, anatomy, findings, posed)
    bones.paint_degeneration(canvas, anatomy, findings, posed)
    soft_tissue.paint_cord(canvas, curves, along)
    return skin


def add_ghosts(signal: Image, scanner: Scanner, generator: Generator) -> Image:
    """Adds faint copies along the phase direction (down the columns), as swallowing and pulsation do."""
    step = int(signal.shape[1] * generator.uniform(0.12, 0.3))
    strength = np.float32(scanner.ghost * generator.uniform(0.3, 1.5))
    ghost = np.roll(signal, step, axis=1)
    ghost += np.roll(signal, -step, axis=1)
    return np.asarray(signal + strength * ghost, np.float32)


def add_noise(signal: Image, scanner: Scanner, generator: Generator) -> Image:
    """The magnitude of a signal with Gaussian noise in both channels: Rician noise (Gudbjartsson & Patz 1995)."""
    sigma = np.float32(scanner.noise)
    real = generator.standard_normal(signal.shape, np.float32) * sigma + signal
    imaginary = generator.standard_normal(signal.shape, np.float32) * sigma
    return np.sqrt(np.square(real) + np.square(imaginary))


def _sensitivity(canvas: Canvas, skin: soft_tissue.Surface, scanner: Scanner, generator: Generator) -> Image:
    """The posterior coil's fall-off to the front and towards both ends, and the saturation band before the spine."""
    end = np.float32(1 / generator.uniform(115, 145))
    middle = np.float32(generator.uniform(-15, 15))
    # The coil bends with the nape, but less: it touches the head and the back.
    plane = np.float32(0.5) * (skin.back(heights(canvas.z)) + skin.back(heights(np.zeros(1, np.float32)))) + 12
    depth = np.maximum(plane - canvas.y, 0)
    coil = np.float32(0.35) + np.float32(0.9) * np.exp(-depth * np.float32(1 / scanner.reach))
    coil *= np.exp(-np.square((canvas.z - middle) * end) * np.float32(0.7))
    band = np.clip((canvas.y + 45 + np.float32(0.35) * canvas.z) * np.float32(0.05), 0, 1)
    return np.asarray(coil * (np.float32(0.35) + np.float32(0.65) * band), np.float32)


def _texture(grid: Grid, size_mm: float, generator: Generator) -> Image:
    """Smooth noise of unit spread whose grains are about size_mm wide."""
    slices, rows, columns = grid.shape
    cells = max(4, round(rows * grid.pixel_mm / size_mm))
    coarse = generator.standard_normal((slices, cells, cells), np.float32)
    planes = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_CUBIC) for plane in coarse]
    return np.stack(planes).astype(np.float32)
