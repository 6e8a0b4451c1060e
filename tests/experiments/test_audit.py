import itertools
import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from statsmodels.stats import contingency_tables, proportion

from experiments.papers import consistency, recompute
from experiments.papers.figures import Figure, is_rounded

# By hand from the papers' tables: (paper, table, figure): text.
EXPECTED = {
    (1, "test set", "sensitivity"): "0.7500 [0.468, 0.911]",
    (1, "test set", "specificity"): "0.8727 [0.760, 0.937]",
    (1, "test set", "accuracy"): "0.8507 [0.747, 0.917]",
    (1, "test set", "PPV"): "0.5625 [0.332, 0.769]",
    (1, "test set", "NPV"): "0.9412 [0.841, 0.980]",
    (1, "test set", "AUC"): "0.8200 [0.668, 0.972]",
    (1, "test set", "prevalence"): "0.1791 [0.106, 0.287]",
    (1, "counts", "training part of the split"): "69.5 % [63.2, 75.2]",
    (1, "counts", "patients left, 303 - 56 - 29"): "218",
    (1, "counts", "patients left, 303 - 12 - 56 - 29"): "206",
    (1, "counts", "exclusions on review, itemised, with the 12 named before"): "55",
    (2, "ADI > 3 mm, clinician 1", "sensitivity"): "0.8608 [0.768, 0.920]",
    (2, "ADI > 3 mm, clinician 1", "specificity"): "0.5688 [0.515, 0.621]",
    (2, "ADI > 3 mm, clinician 2", "sensitivity"): "0.7830 [0.695, 0.851]",
    (2, "ADI > 3 mm, clinician 2", "specificity"): "0.5800 [0.523, 0.634]",
    (2, "SAC < 13 mm, clinician 1", "sensitivity"): "0.5000 [0.326, 0.674]",
    (2, "SAC < 13 mm, clinician 1", "specificity"): "0.9973 [0.985, 1.000]",
    (2, "SAC < 13 mm, clinician 2", "sensitivity"): "0.1000 [0.018, 0.404]",
    (2, "SAC < 13 mm, clinician 2", "specificity"): "0.9637 [0.940, 0.978]",
}
VALUES = {
    (1, "test set", "F1"): "0.6429",
    (2, "ADI > 3 mm, clinician 1", "PPV"): "0.3254",
    (2, "ADI > 3 mm, clinician 1", "NPV"): "0.9442",
    (2, "ADI > 3 mm, clinician 1", "accuracy"): "0.6256",
    (2, "ADI > 3 mm, clinician 2", "PPV"): "0.3971",
    (2, "ADI > 3 mm, clinician 2", "NPV"): "0.8832",
    (2, "ADI > 3 mm, clinician 2", "accuracy"): "0.6330",
    (2, "SAC < 13 mm, clinician 1", "PPV"): "0.9333",
    (2, "SAC < 13 mm, clinician 1", "NPV"): "0.9633",
    (2, "SAC < 13 mm, clinician 1", "accuracy"): "0.9621",
    (2, "SAC < 13 mm, clinician 2", "PPV"): "0.0667",
    (2, "SAC < 13 mm, clinician 2", "NPV"): "0.9764",
    (2, "SAC < 13 mm, clinician 2", "accuracy"): "0.9419",
}
WRONG = {
    (1, "test set"): {"accuracy", "NPV", "F1"},
    (1, "counts"): {
        "correct predictions", "women", "training part of the split", "test part of the split",
        "patients left, 303 - 56 - 29", "patients left, 303 - 12 - 56 - 29",
        "patients left by the itemised exclusions", "exclusions on review, itemised, with the 12 named before",
        "least time between the two MRIs",
    },
    (2, "SAC < 13 mm, clinician 1"): {"sensitivity", "specificity"},
    (2, "counts"): {"films of the SAC table, 408 less two outliers"},
}  # fmt: skip


