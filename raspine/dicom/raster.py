"""PNG and JPEG films: grey values without a header, hence without spacing and orientation."""

import dataclasses
import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from raspine import film_size, png_chunks
from raspine.dicom import codestream, header

FLAG_EXIF = "exif_orientation_ignored"
SUFFIXES = (".png", ".jpg", ".jpeg")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_EXIF_ORIENTATION = 0x0112
_EQUAL_CHANNELS = 2


@dataclasses.dataclass(frozen=True)
class Raster:
    """A PNG or JPEG picture's grey values.

    Attributes:
      pixels: uint16 [row, column], 0 to 65535 over the range of the file's type.
      flags: what was odd.
    """

    pixels: NDArray[np.uint16]
    flags: tuple[str, ...] = ()


def is_raster(head: bytes) -> bool:
    """Returns whether the first bytes of a file are PNG's or JPEG's."""
    return head.startswith((_PNG, _JPEG))


def decode_raster(data: bytes) -> Raster:
    """Returns the grey values of a PNG or JPEG file; colour is taken when its channels are equal.

    An EXIF orientation is not applied, since landmarks are drawn on the pixels as stored; it is flagged.

    Raises:
      FilmError: the file is damaged, too large, transparent or in true colour.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels, flags = _loaded(data)
    except header.FilmError:
        raise
    except Image.DecompressionBombError as error:
        raise header.FilmError(f"a film has at most {film_size.MAX_PIXELS} pixels. Received: more.") from error
    except Exception as error:  # Pillow raises of many kinds on damaged files
        kind = "PNG" if data.startswith(_PNG) else "JPEG"
        raise header.FilmError(f"the {kind} file is damaged or truncated: it cannot be decoded.") from error
    grey = _grey(pixels)
    return Raster(_full_range(grey), flags)


def _loaded(data: bytes) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        width, height = image.size
        if max(width, height) > film_size.MAX_SIDE or width * height > film_size.MAX_PIXELS:
            raise header.FilmError(f"a film has at most {film_size.MAX_PIXELS} pixels. Received: {height} x {width}.")
        if image.format == "JPEG" and codestream.has_too_many_scans(data):
            raise header.FilmError(f"a JPEG file has at most {codestream.MAX_SCANS} scans. Received: more.")
        image.load()
        flags = (FLAG_EXIF,) if image.getexif().get(_EXIF_ORIENTATION, 1) != 1 else ()
        if _is_deep_colour(data):
            return _deep(data), flags
        plain = {"P": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "1": "L"}.get(image.mode)
        return np.asarray(image.convert(plain) if plain else image), flags


def _is_deep_colour(data: bytes) -> bool:
    """Returns whether a PNG has 16 bits in several channels, which Pillow reduces to 8."""
    return data.startswith(_PNG) and data[24] == 16 and data[25] != 0


def _deep(data: bytes) -> NDArray[np.generic]:
    array = png_chunks.decoded(data)
    if array is None:
        raise header.FilmError("the PNG file is damaged or truncated: it cannot be decoded.")
    return array


def _grey(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Returns the one channel of a picture.

    Raises:
      FilmError: the channels differ, or some of the picture is transparent.
    """
    if pixels.ndim == 2:
        return pixels
    white = 65535 if pixels.dtype.itemsize == 2 else 255
    if pixels.shape[2] in (2, 4):
        if (pixels[..., -1] != white).any():
            raise header.FilmError("a film is opaque: the picture has transparent pixels.")
        pixels = pixels[..., :-1]
    spread = int((pixels.max(axis=-1) - pixels.min(axis=-1)).max())
    if spread > _EQUAL_CHANNELS * white // 255:
        raise header.FilmError(f"a film is grey: the colour channels differ by up to {spread} of {white}.")
    return pixels[..., pixels.shape[2] // 2]


def _full_range(grey: NDArray[np.generic]) -> NDArray[np.uint16]:
    if grey.dtype.itemsize == 1:
        return grey.astype(np.uint16) * np.uint16(257)
    return np.ascontiguousarray(grey).astype(np.uint16)
