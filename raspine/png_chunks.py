"""Whether a PNG holds what it says, before a decoder believes it."""

import cv2
import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes of length, type and checksum (PNG specification, 5.3)
_MOST = 1 << 17  # chunks; encoders put 8 KiB and more into each


def decoded(encoded: bytes) -> NDArray[np.generic] | None:
    """Returns what OpenCV makes of a PNG, its depth and channels as they are; None when it is damaged."""
    if not are_whole(encoded):
        return None
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)


def are_whole(encoded: bytes) -> bool:
    """Returns whether every chunk of a PNG up to IEND lies within its bytes.

    OpenCV takes as much memory as a chunk says that it has, up to 4 GiB.
    """
    if not encoded.startswith(_SIGNATURE):
        return False
    place = len(_SIGNATURE)
    for _ in range(_MOST):
        end = place + _AROUND + int.from_bytes(encoded[place : place + 4], "big")
        if end > len(encoded):
            return False
        if encoded[place + 4 : place + 8] == b"IEND":
            return True
        place = end
    return False
