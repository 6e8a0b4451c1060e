import csv
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import study_models
import study_shards
import tensorflow as tf

from experiments import risk_threshold
from raspine import program, study_records

COUNTS = {"train": 3, "validation": 6, "test": 8}
PICTURES = ["confusion.png", "precision_recall.png", "risks.png", "roc.png"]
FIELDS = "study,patient,outcome,risk,verdict,rater1,rater2,consensus,flags,age,sex,scanner,spacing_source"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = study_shards.write(tmp_path_factory.mktemp("studies"), COUNTS)
    random = np.random.default_rng(1)
    with tf.io.TFRecordWriter(str(folder / "train-00000-of-00001.tfrecord")) as writer:
        for number, outcome in enumerate((0, 1, study_records.UNKNOWN)):
            writer.write(study_records.build(study_shards.study(f"train{number:02d}", outcome, random)))
    return folder


@pytest.fixture(scope="module")
def risk_model(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return study_models.write(tmp_path_factory.mktemp("risk") / "best")


@pytest.fixture(scope="module")
def home_model(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The same model, as if it had been trained on the data."""
    folder = study_models.write(tmp_path_factory.mktemp("home") / "best")
    stored = json.loads((folder / "model.json").read_text())
    stored["card"]["data_hash"] = "0" * 64
    (folder / "model.json").write_text(json.dumps(stored))
    return folder


def risks(data: pathlib.Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    found = list(study_records.read(data / f"{split}-00000-of-00001.tfrecord"))
    pixels = np.stack([record.slices for record in found])
    return study_models.model().risk(pixels), np.array([record.outcome for record in found])


def best_by_hand(values: np.ndarray, outcomes: np.ndarray, wanted: float | None = None) -> float:
    """Tries every gap between neighbouring risks."""
    levels = np.sort(values)
    candidates = [levels[0], *((levels[1:] + levels[:-1]) / 2)]
    sensitivity = [(values[outcomes == 1] >= one).mean() for one in candidates]
    specificity = [(values[outcomes == 0] < one).mean() for one in candidates]
    if wanted is not None:
        return max(one for one, share in zip(candidates, sensitivity, strict=True) if share >= wanted)
    return candidates[int(np.argmax(np.add(sensitivity, specificity)))]


@pytest.fixture(scope="module")
def done(
    data: pathlib.Path,
    risk_model: pathlib.Path,
    home_model: pathlib.Path,
    start_many: Callable,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Summaries by run, from one process."""
    place = tmp_path_factory.mktemp("evaluations")
    alone, reference = place / "alone", place / "reference.csv"
    shutil.copytree(data, alone)
    (alone / "validation-00000-of-00001.tfrecord").unlink()
    stored = json.loads((alone / "dataset.json").read_text())
    stored["counts"]["validation"] = {"studies": 0, "patients": 0, "positive": 0, "negative": 0}
    (alone / "dataset.json").write_text(json.dumps(stored))
    reference.write_text("study,score\nanother,3\n" + "".join(f"test{number:02d},{number}\n" for number in range(8)))
    semicolons = place / "semicolons.csv"
    semicolons.write_text("score;study\n" + "".join(f"{number},5;test{number:02d}\n;\n" for number in range(8)))
    for name, trained_on in (("run", "0" * 64), ("run_elsewhere", "0123")):
        (place / name).mkdir()
        stored = {"best": {"val_threshold": 0.45}, "data_hash": trained_on}
        (place / name / "run.json").write_text(json.dumps(stored))
    home = [f"--model={home_model}"]
    lines = {
        "youden": [],
        "sensitivity": ["--threshold_rule=sensitivity", "--sensitivity=0.6"],
        "given": ["--threshold=0.5", f"--reference={reference}"],
        "frozen": [f"--threshold_from={place / 'sensitivity'}", f"--reference={semicolons}"],
        "own": [f"--data={alone}"],
        "same": ["--split=validation"],
        "same_frozen": ["--split=validation", f"--threshold_from={place / 'youden'}"],
        "same_twice_frozen": ["--split=validation", f"--threshold_from={place / 'frozen'}"],
        "same_from_elsewhere": ["--split=validation", f"--threshold_from={place / 'run_elsewhere'}"],
        "home": home,
        "home_same": [*home, "--split=validation"],
        "home_same_frozen": [*home, "--split=validation", f"--threshold_from={place / 'run'}"],
        "home_same_given": [*home, "--split=validation", "--threshold=0.5"],
        "unknown": ["--split=train", "--threshold=0.5"],
    }
    base = [f"--model={risk_model}", f"--data={data}", "--batch=3"]
    results = start_many(
        "experiments.evaluate", [[*base, f"--output_dir={place / name}", *given] for name, given in lines.items()]
    )
    for status, _, error in results:
        assert status == 0, error
    assert results[0][1].splitlines()[-1].startswith("8 studies, AUC 0.")
    summaries = {name: json.loads((place / name / "summary.json").read_text()) for name in lines}
    summaries["console"] = {name: said for name, (_, said, _) in zip(lines, results, strict=True)}
    summaries["places"] = {name: place / name for name in lines}
    return summaries


def test_the_outputs_are_complete(done: dict[str, Any], data: pathlib.Path) -> None:
    folder = done["places"]["youden"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*PICTURES, "studies.csv", "summary.json", "tensorboard"]
    )
    for name in PICTURES:
        picture = cv2.imread(str(folder / name))
        assert picture is not None
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 10
    summary = done["youden"]
    for key in ("auc", "sensitivity", "specificity", "ppv", "npv", "accuracy", "f1"):
        assert {key, f"{key}_ci"} <= set(summary)
    assert (summary["n"], summary["positives"], summary["n_patients"], summary["n_without_outcome"]) == (8, 4, 8, 0)
    assert summary["data_hash"] == "0" * 64
    assert summary["choice"] == study_shards.choice(study_shards.SIDE).to_dict()
    assert summary["model"]["data_hash"] == "0123"
    assert {"versions", "git_commit", "confusion"} <= set(summary)


def test_the_risks_are_the_model_s_and_the_figures_follow_from_them(done: dict[str, Any], data: pathlib.Path) -> None:
    with (done["places"]["given"] / "studies.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert ",".join(table[0]) == FIELDS
    expected, outcomes = risks(data, "test")
    assert [row["study"] for row in table] == [f"test{number:02d}" for number in range(8)]
    # Records are kept as half floats in batches.
    np.testing.assert_allclose([float(row["risk"]) for row in table], expected, atol=2e-3)
    assert [row["outcome"] for row in table] == [str(outcome) for outcome in outcomes]
    assert [row["verdict"] for row in table] == [
        "positive" if float(row["risk"]) >= 0.5 else "negative" for row in table
    ]
    summary = done["given"]
    pairs = expected[outcomes == 1][:, None] > expected[outcomes == 0][None]
    assert summary["auc"] == pytest.approx(pairs.mean())
    assert summary["sensitivity"] == (expected[outcomes == 1] >= 0.5).mean()
    assert summary["specificity"] == (expected[outcomes == 0] < 0.5).mean()


def test_the_threshold_is_chosen_on_the_validation_studies_or_kept(done: dict[str, Any], data: pathlib.Path) -> None:
    held_out = risks(data, "validation")
    assert done["youden"]["threshold"] == pytest.approx(best_by_hand(*held_out), abs=2e-3)
    assert done["youden"]["threshold_source"] == "validation split: Youden's index, 6 patients (3 positive)"
    assert done["sensitivity"]["threshold"] == pytest.approx(best_by_hand(*held_out, 0.6), abs=2e-3)
    assert "sensitivity at least 0.6" in done["sensitivity"]["threshold_source"]
    assert (done["given"]["threshold"], done["given"]["threshold_source"]) == (0.5, "given")
    assert done["frozen"]["threshold"] == done["sensitivity"]["threshold"]
    assert done["frozen"]["threshold_source"].startswith("frozen from an evaluation: validation split: sensitivity")
    assert done["own"]["threshold"] == study_models.THRESHOLD
    assert "the model's own" in done["own"]["threshold_source"]


JUDGED = "the threshold was chosen on the studies that it is judged on"
CHOSEN = "best/ was chosen on these studies: all its figures"
AGAIN = "the threshold was chosen again on the validation studies of these data"


@pytest.mark.parametrize(
    ("run", "expected"),
    {
        "youden": [AGAIN],
        "sensitivity": [AGAIN],
        "given": [],
        "frozen": [],
        "own": [],
        "same": [JUDGED, AGAIN],
        "same_frozen": [JUDGED],
        "same_twice_frozen": [JUDGED],
        "same_from_elsewhere": [],
        "home": [],
        "home_same": [JUDGED, CHOSEN],
        "home_same_frozen": [JUDGED, CHOSEN],
        "home_same_given": [CHOSEN],
    }.items(),
)
def test_figures_that_are_too_good_and_thresholds_chosen_again_are_said(
    done: dict[str, Any], run: str, expected: list[str]
) -> None:
    undefined = (": undefined, ", ": no bound, ", ": no interval", ": interval ")
    notes = [note for note in done[run]["notes"] if not any(part in note for part in undefined)]
    assert len(notes) == len(expected), notes
    for note, start in zip(notes, expected, strict=True):
        assert start in note
        assert "too good" in note or "--threshold_from=RUN" in note
        assert note in done["console"][run]


def test_the_threshold_of_a_training_run_is_the_one_of_its_best_epoch(tmp_path: pathlib.Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"best": {"val_threshold": 0.61}}))
    threshold, source = risk_threshold.of_run(str(tmp_path))
    assert threshold == 0.61
    assert "frozen from a training run" in source
    (tmp_path / "run.json").write_text(json.dumps({"best": {"epoch": 3}}))
    with pytest.raises(program.UsageError, match="a run without validation studies has none"):
        risk_threshold.of_run(str(tmp_path))


