"""Skin, airway, hyoid, larynx and shoulders: what surrounds the bones."""

import numpy as np

from data_prep.phantom.head import head_placed
from data_prep.phantom.outlines import Points, closed, ellipse, ribbon
from data_prep.phantom.parts import Material, Part, both_sides
from data_prep.phantom.patient import Patient
from data_prep.phantom.spine import Spine

SCALP = [(-60, -138), (-20, -150), (30, -149), (72, -128), (98, -92), (101, -58), (90, -25), (60, 10),
         (-30, 50), (-60, 72)]  # fmt: skip
FACE = [(-101, -60), (-99, -46), (-112, -14), (-106, -4), (-99, 2), (-102, 14), (-99, 24), (-102, 34),
        (-95, 44),
        (-99, 58), (-93, 74), (-80, 78)]  # fmt: skip


def body_outlines(patient: Patient, spine: Spine) -> tuple[Points, Points]:
    """The silhouettes of head and neck, float [n, 2] in mm; the neck runs into the chest."""
    head = closed(head_placed(patient, spine.head, [*FACE[::-1], (-96, -100), *SCALP]), 6)
    front, back = patient.neck_front, patient.neck_back

    def skull(x: float, y: float) -> Points:
        return head_placed(patient, spine.head, (x, y))

    def level(name: str, x: float, y: float) -> Points:
        frame = spine.axis if name == "C2" else spine.bodies[name]
        return frame.place(np.array([x, y]) * patient.scale)

    throat = [skull(-72, 74), skull(-50, 64), level("C5", -front, 4), level("C7", -front - 4, 4)]
    chest = [level("T2", -front - 26, 0), level("T3", -front - 60, 90), level("T3", back + 45, 90)]
    nape = [
        level("T2", back + 18, 0),
        level("C7", back, 6),
        level("C5", back - 6, 0),
        level("C2", back - 5, -4),
    ]
    inside = [skull(84, -28), skull(20, -40), skull(-50, 20)]
    return head, closed([*throat, *chest, *nape, *inside], 8)


def soft_parts(patient: Patient, spine: Spine) -> list[Part]:
    """Airway, hyoid bone, larynx, soft palate and the shadows of the shoulders."""
    return [
        *_airway(patient, spine), *_hyoid(patient, spine), *_larynx(patient, spine),
        *_shoulders(patient, spine)
    ]  # fmt: skip


def _airway(patient: Patient, spine: Spine) -> list[Part]:
    """From the nasopharynx to the trachea, in front of the prevertebral soft tissue."""
    scale, wall = patient.scale, patient.prevertebral
    half, bodies = patient.body_depth / 2, spine.bodies
    wide = patient.airway
    stations = [
        (spine.atlas, (-13.5 - wall, -9), 0.9 * wide), (spine.axis, (-half - wall, -20), 0.75 * wide),
        (spine.axis, (-half - wall + 0.5, -4), wide), (bodies["C3"], (-half - wall, 0), 1.2 * wide),
        (bodies["C4"], (-half - wall - 1.5, 2), 0.9 * wide), (bodies["C5"], (-half - wall - 7, 0), 8.0),
        (bodies["C6"], (-half - wall - 8.5, 0), 13.0), (bodies["C7"], (-half - wall - 8, 0), 15.0),
        (bodies["T2"], (-half - wall - 9, 0), 15.0), (bodies["T3"], (-half - wall - 9, 60), 15.0),
    ]  # fmt: skip
    top = [head_placed(patient, spine.head, (-28, -12)), head_placed(patient, spine.head, (-36, -8))]
    rear = [frame.place(np.array(point) * scale) for frame, point, _ in stations]
    front = [frame.place((np.array(point) - [width, 0]) * scale) for frame, point, width in stations]
    lumen = closed([*front[::-1], top[1], top[0], *rear], 8)
    tongue_gap = closed(head_placed(patient, spine.head, [
        (-34, 12), (-44, 14), (-62, 15), (-78, 22), (-78, 24), (-60, 19), (-44, 19), (-38, 26), (-34, 40),
        (-31, 38), (-33, 22),
    ]), 6)  # fmt: skip
    return [
        Part(lumen, Material.AIR, 23.0, 0.0, 0.5, 3.5),
        Part(tongue_gap, Material.AIR, 7.0, 0.0, 0.5, 1.2),
    ]


def _hyoid(patient: Patient, spine: Spine) -> list[Part]:
    generator = np.random.default_rng([patient.detail_seed, 200])
    scale = patient.scale
    place = np.array([-patient.body_depth / 2 - patient.prevertebral - patient.airway - 13, generator.normal(4, 5)])
    frame = spine.bodies["C3"].at(place * scale, 0.5)
    body = frame.place(ellipse((0, 0), (3.2 * scale, 5.2 * scale), 0.3))
    horn = ribbon(
        frame.place(np.array([(1, 0), (12, -4), (25, -9), (33, -12)]) * scale),
        np.array([5, 3, 2.4, 4]) * scale,
    )
    return [
        Part(body, Material.SPONGY_BONE, 14.0, 2.6, 0.5, 0.6),
        *both_sides(Part(horn, Material.SPONGY_BONE, 9.0, 2.0, 0.4, 0.3), patient.doubling),
    ]


def _larynx(patient: Patient, spine: Spine) -> list[Part]:
    """Patches of calcified cartilage."""
    generator = np.random.default_rng([patient.detail_seed, 201])
    frame, scale = spine.bodies["C5"], patient.scale
    parts = []
    for _ in range(int(generator.integers(2, 9))):
        centre = np.array(
            [
                -patient.body_depth / 2 - patient.prevertebral - generator.uniform(5, 24),
                generator.uniform(-8, 26),
            ]
        )
        patch = frame.place(ellipse(centre * scale, generator.uniform(1.0, 4.0, 2) * scale, generator.uniform(0, 3)))
        parts.append(Part(patch, Material.SPONGY_BONE, generator.uniform(2, 8), 0.8, 0.6, 0.8))
    return parts


def _shoulders(patient: Patient, spine: Spine) -> list[Part]:
    rise, bodies, scale = patient.shoulder_rise, spine.bodies, patient.scale
    chest = closed([
        (-150, 70), (-70, 52), (-30, 38 - 0.5 * rise), (0, 26 - rise), (30, 22 - rise), (62, 38 - rise),
        (110, 60), (190, 130), (190, 260),
        (-150, 260),
    ], 8)  # fmt: skip
    frame = bodies["C7"].at((0, 0), -bodies["C7"].lean)
    clavicle = ribbon(frame.place(np.array([(-62, 52 - rise), (-30, 40 - rise), (6, 36 - rise),
    (36, 44 - rise)]) * scale),
                      np.array([12, 9, 8, 11]) * scale)  # fmt: skip
    rib = ribbon(
        frame.place(np.array([(14, 30), (26, 40), (20, 56), (-20, 74), (-44, 80)]) * scale),
        np.full(5, 6.0) * scale,
    )
    wide = (3 * patient.doubling[0] + 4, 3 * patient.doubling[1] + 4)
    return [
        *both_sides(
            Part(frame.place(chest * scale), Material.SOFT_TISSUE, 150.0, 0.0, 1.0, 14.0),
            (wide[0], 2 * wide[1]),
        ),
        *both_sides(Part(clavicle, Material.SPONGY_BONE, 26.0, 5.0, 0.9, 1.0), wide),
        *both_sides(Part(rib, Material.SPONGY_BONE, 14.0, 4.0, 0.7, 1.0), wide),
    ]
