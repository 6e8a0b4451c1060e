import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from raspine.evaluation import intervals
from raspine.evaluation.confusion import Confusion

PAPER = Confusion(tp=9, fn=3, fp=7, tn=48)


@given(st.integers(1, 2000), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_against_scipy(total: int, data: st.DataObject, confidence: float) -> None:
    counted = data.draw(st.integers(0, total))
    expected = stats.binomtest(counted, total).proportion_ci(confidence, "wilson")
    assert intervals.wilson(counted, total, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_at_the_ends() -> None:
    assert intervals.wilson(0, 0) is None
    nothing, everything = intervals.wilson(0, 10), intervals.wilson(10, 10)
    assert nothing is not None
    assert everything is not None
    assert nothing[0] == 0.0
    assert everything[1] == 1.0


@pytest.mark.parametrize(("counted", "total"), [(-1, 3), (4, 3)])
def test_impossible_shares_are_refused(counted: int, total: int) -> None:
    with pytest.raises(ValueError, match=f"{counted} of {total}"):
        intervals.wilson(counted, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        intervals.wilson(1, 2, confidence)


def exact_f1(cells: Confusion) -> tuple[np.ndarray, np.ndarray]:
    """F1 and probability of every table that n patients drawn with replacement can give."""
    n = cells.n
    tables = [t for t in itertools.product(range(n + 1), repeat=3) if sum(t) <= n and sum(t) > 0]
    counts = np.array([(*table, n - sum(table)) for table in tables])
    shares = np.array([cells.tp, cells.fn, cells.fp, cells.tn]) / n
    return 2 * counts[:, 0] / (2 * counts[:, 0] + counts[:, 1] + counts[:, 2]), stats.multinomial.pmf(counts, n, shares)


def test_f1_bootstrap_against_every_possible_resample() -> None:
    cells = Confusion(tp=5, fn=3, fp=2, tn=10)
    values, chances = exact_f1(cells)
    found = intervals.f1(cells, resamples=200_000)
    assert found is not None
    for end, tail in zip(found, (0.025, 0.975), strict=True):
        # The end is the quantile of the whole distribution, up to the noise of 200,000 draws (0.00035).
        below, upto = (chances[rows].sum() / chances.sum() for rows in (values < end - 1e-9, values <= end + 1e-9))
        assert below - 0.0015 <= tail <= upto + 0.0015


def test_f1_bootstrap_against_resampling_patients() -> None:
    found = np.repeat([1, 0, 1, 0], [9, 3, 7, 48])
    truth = np.repeat([1, 1, 0, 0], [9, 3, 7, 48])
    rows = np.random.default_rng(1).integers(0, 67, (20_000, 67))
    both = (found[rows] & truth[rows]).sum(axis=1)
    slow = np.quantile(2 * both / (found[rows].sum(axis=1) + truth[rows].sum(axis=1)), [0.025, 0.975])
    assert intervals.f1(PAPER, seed=2) == pytest.approx(tuple(slow), abs=0.015)


def test_f1_bootstrap_is_seeded() -> None:
    assert intervals.f1(PAPER, seed=4) == intervals.f1(PAPER, seed=4)
    assert intervals.f1(PAPER, seed=4, resamples=200) != intervals.f1(PAPER, seed=5, resamples=200)


def test_f1_bootstrap_covers_the_true_f1() -> None:
    # 30 % positive, sensitivity 0.8, specificity 0.9: F1 = 2 * 0.24 / (2 * 0.24 + 0.06 + 0.07).
    shares, runs = [0.24, 0.06, 0.07, 0.63], 400
    tables = np.random.default_rng(9).multinomial(200, shares, size=runs)
    ends = [intervals.f1(Confusion(*map(int, table)), resamples=1000) for table in tables]
    covered = sum(e is not None and e[0] <= 0.48 / 0.61 <= e[1] for e in ends) / runs
    assert 0.91 <= covered <= 0.985


def test_f1_without_width_takes_wilsons_interval() -> None:
    # F1 is 2 J / (1 + J) of J = tp / (tp + fp + fn).
    for cells, counted, total in ((Confusion(0, 3, 2, 10), 0, 5), (Confusion(4, 0, 0, 10), 4, 4)):
        jaccard = stats.binomtest(counted, total).proportion_ci(method="wilson")
        expected = (2 * jaccard.low / (1 + jaccard.low), 2 * jaccard.high / (1 + jaccard.high))
        assert intervals.f1(cells) == pytest.approx(expected, abs=1e-12)


def test_f1_is_undefined_without_positives() -> None:
    assert intervals.f1(Confusion(0, 0, 0, 9)) is None
