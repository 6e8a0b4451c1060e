from typing import Any

import numpy as np
import pytest

from raspine.explanation import overlay

CAPTION = overlay.Caption("Risk 0.73: positive", "Grad-CAM++", ("threshold 0.41",), "#ff8a70")
POSITIONS = np.arange(6) * 3.3 - 8.25


def _slices(rows: int = 60, columns: int = 48) -> np.ndarray:
    """Mid grey, each slice a shade brighter than the one before."""
    return np.stack([np.full((rows, columns), 20000 + 4000 * n, np.uint16) for n in range(6)])


def _red(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0].astype(int) - picture[..., 1]


def test_reddened_by_hand() -> None:
    grey = np.array([[0, 65535, 25700, 25700]], np.uint16)
    heat = np.array([[0, 0, 1, 0.25]], np.float32)
    got = overlay.reddened(grey, heat, strongest=0.6)
    np.testing.assert_array_equal(got[0], [[0, 0, 0], [255, 255, 255], [193, 40, 40], [123, 85, 85]])


def test_slices_stand_in_order_with_their_maps() -> None:
    maps = np.zeros((6, 60, 48), np.float32)
    maps[4, 10:20, 8:16] = 1
    picture = overlay.picture(_slices(), maps, POSITIONS, CAPTION)
    assert (picture.dtype, picture.shape[1:]) == (np.uint8, (1200, 3))
    side, height = 397, 496  # (1200 - 2 * 4) // 3, and as much higher as 60 to 48
    tops = [picture.shape[0] - 4 - height - (height + 4) * row for row in (1, 0)]
    centres = [picture[top + height // 3, left + side // 3] for top in tops for left in (0, 401, 802)]
    # Slice 5 has its map there: rows 10 to 20 of 60, columns 8 to 16 of 48.
    shades = [int(centre[1]) for centre in centres]
    assert shades[:4] == [78, 93, 109, 125]
    assert shades[5] == 156
    assert np.flatnonzero(_red(picture)[tops[0] :].max(0) > 100).min() > 401 + side * 8 / 48 - 6
    rows, columns = np.nonzero(_red(picture)[tops[0] :] > 100)
    assert abs(rows.mean() + tops[0] - tops[1] - height * 15 / 60) < 4
    assert abs(columns.mean() - 401 - side * 12 / 48) < 4


def test_one_map_reddens_all_slices_and_plain_rows_none() -> None:
    one = np.ones((60, 48), np.float32)
    picture = overlay.picture(_slices(), one, POSITIONS, CAPTION, plain=True, width=600)
    tile = round(197 * 60 / 48)
    tops = [picture.shape[0] - (tile + 4) * (4 - row) for row in range(4)]
    middles = _red(picture)[[top + tile // 3 for top in tops]][:, [60, 260, 460]]
    assert (middles[[0, 2]] == 0).all()
    assert (middles[[1, 3]] > 50).all()


def test_padding_is_cut_and_pixels_are_square() -> None:
    padded = np.zeros((2, 512, 512), np.uint16)
    padded[:, 100:200, 50:250] = 30000
    picture = overlay.picture(padded, None, [0, 4], CAPTION, (1.0, 0.5), columns=2, width=404)
    # 100 rows of 1 mm, 200 columns of 0.5 mm: square, 200 pixels wide.
    tile = picture[-204:-4, :200]
    assert (tile[100, 100] == round(30000 / 257)).all()
    assert (picture[-205] != round(30000 / 257)).all()
    nothing = overlay.picture(np.zeros((1, 8, 8), np.uint16), None, [0], CAPTION, columns=1, width=300)
    assert nothing.shape[1] == 300


def test_the_caption_changes_the_head_only() -> None:
    first = overlay.picture(_slices(), None, POSITIONS, CAPTION)
    other = overlay.picture(_slices(), None, POSITIONS, overlay.Caption("Risk 0.1: negative", lines=("a",)))
    empty = overlay.picture(_slices(), np.zeros((60, 48)), POSITIONS, CAPTION)
    rows = np.flatnonzero((first != other).any((1, 2)))
    assert rows.max() < first.shape[0] - 2 * (496 + 4)
    assert _red(first[:, 600:]).max() == 0
    assert _red(empty[:100, 900:]).max() > 50  # the colour bar
    long = overlay.picture(_slices(), None, POSITIONS, overlay.Caption("Risk", lines=("word " * 100,)))
    assert long.shape[0] > first.shape[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": np.zeros((5, 60, 48))}, r"maps must have the shape \(6, 60, 48\) or \(60, 48\)"),
        ({"positions_mm": [1.0]}, "positions_mm must be one per slice, 6"),
        ({"slices": np.zeros((6, 8, 8), np.uint8)}, "slices must be uint16"),
    ],
)
def test_bad_arguments(change: dict[str, Any], message: str) -> None:
    arguments = {"slices": _slices(), "maps": None, "positions_mm": POSITIONS, "caption": CAPTION} | change
    with pytest.raises(ValueError, match=message):
        overlay.picture(**arguments)
