"""The whole deformity road as the demonstration goes it, at the smallest size: every program, every file."""

import csv
import json
import pathlib
import types

import forked
import numpy as np
import pytest
import SimpleITK

from experiments import deformity_road, phantom_truth, steps
from raspine import risk, study_records

FLAGS = """
--task=deformity
--depth=14
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
        flagfile=folder / "tiny.flags", seed=3, methods=("gradcam",), check_studies=2,
    )  # fmt: skip
    work = folder / "work"
    work.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "subprocess", types.SimpleNamespace(run=forked.command))
        deformity_road.run(work, folder / "results", plan)
    assert any("AUC" in line for line in deformity_road.figures(work, folder / "results"))
    return folder


def table(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def truth_by_study(work: pathlib.Path) -> dict[str, dict]:
    """What truth.json says of each study, by the pseudonym that the private log gives its UID."""
    truth = json.loads((work / "studies" / "truth.json").read_text())
    by_uid = {study["study_uid"]: study for study in truth["studies"]}
    rows = [row for row in table(work / "names.csv") if row["kind"] == "study"]
    return {row["pseudonym"]: by_uid[row["name"]] for row in rows}


def test_the_road_leaves_figures_beside_the_best_possible(results: pathlib.Path) -> None:
    summary = json.loads((results / "results" / "summary.json").read_text())
    assert summary["n"] == 8
    assert sum(summary["confusion"].values()) == 8
    truth = phantom_truth.of_data(results / "work" / "studies", results / "work" / "names.csv")
    assert len(truth) == 26
    assert 0.8 < phantom_truth.bayes_auc(results / "work" / "studies") < 0.9
    for name in ("roc.png", "confusion.png", "studies.csv", "predictions.csv", "refused.csv"):
        assert (results / "results" / name).stat().st_size > 0, name


def test_every_study_keeps_its_outcome_and_its_best_possible_score(results: pathlib.Path) -> None:
    rows = table(results / "results" / "studies.csv")
    truth = truth_by_study(results / "work")
    assert len({row["study"] for row in rows}) == 8
    assert [int(row["outcome"]) for row in rows] == [truth[row["study"]]["outcome"] for row in rows]
    positive, negative = (
        [truth[row["study"]]["bayes_score"] for row in rows if row["outcome"] == outcome] for outcome in "10"
    )
    assert positive
    assert negative
    won = [(high > low) + 0.5 * (high == low) for high in positive for low in negative]
    summary = json.loads((results / "results" / "summary.json").read_text())
    assert summary["reference_auc"] == pytest.approx(sum(won) / len(won), abs=1e-12)


def test_the_road_leaves_a_model_that_loads(results: pathlib.Path) -> None:
    model = risk.load(results / "results" / "best")
    assert (model.settings.height, model.settings.choice.pixel_mm) == (64, 3.0)


def test_the_road_ends_with_a_page_about_itself(results: pathlib.Path) -> None:
    page = (results / "results" / "report.html").read_text()
    assert "Synthetic data." in page
    assert "Grad-CAM" in page
    assert (results / "results" / "model_card.md").read_text().startswith("#")
    assert {path.name for path in (results / "results" / "data").iterdir()} == {
        "dataset.json", "records.csv", "refused.csv",
    }  # fmt: skip


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


def has_sign(mask: pathlib.Path, record: study_records.StudyRecord) -> bool:
    """Whether the centre of a pixel that the network sees lies in a voxel of the mask."""
    count, rows, columns = record.slices.shape
    assert (rows, columns) == (64, 80)
    depth, row, column = np.indices((count, 64, 64)).reshape(3, -1)
    points = (record.affine @ np.stack([column + 8, row, depth, np.ones_like(row)]))[:3]
    image = SimpleITK.ReadImage(str(mask))
    to_mm = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    places = np.rint(np.linalg.solve(to_mm, points - np.array(image.GetOrigin())[:, None])).astype(int).T
    voxels = SimpleITK.GetArrayFromImage(image)
    within = places[((places >= 0) & (places < image.GetSize())).all(1)]
    return bool(voxels[within[:, 2], within[:, 1], within[:, 0]].any())


def test_the_energy_is_over_every_study_whose_sign_the_network_sees(results: pathlib.Path) -> None:
    work = results / "work"
    truth = truth_by_study(work)
    records = [one for shard in sorted((work / "records").glob("test-*")) for one in study_records.read(shard)]
    signs = [has_sign(work / "studies" / truth[one.study]["mask"], one) for one in records]
    energy = json.loads((results / "results" / "explained" / "explanations.json").read_text())["energy"]
    assert len(signs) == 8
    assert energy["n"] == sum(signs) > 0
