import json
import math
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import proportion

from experiments.coverages import chart, cohorts, exact, scenes, study, table, tally
from raspine.evaluation import intervals

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _brute_coverage(share: float, n: int, method: str) -> float:
    """Adds up the probability of every count whose interval holds the share, with statsmodels' intervals."""
    covered = 0.0
    for count in range(n + 1):
        low, high = proportion.proportion_confint(count, n, method=method)
        covered += math.comb(n, count) * share**count * (1 - share) ** (n - count) * (low <= share <= high)
    return covered


@pytest.mark.parametrize("n", [1, 2, 12, 55])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.75, 0.87])
def test_exact_coverage_equals_enumeration_with_another_library(n: int, share: float) -> None:
    assert exact.coverage(share, n, intervals.wilson) == pytest.approx(_brute_coverage(share, n, "wilson"), abs=1e-9)
    theirs = _brute_coverage(share, n, "beta")
    assert exact.coverage(share, n, intervals.clopper_pearson) == pytest.approx(theirs, abs=1e-9)
    assert theirs >= 0.95


def test_exact_coverage_of_a_random_denominator() -> None:
    weights = stats.binom.pmf(np.arange(1, 4), 3, 0.4)
    parts = [_brute_coverage(0.75, n, "wilson") for n in (1, 2, 3)]
    found = exact.coverage_of_random_n(0.75, 3, 0.4, intervals.wilson)
    assert found == pytest.approx(np.dot(weights, parts) / weights.sum(), abs=1e-9)


def test_simulated_shares_agree_with_the_exact_coverage() -> None:
    rng = np.random.default_rng(0)
    counts = rng.binomial(12, 0.75, size=20_000)
    ends = np.array([intervals.wilson(count, 12) for count in range(13)])[counts]
    found = tally.row([tuple(pair) for pair in ends], 0.75)
    assert found["coverage"] == pytest.approx(exact.coverage(0.75, 12, intervals.wilson), abs=0.008)


def test_films_have_the_intraclass_correlation_and_the_share() -> None:
    rng = np.random.default_rng(0)
    products, shares, sizes = [], [], []
    for _ in range(400):
        films = cohorts.films(rng, 0.86)
        assert films.right.size == 408
        counts = np.bincount(films.patient)
        assert counts.size == 86
        assert counts.min() >= 1
        away = films.right - 0.86
        sums, squares = np.bincount(films.patient, away), np.bincount(films.patient, away**2)
        # All ordered pairs of two different films of a patient.
        products.append((sums**2 - squares).sum() / (counts * (counts - 1)).sum())
        shares.append(films.right.mean())
        sizes.append(counts.std())
    assert np.mean(shares) == pytest.approx(0.86, abs=0.005)
    assert np.mean(products) / (0.86 * 0.14) == pytest.approx(0.5, abs=0.03)
    assert np.mean(sizes) > 2


@pytest.mark.parametrize("fixed", [True, False])
def test_risks_have_the_figures_of_paper_1(fixed: bool) -> None:
    rng = np.random.default_rng(0)
    drawn = [cohorts.risks(rng, fixed) for _ in range(3000)]
    positive = np.stack([one.positive for one in drawn])
    called = np.stack([one.called for one in drawn])
    scores = np.stack([one.scores for one in drawn])
    assert positive.sum(axis=1).mean() == pytest.approx(12, abs=0.3)
    assert (positive.sum(axis=1) == 12).all() == fixed
    assert called[positive].mean() == pytest.approx(0.75, abs=0.01)
    assert called[~positive].mean() == pytest.approx(0.13, abs=0.005)
    some = stats.mannwhitneyu(scores[positive][:20_000], scores[~positive][:20_000]).statistic / 20_000**2
    assert some == pytest.approx(0.82, abs=0.006)


