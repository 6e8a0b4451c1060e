"""Pictures made small and put into the page itself."""

import base64
import dataclasses
import io
import pathlib

from PIL import Image

QUALITY = 80
_LIMIT = 64_000_000  # pixels; a larger file is no overlay of ours


@dataclasses.dataclass(frozen=True)
class Embedded:
    """A picture as a data URI.

    Attributes:
      source: `data:image/webp;base64,...`.
      width, height: pixels.
    """

    source: str
    width: int
    height: int


def embedded(path: pathlib.Path, longest: int = 900) -> Embedded | None:
    """Returns a picture re-encoded as WebP, so that nothing but pixels of the file reaches the page.

    Args:
      path: of a PNG or JPEG.
      longest: of its sides at most, pixels; a larger picture is made smaller.

    Returns:
      None where the file is missing, too large or no picture.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            if opened.width * opened.height > _LIMIT:
                return None
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=QUALITY, method=4)
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    return Embedded(f"data:image/webp;base64,{text}", picture.width, picture.height)
