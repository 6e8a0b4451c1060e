"""Films: DICOM in every transfer syntax, PNG and JPEG."""

import io
import random

import cv2
import numpy as np
from PIL import Image
from tiny_films import a_lut, build_film, picture, to_bytes

from fuzz import ROOT
from fuzz.mutation import dicom, pictures
from fuzz.targets import Target
from raspine.dicom import film

DATA = ROOT / "tests" / "data" / "dicom"
_PLAIN = {"implicit": "1.2.840.10008.1.2", "big_endian": "1.2.840.10008.1.2.2", "deflated": "1.2.840.10008.1.2.1.99"}
_COMPRESSED = {"rle": "1.2.840.10008.1.2.5", "jpeg_ls": "1.2.840.10008.1.2.4.80", "j2k": "1.2.840.10008.1.2.4.90"}


def seeds() -> dict[str, bytes]:
    """Returns small films in every syntax and both rasters."""
    made = {"plain": to_bytes(build_film()), "8_bit": to_bytes(build_film(picture(bits=8).astype("u1"), 8))}
    made["window"] = to_bytes(build_film(WindowCenter=2000, WindowWidth=3000, RescaleSlope=2, RescaleIntercept=-5))
    made["luts"] = to_bytes(build_film(VOILUTSequence=a_lut([0, 3, 9], 0), ModalityLUTSequence=a_lut([1, 2], 0)))
    signed = (picture().astype("i4") - 2048).astype("i2")
    made["signed"] = to_bytes(build_film(signed, PixelPaddingValue=-2048))
    colour = np.repeat(picture(bits=8).astype("u1")[..., None], 3, -1)
    made["colour"] = to_bytes(
        build_film(colour, 8, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    )
    for name, syntax in _PLAIN.items():
        made[name] = to_bytes(build_film(syntax=syntax))
    for name, syntax in _COMPRESSED.items():
        compressed = build_film()
        compressed.compress(syntax, generate_instance_uid=False)
        made[name] = to_bytes(compressed)
    made |= {path.stem: path.read_bytes() for path in DATA.glob("*.dcm")}
    return made | _rasters()


def _rasters() -> dict[str, bytes]:
    grey = picture(bits=16)
    made = {"png_16": cv2.imencode(".png", grey)[1].tobytes()}
    made["png_deep_colour"] = cv2.imencode(".png", np.repeat(grey[..., None], 3, -1))[1].tobytes()
    small = (grey >> 8).astype("u1")
    for name, mode in (("L", "L"), ("RGB", "RGB"), ("P", "P"), ("LA", "LA")):
        stream = io.BytesIO()
        Image.fromarray(small).convert(mode).save(stream, "PNG")
        made[f"png_{name}"] = stream.getvalue()
    for progressive in (False, True):
        stream = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 3
        Image.fromarray(small).save(stream, "JPEG", progressive=progressive, exif=exif)
        made[f"jpeg_progressive_{progressive}"] = stream.getvalue()
    return made


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Spoils a film as what it is."""
    return dicom.mutate(data, rng) if data[128:132] == b"DICM" else pictures.mutate(data, rng)


def read(data: bytes) -> object:
    """Reads a film and returns its flags."""
    found = film.read_bytes(data)
    assert found.pixels.dtype == np.uint16
    assert found.pixels.ndim == 2
    assert found.valid is None or found.valid.shape == found.pixels.shape
    assert set(found.flags) <= set(film.FLAGS)
    return found.flags


TARGETS = {"film": Target(read, (film.FilmError,), seeds, mutate)}
