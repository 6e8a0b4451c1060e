import csv
import json
import pathlib
import shutil
from collections.abc import Callable

import numpy as np
import pytest

from raspine import atomic, landmarker, landmarks, records
from raspine.inputs import films


@pytest.fixture(scope="module")
def output(
    data_set: pathlib.Path, model_directory: pathlib.Path, start: Callable, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    place = tmp_path_factory.mktemp("evaluate") / "out"
    done = start(
        "experiments.evaluate",
        f"--model={model_directory}",
        f"--data={data_set}",
        f"--output_dir={place}",
        "--pictures=1",
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("6 films, MRE ")
    assert "1 films without spacing" in last
    return place


def test_the_outputs_are_complete(output: pathlib.Path) -> None:
    assert sorted(path.name for path in output.iterdir()) == [
        "distances.png", "films.csv", "landmarks.png", "overlays", "raters.csv", "summary.json", "tensorboard",
    ]  # fmt: skip
    assert [path.name.split("_")[0] for path in sorted((output / "overlays").iterdir())] == ["best", "median", "worst"]


def test_the_summary_is_what_the_model_says(
    output: pathlib.Path, data_set: pathlib.Path, model: landmarker.Landmarker
) -> None:
    summary = json.loads((output / "summary.json").read_text())
    errors, adi = [], []
    for file in films.shards(data_set, "test"):
        for record in records.read(file):
            if record.spacing_mm is None:
                continue
            points = model.locate([(record.pixels(), record.spacing_mm)])[0][0]
            offset = (points - record.landmarks) * record.spacing_mm[::-1]
            errors.append(np.hypot(*offset.T))
            measured = [model.schema.measure(values, record.spacing_mm)["adi"] for values in (points, record.landmarks)]
            adi.append(measured[0] - measured[1])
    # Films are kept as half floats for evaluation, which moves points of this untrained network a little.
    assert summary["mre_mm"] == pytest.approx(np.mean(errors), abs=0.05)
    assert summary["adi_mae_mm"] == pytest.approx(np.abs(adi).mean(), abs=0.1)
    assert (summary["n"], summary["n_points"], summary["n_without_spacing"]) == (6, 20, 1)
    assert summary["failures_10mm"] == (np.array(errors) > 10).sum()
    assert set(summary["by_landmark"]) == set(model.schema.landmarks)
    assert set(summary["by_position"]) == {"neutral", "flexion"}
    assert summary["by_patient"]["n"] == 3
    assert summary["annotators"]["names"] == ["ann", "bob"]
    assert summary["annotators"]["between"][0]["n_points"] == 20
    assert (summary["data_hash"], summary["model"], summary["split"]) == ("abc", {"data_hash": "0123"}, "test")
    for key in (
        "mre_sd_mm",
        "sdr_2mm",
        "sdr_2_5mm",
        "sdr_3mm",
        "sdr_4mm",
        "pck",
        "sac_mae_mm",
        "adi_sensitivity",
        "sac_specificity",
    ):
        assert key in summary


def test_films_csv_has_a_row_for_each_landmark_and_distance(output: pathlib.Path) -> None:
    with (output / "films.csv").open() as stream:
        table = list(csv.DictReader(stream))
    summary = json.loads((output / "summary.json").read_text())
    names = [*landmarks.ATLANTOAXIAL.landmarks, "adi", "sac"]
    assert len(table) == 6 * len(names)
    errors = [float(row["error_mm"]) for row in table if row["landmark"] not in ("adi", "sac") and row["error_mm"]]
    assert len(errors) == 20
    assert np.mean(errors) == pytest.approx(summary["mre_mm"], abs=1e-3)
    adi = [float(row["error_mm"]) for row in table if row["landmark"] == "adi" and row["error_mm"]]
    assert np.abs(adi).mean() == pytest.approx(summary["adi_mae_mm"], abs=1e-3)


WRONG = {
    "holds no validation-*.tfrecord": (1, ["--split=validation"]),
    "--split": (2, ["--split=exam"]),
    "has no dataset.json": (2, ["--data={empty}"]),
    "is not the model's": (2, ["--data={other}"]),
    "no model directory": (2, ["--model={empty}"]),
    "--annotator is one of consensus, ann, bob": (2, ["--annotator=eve"]),
    "not empty": (2, ["--output_dir={other}"]),
    "--pck": (2, ["--pck=5"]),
    "unexpected argument": (2, ["stray"]),
}


def test_what_cannot_be_done_is_said_and_another_annotator_can_be_the_truth(
    data_set: pathlib.Path, model_directory: pathlib.Path, start_many: Callable, tmp_path: pathlib.Path
) -> None:
    other, empty = tmp_path / "other", tmp_path / "empty"
    shutil.copytree(data_set, other)
    empty.mkdir()
    atomic.write_json(other / "dataset.json", {"schema": landmarks.CEPHALOMETRIC19.to_dict()})
    start = [f"--model={model_directory}", f"--data={data_set}", f"--output_dir={tmp_path / 'out'}"]
    lines = [[*start, *(text.format(other=other, empty=empty) for text in given)] for _, given in WRONG.values()]
    another = ["--annotator=bob", "--thresholds=adi=500,sac=0.01", "--pictures=0"]
    *results, good = start_many("experiments.evaluate", [*lines, [*start, *another]])
    for (message, (expected, _)), (status, _, error) in zip(WRONG.items(), results, strict=True):
        assert (status, message in error) == (expected, True), error
        assert "Traceback" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "other", "out"]

    assert good[0] == 0, good[2]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["annotator"] == "bob"
    assert summary["annotators"]["against_truth"]["bob"]["mre_mm"] == 0
    assert summary["mre_mm"] == summary["annotators"]["model_against"]["bob"]["mre_mm"]
    assert summary["verdict_confusion"]["true_negative"] == 5
    assert summary["verdict_sensitivity"] is None
