import pathlib

import cv2
import numpy as np
import pytest

from raspine import drawing
from raspine.landmarks import ATLANTOAXIAL, CEPHALOMETRIC19

ROW = np.array([[300.0, 400.0], [320.0, 400.0], [380.0, 400.0], [440.0, 400.0]])
CAPTION = drawing.Caption("positive", ["ADI: 4.0 mm", "a word " * 30], "#ff9f43")


def draw(grey: int, points: np.ndarray = ROW, **more: object) -> drawing.Picture:
    marks = drawing.Marks(points, {"adi": "ADI 4.0 mm", "sac": "SAC 12.0 mm"})
    pixels = np.full((1200, 900), grey, np.uint16)
    return drawing.overlay(pixels, more.get("spacing"), ATLANTOAXIAL, marks, CAPTION, 1000)  # type: ignore[arg-type]


@pytest.mark.parametrize("grey", [0, 30000, 65535])
def test_dots_have_the_schemas_colours_where_the_points_are(grey: int) -> None:
    picture = draw(grey)
    scale = 640 / 900
    assert max(picture.shape) <= 1000
    for (x, y), colour in zip((ROW + 0.5) * scale - 0.5, ATLANTOAXIAL.colours, strict=True):
        assert tuple(picture[round(y), round(x)]) == drawing.rgb(colour)


def test_the_film_keeps_its_grey_values_and_its_true_proportions() -> None:
    picture = draw(0x8040, spacing=(0.1, 0.2))
    film = picture[:, : -drawing.PANEL]
    # 1200 rows of 0.1 and 900 columns of 0.2 mm are 120 x 180 mm.
    height = round(640 * 120 / 180)
    top = (picture.shape[0] - height) // 2
    assert film.shape[1] == 640
    assert tuple(film[top + 2, 2]) == (0x80,) * 3
    assert tuple(film[top + height - 2, 637]) == (0x80,) * 3
    assert tuple(film[top - 2, 2]) != (0x80,) * 3


@pytest.mark.parametrize("points", [np.full((4, 2), np.nan), ROW * 1e9, ROW - 1e4, np.where(ROW == 320, np.nan, ROW)])
def test_any_point_can_be_drawn(points: np.ndarray) -> None:
    assert draw(30000, points).ndim == 3


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (2000, 3), (64, 64)])
def test_any_film_can_be_drawn(shape: tuple[int, int]) -> None:
    marks = drawing.Marks(np.zeros((19, 2)), truth=np.ones((19, 2)))
    picture = drawing.overlay(np.zeros(shape, np.uint16), None, CEPHALOMETRIC19, marks, CAPTION)
    assert picture.dtype == np.uint8
    assert max(picture.shape) <= 1100


def test_write_png_keeps_colours(tmp_path: pathlib.Path) -> None:
    picture = np.zeros((4, 5, 3), np.uint8)
    picture[1, 2] = (255, 128, 0)
    drawing.write_png(tmp_path / "new" / "a.png", picture)
    read = cv2.imread(str(tmp_path / "new" / "a.png"))
    assert read[1, 2].tolist() == [0, 128, 255]
