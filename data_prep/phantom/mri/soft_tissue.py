"""Skin, fat, muscles, airway, vessels, and the canal with its fluid and the cord."""

from dataclasses import dataclass

import numpy as np

from data_prep.phantom.mri.anatomy import Canal, Column, Curve, Pose, heights
from data_prep.phantom.mri.canvas import Canvas, Image
from data_prep.phantom.mri.patient import Anatomy

WHOLE = (slice(None), slice(None), slice(None))
_SURFACE_HEIGHTS = np.array([-160.0, -100.0, -70.0, -40.0, -10.0, 12.0, 24.0, 40.0, 70.0, 110.0])
_BACK_GAIN = np.array([62.0, 46.0, 30.0, 12.0, 1.0, 0.0, 1.0, 8.0, 20.0, 26.0])
_FRONT_GAIN = np.array([55.0, 30.0, 14.0, 4.0, 2.0, 12.0, 34.0, 42.0, 40.0, 42.0])
_SIDE_GAIN = np.array([120.0, 100.0, 60.0, 20.0, 0.0, 0.0, 4.0, 10.0, 16.0, 20.0])


@dataclass(frozen=True)
class Surface:
    """The skin over height, mm from C4's centre: to the back, to the front, to each side."""

    back: Curve
    front: Curve
    side: Curve


def surface(anatomy: Anatomy, curves: Canal) -> Surface:
    """The patient's outline; nape and throat keep clear of the spinous processes and the airway."""
    z = np.arange(_SURFACE_HEIGHTS[0], _SURFACE_HEIGHTS[-1], 5.0)
    canal = curves.centre(heights(z.astype(np.float32))).astype(np.float64)
    processes = np.interp(z, [-40, -15, 40], [anatomy.canal / 2 + 46 * anatomy.spinous, 40.0, 36.0])
    back = np.interp(z, _SURFACE_HEIGHTS, _BACK_GAIN) + anatomy.neck_back
    front = np.interp(z, _SURFACE_HEIGHTS, _FRONT_GAIN) + anatomy.neck_front
    side = np.interp(z, _SURFACE_HEIGHTS, _SIDE_GAIN) + anatomy.neck_width
    throat = anatomy.body_depth + anatomy.prevertebral + 2 * anatomy.airway + 22 - canal
    return Surface(
        Curve(z, np.maximum(back, canal + processes), 9.0),
        Curve(z, np.maximum(front, throat), 9.0),
        Curve(z, side, 9.0),
    )


def paint_body(canvas: Canvas, anatomy: Anatomy, skin: Surface, along: Column, texture: Image) -> None:
    """Skin, fat and muscle: an oval cross-section whose size follows the height; air outside."""
    back, front, side = (curve(along.index) for curve in (skin.back, skin.front, skin.side))
    middle, half = (back - front) / 2, (back + front) / 2
    across = (canvas.y - middle) / half
    depth = (1 - np.sqrt(np.square(across) + np.square(canvas.x / side))) * half
    nape = np.clip(across * np.float32(1.4), 0, 1)
    fat = np.float32(2.5) + nape * np.float32(anatomy.fat - 2.5) * (1 + np.clip(-canvas.z / 60, 0, 1))
    canvas.blend(WHOLE, "fat", canvas.coverage(-depth))
    canvas.blend(WHOLE, "cortex", canvas.coverage(depth - np.float32(1.2)) * canvas.coverage(-depth) * np.float32(0.6))
    inside = canvas.coverage(fat + np.float32(0.9) * texture - depth)
    canvas.blend(WHOLE, "muscle", inside)
    _paint_fat_planes(canvas, along, texture, inside)


def _paint_fat_planes(canvas: Canvas, along: Column, texture: Image, inside: Image) -> None:
    """Bright seams between the layers of the neck's extensors, wavy and broken."""
    phase = along.t * np.float32(0.62) + texture * np.float32(2.2) + np.abs(canvas.x) * np.float32(0.09)
    seam = np.clip(np.sin(phase) * np.float32(3.5) - np.float32(2.75) + texture * np.float32(0.5), 0, 1)
    behind = np.clip((along.t - np.float32(16)) * np.float32(0.15), 0, 1)
    canvas.blend(WHOLE, "fat", seam * behind * inside * np.float32(0.8))


