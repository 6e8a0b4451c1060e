"""What the X-ray meets: shapes with a material and a thickness along the beam."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from data_prep.phantom.outlines import Points


class Material(Enum):
    """Linear attenuation in 1/mm at about 40 keV, beyond the soft tissue that the material displaces.

    Rounded from the NIST tables (NISTIR 5632): water 0.027, cortical bone 0.128; spongy bone is a mixture.
    """

    SPONGY_BONE = 0.018
    COMPACT_BONE = 0.10
    TOOTH = 0.13
    METAL = 0.9
    AIR = -0.027
    SOFT_TISSUE = 0.027

    @property
    def is_bone(self) -> bool:
        """True for the materials that osteoporosis and trabecular texture change."""
        return self in (Material.SPONGY_BONE, Material.COMPACT_BONE)


@dataclass(frozen=True)
class Part:
    """One shape in the sagittal plane.

    Attributes:
        outline: float [n, 2], mm.
        material: what fills it.
        depth: mm of material along the beam in the middle of the shape.
        shell: mm of compact bone along the beam where it grazes the outline (the bright rim).
        shell_width: mm, how far the rim reaches inwards (a standard deviation).
        rounding: mm over which the depth falls to nothing towards the outline; 0 keeps a slab.
    """

    outline: Points
    material: Material
    depth: float
    shell: float = 0.0
    shell_width: float = 0.45
    rounding: float = 0.0


def both_sides(part: Part, offset: tuple[float, float]) -> list[Part]:
    """The left and right copies of a part, half as deep, their shadows `offset` mm apart."""
    half = np.asarray(offset) / 2
    return [
        replace(part, outline=part.outline + sign * half, depth=part.depth / 2, shell=part.shell / 2)
        for sign in (1, -1)
    ]


def both_sides_of_all(parts: Iterable[Part], offset: tuple[float, float]) -> list[Part]:
    """`both_sides` over several parts."""
    return [copy for part in parts for copy in both_sides(part, offset)]