def test_a_reference_is_compared_on_the_same_studies(done: dict[str, Any]) -> None:
    # Scores 0..7 with outcomes 0, 1, 0, 1, ...: 1 + 2 + 3 + 4 of 16 pairs are in order.
    assert done["given"]["reference_auc"] == pytest.approx(10 / 16)
    assert done["given"]["auc_difference"] == pytest.approx(done["given"]["auc"] - 10 / 16)
    low, high = done["given"]["auc_difference_ci"]
    assert low < done["given"]["auc_difference"] < high
    assert done["frozen"]["reference_auc"] == done["given"]["reference_auc"]
    assert "reference_auc" not in done["youden"]


def test_studies_without_outcome_are_listed_and_left_out_of_the_figures(done: dict[str, Any]) -> None:
    assert (done["unknown"]["n"], done["unknown"]["n_without_outcome"]) == (2, 1)
    with (done["places"]["unknown"] / "studies.csv").open() as stream:
        assert [row["outcome"] for row in csv.DictReader(stream)] == ["0", "1", ""]


def _bad(place: pathlib.Path, data: pathlib.Path) -> dict[str, pathlib.Path]:
    """Makes folders and files that cannot be evaluated."""
    names = ("slab", "damaged", "single", "empty", "films", "radiographs", "older")
    made = {name: place / name for name in names}
    for name in ("slab", "damaged", "single"):
        shutil.copytree(data, made[name])
    for name in ("empty", "films", "radiographs", "older"):
        made[name].mkdir()
    (made["films"] / "summary.json").write_text('{"mre_mm": 1}')
    stored = json.loads((data / "dataset.json").read_text())
    for name, change in (("slab", {"choice": {**stored["choice"], "kind": "slab"}}), ("single", {"counts": {}})):
        (made[name] / "dataset.json").write_text(json.dumps({**stored, **change}))
    (made["single"] / "dataset.json").write_text(
        json.dumps({**stored, "counts": {"train": {"studies": 3, "positive": 1}}})
    )
    films = {"counts": {"train": {"films": 3}}, "data_hash": "1" * 64, "schema": {}}
    (made["radiographs"] / "dataset.json").write_text(json.dumps({**films, "task": "subluxation"}))
    (made["older"] / "dataset.json").write_text(json.dumps(films))
    shard = made["damaged"] / "test-00000-of-00001.tfrecord"
    shard.write_bytes(shard.read_bytes()[:5000])
    tables = {
        "few": "study,score\ntest00,1\n",
        "words": "study,score\ntest00,high\n",
        "twice": "study,score\na,1\na,1\n",
        "short": "study,score\na,1\n\nb\n",
        "infinite": "study,score\na,inf\n",
        "quotes": 'study,score\n"a,1\n',
    }
    for name, text in {**tables, "columns": "name,score\n"}.items():
        made[name] = place / f"{name}.csv"
        made[name].write_text(text)
    return made


