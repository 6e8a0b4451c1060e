"""The skull, the face, the jaw and the teeth, in a frame at the occipital condyles (Frankfurt plane)."""

import numpy as np
from numpy.typing import ArrayLike

from data_prep.phantom.outlines import Frame, Points, closed, ellipse, ribbon
from data_prep.phantom.parts import Material, Part, both_sides, both_sides_of_all
from data_prep.phantom.patient import Patient

Outline = list[tuple[float, float]]

CRANIUM = np.array([
    (-96, -58), (-99, -72), (-94, -95), (-76, -120), (-40, -138), (5, -141), (48, -128), (80, -100),
    (91, -68),
    (86, -42), (72, -22), (54, -10), (40, -5.5), (31, -4.5), (26, -9), (10, -13), (-4, -7), (-8, -8),
    (-16, -24), (-22, -34), (-38, -38),
    (-48, -44), (-70, -52), (-86, -54),
])  # fmt: skip
VAULT: Outline = [(31, -5), (40, -3.5), (54, -8.5), (71, -21), (84, -41), (88, -66), (77, -98), (47, -125),
        (5, -138), (-39, -135),
         (-74, -117), (-91, -94), (-96, -72)]  # fmt: skip
CLIVUS: Outline = [(-4, -5.5), (-9, -13), (-15, -25), (-20, -36)]
ANTERIOR_FLOOR: Outline = [(-94, -56), (-72, -55), (-46, -47), (-32, -42), (-20, -38)]
MIDDLE_FLOOR: Outline = [(-48, -40), (-42, -27), (-30, -22), (-16, -24), (0, -30), (18, -33)]
MANDIBLE = np.array([
    (-14, -19), (-10.5, -16), (-11.5, -8), (-13, 8), (-14.5, 30), (-18, 41), (-27, 48), (-46, 55),
    (-66, 64), (-80, 70),
    (-88, 68), (-90, 60), (-86, 50), (-86, 40), (-80, 36), (-64, 36.5), (-50, 34), (-46, 25), (-44, 10),
    (-43, -6),
    (-40.5, -14), (-37, -13), (-31, -5), (-24, -6), (-19.5, -14), (-17.5, -19),
])  # fmt: skip
MASTOID = [
    (-3, -30),
    (12, -35),
    (28, -30),
    (30, -16),
    (24, -6),
    (15, 3),
    (10, 4),
    (5, -3),
    (0, -10),
    (-5, -18),
]
MAXILLA = [(-84, 6), (-70, 4.5), (-50, 4.5), (-40, 6), (-42, 12), (-46, 22), (-62, 24), (-80, 23), (-86, 14)]

ORBIT: Outline = [(-76, -50), (-86, -44), (-84, -30), (-74, -23), (-60, -26)]
ZYGOMA = [(-74, -24), (-60, -20), (-50, -16), (-58, -6), (-62, 8), (-66, -2), (-72, -14)]
PALATE: Outline = [(-87, 7), (-70, 5), (-52, 4.5), (-38, 6)]
PTERYGOID: Outline = [(-42, -20), (-41, -8), (-42, 6)]
SINUS = [(-78, -14), (-66, -21), (-50, -20), (-46, -10), (-50, 2), (-64, 4), (-76, 0)]
ETHMOID = [(-74, -42), (-56, -40), (-42, -38), (-40, -28), (-50, -22), (-66, -26)]
NOSE = [(-92, -6), (-76, -12), (-50, -10), (-38, -6), (-40, 2), (-70, 2), (-86, 4)]


def head_parts(patient: Patient, head: Frame) -> list[Part]:
    """Draws the bones of the head, from the vault to the chin."""
    generator = np.random.default_rng([patient.detail_seed, 100])
    return [
        *_skull(patient, head),
        *_mastoids(patient, head, generator),
        *_face(patient, head),
        *_jaw(patient, head, generator),
    ]


def head_placed(patient: Patient, head: Frame, points: ArrayLike) -> Points:
    """Head coordinates at scale 1 to the sagittal plane, mm."""
    return head.place(np.asarray(points, np.float64) * patient.scale * patient.head_scale)


