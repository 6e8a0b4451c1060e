"""The image planes of one MR object: a classic instance, Enhanced MR, or Legacy Converted Enhanced MR."""

import math
import pathlib

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from raspine.dicom import header
from raspine.dicom.study import Frame

_PERPENDICULAR = 0.02


class Plane:
    """Attributes of one frame: its own functional groups, then the shared ones, then the object's (PS3.3 C.7.6.16)."""

    def __init__(self, dataset: Dataset, shared: list[Dataset], own: list[Dataset]) -> None:
        self._places = (*own, *shared, dataset)

    def place(self, keyword: str) -> Dataset:
        """Returns the dataset that holds a filled tag; an empty one where none does."""
        return next((place for place in self._places if header.values(place, keyword)), Dataset())

    def number(self, keyword: str) -> float | None:
        """Returns a number that is nice to know: None when it is absent or damaged."""
        try:
            return header.number(self.place(keyword), keyword)
        except header.FilmError:
            return None

    def positive(self, keyword: str) -> float | None:
        """Returns a time or length, None where scanners write 0 for a value that they do not use."""
        value = self.number(keyword)
        return value if value is not None and value > 0 else None

    def whole(self, keyword: str) -> int | None:
        """Returns a count or running number, None when it is absent or damaged."""
        value = self.number(keyword)
        return None if value is None else int(value)

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Returns the values of a coded tag in upper case."""
        try:
            return tuple(value.upper() for value in header.texts(self.place(keyword), keyword) if value)
        except header.FilmError:
            return ()

    def numbers(self, keyword: str, count: int) -> tuple[float, ...] | None:
        """Returns `count` numbers of the geometry, None when they are absent.

        Raises:
          FilmError: they are damaged: a slice in the wrong place is worse than none.
        """
        found = header.numbers(self.place(keyword), keyword)
        if found and len(found) != count:
            shown = header.received([f"{value:g}" for value in found])
            raise header.FilmError(f"{header.name(keyword)} must hold {count} numbers. Received: {shown}.")
        return found or None


def planes(dataset: Dataset) -> list[Plane]:
    """Returns the planes of an object, in the order of its pixels.

    Raises:
      FilmError: the functional groups of a multi-frame object are missing or do not match its frames.
    """
    count = header.integer(dataset, "NumberOfFrames", 1)
    own = header.items(dataset, "PerFrameFunctionalGroupsSequence")
    if count == 1 and not own:
        return [Plane(dataset, _shared(dataset) if _is_multi_frame(dataset) else [], [])]
    if len(own) != count:
        raise header.FilmError(
            f"{header.name('PerFrameFunctionalGroupsSequence')} must have an item per frame. "
            f"Received: {len(own)} items for {count} frames."
        )
    shared = _shared(dataset)
    return [Plane(dataset, shared, _macros(item)) for item in own]


def frame(path: pathlib.Path, number: int, dataset: Dataset, plane: Plane) -> Frame:
    """Returns the geometry and contrast of one plane.

    Raises:
      FilmError: the size, position, orientation or spacing is there and damaged.
    """
    rows, columns = (header.integer(dataset, keyword) for keyword in ("Rows", "Columns"))
    if min(rows, columns) < 1:
        raise header.FilmError(f"Rows and Columns must be 1 or more. Received: {rows} x {columns}.")
    position = plane.numbers("ImagePositionPatient", 3)
    return Frame(
        path=path,
        number=number,
        instance_uid=header.text(dataset, "SOPInstanceUID"),
        rows=rows,
        columns=columns,
        position=(position[0], position[1], position[2]) if position else None,
        orientation=_orientation(plane),
        spacing=_spacing(plane),
        echo_time=plane.positive("EffectiveEchoTime") or plane.positive("EchoTime"),
        acquisition=_first(plane, "FrameAcquisitionNumber", "AcquisitionNumber"),
        instance_number=plane.whole("InstanceNumber"),
        image_type=_image_type(plane),
        temporal=_first(plane, "TemporalPositionIndex", "TemporalPositionIdentifier"),
        stack_id="\\".join(plane.texts("StackID")),
        b_value=plane.number("DiffusionBValue"),
    )


def _first(plane: Plane, *keywords: str) -> int | None:
    return next((value for keyword in keywords if (value := plane.whole(keyword)) is not None), None)


def _is_multi_frame(dataset: Dataset) -> bool:
    """Returns whether functional groups count: some scanners put a few into classic images, too."""
    return not header.values(dataset, "ImageOrientationPatient")


def _shared(dataset: Dataset) -> list[Dataset]:
    items = header.items(dataset, "SharedFunctionalGroupsSequence")
    return _macros(items[0]) if items else []


def _macros(group: Dataset) -> list[Dataset]:
    """Returns the first item of each functional group macro."""
    found = []
    for element in group:
        if isinstance(element.value, Sequence) and len(element.value):
            found.append(element.value[0])
    return found


def _image_type(plane: Plane) -> tuple[str, ...]:
    component = tuple(value for value in plane.texts("ComplexImageComponent") if value != "MAGNITUDE")
    return (plane.texts("FrameType") or plane.texts("ImageType")) + component


def _spacing(plane: Plane) -> tuple[float, float] | None:
    found = plane.numbers("PixelSpacing", 2)
    if found is None:
        return None
    if min(found) <= 0:
        raise header.FilmError(f"{header.name('PixelSpacing')} must be above 0. Received: {header.received(found)}.")
    return found[0], found[1]


def _orientation(plane: Plane) -> tuple[float, ...] | None:
    found = plane.numbers("ImageOrientationPatient", 6)
    if found is None:
        return None
    row, column = found[:3], found[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    cosine = sum(a * b for a, b in zip(row, column, strict=True))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(cosine)) > _PERPENDICULAR:
        raise header.FilmError(
            f"{header.name('ImageOrientationPatient')} must hold two perpendicular unit vectors. "
            f"Received: {header.received(found)}."
        )
    return found