WRONG = {
    "slices are 6 x slab, 40 x 40 pixels of 1 mm, slab_mm 20, the model was trained on 6 x native_middle": (
        2,
        ["--data={slab}"],
    ),
    "with data_prep.mri and --slices=native_middle --count=6 --pixel_mm=1 --size=40,40.": (2, ["--data={slab}"]),
    "a shard is damaged or of another version": (1, ["--data={damaged}", "--threshold=0.5"]),
    "needs a validation split": (2, ["--data={single}", "--threshold_rule=youden"]),
    "is no data folder of data_prep.mri": (2, ["--data={empty}"]),
    "{empty}' is no data folder of data_prep.mri: it has no dataset.json": (2, ["--data={empty}"]),
    "is no data folder of data_prep.mri: its task is 'subluxation', wanted is deformity": (2, ["--data={radiographs}"]),
    "is no data folder of data_prep.mri: dataset.json lacks 'choice'": (2, ["--data={older}"]),
    "is no data folder of data_prep.radiographs: its task is 'deformity', wanted is subluxation or landmarks": (
        2,
        ["--model={landmarks}"],
    ),
    "no model directory: it has no model.json": (2, ["--model={empty}"]),
    "--annotator is not for a model of deformity": (2, ["--annotator=eve"]),
    "--reference is not for a model of landmarks": (2, ["--model={landmarks}", "--reference={few}"]),
    "exclude each other": (2, ["--threshold=0.5", "--threshold_from={empty}"]),
    "has neither summary.json nor run.json": (2, ["--threshold_from={empty}"]),
    "holds no threshold of a risk model": (2, ["--threshold_from={films}"]),
    "leave out --threshold": (2, ["--threshold=0.5", "--threshold_rule=youden"]),
    "--sensitivity is for": (2, ["--sensitivity=0.8"]),
    "7 of 8 studies have no score, the first is 'test01'": (2, ["--reference={few}"]),
    "row 2 has a score that is no number": (2, ["--reference={words}"]),
    "row 3 has a study twice": (2, ["--reference={twice}"]),
    "row 4 has 1 cells under 2 columns": (2, ["--reference={short}"]),
    "row 2 has a score that is not finite": (2, ["--reference={infinite}"]),
    "quotes.csv' is not a CSV file": (2, ["--reference={quotes}"]),
    "nowhere.csv' cannot be read: No such file": (2, ["--reference={empty}/nowhere.csv"]),
    "no column 'study'": (2, ["--reference={columns}"]),
    "--threshold": (2, ["--threshold=1.5"]),
}


def test_what_cannot_be_done_is_said_in_one_line(
    data: pathlib.Path,
    risk_model: pathlib.Path,
    model_directory: pathlib.Path,
    start_many: Callable,
    tmp_path: pathlib.Path,
) -> None:
    made = {**_bad(tmp_path, data), "landmarks": model_directory}
    base = [f"--model={risk_model}", f"--data={data}", f"--output_dir={tmp_path / 'out'}"]
    lines = [[*base, *(text.format(**made) for text in given)] for _, given in WRONG.values()]
    results = start_many("experiments.evaluate", lines)
    for (message, (expected, _)), (status, _, error) in zip(WRONG.items(), results, strict=True):
        assert (status, message.format(**made) in error) == (expected, True), error
        assert "Traceback" not in error
        assert "Error(" not in error
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