def _skull(patient: Patient, head: Frame) -> list[Part]:
    scale = patient.scale * patient.head_scale

    def band(path: Outline, widths: list[float], depth: float) -> Part:
        outline = ribbon(head_placed(patient, head, path), [width * scale for width in widths], 8)
        return Part(outline, Material.SPONGY_BONE, depth, 2.6, 0.9, 0.8)

    condyle = closed([(-5, 1), (-1, 3.6), (7, 2.4), (13, -1.5), (12, -8), (0, -10), (-5, -6)])
    return [
        Part(head_placed(patient, head, closed(CRANIUM)), Material.COMPACT_BONE, 5.0, 4.0, 1.6, 5.0),
        band(VAULT, [1.5, 4, 7, 7, 9, 6.5, 6, 6, 6, 6, 6, 7, 8], 26.0),
        band(CLIVUS, [1, 6, 8, 3], 13.0),
        band(ANTERIOR_FLOOR, [3, 1.8, 1.4, 1.6, 0.8], 14.0),
        *both_sides(band(MIDDLE_FLOOR, [0.8, 2, 2.5, 3, 4, 1], 18.0), patient.doubling),
        *both_sides(
            Part(head_placed(patient, head, condyle), Material.SPONGY_BONE, 24.0, 2.0, 0.8, 1.4),
            patient.doubling,
        ),
    ]


def _mastoids(patient: Patient, head: Frame, generator: np.random.Generator) -> list[Part]:
    """Petrous bone and mastoid with their air cells and the ear canal."""
    outline = closed(np.add(MASTOID, (0, 0.7 * patient.mastoid_drop)))
    side = [
        Part(head_placed(patient, head, outline), Material.SPONGY_BONE, 30.0, 2.0, 1.2, 3.5),
        Part(
            head_placed(patient, head, ellipse((4, -29), (15, 8), -0.4)),
            Material.COMPACT_BONE,
            5.0,
            1.0,
            1.5,
            3.0,
        ),
    ]
    for _ in range(26):
        centre = np.array([generator.normal(14, 5.5), generator.normal(-15, 7) + 0.7 * patient.mastoid_drop])
        cell = ellipse(centre, generator.uniform(1.0, 2.8, 2), generator.uniform(0, 3), 24)
        side.append(Part(head_placed(patient, head, cell), Material.SPONGY_BONE, -16.0, 1.4, 0.5, 0.5))
    canal = Part(head_placed(patient, head, ellipse((-1, -24), (4.2, 5.0))), Material.SPONGY_BONE, -34.0, 5.0, 0.6)
    return both_sides_of_all([*side, canal], (1.6 * patient.doubling[0], 1.6 * patient.doubling[1]))


def _face(patient: Patient, head: Frame) -> list[Part]:
    scale = patient.scale * patient.head_scale

    def drawn(outline: Points, material: Material, *sizes: float) -> Part:
        return Part(head_placed(patient, head, outline), material, *sizes)

    def band(path: Outline, widths: list[float], material: Material, *sizes: float) -> Part:
        outline = ribbon(head_placed(patient, head, path), [width * scale for width in widths])
        return Part(outline, material, *sizes)

    sides = [
        band(ORBIT, [2.5] * 5, Material.COMPACT_BONE, 2.5, 1.0, 0.6, 0.4),
        drawn(closed(ZYGOMA), Material.COMPACT_BONE, 5.0, 2.0, 0.8, 1.5),
        band(PTERYGOID, [1.5, 4, 1.5], Material.COMPACT_BONE, 2.0, 0.7, 0.8, 1.2),
    ]
    return [
        drawn(closed(SINUS), Material.AIR, 30.0, 1.0, 0.6, 5.0),
        drawn(closed(ETHMOID), Material.AIR, 22.0, 0.7, 0.6, 5.0),
        drawn(closed(NOSE), Material.AIR, 14.0, 0.0, 0.6, 2.0),
        band(PALATE, [3, 3.5, 3, 1.5], Material.SPONGY_BONE, 22.0, 3.0, 0.6, 0.4),
        drawn(closed(MAXILLA), Material.SPONGY_BONE, 22.0, 1.0, 0.8, 2.0),
        *both_sides_of_all(sides, (2 * patient.doubling[0], 2 * patient.doubling[1])),
    ]


