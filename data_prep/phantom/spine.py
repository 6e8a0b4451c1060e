"""The cervical spine below the skull: C3-T3, the axis and the atlas, posed; and the four exact landmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from data_prep.phantom.outlines import Frame, Points, closed, crossings, ellipse, ribbon
from data_prep.phantom.parts import Material, Part, both_sides, both_sides_of_all
from data_prep.phantom.patient import Patient, Position

LEVELS = ("C7", "C6", "C5", "C4", "C3")
SPINOUS_LENGTH = {"C3": 14.0, "C4": 14.0, "C5": 17.0, "C6": 23.0, "C7": 31.0}


@dataclass(frozen=True)
class Spine:
    """A posed spine.

    Attributes:
        bodies: level -> frame at the centre of the vertebral body (C3-C7, T1-T3).
        axis: frame at the centre of the lower endplate of C2.
        atlas: frame on the dens's axis whose x axis is the plane of the atlas.
        head: frame at the occipital condyles.
    """

    bodies: dict[str, Frame]
    axis: Frame
    atlas: Frame
    head: Frame


def pose_spine(patient: Patient, position: Position) -> Spine:
    """Stacks the vertebrae from C7 up to the head, with C7's centre at (0, 0)."""
    neck = patient.neck[position]
    detail = np.random.default_rng(patient.detail_seed)
    share = detail.dirichlet(np.full(5, 12.0))
    rise = (patient.body_height + _disc(patient)) * patient.scale
    frame = Frame((0.0, 0.0), neck.base_lean)
    bodies = {"C7": frame}
    for level, bend in zip(LEVELS[1:], share, strict=False):
        frame = frame.at((0, -rise / 2), -float(bend) * neck.lordosis).at((0, -rise / 2))
        bodies[level] = frame
    axis = frame.at((0, -rise / 2), -float(share[4]) * neck.lordosis).at((0, -_disc(patient) * patient.scale / 2))
    below = bodies["C7"]
    for level in ("T1", "T2", "T3"):
        below = below.at((0, 0.53 * rise), 0.05).at((0, 0.55 * rise), 0.04)
        bodies[level] = below
    atlas_point = np.array([patient.dens_tilt * (patient.atlas_level - 14), -patient.atlas_level])
    atlas = axis.at(atlas_point * patient.scale, 0.45 * neck.nod + float(detail.normal(0, 0.04)))
    condyles = np.array([patient.skull_shift[0], -13.0 + patient.skull_shift[1]]) * patient.scale
    return Spine(bodies, axis, atlas, atlas.at(condyles, 0.55 * neck.nod))


def spine_parts(patient: Patient, spine: Spine, position: Position) -> tuple[list[Part], Points]:
    """Draws the spine.

    Returns:
        The parts, and the landmarks float [4, 2] in mm: posterior border of the anterior arch, anterior and
        posterior border of the dens, anterior border of the posterior arch, all in the plane of the atlas.
    """
    parts: list[Part] = []
    for number, (level, frame) in enumerate(spine.bodies.items()):
        generator = np.random.default_rng([patient.detail_seed, number])
        parts += _vertebra(patient, frame, level, generator)
    axis_outline = spine.axis.place(closed(_axis_points(patient)) * patient.scale)
    parts += _axis_parts(patient, spine.axis, axis_outline)
    front, back = _dens_borders(axis_outline, spine.atlas)
    adi = patient.adi[position]
    arch, tubercle = front - adi, back + patient.ring_space - adi
    parts += _atlas_parts(patient, spine.atlas, arch, tubercle)
    landmarks = spine.atlas.place([[arch, 0], [front, 0], [back, 0], [tubercle, 0]])
    return parts, landmarks


def _disc(patient: Patient) -> float:
    return patient.disc_height * (1 - 0.35 * patient.degeneration)


def _dens_borders(outline: Points, atlas: Frame) -> tuple[float, float]:
    along = crossings(outline, atlas)
    return float(along[along < 0].max()), float(along[along > 0].min())


def _vertebra(patient: Patient, frame: Frame, level: str, generator: np.random.Generator) -> list[Part]:
    thoracic = level.startswith("T")
    depth = patient.body_depth * (1.12 if thoracic else 1.0) * generator.normal(1, 0.02)
    height = patient.body_height * (1.25 if thoracic else 1.0) * generator.normal(1, 0.02)
    pitch = height + _disc(patient)
    spur = patient.degeneration**2 * generator.uniform(0, 4.5, 4)

    def place(points: ArrayLike) -> Points:
        return frame.place(np.asarray(points) * patient.scale)

    hardness = 1 + 0.6 * patient.degeneration
    body = Part(
        place(closed(_body_points(depth, height, spur))),
        Material.SPONGY_BONE,
        22.0,
        4.4 * hardness,
        0.42,
        0.6,
    )
    turned = (0.35 * patient.doubling[0], 0.2 * patient.doubling[1])
    parts = both_sides(body, turned)
    if thoracic:
        return parts
    half, rim = depth / 2, 0.4
    uncus = ellipse((0.35 * half, -0.12 * height), (0.42 * half, 0.36 * height), 0.2)
    parts.append(Part(place(uncus), Material.SPONGY_BONE, 2.0, 1.2, rim))
    pillar = [
        (half - 2.0, -pitch / 2 - 1.5), (half + 4, -pitch / 2 + 1.0), (half + 11, -pitch / 2 + 6.5),
        (half + 12, 1), (half + 12.5, pitch / 2 + 5.0), (half + 11.0, pitch / 2 + 5.0),
        (half + 4.2, pitch / 2 - 0.6), (half - 0.8, pitch / 2 - 3.2), (half - 2.6, 0),
    ]  # fmt: skip
    parts += both_sides(Part(place(closed(pillar)), Material.SPONGY_BONE, 17.0, 4.6, rim, 0.5), patient.doubling)
    return parts + _posterior_parts(patient, place(_spinous_points(patient, half, level)), frame, half)


