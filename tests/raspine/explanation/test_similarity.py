import numpy as np
import pytest
import scipy.stats

from raspine.explanation import similarity


def test_rank_correlations_equal_scipy_s() -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        shape = (3, 4, 5) if number % 2 else (3, 2, 3, 4)
        one, other = rng.normal(size=(2, *shape))
        if number % 3 == 0:  # as behind a ReLU, or coarse: many ties
            one, other = np.maximum(one, 0), np.round(other + one)
        got = similarity.rank_correlations(one, other)
        expected = [scipy.stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_a_map_that_is_the_same_everywhere_has_no_correlation() -> None:
    maps = np.stack([np.zeros((2, 2)), [[0, 1], [2, 3]]])
    got = similarity.rank_correlations(maps, maps)
    assert np.isnan(got[0])
    assert got[1] == pytest.approx(1)
    with pytest.raises(ValueError, match="same shape"):
        similarity.rank_correlations(maps, maps[:1])


def test_between_studies_compares_neighbours() -> None:
    maps = np.array([[1, 2, 3], [3, 2, 1], [1, 2, 3]], float)
    np.testing.assert_allclose(similarity.between_studies(maps), [1, -1, -1])
    assert np.isnan(similarity.between_studies(maps[:1])).all()
