"""Stored values to values as displayed: modality LUT, VOI LUT or window, inversion, padding (PS3.4 N.2).

A film's stored values have at most 16 bits, so the whole chain runs once on the table of all possible values
(at most 65,536, whatever the film's size) and the film is then looked up in it. pydicom's functions run on
every pixel and fail on 8-bit VOI tables; highdicom refuses headers that are not conformant; both are oracles
in the tests.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from raspine.dicom import decode, header, layout, lut

WHITE = 65535
PERCENTILES = (0.5, 99.5)
Table = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Displayed:
    """A film as a viewer would show it, in the frame of the file.

    Attributes:
      pixels: uint16 [row, column], 0 black to 65535 white; 0 where padded.
      valid: bool [row, column], False where padded; None when nothing is.
      flags: what was odd, see `film.FLAGS`.
    """

    pixels: NDArray[np.uint16]
    valid: NDArray[np.bool_] | None
    flags: tuple[str, ...]


def displayed(dataset: Dataset, voi: int = 0) -> Displayed:
    """Returns a film's values as displayed.

    Args:
      dataset: a single-frame film with its file meta information.
      voi: which VOI LUT or window to show when the header offers several.

    Raises:
      FilmError: the pixels cannot be decoded, or the modality LUT is damaged, or there is no such window.
    """
    shape = layout.read(dataset)
    stored = decode.stored(dataset, shape)
    values = stored.values()
    padded = _padding(dataset, values, shape)
    counts = _counts(stored)
    padded &= counts > 0
    units = _modality(dataset, values)
    shown, flags = _voi(dataset, units, np.where(padded, 0, counts), voi)
    inverted, more = _inversion(dataset)
    table = np.rint((1.0 - shown if inverted else shown) * WHITE).astype(np.uint16)
    table[padded] = 0
    valid = ~padded[stored.codes] if padded.any() else None
    return Displayed(table[stored.codes], valid, (*stored.flags, *flags, *more))


def _counts(stored: decode.Stored) -> NDArray[np.int64]:
    """Returns int64 [2 ** bits]: how often each code occurs; row by row, since bincount copies to 64 bits."""
    counts = np.zeros(1 << stored.bits, np.int64)
    step = max(1, (1 << 18) // stored.codes.shape[1])
    for start in range(0, stored.codes.shape[0], step):
        counts += np.bincount(stored.codes[start : start + step].ravel(), minlength=counts.size)
    return counts


def _padding(dataset: Dataset, values: NDArray[np.int64], shape: layout.Layout) -> NDArray[np.bool_]:
    """Returns which stored values are padding (PS3.3 C.7.5.1.1.2); both ends of a range count."""
    if (ends := header.padding(dataset)) is None:
        return np.zeros(values.shape, bool)
    low, high = sorted(_as_stored(value, shape) for value in ends)
    return (values >= low) & (values <= high)


def _as_stored(value: float, shape: layout.Layout) -> float:
    """Reads a padding value as signed as its pixels, since files often write it the other way (US, SS)."""
    if shape.signed and value >= 1 << (shape.allocated - 1):
        return value - (1 << shape.allocated)
    return value + (1 << shape.allocated) if not shape.signed and value < 0 else value


def _modality(dataset: Dataset, values: NDArray[np.int64]) -> Table:
    """Returns float64: each stored value in the units of the modality LUT or rescale (PS3.3 C.11.1)."""
    tables = header.items(dataset, "ModalityLUTSequence")
    if tables:
        return lut.read(dataset, tables[0], bool(values.min() < 0)).look_up(values)
    slope = header.number(dataset, "RescaleSlope", 1.0)
    intercept = header.number(dataset, "RescaleIntercept", 0.0)
    if not slope:
        raise header.FilmError(f"{header.name('RescaleSlope')} must not be 0: it erases the film.")
    units = values.astype(np.float64) * slope + (intercept or 0.0)
    if not np.isfinite(units).all():
        raise header.FilmError(f"{header.name('RescaleSlope')} makes values too large. Received: {slope:g}.")
    return units


def _voi(dataset: Dataset, units: Table, counts: NDArray[np.int64], index: int) -> tuple[Table, tuple[str, ...]]:
    """Returns float64 0..1: what each value shows as (PS3.3 C.11.2), and flags.

    A VOI LUT goes before a window; colour, a damaged VOI and a missing one are scaled as the data lie.
    """
    if header.integer(dataset, "SamplesPerPixel", 1) == 3:
        return np.linspace(0.0, 1.0, units.size), ()
    try:
        tables = header.items(dataset, "VOILUTSequence")
        if tables:
            return _voi_lut(dataset, tables[_chosen(index, len(tables), "VOILUTSequence")], units), ()
        centres, widths = (header.numbers(dataset, f"Window{part}") for part in ("Center", "Width"))
        if centres and widths:
            chosen = _chosen(index, min(len(centres), len(widths)), "WindowWidth")
            return _window(dataset, units, centres[chosen], widths[chosen]), ()
    except _NoSuchVoi:
        raise
    except header.FilmError:
        return _scaled(units, counts), ("voi_unusable",)
    return _scaled(units, counts), ("no_voi",)


class _NoSuchVoi(header.FilmError):
    """The caller chose a window that the film does not have."""


def _chosen(index: int, count: int, keyword: str) -> int:
    if not 0 <= index < count:
        raise _NoSuchVoi(f"{header.name(keyword)} has {count} to choose from, 0 to {count - 1}. Received: {index}.")
    return index


def _window(dataset: Dataset, units: Table, centre: float, width: float) -> Table:
    """Applies a window, PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    function = header.text(dataset, "VOILUTFunction").upper() or "LINEAR"
    if not (width > 0 and (width >= 1 or function != "LINEAR")):
        raise header.FilmError(f"{header.name('WindowWidth')} is too small. Received: {width}.")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return 1.0 / (1.0 + np.exp(-4.0 * (units - centre) / width))
    if function not in ("LINEAR", "LINEAR_EXACT"):
        raise header.FilmError(f"{header.name('VOILUTFunction')} is unknown. Received: {header.received(function)}.")
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1.0
    if width == 0.0:
        return (units > centre).astype(np.float64)
    return np.clip((units - centre) / width + 0.5, 0.0, 1.0)