def _body_points(depth: float, height: float, spur: Points) -> Points:
    half, top, low = depth / 2, -height / 2, height / 2
    return np.array([
        (-half - spur[0], top + 1.4), (-half + 0.9 - spur[0], top + 0.3), (-half + 3.0, top + 0.4),
        (0, top + 0.7),
        (half - 2.5, top + 0.4), (half - 0.7, top - 0.5), (half + spur[1] / 3, top + 0.7),
        (half - 0.5, top + 3.0),
        (half - 0.9, 0), (half - 0.3, low - 3.0), (half + 0.2 + spur[2] / 3, low - 0.9),
        (half - 0.8, low - 0.2),
        (half - 3, low - 0.5), (0, low - 0.9), (-half + 3.2, low - 0.1), (-half + 0.9 - spur[3], low + 1.1),
        (-half - 0.7 - spur[3], low + 0.5), (-half - 0.1, low - 2.5), (-half + 0.7, 0),
        (-half + 0.4, top + 4.0),
    ])  # fmt: skip


def _spinous_points(patient: Patient, half: float, level: str) -> Points:
    length = SPINOUS_LENGTH[level] * patient.spinous
    root = half + patient.canal
    drop = 5 + 0.34 * length
    return np.array([
        (root - 0.4, 1.5), (root + 0.35 * length, 1.5 + 0.3 * drop), (root + 0.75 * length, drop - 3.8),
        (root + 0.93 * length, drop - 3.4), (root + length + 0.4, drop - 0.8),
        (root + length - 0.4, drop + 2.2),
        (root + 0.88 * length, drop + 3.6),
        (root + 0.6 * length, drop + 3.0), (root + 0.2 * length, 10.0), (root - 0.8, 9.0), (root - 0.2, 5.0),
    ])  # fmt: skip


def _posterior_parts(patient: Patient, spinous: Points, frame: Frame, half: float) -> list[Part]:
    root = half + patient.canal
    path = np.array([(half + 9.5, 1.0), (half + 0.75 * patient.canal, 3.5), (root + 0.8, 6.0)]) * patient.scale
    lamina = ribbon(frame.place(path), [9.0 * patient.scale, 8.0 * patient.scale, 8.0 * patient.scale])
    return [
        Part(spinous, Material.SPONGY_BONE, 12.0, 2.6, 0.42, 1.6),
        *both_sides(Part(lamina, Material.SPONGY_BONE, 16.0, 1.4, 0.5, 1.2), patient.doubling),
    ]


def _axis_points(patient: Patient) -> Points:
    """Body and dens of C2 as one outline, from the lower front corner upwards, before scaling."""
    half, dens, top = patient.body_depth / 2 + 0.3, patient.dens_depth / 2, -patient.dens_height
    points = np.array([
        (-half - 0.6, 2.1), (-half - 0.7, 0.5), (-half + 0.5, -5), (-dens - 1.4, -11), (-dens - 0.3, -16),
        (-dens + 0.3, -20), (-dens - 0.05, -24), (-dens - 0.1, -28), (-dens + 0.7, top + 3.6),
        (-dens + 2.6, top + 0.8),
        (0, top), (dens - 2.4, top + 0.9), (dens - 0.5, top + 4), (dens + 0.1, -28), (dens - 0.45, -24),
        (dens + 0.1, -19),
        (dens + 0.7, -14), (half - 1.2, -8), (half - 0.4, -3), (half + 0.2, -0.4), (half - 0.8, 0.5),
        (half - 3, -0.1),
        (0, -0.7), (-half + 3, 0.6), (-half + 0.6, 2.2),
    ])  # fmt: skip
    points[:, 0] += patient.dens_tilt * np.clip(-points[:, 1] - 14, 0, None)
    return points