def paint_throat(canvas: Canvas, anatomy: Anatomy, posed: Pose, along: Column) -> None:
    """Tongue and jaw, airway, prevertebral muscle and the great vessels of the neck."""
    face = posed.head
    canvas.solid(face.at(-58.0, -26.0, 0.3), (24.0, 26.0, 19.0), (("organ", 0.0),), 2)
    canvas.solid(face.at(-86.0, -38.0, 0.2), (9.0, 5.0, 11.0), (("cortex", 0.0), ("fat", 2.0)), 2)
    canvas.solid(face.at(-62.0, -4.0, 0.1), (22.0, 26.0, 3.4), (("cortex", 0.0), ("marrow", 1.4)), 4)
    canvas.solid(face.at(-45.0, 10.0, 0.1), (14.0, 30.0, 9.0), (("air", 0.0),), 4)
    canvas.solid(face.at(-45.0, -48.0, 0.0), (10.0, 4.0, 3.0), (("cortex", 0.0), ("marrow", 1.0)), 2)
    front = along.t + np.float32(anatomy.canal / 2 + 1.2 + anatomy.body_depth)
    _paint_tubes(canvas, anatomy, front)


def _paint_tubes(canvas: Canvas, anatomy: Anatomy, front: Image) -> None:
    """Tubes along the spine; `front` is the distance behind the front of the bodies, in mm."""
    box = canvas.box((-40, -90, -200), (40, 60, 50))
    if box is None:
        return
    x, ahead, z = canvas.x[box], -front[box], canvas.z[box]
    thick = np.float32(anatomy.prevertebral) * (1 + np.clip(-(z + 5) / 25, 0, 1) * np.float32(1.1))
    muscle = np.maximum(np.abs(x) - 16, np.abs(ahead - thick / 2) - thick / 2)
    canvas.blend(box, "organ", canvas.coverage(muscle) * np.float32(0.6))
    wall = np.sqrt(np.square(x / np.float32(1.5)) + np.square(ahead - thick - np.float32(anatomy.airway + 1.5)))
    wall += np.maximum(z - 26, 0) * np.float32(0.5)
    canvas.blend(box, "organ", canvas.coverage(wall - np.float32(anatomy.airway + 2)) * np.float32(0.8))
    canvas.blend(box, "air", canvas.coverage(wall - np.float32(anatomy.airway)))
    vessel = np.sqrt(np.square(np.abs(x) - 27) + np.square(ahead - 6))
    canvas.blend(box, "vessel", canvas.coverage(vessel - np.float32(3.4)))


def paint_canal_walls(canvas: Canvas, anatomy: Anatomy, curves: Canal, along: Column) -> None:
    """Epidural and foraminal fat with nerve roots and the vertebral arteries; drawn before the bones."""
    box = canvas.box((-24, -60, -200), (24, 110, 24))
    if box is None:
        return
    x, t, z = np.abs(canvas.x[box]), along.t[box], canvas.z[box]
    wall = np.maximum(x - 15, np.abs(t) - np.float32(anatomy.canal / 2 + 0.6))
    canvas.blend(box, "fat", canvas.coverage(wall) * np.float32(0.75))
    pitch = np.float32(2 * np.pi / (anatomy.body_height + anatomy.disc_height))
    root = np.square(x - 13) * np.float32(0.1) + np.square(t + 1) * np.float32(0.16)
    share = np.exp(-root) * np.clip(np.cos(z * pitch) * 3 - np.float32(1.4), 0, 1)
    canvas.blend(box, "nerve", share)
    artery = np.sqrt(np.square(x - np.float32(14.5)) + np.square(t + np.float32(anatomy.canal / 2 + 3.0)))
    canvas.blend(box, "vessel", canvas.coverage(artery - 2))


def paint_sac(canvas: Canvas, anatomy: Anatomy, curves: Canal, along: Column) -> None:
    """Ligamentum flavum, dark dura and the fluid in the sac; the cord follows after the discs' bulges."""
    box = canvas.box((-30, -80, -200), (30, 130, 110))
    if box is None:
        return
    distance = _tube(canvas.x[box], along.t[box], curves.sac_side(along.index[box]), curves.sac(along.index[box]))
    canvas.blend(box, "ligament", canvas.coverage(distance - np.float32(0.9)))
    canvas.blend(box, "fluid", canvas.coverage(distance))


def paint_cord(canvas: Canvas, curves: Canal, along: Column) -> None:
    """Cord, medulla and pons."""
    box = canvas.box((-24, -80, -200), (24, 130, 110))
    if box is None:
        return
    distance = _tube(canvas.x[box], along.t[box], curves.cord_side(along.index[box]), curves.cord(along.index[box]))
    canvas.blend(box, "cord", canvas.coverage(distance))
    grey = np.exp(-np.square(canvas.x[box] / 2) - np.square(along.t[box] / 1.5))
    canvas.blend(box, "brain", grey * canvas.coverage(distance) * np.float32(0.5))


def _tube(x: Image, t: Image, side: Image, depth: Image) -> Image:
    """Roughly the signed distance in mm to an ellipse of half sizes `side`, `depth` about the canal's line."""
    level = np.sqrt(np.square(x / side) + np.square(t / depth))
    return np.asarray((level - 1) * depth, np.float32)