def _jaw(patient: Patient, head: Frame, generator: np.random.Generator) -> list[Part]:
    shift = np.asarray(patient.jaw_shift)
    ramus_share = np.clip((MANDIBLE[:, 1:] + 20) / 60, 0, 1)
    outline = closed(MANDIBLE + shift * ramus_share)
    bone = Part(head_placed(patient, head, outline), Material.SPONGY_BONE, 21.0, 7.0, 1.5, 1.2)
    canal = ribbon(head_placed(patient, head, np.array([(-30, 12), (-34, 30), (-46, 44), (-66, 51)]) + shift),
                   [2.5 * patient.scale] * 4)  # fmt: skip
    chin = closed(np.array([(-88, 66), (-80, 68), (-77, 60), (-80, 48), (-83, 40), (-86, 42), (-86, 52)]) + shift)
    sides = both_sides_of_all(
        [bone, Part(canal, Material.SPONGY_BONE, -6.0, 0.0, 0.5, 0.5)],
        (2.2 * patient.doubling[0] + 1.0, 2.2 * patient.doubling[1] + 1.0),
    )
    chin_part = Part(head_placed(patient, head, chin), Material.SPONGY_BONE, 16.0, 3.0, 1.0, 1.5)
    return [*sides, chin_part, *_teeth(patient, head, shift, generator)]


def _teeth(patient: Patient, head: Frame, shift: Points, generator: np.random.Generator) -> list[Part]:
    filled = set(generator.permutation(12)[: patient.fillings].tolist())
    parts: list[Part] = []
    for upper in (True, False):
        x = -86.0 + shift[0]
        for number, width in enumerate((5.0, 4.5, 6.0, 6.5, 7.0, 9.5, 9.5, 8.5)):
            level = 29.0 - 0.12 * (x + 86) + shift[1] * (0.5 if upper else 0.8)
            tooth = np.add(_tooth(width, upper, generator), (x + width / 2, level))
            sides = [Part(head_placed(patient, head, tooth), Material.TOOTH, 7.0, 1.2, 0.6, 1.0)]
            index = number + (4 if upper else -2)
            if number >= 4 and index in filled:
                crown = np.array([x + width / 2, level + (-3.0 if upper else 3.0)])
                sides.append(_filling(patient, head, crown, width, generator))
            parts += both_sides_of_all(sides, (2 * patient.doubling[0] + 1, 2 * patient.doubling[1]))
            x += width * 0.97
    return parts


def _tooth(width: float, upper: bool, generator: np.random.Generator) -> Points:
    """A crown and its roots around x = 0; the biting edge is near y = 0."""
    half, root = width / 2, generator.uniform(14.0, 18.0)
    points = np.array([
        (-0.42 * half, 0.6), (0.42 * half, 0.6), (0.95 * half, 2.5), (0.9 * half, 6), (0.62 * half, 8.5),
        (0.35 * half, root),
        (0, root + 0.5 if width < 8 else 10.5), (-0.35 * half, root), (-0.62 * half, 8.5), (-0.9 * half, 6),
        (-0.95 * half, 2.5),
    ])  # fmt: skip
    return closed(points * np.array([1, -1 if upper else 1]), 5)


def _filling(patient: Patient, head: Frame, crown: Points, width: float, generator: np.random.Generator) -> Part:
    offsets = np.array([(-0.4, -0.3), (0, -0.45), (0.4, -0.3), (0.38, 0.3), (0, 0.15), (-0.35, 0.35)])
    outline = closed(crown + offsets * [width, 5.0] * generator.uniform(0.7, 1.15, (6, 2)), 6)
    return Part(head_placed(patient, head, outline), Material.METAL, 5.0)