def _axis_parts(patient: Patient, axis: Frame, outline: Points) -> list[Part]:
    half, canal = patient.body_depth / 2, patient.canal + 2.5
    length = 18 * patient.spinous

    def place(points: ArrayLike) -> Points:
        return axis.place(np.asarray(points) * patient.scale)

    ring = ellipse((0.6, -12.5), (6.2, 8.2), 0.1)
    pillar = closed([
        (-3, -18.5), (3, -20.5), (half + 3.5, -15.5), (half + 9, -6), (half + 12.5, 3.5), (half + 11.5, 6),
        (half + 4.5, 1.6), (half - 1, -2.5), (half - 4, -7), (-1, -11),
    ])  # fmt: skip
    root = half + canal
    lamina = ribbon(place([(half + 3, -9), (half + 0.6 * canal, -6), (root + 2, -2)]),
                    [11 * patient.scale, 11 * patient.scale, 11 * patient.scale])  # fmt: skip
    spinous = closed([
        (root - 1.0, -7.5), (root + 0.3 * length, -8.2), (root + 0.65 * length, -7),
        (root + 0.92 * length, -3.5),
        (root + length, 1.5), (root + 0.92 * length, 5.5), (root + 0.72 * length, 6.8),
        (root + 0.45 * length, 5.5),
        (root + 0.15 * length, 3.6), (root - 1.6, 3.2), (root - 0.9, -2),
    ])  # fmt: skip
    return [
        Part(outline, Material.SPONGY_BONE, 16.0, 5.2, 0.45, 0.8),
        *both_sides(Part(place(ring), Material.SPONGY_BONE, 4.0, 3.4, 0.5), patient.doubling),
        *both_sides(Part(place(pillar), Material.SPONGY_BONE, 16.0, 3.0, 0.45, 0.9), patient.doubling),
        *both_sides(Part(lamina, Material.SPONGY_BONE, 14.0, 1.4, 0.5, 1.2), patient.doubling),
        Part(place(spinous), Material.SPONGY_BONE, 12.0, 3.0, 0.45, 1.6),
    ]


def _atlas_parts(patient: Patient, atlas: Frame, arch: float, tubercle: float) -> list[Part]:
    """C1 in its own plane: `arch` and `tubercle` are where its two arches cross the plane, mm."""
    scale = patient.scale
    front = _crossing_at(atlas, _anterior_arch_points(patient) * scale, arch, last=True)
    knob = _crossing_at(atlas, _tubercle_points(patient) * scale, tubercle, last=False)
    middle = arch + 0.45 * patient.dens_depth * scale
    mass = closed([
        (-6.5, -5.5), (-3, -8.5), (3, -7.2), (9, -8.8), (11.5, -4), (11, 1.5), (9.5, 6.5), (3, 8.2),
        (-3.5, 8.8),
        (-6.8, 4),
    ])  # fmt: skip
    mass_outline = atlas.place(mass * scale + np.array([middle + 2.5 * scale, 0]))
    limb = ribbon(
        atlas.place([(middle + 9 * scale, -0.5), (0.55 * tubercle + 4, 1.0), (tubercle - 2.5, 0.3),
        (tubercle + 2.5, 0)]),
        [7.5 * scale, 4.0 * scale, 4.2 * scale, 0.62 * patient.tubercle_height * scale],
    )  # fmt: skip
    sides = [
        Part(mass_outline, Material.SPONGY_BONE, 22.0, 1.8, 0.6, 1.2),
        Part(limb, Material.SPONGY_BONE, 12.0, 3.2, 0.5, 0.4),
    ]
    return [
        *both_sides_of_all(sides, (0.8 * patient.doubling[0], 0.8 * patient.doubling[1])),
        Part(front, Material.SPONGY_BONE, 19.0, 4.5, 0.55, 0.5),
        Part(knob, Material.SPONGY_BONE, 10.0, 4.8, 0.55, 0.4),
    ]


def _anterior_arch_points(patient: Patient) -> Points:
    high, deep = patient.arch_height / 2, patient.arch_depth
    return closed([
        (0, 0), (-0.1, -0.55 * high), (-0.9, -0.93 * high), (-0.4 * deep, -1.02 * high),
        (-0.75 * deep, -0.75 * high),
        (-0.97 * deep, -0.2 * high), (-deep, 0.25 * high), (-0.75 * deep, 0.75 * high),
        (-0.4 * deep, 0.98 * high),
        (-0.9, 0.9 * high), (-0.1, 0.55 * high),
    ])  # fmt: skip


def _tubercle_points(patient: Patient) -> Points:
    high, deep, turn = patient.tubercle_height / 2, patient.tubercle_depth, patient.tubercle_turn
    points = np.array([
        (0, 0), (0.08 * deep, -0.5 * high), (0.35 * deep, -0.95 * high), (0.7 * deep, -high),
        (0.98 * deep, -0.55 * high),
        (deep, 0.1 * high), (0.85 * deep, 0.75 * high), (0.5 * deep, high), (0.15 * deep, 0.65 * high),
    ])  # fmt: skip
    cosine, sine = np.cos(turn), np.sin(turn)
    return closed(points @ np.array([[cosine, sine], [-sine, cosine]]))


def _crossing_at(atlas: Frame, points: Points, target: float, last: bool) -> Points:
    """Shifts an outline along the atlas's plane until its first or last crossing is at `target` mm."""
    along = crossings(points, Frame((0.0, 0.0), 0.0))
    edge = along[-1] if last else along[0]
    return atlas.place(points + np.array([target - edge, 0]))
