"""NIfTI volumes, plain and compressed."""

import gzip
import pathlib
import random
import struct
import tempfile
import zlib

import numpy as np
import SimpleITK

from fuzz.mutation import numbers
from fuzz.targets import Target
from raspine import scan
from raspine.dicom.sagittal import VolumeError
from raspine.inputs import slices

_CHOICE = slices.Choice("native_middle", 6, 1.0, (32, 32))
_SHORTS = (40, 42, 44, 46, 48, 54, 68, 70, 72, 74, 252, 254)  # dim, intent, datatype, bitpix, codes of nifti1.h
_FLOATS = (76, 80, 84, 88, 108, 112, 116, 256, 260, 264, 280, 296, 312)  # pixdim, vox_offset, scaling, axes


def seeds() -> dict[str, bytes]:
    """Returns a small sagittal volume as .nii and .nii.gz, of several types."""
    made = {}
    with tempfile.TemporaryDirectory() as place:
        for kind in ("i2", "f4", "u1"):
            values = np.random.default_rng(1).integers(0, 200, (12, 24, 9)).astype(kind)
            image = SimpleITK.GetImageFromArray(values)
            image.SetSpacing((3.3, 0.9, 0.9))
            path = pathlib.Path(place) / f"{kind}.nii"
            SimpleITK.WriteImage(image, str(path))
            made[kind] = path.read_bytes()
            made[f"{kind}_gz"] = gzip.compress(made[kind], 6, mtime=0)
    return made


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Spoils the header or the voxels; of a compressed file mostly what is inside."""
    if data[:2] != b"\x1f\x8b":
        return _plain(data, rng)
    if rng.random() < 0.2:
        return numbers.spoil(data, rng)
    if rng.random() < 0.02:
        return gzip.compress(data[:0] + b"\0" * (1 << 27), 9, mtime=0)
    try:
        return gzip.compress(_plain(zlib.decompressobj(31).decompress(data, 1 << 22), rng), 1, mtime=0)
    except zlib.error:
        return numbers.spoil(data, rng)


def _plain(data: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0 and len(data) > 352:
        at = rng.choice(_SHORTS)
        return data[:at] + struct.pack("<H", rng.choice(numbers.WHOLE) & 0xFFFF) + data[at + 2 :]
    if kind == 1 and len(data) > 352:
        at = rng.choice(_FLOATS)
        value = rng.choice((0.0, -1.0, 1e30, -1e30, float("nan"), float("inf"), 1e-30, 352.0, 348.0, 1e6))
        return data[:at] + struct.pack("<f", value) + data[at + 4 :]
    if kind == 2:
        return numbers.spoil(data[:352], rng) + data[352:]
    return numbers.spoil(data, rng)


def read(data: bytes) -> object:
    """Reads a volume and cuts slices from it."""
    suffix = ".nii.gz" if data[:2] == b"\x1f\x8b" else ".nii"
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / f"volume{suffix}"
        path.write_bytes(data)
        return scan.of_nifti(path, _CHOICE).flags


TARGETS = {"nifti": Target(read, (VolumeError, slices.SlicesError), seeds, mutate)}
