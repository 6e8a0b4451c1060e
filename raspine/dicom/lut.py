"""Lookup tables of a DICOM header: Modality LUT and VOI LUT sequences have the same form (PS3.3 C.11.1.1)."""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian

from raspine.dicom import header


@dataclasses.dataclass(frozen=True)
class Lut:
    """One table.

    Attributes:
      entries: uint16 [entry].
      first: the value that the first entry stands for.
      bits: how many bits an entry has.
    """

    entries: NDArray[np.uint16]
    first: int
    bits: int

    def look_up(self, values: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns float64: the entry of each value; values outside the table take its first or last."""
        return self.entries[np.clip(values - self.first, 0, self.entries.size - 1)].astype(np.float64)


def read(dataset: Dataset, item: Dataset, signed: bool) -> Lut:
    """Returns the table in a sequence's item.

    Args:
      dataset: the film that holds it, which says how words are stored.
      item: has LUT Descriptor (0028,3002) and LUT Data (0028,3006).
      signed: whether the values to look up may be negative, and so the first of them too, whatever sign its
        value representation gives it.

    Raises:
      FilmError: the descriptor is malformed or entries are missing.
    """
    descriptor = header.numbers(item, "LUTDescriptor")
    if len(descriptor) != 3:
        raise header.FilmError(
            f"{header.name('LUTDescriptor')} must hold three values. Received: {header.received(descriptor)}."
        )
    entries, first, bits = (int(value) for value in descriptor)
    if not 8 <= bits <= 16:
        raise header.FilmError(f"{header.name('LUTDescriptor')}: bits must be 8 to 16. Received: {bits}.")
    if not -(1 << 15) <= first < 1 << 16:
        raise header.FilmError(f"{header.name('LUTDescriptor')}: the first value must have 16 bits. Received: {first}.")
    first = first - (1 << 16) if signed and first >= 1 << 15 else first
    return Lut(_entries(dataset, item, entries % (1 << 16) or 1 << 16), first, bits)


def _entries(dataset: Dataset, item: Dataset, count: int) -> NDArray[np.uint16]:
    data = header.values(item, "LUTData")
    if len(data) == 1 and isinstance(data[0], bytes):
        table = _unpacked(data[0], count, dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian)
    else:
        table = np.array([int(value) & 0xFFFF for value in header.numbers(item, "LUTData")], np.uint16)
    if table.size < count:
        raise header.FilmError(f"{header.name('LUTData')} must hold {count} entries. Received: {table.size}.")
    return table[:count]


def _unpacked(data: bytes, count: int, big: bool) -> NDArray[np.uint16]:
    """Returns the entries of a table given as bytes: two bytes an entry, or one where there are no more."""
    if len(data) < 2 * count and len(data) >= count:
        return np.frombuffer(data, np.uint8).astype(np.uint16)
    return np.frombuffer(data[: len(data) // 2 * 2], ">u2" if big else "<u2").astype(np.uint16)
