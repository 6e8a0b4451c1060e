"""Lateral films from every way they may lie to anterior left, head up, and their points back again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from tiny_films import build_film, picture, to_bytes

from raspine.dicom import film
from raspine.dicom.orientation import Orientation, orient

STORED = np.array([[1, 2, 3], [4, 5, 6]])
# Anterior left, head up: the six cells as they must lie, for the six as stored above.
EXPECTED = {
    ("P", "F"): [[1, 2, 3], [4, 5, 6]],
    ("A", "F"): [[3, 2, 1], [6, 5, 4]],
    ("P", "H"): [[4, 5, 6], [1, 2, 3]],
    ("A", "H"): [[6, 5, 4], [3, 2, 1]],
    ("F", "P"): [[1, 4], [2, 5], [3, 6]],
    ("F", "A"): [[4, 1], [5, 2], [6, 3]],
    ("H", "P"): [[3, 6], [2, 5], [1, 4]],
    ("H", "A"): [[6, 3], [5, 2], [4, 1]],
}


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def header(orientation: object = None, **tags: object) -> Dataset:
    dataset = Dataset()
    if orientation is not None:
        dataset.PatientOrientation = orientation
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(("directions", "expected"), EXPECTED.items())
def test_every_lateral_orientation_becomes_canonical(directions, expected):
    way = orient(header(list(directions)))
    np.testing.assert_array_equal(way.canonical(STORED), expected)
    assert way.flags == ()


@pytest.mark.parametrize(("compound", "plain"), [("AR", "A"), ("AF", "A"), ("PLF", "P"), ("ar", "A")])
def test_compound_directions_count_by_their_first_letter(compound, plain):
    assert orient(header([compound, "FL"])) == orient(header([plain, "F"]))


@given(st.booleans(), st.booleans(), st.booleans(), st.integers(1, 9), st.integers(1, 9), st.randoms())
def test_points_map_back_to_the_pixels_they_came_from(transpose, flip_x, flip_y, rows, columns, random):
    way = Orientation(transpose, flip_x, flip_y)
    stored = np.arange(rows * columns).reshape(rows, columns)
    canonical = way.canonical(stored)
    y, x = random.randrange(canonical.shape[0]), random.randrange(canonical.shape[1])
    native = way.to_native((rows, columns)).apply((x, y))
    assert stored[int(native[1]), int(native[0])] == canonical[y, x]
    np.testing.assert_allclose(way.to_native((rows, columns)).inverse().apply(native), (x, y), atol=1e-12)


@pytest.mark.parametrize(
    ("dataset", "flags"),
    [
        (header(), ("orientation_unknown",)),
        (header(""), ("orientation_unknown",)),
        (header(["", ""]), ("orientation_unknown",)),
        (header(["P"]), ("orientation_unusable",)),
        (header(["P", "X"]), ("orientation_unusable",)),
        (header(["PA", "F"]), ("orientation_unusable",)),
        (header(["LE", "V"]), ("orientation_unusable",)),
        (header(["A", "P"]), ("orientation_contradiction",)),
        (header(["L", "F"]), ("not_lateral",)),
        (header(["L", "F"], ViewPosition="AP"), ("not_lateral",)),
        (header(["L", "F"], ViewPosition="LL"), ("not_lateral", "orientation_contradiction")),
        (header(["P", "F"], ViewPosition="RL"), ()),
        (header(["P", "F"], ViewPosition="PA"), ("not_lateral", "orientation_contradiction")),
        (header(ViewPosition="AP"), ("orientation_unknown", "not_lateral")),
        (header(["P", "F"], Laterality="L", ImageLaterality="R"), ("laterality_contradiction",)),
        (header(["P", "F"], Laterality="R", ImageLaterality="R"), ()),
    ],
)
def test_missing_and_contradictory_headers_are_flagged_and_nothing_turns(dataset, flags):
    way = orient(dataset)
    assert way.flags == flags
    np.testing.assert_array_equal(way.canonical(STORED), STORED)


def test_coded_view_counts_like_view_position():
    view = header(CodeValue="399348003", CodingSchemeDesignator="SCT", CodeMeaning="antero-posterior")
    assert orient(header(["P", "F"], ViewCodeSequence=[view])).flags == (
        "not_lateral",
        "orientation_contradiction",
    )


def test_mirrored_film_is_read_upright_with_points_back_in_the_file():
    shown = film.read_bytes(to_bytes(build_film(PatientOrientation=["A", "F"], WindowCenter=2048, WindowWidth=4096)))
    straight = film.read_bytes(to_bytes(build_film(picture()[:, ::-1], WindowCenter=2048, WindowWidth=4096)))
    np.testing.assert_array_equal(shown.pixels, straight.pixels)
    np.testing.assert_array_equal(shown.to_native.apply((0, 0)), (picture().shape[1] - 1, 0))
    assert shown.native_size == picture().shape


def test_field_of_view_flip_does_not_turn_the_film_a_second_time():
    assert orient(header(["A", "F"], FieldOfViewHorizontalFlip="YES")) == orient(header(["A", "F"]))
