"""The whole deformity road as the demonstration goes it, at the smallest size: every program, every file."""

import json
import pathlib

import pytest

from experiments import deformity_road, phantom_truth
from raspine import risk

FLAGS = """
--task=deformity
--depth=26
--batch=4
--epochs=1
--input_height=64
--input_width=64
--cutout=0
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("road")
    (folder / "tiny.flags").write_text(FLAGS)
    plan = deformity_road.Plan(
        train=12, validation=6, test=8, unseen=1, matrix=64, size=(64, 80), pixel_mm=3.0,
        flagfile=folder / "tiny.flags", seed=3,
    )  # fmt: skip
    work = folder / "work"
    work.mkdir()
    deformity_road.run(work, folder / "results", plan)
    assert any("AUC" in line for line in deformity_road.figures(work, folder / "results"))
    return folder


def test_the_road_leaves_figures_beside_the_best_possible(results: pathlib.Path) -> None:
    summary = json.loads((results / "results" / "summary.json").read_text())
    assert summary["n"] == 8
    assert sum(summary["confusion"].values()) == 8
    truth = phantom_truth.of_data(results / "work" / "studies", results / "work" / "names.csv")
    assert len(truth) == 26
    assert 0.8 < phantom_truth.bayes_auc(results / "work" / "studies") < 0.9
    assert 0 <= summary["reference_auc"] <= 1
    for name in ("roc.png", "confusion.png", "studies.csv", "predictions.csv", "refused.csv"):
        assert (results / "results" / name).stat().st_size > 0, name


def test_the_road_leaves_a_model_that_loads(results: pathlib.Path) -> None:
    model = risk.load(results / "results" / "best")
    assert (model.settings.height, model.settings.choice.pixel_mm) == (64, 3.0)


def test_every_series_of_other_patients_is_sorted_out(results: pathlib.Path) -> None:
    rows = json.loads((results / "results" / "predictions.json").read_text())
    assert len(rows) == 2, "one patient has a baseline and a follow-up"
    for row in rows:
        assert 0 <= row["risk"] <= 1
        assert row["series"] >= 4
        assert "T2" in row["series_reason"]
        assert len(row["slice_positions_mm"]) == 6
    assert len(list((results / "results" / "overlays").glob("*.png"))) == 2


def test_grad_cam_is_compared_with_a_randomised_network(results: pathlib.Path) -> None:
    energy = json.loads((results / "results" / "explained" / "explanations.json").read_text())["energy"]["gradcam"]
    assert 0 <= energy["randomised"] <= 1
    assert 0 <= energy["trained"] <= 1
    assert list((results / "results" / "explained").glob("*.png"))
