import pathlib
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from raspine.evaluation import risk_figures
from raspine.evaluation.confusion import Confusion

OUTCOMES = np.repeat([0, 1], [30, 10])
SCORES = np.clip(np.random.default_rng(0).normal(0.3 + 0.3 * OUTCOMES, 0.15), 0, 1)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **more: Any) -> None:
        figures.append(figure)
        save(figure, *args, **more)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def texts(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))


def lines(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}


@pytest.mark.filterwarnings("error")
def test_four_pictures(tmp_path: pathlib.Path) -> None:
    paths = risk_figures.draw(tmp_path / "figures", SCORES, OUTCOMES, 0.5)
    assert [path.name for path in paths] == ["roc.png", "precision_recall.png", "confusion.png", "risks.png"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(path.name for path in paths)
    for path in paths:
        with Image.open(path) as picture:
            assert min(picture.size) >= 500
            assert np.ptp(np.asarray(picture.convert("L"))) > 200


@pytest.mark.parametrize("synthetic", [False, True])
def test_titles_say_synthetic_when_asked(tmp_path: pathlib.Path, drawn: list[Figure], synthetic: bool) -> None:
    risk_figures.draw(tmp_path, SCORES, OUTCOMES, 0.5, synthetic)
    assert ["synthetic patients" in texts(figure) for figure in drawn] == [synthetic] * 4


def test_roc_shows_area_interval_and_operating_point(tmp_path: pathlib.Path, drawn: list[Figure]) -> None:
    # Stata prints 0.8932, standard error 0.0307, for these ratings (Hanley and McNeil 1982): on the logit scale
    # 2.1235 -+ 1.96 * 0.0307 / (0.8932 * 0.1068).
    counts = (33, 6, 6, 11, 2, 3, 2, 2, 11, 33)
    risk_figures.roc(tmp_path / "roc.png", np.repeat([*range(5)] * 2, counts), np.repeat([0, 1], [58, 51]), 3)
    found = lines(drawn[0])
    assert {"chance", "AUC 0.89 [0.82, 0.94]", "threshold 3"} <= set(found)
    x, y = found["threshold 3"].get_data()
    assert (np.ravel(x)[0], np.ravel(y)[0]) == (pytest.approx(13 / 58), pytest.approx(44 / 51))


def test_precision_recall_shows_prevalence_and_operating_point(tmp_path: pathlib.Path, drawn: list[Figure]) -> None:
    risk_figures.precision_recall(tmp_path / "pr.png", [0.9, 0.8, 0.6, 0.4], [1, 0, 1, 0], 0.5)
    found = lines(drawn[0])
    assert {"prevalence 0.50", "average precision 0.83 [0.11, 1.00]", "threshold 0.5"} <= set(found)
    x, y = found["threshold 0.5"].get_data()
    assert (np.ravel(x)[0], np.ravel(y)[0]) == (1.0, pytest.approx(2 / 3))


def test_confusion_shows_counts_and_shares_of_each_outcome(tmp_path: pathlib.Path, drawn: list[Figure]) -> None:
    risk_figures.confusion_matrix(tmp_path / "confusion.png", Confusion(tp=9, fn=3, fp=7, tn=48))
    assert all(cell in texts(drawn[0]) for cell in ("9\n75.0%", "3\n25.0%", "7\n12.7%", "48\n87.3%"))


def test_risks_hold_every_patient(tmp_path: pathlib.Path, drawn: list[Figure]) -> None:
    risk_figures.risks(tmp_path / "risks.png", SCORES, OUTCOMES, 0.5)
    heights = [sum(bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)) for axes in drawn[0].axes]
    assert heights == [10, 30]
    assert "n = 10" in texts(drawn[0])
    assert "n = 30" in texts(drawn[0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("outcome", [0, 1])
def test_one_class_is_drawn_with_the_reason(tmp_path: pathlib.Path, drawn: list[Figure], outcome: int) -> None:
    risk_figures.draw(tmp_path, [-2.0, 0.5, 0.5, 4.0], [outcome] * 4, 9.0)
    assert "no ROC curve" in texts(drawn[0])
    assert ("no precision-recall" in texts(drawn[1])) == (outcome == 0)
    assert ("average precision undefined" in texts(drawn[1])) == (outcome == 1)
    # Nobody is called positive: no operating point, and the threshold stays in sight.
    assert "threshold" not in texts(drawn[1])
    assert drawn[3].axes[0].get_xlim()[1] > 9.0
