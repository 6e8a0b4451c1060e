r"""Which way a lateral film lies, and the map that brings it to the canonical way: anterior left, head up.

Patient Orientation (0020,0020) alone declares it: the direction of the patient along a row, then down a
column (PS3.3 C.7.6.1.1.1), so the canonical film is P\F. It holds for the pixels as stored, hence Field of
View Horizontal Flip (0018,7034) and Rotation (0018,7032), which say what the detector did before, change
nothing.
"""

import dataclasses
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from raspine import geometry
from raspine.dicom import header

FLAG_UNKNOWN = "orientation_unknown"
FLAG_UNUSABLE = "orientation_unusable"
FLAG_CONTRADICTION = "orientation_contradiction"
FLAG_NOT_LATERAL = "not_lateral"
FLAG_LATERALITY = "laterality_contradiction"

_AXES = {"A": "depth", "P": "depth", "H": "height", "F": "height", "L": "side", "R": "side"}
_FRONTAL_VIEWS = ("AP", "PA")
_LATERAL_VIEWS = ("LL", "RL", "LLD", "RLD", "LAT", "LATERAL")
# Code values of PS3.16 CID 4010 in SNOMED CT and in the older SNOMED-RT of many archives.
_FRONTAL_CODES = ("272479007", "399348003", "399033003", "R-40888", "R-10214", "R-10206", "R-10202")
_LATERAL_CODES = ("399198007", "399173006", "399067008", "R-10232", "R-10236", "R-102CD")
_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclasses.dataclass(frozen=True)
class Orientation:
    """The steps from the stored film to the canonical one: first transpose, then mirror.

    Attributes:
      transpose: whether rows and columns are exchanged.
      flip_x: whether the (transposed) film is mirrored left-right.
      flip_y: whether the (transposed) film is mirrored top-bottom.
      flags: what the header lacks or contradicts.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False
    flags: tuple[str, ...] = ()

    def canonical(self, stored: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Returns the array [row, column] of the stored film as the canonical film, contiguous."""
        turned = stored.T if self.transpose else stored
        return np.ascontiguousarray(turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])

    def to_native(self, native_size: tuple[int, int]) -> geometry.Affine:
        """Returns the map from canonical pixels to those of the stored film, given its (rows, columns)."""
        rows, columns = native_size[::-1] if self.transpose else native_size
        matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        if self.flip_x:
            matrix[0] = [-1.0, 0.0, columns - 1.0]
        if self.flip_y:
            matrix[1] = [0.0, -1.0, rows - 1.0]
        return geometry.Affine(matrix[::-1] if self.transpose else matrix)


def orient(dataset: Dataset) -> Orientation:
    """Returns how a film is brought to the canonical way; nothing turns without a usable header.

    Only the first letter of a direction counts: `AR` is mostly anterior.
    """
    found = _declared(header.texts(dataset, "PatientOrientation"))
    flags = [*found.flags]
    view = _view(dataset)
    if view == "frontal":
        flags.append(FLAG_NOT_LATERAL)
    unsure = {FLAG_UNKNOWN, FLAG_UNUSABLE} & set(found.flags)
    if not unsure and view is not None and (view == "frontal") != (FLAG_NOT_LATERAL in found.flags):
        flags.append(FLAG_CONTRADICTION)
    if {header.text(dataset, "Laterality"), header.text(dataset, "ImageLaterality")} >= {"L", "R"}:
        flags.append(FLAG_LATERALITY)
    return dataclasses.replace(found, flags=tuple(dict.fromkeys(flags)))


def _declared(directions: tuple[str, ...]) -> Orientation:
    """Returns the orientation that Patient Orientation's two values declare."""
    if not any(directions):
        return Orientation(flags=(FLAG_UNKNOWN,))
    letters = [direction[:1].upper() for direction in directions]
    if len(letters) != 2 or not all(_is_direction(direction) for direction in directions):
        return Orientation(flags=(FLAG_UNUSABLE,))
    axes = [_AXES[letter] for letter in letters]
    if axes[0] == axes[1]:
        return Orientation(flags=(FLAG_CONTRADICTION,))
    if "side" in axes:
        return Orientation(flags=(FLAG_NOT_LATERAL,))
    transpose = axes[0] == "height"
    along_row, down_column = reversed(letters) if transpose else letters
    return Orientation(transpose, flip_x=along_row == "A", flip_y=down_column == "H")


def _is_direction(direction: str) -> bool:
    """Returns whether a value is up to three letters of different axes, such as `A`, `AR` or `PLF`."""
    axes = [_AXES.get(letter) for letter in direction.upper()]
    return 1 <= len(axes) <= 3 and None not in axes and len(set(axes)) == len(axes)


def _view(dataset: Dataset) -> str | None:
    """Returns `frontal` or `lateral` by View Position (0018,5101) or View Code Sequence (0054,0220)."""
    position = header.text(dataset, "ViewPosition").upper()
    codes = {header.text(item, "CodeValue") for item in header.items(dataset, "ViewCodeSequence")}
    if position in _FRONTAL_VIEWS or codes & set(_FRONTAL_CODES):
        return "frontal"
    return "lateral" if position in _LATERAL_VIEWS or codes & set(_LATERAL_CODES) else None
