"""PNGs of other encoders are whole; what is cut off, or says that it is longer, is not."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from raspine import png_chunks

PIXELS = np.arange(40_000, dtype=np.uint16).reshape(200, 200)


def encoded(by: str) -> bytes:
    if by == "opencv":
        return cv2.imencode(".png", PIXELS)[1].tobytes()
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("by", ["opencv", "pillow"])
def test_what_encoders_write_is_whole_and_a_part_of_it_is_not(by: str) -> None:
    data = encoded(by)
    assert png_chunks.are_whole(data)
    assert png_chunks.are_whole(data + b"rubbish behind the end")
    assert not any(png_chunks.are_whole(data[:count]) for count in range(len(data)))


def test_a_chunk_that_says_it_is_longer_than_the_file_is_not_believed() -> None:
    data = bytearray(encoded("opencv"))
    data[33:37] = struct.pack(">I", (1 << 32) - 1)
    assert not png_chunks.are_whole(bytes(data))


def test_chunks_without_end_are_not_counted_for_ever() -> None:
    assert not png_chunks.are_whole(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sI", 0, b"tEXt", 0) * 500_000)


def test_another_file_is_no_png() -> None:
    assert not png_chunks.are_whole(b"GIF89a" + bytes(100))
