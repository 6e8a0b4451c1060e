"""How a header says that a film's pixels are stored, checked before anything is decoded or allocated."""

import dataclasses

from pydicom.dataset import Dataset

from raspine.dicom import header
from raspine.film_size import MAX_PIXELS, MAX_SIDE

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a header says that the pixels are stored (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    allocated: int
    stored: int
    high: int
    signed: bool
    photometric: str
    planar: int = 0


def read(dataset: Dataset) -> Layout:
    """Returns the layout of a film's pixels.

    Raises:
      FilmError: a tag is missing or out of range, or the pixels are not one grey or colour frame.
    """
    found = Layout(
        rows=header.integer(dataset, "Rows"),
        columns=header.integer(dataset, "Columns"),
        samples=header.integer(dataset, "SamplesPerPixel", 1),
        allocated=header.integer(dataset, "BitsAllocated"),
        stored=header.integer(dataset, "BitsStored", header.integer(dataset, "BitsAllocated")),
        high=header.integer(dataset, "HighBit", header.integer(dataset, "BitsStored", 0) - 1),
        signed=header.integer(dataset, "PixelRepresentation", 0) == 1,
        photometric=header.text(dataset, "PhotometricInterpretation").upper() or "MONOCHROME2",
        planar=header.integer(dataset, "PlanarConfiguration", 0),
    )
    _check_frames(dataset)
    _check_size(found)
    _check_bits(found)
    _check_colour(found)
    return found


def _check_frames(dataset: Dataset) -> None:
    frames = header.integer(dataset, "NumberOfFrames", 1)
    if frames != 1:
        raise header.FilmError(
            f"a film has one frame. {header.name('NumberOfFrames')} received: {frames}. Export single frames."
        )


def _check_size(found: Layout) -> None:
    for keyword, value in (("Rows", found.rows), ("Columns", found.columns)):
        if not 1 <= value <= MAX_SIDE:
            raise header.FilmError(f"{header.name(keyword)} must be 1 to {MAX_SIDE}. Received: {value}.")
    if found.rows * found.columns > MAX_PIXELS:
        raise header.FilmError(
            f"{header.name('Rows')} x {header.name('Columns')} must be at most {MAX_PIXELS} pixels. "
            f"Received: {found.rows} x {found.columns}."
        )


def _check_bits(found: Layout) -> None:
    if found.allocated not in (8, 16):
        raise header.FilmError(f"{header.name('BitsAllocated')} must be 8 or 16. Received: {found.allocated}.")
    if not 1 <= found.stored <= found.allocated:
        raise header.FilmError(
            f"{header.name('BitsStored')} must be 1 to {header.name('BitsAllocated')}, {found.allocated}. "
            f"Received: {found.stored}."
        )
    if not found.stored - 1 <= found.high < found.allocated:
        raise header.FilmError(
            f"{header.name('HighBit')} must be {found.stored - 1} to {found.allocated - 1}. Received: {found.high}."
        )


def _check_colour(found: Layout) -> None:
    if found.samples == 1 and found.photometric in _GREY:
        return
    if found.samples == 3 and found.photometric in _COLOUR:
        return
    raise header.FilmError(
        f"{header.name('PhotometricInterpretation')} must be MONOCHROME1 or MONOCHROME2 with one sample a "
        f"pixel. Received: {header.received(found.photometric)} with {found.samples}."
    )
