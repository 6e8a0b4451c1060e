"""Vertebrae, discs, dens, atlas and skull base, painted from the bottom up."""

import numpy as np

from data_prep.phantom.mri.anatomy import ATLAS_LEVEL, DENS_DEPTH, DENS_TIP, Pose
from data_prep.phantom.mri.canvas import Canvas, Frame, block
from data_prep.phantom.mri.patient import SUBAXIAL_DISCS, Anatomy, Findings

BONE = (("cortex", 0.0), ("marrow", 1.1))
THIN_BONE = (("cortex", 0.0), ("marrow", 0.8))
# Length, lean below the horizontal (radians) and half height of the spinous processes.
SPINOUS = {
    "C3": (17.0, 0.35, 3.6),
    "C4": (17.0, 0.35, 3.6),
    "C5": (19.0, 0.35, 3.8),
    "C6": (25.0, 0.30, 4.3),
    "C7": (34.0, 0.25, 5.4),
    "T1": (36.0, 0.35, 5.4),
    "T2": (36.0, 0.55, 5.0),
    "T3": (36.0, 0.70, 5.0),
}
PILLAR_SIDE = 17.5


def half_width(level: str) -> float:
    """Half the width of a vertebral body in mm."""
    return {"C3": 9.5, "C4": 10.0, "C5": 10.5, "C6": 11.5, "C7": 13.0}.get(level, 14.0)


def paint_vertebrae(canvas: Canvas, anatomy: Anatomy, posed: Pose) -> None:
    """Bodies with their ligaments, pedicles, articular pillars, laminae and spinous processes, C3 to T3."""
    depth, height = anatomy.body_depth / 2, anatomy.body_height / 2
    for frame in posed.discs.values():
        canvas.solid(frame, (11.0, depth + 1.6, 0.5 * anatomy.disc_height + 2), (("ligament", 0.0),), 4)
    for level, frame in posed.bodies.items():
        size = height * (1.0 if level.startswith("C") else 1.1)
        canvas.solid(frame, (half_width(level) + 1, depth + 1.3, size - 1.0), (("ligament", 0.0),), 4)
        canvas.solid(frame, (half_width(level), depth, size + 0.2), BONE, 4)
        canvas.solid(frame.at(depth - 2.5, 0.0), (1.2, 3.0, 0.9), (("fluid", 0.0),), 2, opacity=0.5)
        _paint_arch(canvas, anatomy, level, frame)


def _paint_arch(canvas: Canvas, anatomy: Anatomy, level: str, frame: Frame) -> None:
    depth, canal = anatomy.body_depth / 2, anatomy.canal
    for x in (-PILLAR_SIDE, PILLAR_SIDE):
        canvas.solid(frame.at(depth + 1.5, 1.0), (4.5, 4.0, 3.0), THIN_BONE, 2, 0.72 * x)
        canvas.solid(frame.at(depth + 6.0, -1.5, -0.55), (6.5, 5.2, 8.6), BONE, 4, x)
        canvas.solid(frame.at(depth + canal + 3.2, -3.0, 0.25), (7.0, 2.4, 6.0), THIN_BONE, 2, 0.5 * x)
    if level in SPINOUS:
        length, drop, thick = SPINOUS[level]
        length *= anatomy.spinous
        start = frame.at(depth + canal + 3.0, -3.5, -drop)
        canvas.solid(start.at(length / 2, 0.0), (3.4, length / 2, thick), BONE, 4)


def paint_discs(canvas: Canvas, anatomy: Anatomy, posed: Pose) -> None:
    """Healthy discs: a dark ring round a brighter nucleus."""
    depth, half = anatomy.body_depth / 2, anatomy.disc_height / 2
    for level, frame in posed.discs.items():
        side = half_width(level)
        canvas.solid(frame, (side, depth + 0.6, half), (("annulus", 0.0),), 4)
        canvas.solid(frame.at(0.8, 0.0), (0.8 * side, 0.68 * depth, 0.78 * half), (("nucleus", 0.0),), 2)


def paint_degeneration(canvas: Canvas, anatomy: Anatomy, findings: Findings, posed: Pose) -> None:
    """The subaxial sign: one worn disc, dark and narrow, its endplates bright with oedema, bulging to front and back.

    It paints over the disc, its bodies and the sac; the cord goes on top of it. Label 2 of the mask.
    """
    grade = findings.subaxial
    if grade <= 0:
        return
    level = SUBAXIAL_DISCS[int(np.argmax(anatomy.stenosis))]
    frame, side = posed.discs[level], half_width(level)
    depth, half = anatomy.body_depth / 2, anatomy.disc_height / 2
    opacity = min(1.25 * grade, 1.0)
    for way in (-1, 1):
        plate = frame.at(0.0, way * (half + 1.5 + 1.2 * grade))
        oedema = (side - 1.5, 0.9 * depth, 1.6 + 1.4 * grade)
        _paint_sign(canvas, plate, oedema, "sign", 0.15 + 0.6 * grade, 4)
    _paint_sign(canvas, frame, (side, depth + 0.7, half + 0.5), "cortex", opacity, 4)
    _paint_sign(canvas, frame, (side - 1, depth - 0.5, half * (1 - 0.5 * grade)), "worn", opacity, 4)
    lip = half + 0.6 * grade
    _paint_sign(canvas, frame.at(depth + 0.6, 0.0), (8.0, 1.0 + 3.0 * grade, lip), "worn", opacity, 2)
    _paint_sign(canvas, frame.at(-depth - 0.4, 0.0), (8.0, 0.6 + 1.6 * grade, lip), "cortex", opacity, 2)


