import numpy as np
import pytest

from data_prep.phantom import hardness
from data_prep.phantom.film import Film, make_film
from data_prep.phantom.outlines import Frame, crossings, ellipse
from data_prep.phantom.patient import SAC_RANGE_MM, Position, sample_patient
from data_prep.phantom.raster import Grid, coverage
from data_prep.phantom.spine import pose_spine, spine_parts
from raspine.landmarks import ATLANTOAXIAL


def _film(seed: int, position: Position = Position.NEUTRAL, spacing: tuple[float, float] = (0.3, 0.24)) -> Film:
    generator = np.random.default_rng(seed)
    return make_film(sample_patient(generator), position, generator, spacing)


def test_frame_places_and_locates() -> None:
    frame = Frame((3.0, -2.0), np.pi / 2)
    np.testing.assert_allclose(frame.place([(1.0, 0.0), (0.0, 1.0)]), [(3, -3), (4, -2)], atol=1e-12)
    points = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(frame.locate(frame.place(points)), points, atol=1e-12)


def test_leaning_forward_moves_the_head_forward() -> None:
    assert Frame((0.0, 0.0), 0.3).place([0.0, -10.0])[0] < 0


def test_crossings_of_a_square() -> None:
    square = np.array([(1.0, -1.0), (3.0, -1.0), (3.0, 1.0), (1.0, 1.0)])
    np.testing.assert_allclose(crossings(square, Frame((0.0, 0.5), 0.0)), [1, 3])
    with pytest.raises(ValueError, match="does not cross"):
        crossings(square, Frame((0.0, 5.0), 0.0))


def test_coverage_is_exact_to_a_fraction_of_a_pixel() -> None:
    grid = Grid(40, 50, (1.0, 1.0), (0.0, 0.0))
    patch = coverage(ellipse((20.3, 15.7), (8.0, 6.0), samples=400), grid)
    assert patch is not None
    image = np.zeros((40, 50), np.float32)
    patch.add_to(image)
    assert image.sum() == pytest.approx(np.pi * 48, rel=0.005)
    rows, columns = np.mgrid[:40, :50]
    assert (image * columns).sum() / image.sum() == pytest.approx(20.3, abs=0.01)
    assert (image * rows).sum() / image.sum() == pytest.approx(15.7, abs=0.01)


def test_coverage_off_the_film_is_none() -> None:
    assert coverage(ellipse((-90.0, 5.0), (8.0, 6.0)), Grid(40, 50, (1.0, 1.0), (0.0, 0.0))) is None


@pytest.mark.parametrize("seed", range(40))
def test_landmarks_measure_adi_and_sac_in_every_position(seed: int) -> None:
    patient = sample_patient(np.random.default_rng(seed))
    for position in Position:
        _, points = spine_parts(patient, pose_spine(patient, position), position)
        adi, sac = (np.linalg.norm(points[end] - points[start]) for start, end in ((0, 1), (2, 3)))
        assert adi == pytest.approx(patient.adi[position], abs=1e-9)
        assert sac == pytest.approx(patient.ring_space - patient.adi[position], abs=1e-9)
        assert 7 < np.linalg.norm(points[2] - points[1]) < 18
        assert SAC_RANGE_MM[0] - 1e-9 <= sac <= SAC_RANGE_MM[1] + 1e-9


def test_instability_opens_in_flexion() -> None:
    patients = [sample_patient(np.random.default_rng([9, seed])) for seed in range(300)]
    for patient in patients:
        assert patient.adi[Position.FLEXION] >= patient.adi[Position.NEUTRAL]
        assert patient.adi[Position.NEUTRAL] >= patient.adi[Position.EXTENSION] > 0.3
    neutral = np.array([patient.adi[Position.NEUTRAL] for patient in patients])
    flexion = np.array([patient.adi[Position.FLEXION] for patient in patients])
    assert 0.5 < np.mean((neutral >= 0.8) & (neutral <= 3)) < 0.98
    assert 0.15 < np.mean(flexion > 3) < 0.6
    assert flexion.max() <= 10


def test_film_landmarks_measure_in_millimetres_on_pixels_that_are_not_square() -> None:
    film = _film(4, Position.FLEXION)
    measured = ATLANTOAXIAL.measure(film.landmarks, film.spacing)
    assert measured["adi"] == pytest.approx(film.adi, abs=1e-6)
    assert measured["sac"] == pytest.approx(film.sac, abs=1e-6)
    order = [ATLANTOAXIAL.index(name) for name in ATLANTOAXIAL.ventral_to_dorsal]
    assert (np.diff(film.landmarks[order, 0]) > 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_landmarks_lie_inside_the_open_film(seed: int) -> None:
    film = _film(seed, list(Position)[seed % 3])
    rows, columns = film.pixels.shape
    assert (film.landmarks > 5).all()
    assert (film.landmarks < [columns - 6, rows - 6]).all()
    for x, y in np.round(film.landmarks).astype(int):
        assert not film.shutter[y, x]


def _edge_strength(position: Position, offset_mm: float) -> float:
    """Mean grey step from gap to bone across the four landmarks, displaced along the atlas's plane."""
    steps = []
    for seed in range(8):
        film = _film(100 + seed, position, (0.25, 0.25))
        along = (film.landmarks[3] - film.landmarks[0]) / np.linalg.norm(film.landmarks[3] - film.landmarks[0])
        for landmark, side in zip(film.landmarks, (-1, 1, -1, 1), strict=True):
            inner = landmark + along * (offset_mm + 0.7) * side / 0.25
            outer = landmark + along * (offset_mm - 0.7) * side / 0.25
            steps.append(_grey(film, inner) - _grey(film, outer))
    return float(np.mean(steps))


def _grey(film: Film, point: np.ndarray) -> float:
    x, y = np.round(point).astype(int)
    return float(film.pixels[y - 1 : y + 2, x - 1 : x + 2].mean())


def test_the_landmarks_are_visible_edges() -> None:
    at_edge = _edge_strength(Position.NEUTRAL, 0.0)
    assert at_edge > 0.05
    assert at_edge > 2 * abs(_edge_strength(Position.NEUTRAL, 3.0))


def test_shortcuts_fail_on_the_phantom() -> None:
    films = hardness.reduced_films(patients=9, seed=5)
    training, testing = films[:18], films[18:]
    assert hardness.mean_place_error(training, testing) > 8
    assert hardness.best_template_error(training, testing)[0] > 3


def test_the_shortcuts_themselves_work() -> None:
    film = hardness.reduce(_film(1))
    assert hardness.mean_place_error([film], [film]) == pytest.approx(0, abs=1e-9)
    assert hardness.template_error([film], [film], 12) < 1
