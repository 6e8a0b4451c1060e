import numpy as np
import pytest
from numpy.typing import NDArray

from raspine.explanation import perturbation

Images = NDArray[np.float32]


def test_order_by_hand_and_ties_at_random() -> None:
    np.testing.assert_array_equal(perturbation.order(np.array([[0.5, 3], [2, 1]])), [[3, 0], [1, 2]])
    flat = np.zeros(1000)
    flat[10] = 1
    places = perturbation.order(flat, seed=1)
    assert places[10] == 0
    assert sorted(places) == list(range(1000))
    rest = np.delete(places, 10)
    assert abs(np.corrcoef(rest, np.arange(999))[0, 1]) < 0.1
    assert (perturbation.order(flat, seed=2) != places).any()


def test_curves_of_a_score_that_adds_the_pixels_up() -> None:
    image = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    places = perturbation.order(image[..., 0])
    found = perturbation.curves(lambda images: images.sum((1, 2, 3)), image, places, steps=4, replacement="mean")
    mean = 7.5
    gone = [0, (12 + 13 + 14 + 15) - 4 * mean, (8 + 9 + 10 + 11) - 4 * mean]
    total = image.sum()
    # The four largest go first, then the next four; the mean of all stands for them.
    np.testing.assert_allclose(found.deletion[:3], [total, total - gone[1], total - gone[1] - gone[2]])
    assert found.deletion[-1] == found.insertion[0] == pytest.approx(16 * mean)
    np.testing.assert_allclose(found.insertion + found.deletion, total + 16 * mean)
    assert perturbation.area(found.insertion) > total > perturbation.area(found.deletion)


def test_a_map_of_each_slice_moves_its_slice_alone() -> None:
    image = np.stack([np.full((4, 4), 1.0), np.eye(4)], -1).astype(np.float32)
    image[..., 0] += np.eye(4)
    maps = np.zeros((2, 4, 4))
    maps[1] = np.eye(4)
    seen: list[Images] = []

    def score(images: Images) -> NDArray[np.float64]:
        seen.append(images)
        return images[..., 1].max((1, 2)).astype(np.float64)

    found = perturbation.curves(score, image, perturbation.order(maps), steps=8, replacement="mean")
    # Four of 32 pixels are the diagonal of the second slice: the first step takes them all.
    np.testing.assert_allclose(found.deletion, [1] + [0.25] * 8)
    np.testing.assert_allclose(found.insertion, [0.25] + [1] * 8)
    np.testing.assert_array_equal(np.concatenate(seen)[1][..., 0], image[..., 0])


def test_parts_of_the_pairs_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(8, 6, 3)).astype(np.float32)
    places = perturbation.order(rng.random((8, 6)))

    def score(images: Images) -> NDArray[np.float64]:
        return np.asarray(np.tanh(images * np.linspace(0, 1, 3)).sum((1, 2, 3)), np.float64)

    expected = perturbation.curves(score, image, places)
    assert len(expected.deletion) == perturbation.STEPS + 1
    monkeypatch.setattr(perturbation, "_VALUES", 5 * image.size)
    got = perturbation.curves(score, image, places)
    np.testing.assert_allclose(got.deletion, expected.deletion)
    np.testing.assert_allclose(got.insertion, expected.insertion)


def test_the_blur_keeps_the_mean_and_takes_the_detail() -> None:
    checks = np.indices((40, 40)).sum(0) % 2
    image = np.stack([checks, 5 * checks], -1).astype(np.float32)
    blurred = perturbation.replaced(image)
    np.testing.assert_allclose(blurred.mean((0, 1)), [0.5, 2.5], atol=1e-2)
    assert (blurred.std((0, 1)) < 0.02 * image.std((0, 1))).all()


def test_areas_and_what_is_refused() -> None:
    assert perturbation.area([0, 1]) == 0.5
    assert perturbation.area([1, 0, 0]) == 0.25
    one = perturbation.Curves(np.array([1.0, 0.0]), np.array([0.0, 2.0]))
    deletion, insertion = perturbation.areas([one, None])
    np.testing.assert_array_equal(deletion, [0.5, np.nan])
    np.testing.assert_array_equal(insertion, [1, np.nan])
    image = np.zeros((4, 4, 2), np.float32)
    for places in (np.zeros((4, 5), int), np.zeros((3, 4, 4), int)):
        with pytest.raises(ValueError, match="must belong to the image"):
            perturbation.curves(lambda images: images[:, 0, 0, 0], image, places)
    with pytest.raises(ValueError, match="replacement must be one of"):
        perturbation.replaced(image, "noise")