def test_true_figures_of_the_cells() -> None:
    truths = scenes.of_risks(fixed=False).truths
    tp, fn, fp, tn = 9.0, 3.0, 55 * 0.13, 55 * 0.87
    assert truths["F1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert truths["balanced accuracy"] == pytest.approx(0.81)
    assert truths["MCC"] == pytest.approx((tp * tn - fp * fn) / math.sqrt(12 * 55 * (tp + fp) * (tn + fn)))


def test_tally_counts_what_holds_the_truth() -> None:
    found = tally.row([(0.0, 1.0), (0.6, 0.9), (0.1, 0.4), (math.nan, math.nan)], 0.5)
    assert found["cohorts"] == 4
    assert found["undefined"] == 0.25
    assert found["coverage"] == pytest.approx(1 / 3)
    assert (found["above"], found["below"]) == pytest.approx((1 / 3, 1 / 3))
    assert found["width"] == pytest.approx((1 + 0.3 + 0.3) / 3)
    assert found["standard_error"] == pytest.approx(math.sqrt(1 / 3 * 2 / 3 / 3))
    assert tally.row([(math.nan, math.nan)], 0.5)["coverage"] is None


def test_a_cohort_depends_on_seed_situation_and_number_alone() -> None:
    scene = scenes.of_films(0.57)
    assert study.run([scene], 3, 50, 1) == study.run([scene], 3, 50, 1)
    assert study.run([scene], 3, 50, 1) != study.run([scene], 3, 50, 2)


def test_unclustered_intervals_are_too_narrow_and_clustered_ones_are_not() -> None:
    rows = {row["method"]: row for row in study.run([scenes.of_films(0.57)], 150, 300, 0)}
    assert rows["Wilson, unclustered"]["coverage"] < 0.8
    assert rows["ordinary bootstrap, percentile"]["coverage"] < 0.8
    assert rows["clustered bootstrap, t"]["coverage"] > 0.88
    assert rows["clustered bootstrap, t"]["width"] > 1.6 * rows["Wilson, unclustered"]["width"]


def _row(**changes: Any) -> dict[str, Any]:
    return {
        "situation": "s", "figure": "AUC", "method": "m", "cohorts": 2000, "coverage": 0.95, "exact": None,
        "is_recommended": True, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "count"),
    [
        (_row(), 0),
        (_row(coverage=0.90), 1),
        (_row(coverage=0.99), 1),
        (_row(coverage=None), 1),
        (_row(coverage=0.90, is_recommended=False), 0),
        (_row(coverage=0.90, exact=0.914, is_recommended=False), 0),
        (_row(coverage=0.89, exact=0.914), 1),
        (_row(coverage=0.90, exact=0.905), 1),
        (_row(coverage=0.5, cohorts=100), 0),
    ],
)
def test_verdicts_name_what_misses_its_aim(row: dict[str, Any], count: int) -> None:
    assert len(study.verdicts([row])) == count


def test_recorded_table_meets_the_aims() -> None:
    report = json.loads((ROOT / "experiments/evidence/coverage.json").read_text(encoding="utf-8"))
    assert report["cohorts"] >= study.ENOUGH
    assert study.verdicts(report["rows"]) == []
    assert (ROOT / "experiments/evidence/coverage.md").read_text(encoding="utf-8") == table.markdown(report)
    known = {(scene.name, figure) for scene in scenes.all_scenes() for figure in scene.truths}
    assert {(row["situation"], row["figure"]) for row in report["rows"]} == known


def test_chart_is_drawn(tmp_path: pathlib.Path) -> None:
    rows = study.run([scenes.of_films(0.86)], 3, 50, 0)
    chart.draw(rows, study.BAND, tmp_path / "coverage.png")
    assert (tmp_path / "coverage.png").stat().st_size > 5000


def test_program_leaves_table_json_and_picture(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "experiments.coverage", f"--output_dir={tmp_path / 'out'}"]
    done = subprocess.run(
        [*command, "--cohorts=4", "--resamples=50"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("coverage.md")
    report = json.loads((tmp_path / "out/coverage.json").read_text(encoding="utf-8"))
    assert {row["cohorts"] for row in report["rows"]} == {4}
    assert "Too few cohorts" in report["verdict"]
    assert (tmp_path / "out/coverage.md").read_text(encoding="utf-8").startswith("# Coverage")
    assert (tmp_path / "out/coverage.png").exists()


def test_wrong_flags_are_refused(start_many: Callable, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    cases = {
        (f"--output_dir={tmp_path / 'out'}", "--cohorts=0"): "cohorts",
        (f"--output_dir={tmp_path / 'out'}", "--resamples=a"): "resamples",
        (f"--output_dir={tmp_path / 'out'}", "stray"): "unexpected argument",
        (f"--output_dir={tmp_path / 'file'}",): "--output_dir is a file: name a folder.",
    }
    results = start_many("experiments.coverage", [list(arguments) for arguments in cases])
    for (arguments, expected), (status, out, err) in zip(cases.items(), results, strict=True):
        assert status == 2, (arguments, err)
        assert out == "", arguments
        assert expected in err, (arguments, err)
        assert len(err.splitlines()) <= 2, err
    assert not (tmp_path / "out").exists()
