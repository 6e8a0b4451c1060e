"""The retro-odontoid signal, and the pannus that follows when the outcome is 1."""

import numpy as np

from data_prep.phantom.mri.anatomy import DENS_DEPTH, Pose
from data_prep.phantom.mri.bones import atlas_plane
from data_prep.phantom.mri.canvas import Canvas, block
from data_prep.phantom.mri.patient import Anatomy, Findings

RETRO_ODONTOID, SUBAXIAL = 1, 2
_BEND = 0.03


def paint_retro_odontoid(canvas: Canvas, anatomy: Anatomy, findings: Findings, posed: Pose) -> None:
    """A crescent that hugs the back of the dens; size and brightness follow the grade. Label 1 of the mask."""
    grade = findings.retro_odontoid
    if grade <= 0:
        return
    half = (7.0 + 2.5 * grade, 2.6 + 2.2 * grade, 5.5 + 4.0 * grade)
    frame = atlas_plane(posed).at(0.3 * anatomy.retrodental, 0.0)
    box = canvas.around(0.0, frame.centre, 2 * half[2], half[0] + 1)
    if box is None:
        return
    x, u, v = canvas.local(box, frame)
    bent = np.asarray(u + np.float32(_BEND) * np.square(v), np.float32)
    share = canvas.coverage(block((x, bent, v), half, 2))
    canvas.blend(box, "sign", np.float32(0.2 + 0.7 * grade) * share)
    canvas.mask[box][share > 0] = RETRO_ODONTOID


def paint_pannus(canvas: Canvas, findings: Findings, posed: Pose) -> None:
    """The mass of the follow-up: around the dens, eating into it, pushing the sac back."""
    if findings.pannus <= 0:
        return
    size = findings.pannus
    behind = posed.dens.at(DENS_DEPTH / 2 + 1.5 * size, 25.0)
    canvas.solid(behind, (9.0, 2.5 + 4.5 * size, 7.0 + 4.0 * size), (("pannus", 0.0),), 2)
    canvas.solid(posed.dens.at(-DENS_DEPTH / 2, 27.0), (7.0, 2.5 * size, 6.0), (("pannus", 0.0),), 2)
    canvas.solid(posed.dens.at(0.0, 36.0), (6.0, 6.0, 4.0 * size), (("pannus", 0.0),), 2)
    for u, v, radius in ((4.0, 22.0, 2.6), (-4.0, 28.0, 2.2), (3.0, 31.0, 2.4)):
        canvas.solid(posed.dens.at(u, v), (4.0, radius, radius), (("sign", 0.0),), 2, opacity=findings.erosion)