def _paint_sign(
    canvas: Canvas, frame: Frame, half: tuple[float, float, float], tissue: str, opacity: float, power: int
) -> None:
    box = canvas.around(0.0, frame.centre, float(np.hypot(half[1], half[2])) + 1, half[0] + 1)
    if box is None:
        return
    share = canvas.coverage(block(canvas.local(box, frame), half, power))
    canvas.blend(box, tissue, np.float32(opacity) * share)
    canvas.mask[box][share > 0] = 2


def paint_axis(canvas: Canvas, anatomy: Anatomy, findings: Findings, posed: Pose) -> None:
    """C2: body, dens (thinner when eroded), lateral masses and its large spinous process."""
    depth = anatomy.body_depth / 2
    slim = 1 - 0.45 * findings.erosion
    tip = DENS_TIP - 2.0 * findings.erosion
    dens = posed.dens.at(0.0, (tip + 10) / 2)
    canvas.solid(posed.dens.at(0.3, 24.0), (8.0, DENS_DEPTH / 2 + 2.6, 13.0), (("ligament", 0.0),), 2)
    canvas.solid(posed.axis.at(0.0, 8.6), (9.0, depth + 1.0, 9.0), (("ligament", 0.0),), 4)
    for x in (-14.0, 14.0):
        canvas.solid(posed.axis.at(2.0, 12.0), (8.0, 7.5, 7.5), BONE, 4, x)
        canvas.solid(posed.axis.at(depth + 6, 4.0, -0.5), (5.5, 5.0, 8.0), BONE, 4, 1.2 * x)
    canvas.solid(posed.axis.at(-0.2, 8.8), (9.0, depth, 9.0), BONE, 4)
    canvas.solid(dens, (DENS_DEPTH / 2 * slim, DENS_DEPTH / 2 * slim, (tip - 10) / 2), BONE, 4)
    canvas.solid(posed.axis.at(0.2, 14.0), (6.0, 0.72 * depth, 5.5), (("marrow", 0.0),), 2)
    start = posed.axis.at(depth + anatomy.canal + 3.5, 7.5, -0.3)
    canvas.solid(start.at(9.0 * anatomy.spinous, 0.0), (4.4, 10.5 * anatomy.spinous, 6.2), BONE, 4)


def paint_atlas(canvas: Canvas, anatomy: Anatomy, findings: Findings, posed: Pose) -> None:
    """C1: anterior arch, posterior arch and lateral masses."""
    front = -DENS_DEPTH / 2 - anatomy.atlantodental - 2.0 * findings.pannus
    back = DENS_DEPTH / 2 + anatomy.retrodental + anatomy.canal + 5.5 + 3.0 * findings.pannus
    canvas.solid(posed.atlas.at(front - 0.2, 0.0), (7.0, 1.2, 5.0), (("fluid", 0.0),), 2, opacity=0.25)
    canvas.solid(posed.atlas.at(front - 3.2, 0.5, 0.1), (10.0, 3.2, 5.6), BONE, 2)
    canvas.solid(posed.atlas.at(back + 3.0, -1.0, 0.2), (11.0, 3.3, 4.8), BONE, 2)
    for x in (-1.0, 1.0):
        canvas.solid(posed.atlas.at(0.7 * front, 0.0), (6.0, 3.4, 4.6), THIN_BONE, 2, 11.0 * x)
        canvas.solid(posed.atlas.at(0.75 * back, -1.0), (6.0, 4.5, 4.0), THIN_BONE, 2, 14.0 * x)
        canvas.solid(posed.atlas.at(0.5, 0.0), (7.5, 8.5, 8.0), BONE, 4, 18.0 * x)


def paint_skull(canvas: Canvas, posed: Pose) -> None:
    """The skull's shell with the brain in it, the clivus and the occipital condyles."""
    centre = posed.head.at(10.0, 88.0)
    half = (70.0, 92.0, 86.0)
    layers = (("cortex", 0.0), ("marrow", 1.6), ("cortex", 5.0), ("fluid", 6.5), ("brain", 9.0))
    canvas.solid(centre, half, layers, 2)
    clivus = posed.head.at(-17.0, 19.0, 0.75)
    canvas.solid(clivus, (13.0, 5.0, 17.5), BONE, 4)
    for x in (-18.0, 18.0):
        canvas.solid(posed.head.at(0.0, 2.0), (7.0, 10.0, 5.5), BONE, 2, x)


def paint_cerebellum(canvas: Canvas, posed: Pose) -> None:
    """Cerebellum and cisterna magna behind the medulla, and the fourth ventricle."""
    canvas.solid(posed.head.at(33.0, 24.0, 0.2), (44.0, 25.0, 23.0), (("fluid", 0.0), ("brain", 1.0)), 2)
    canvas.solid(posed.head.at(20.0, 27.0, 0.1), (5.0, 2.6, 8.0), (("fluid", 0.0),), 2)


def atlas_plane(posed: Pose) -> Frame:
    """The frame behind the dens at the height of the atlas."""
    return posed.dens.at(DENS_DEPTH / 2, ATLAS_LEVEL - 2.0)