def _scaled(units: Table, counts: NDArray[np.int64]) -> Table:
    """Scales between robust percentiles of the film's own values."""
    order = np.argsort(units, kind="stable")
    running = np.cumsum(counts[order])
    if running[-1] == 0:
        return np.zeros_like(units)
    low, high = (units[order][np.searchsorted(running, running[-1] * rank / 100.0)] for rank in PERCENTILES)
    if low == high:
        return (units > low).astype(np.float64)
    return np.clip((units - low) / (high - low), 0.0, 1.0)


def _voi_lut(dataset: Dataset, item: Dataset, units: Table) -> Table:
    table = lut.read(dataset, item, bool(units.min() < 0))
    return np.minimum(table.look_up(np.rint(units).astype(np.int64)) / ((1 << table.bits) - 1), 1.0)


def _inversion(dataset: Dataset) -> tuple[bool, tuple[str, ...]]:
    """Returns whether low values are white, and flags.

    Presentation LUT Shape says it where it is present (DX), Photometric Interpretation elsewhere (CR): never
    both, since INVERSE is how a DX film repeats MONOCHROME1 (PS3.3 C.8.11.3.1.2).
    """
    monochrome1 = header.text(dataset, "PhotometricInterpretation").upper() == "MONOCHROME1"
    shape = header.text(dataset, "PresentationLUTShape").upper()
    if shape not in ("IDENTITY", "INVERSE"):
        return monochrome1, ()
    inverse = shape == "INVERSE"
    return inverse, () if inverse == monochrome1 else ("inversion_contradiction",)