@pytest.fixture(scope="module")
def figures() -> dict[tuple[int, str, str], Figure]:
    return {(figure.paper, figure.group, figure.name): figure for figure in recompute.figures()}


def test_the_recomputed_figures_are_those_by_hand(figures: dict[Any, Figure]) -> None:
    assert {key: figures[key].text for key in EXPECTED} == EXPECTED
    assert {key: figures[key].text.partition(" ")[0] for key in VALUES} == VALUES


def test_what_disagrees_is_named_and_nothing_else(figures: dict[Any, Figure]) -> None:
    wrong: dict[Any, set[str]] = {}
    for (paper, group, name), figure in figures.items():
        if figure.verdict == "disagrees":
            wrong.setdefault((paper, group), set()).add(name)
    assert wrong == WRONG
    assert figures[1, "test set", "AUC"].verdict == "taken as printed"


def test_every_share_is_statsmodels_wilson(figures: dict[Any, Figure]) -> None:
    shares = [figure for figure in figures.values() if figure.total]
    assert len(shares) > 30
    for figure in shares:
        scale = 100 if figure.unit else 1
        expected = scale * np.array(proportion.proportion_confint(figure.counted, figure.total, method="wilson"))
        np.testing.assert_allclose(figure.interval, expected, rtol=1e-9)


def test_the_paired_p_is_statsmodels_mcnemar(figures: dict[Any, Figure]) -> None:
    for clinician, counts in ((1, (141, 11)), (2, (126, 23))):
        name = f"p of ADI > 3 mm, model against clinician {clinician} (McNemar), exact"
        expected = contingency_tables.mcnemar([[0, counts[0]], [counts[1], 0]], exact=True).pvalue
        assert figures[2, "paired", name].recomputed == pytest.approx(expected, rel=1e-9)


def test_no_table_gives_paper_1s_five_shares(figures: dict[Any, Figure]) -> None:
    assert figures[1, "test set", "2 x 2 tables that give all five printed shares"].recomputed == 0


def test_the_search_finds_every_table_that_there_is() -> None:
    printed = {"sensitivity": "0.7", "ppv": "0.6"}
    found = {table.counts for table in consistency.tables(printed, (2, 9), (1, 9))}
    by_hand = set()
    for tp, fn, fp, tn in itertools.product(range(10), repeat=4):
        fits = 2 <= tp + fn <= 9 and 1 <= fp + tn <= 9 and tp + fp > 0
        if fits and is_rounded(tp / (tp + fn), "0.7") and is_rounded(tp / (tp + fp), "0.6"):
            by_hand.add((tp, fn, fp, tn))
    assert found == by_hand
    assert len(found) > 5


@pytest.mark.parametrize(
    ("value", "printed", "expected"),
    [
        (0.8507, "0.84", False),
        (0.5625, "0.56", True),
        (0.845, "0.84", True),
        (0.845, "0.85", True),
        (218, "220", False),
    ],
)
def test_rounding_to_the_printed_digits(value: float, printed: str, expected: bool) -> None:
    assert is_rounded(value, printed) == expected


def test_the_program_prints_all_and_writes_json(tmp_path: pathlib.Path, figures: dict[Any, Figure]) -> None:
    path = tmp_path / "audit.json"
    command = [sys.executable, "-m", "experiments.audit", f"--json={path}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(figure.text in ended.stdout for figure in figures.values())
    stored = json.loads(path.read_text())
    assert [entry["text"] for entry in stored["figures"]] == [figure.text for figure in figures.values()]
    assert (
        ended.stdout.splitlines()[-1] == f"107 figures recomputed; of the printed ones 20 agree and 11 disagree: {path}"
    )


def test_only_what_disagrees_can_be_shown() -> None:
    command = [sys.executable, "-m", "experiments.audit", "--disagreements"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert " agrees\n" not in shown
    assert shown.count("  disagrees\n") == sum(map(len, WRONG.values()))
