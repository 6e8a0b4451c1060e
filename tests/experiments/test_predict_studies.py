import csv
import json
import os
import pathlib
import shutil
import stat
from collections.abc import Callable
from typing import Any

import cv2
import keras
import pytest
import study_dicom

from raspine import risk, study_reading
from raspine.inputs import slices
from raspine.models import resnet

SIDE = 32
CHOICE = slices.Choice("native_middle", 6, 1.5, (SIDE, SIDE))
CERVICAL = pathlib.Path(__file__).resolve().parents[1] / "data" / "mri_cervical" / "t2_sagittal.nii.gz"
Results = dict[str, tuple[int, str, str]]


def tiny(columns: tuple[str, ...] = ()) -> risk.RiskModel:
    keras.utils.set_random_seed(7)
    network = resnet.resnet(
        depth=14, input_shape=(SIDE, SIDE, 6), per_slice=bool(columns), clinical=2 * len(columns), pool="mean"
    )
    settings = risk.Settings(CHOICE, SIDE, SIDE, columns, ((60.0, 10.0),) * len(columns), per_slice=bool(columns))
    return risk.RiskModel(network, settings)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two models, and a tree of studies of every kind."""
    place = tmp_path_factory.mktemp("studies")
    tiny().save(place / "slices")
    tiny(("age", "sex")).save(place / "clinical")
    tree = place / "tree"
    study_dicom.write(tree / "good" / "t2", "good")
    study_dicom.write(tree / "good" / "t1", "good", 2, **study_dicom.T1)
    study_dicom.write(tree / "good" / "ax", "good", 3, **study_dicom.AXIAL_T2)
    study_dicom.write(tree / "shared", "x", BodyPartExamined="KNEE")
    study_dicom.write(tree / "shared", "y")
    study_dicom.write(tree / "no_t2", "no_t2", **study_dicom.T1)
    study_dicom.write(tree / "few", "few", indices=range(4))
    study_dicom.truncate(study_dicom.write(tree / "hole", "hole")[3])
    study_dicom.truncate(study_dicom.write(tree / "end", "end")[7])
    study_dicom.truncate(study_dicom.write(tree / "other", "other", 2, **study_dicom.T1)[0])
    study_dicom.write(tree / "other", "other")
    shutil.copy(CERVICAL, tree / "neck.nii.gz")
    (tree / "broken.nii").write_bytes(b"no volume")
    (tree / "notes.txt").write_text("no image")
    (tree / ".hidden").write_text("no image")
    (place / "clinical.csv").write_text(
        f"study_uid;age;sex\n{study_dicom.uid('good')};61,5;f\n{study_dicom.uid('nobody')};50;m\n"
    )
    (place / "twice.csv").write_text("patient_id,age\nSECRET-x,40\nSECRET-x,41\nSECRET-y,\n")
    (place / "bad.csv").write_text("patient_id,age\nSECRET-x,old\n")
    (place / "broken.csv").write_text('patient_id,age\n"SECRET-x,40\n')
    (place / "SECRET-empty").mkdir()
    (place / "earlier").mkdir()
    (place / "earlier" / "summary.json").write_text('{"threshold": 0.0, "threshold_source": "Youden"}')
    return place


@pytest.fixture(scope="module")
def done(place: pathlib.Path, start_many: Callable[[str, list[list[str]]], list[tuple[int, str, str]]]) -> Results:
    """Runs the program once for each kind of use."""
    tree = place / "tree"
    lines: dict[str, list[Any]] = {
        "plain": ["slices", "--batch=3", tree, tree / "good"],
        "private": ["clinical", f"--clinical={place / 'clinical.csv'}", f"--private_log={place / 'who.csv'}",
                    "--explain=gradcam++", "--threshold=1", tree],
        "override": ["slices", "--nooverlays", f"--series_uid={study_dicom.uid('no_t2', 1)}",
                     f"--threshold_from={place / 'earlier'}", tree / "no_t2", tree / "end"],
        "gaps": ["slices", "--nooverlays", "--gaps=interpolate", tree / "hole"],
        "twice": ["clinical", "--nooverlays", f"--clinical={place / 'twice.csv'}", tree / "shared"],
        "nothing": ["slices", tree / "few", tree / "notes.txt"],
        "empty": ["slices", f"--private_log={place / 'who_empty.csv'}", place / "SECRET-empty"],
        "no_table": ["clinical", f"--private_log={place / 'who_none.csv'}", f"--clinical={place / 'SECRET-no.csv'}",
                     tree],
    }  # fmt: skip
    arguments = [
        [f"--model={place / model}", f"--output_dir={place / name}", *map(str, rest)]
        for name, (model, *rest) in lines.items()
    ]
    return dict(zip(lines, start_many("experiments.predict", arguments), strict=True))


def predictions(place: pathlib.Path, run: str) -> dict[str, dict[str, Any]]:
    rows = json.loads((place / run / "predictions.json").read_text())
    return {str(pathlib.Path(row["study"]).relative_to(place / "tree")): row for row in rows}


def refused(place: pathlib.Path, run: str) -> dict[str, str]:
    with (place / run / "refused.csv").open() as stream:
        return {row["file"]: row["reason"] for row in csv.DictReader(stream)}


def test_studies_are_scored_and_the_others_refused_by_name(place: pathlib.Path, done: Results) -> None:
    status, out, error = done["plain"]
    assert status == 0, error
    assert out.splitlines()[-1].startswith("6 studies scored (")
    assert f", 1 of another part of the body), 4 refused: {place / 'plain'} (research use only)" in out.splitlines()[-1]
    assert set(predictions(place, "plain")) == {"good", "shared/x-1-00", "shared/y-1-00", "end", "other", "neck.nii.gz"}
    reasons = json.loads((place / "plain" / "run.json").read_text())["refused_studies"]
    reasons = {pathlib.Path(name).name: reason for name, reason in reasons.items()}
    assert set(reasons) == {"no_t2", "few", "hole", "broken.nii"}
    assert "no sagittal T2 series. Refused: series 1 'T1 SAG': TE 10 ms, TR 500 ms" in reasons["no_t2"]
    assert "6 slices are needed. Received: a volume of 4." in reasons["few"]
    assert "slices 3 and 4 of 7" in reasons["hole"]
    assert "Files of this series that cannot be read: 1" in reasons["hole"]
    assert "NIfTI" in reasons["broken.nii"]


def test_every_file_is_in_a_scored_study_or_refused(place: pathlib.Path, done: Results) -> None:
    rows, loose = predictions(place, "plain"), refused(place, "plain")
    every = [path for path in (place / "tree").rglob("*") if path.is_file()]
    assert sum(row["files"] for row in rows.values()) + len(loose) == len(every)
    assert {name: row["files"] for name, row in rows.items()} == {
        "good": 24, "shared/x-1-00": 8, "shared/y-1-00": 8, "end": 7, "other": 15, "neck.nii.gz": 1,
    }  # fmt: skip
    short = {str(pathlib.Path(name).relative_to(place / "tree")): reason for name, reason in loose.items()}
    assert "truncated" in short["hole/hole-1-03"]
    assert "truncated" in short["end/end-1-07"]
    assert "truncated" in short["other/other-2-00"]
    assert short["hole/hole-1-00"].startswith("its study is refused: series 1 'T2 SAG': slices 3 and 4")
    assert short["notes.txt"] == "not a DICOM file."
    assert short[".hidden"].startswith("hidden files are left out")


def test_what_a_row_says(place: pathlib.Path, done: Results) -> None:
    rows = predictions(place, "plain")
    row = rows["good"]
    assert row["series_uid"] == study_dicom.uid("good", 1)
    assert (row["series_number"], row["series_description"], row["series"]) == (1, "T2 SAG", 3)
    assert row["series_reason"].startswith("sagittal (1.00); TE 100 ms, TR 3500 ms: T2; 8 slices")
    assert (row["series_slices"], row["spacing_mm"], row["pitch_mm"]) == (8, [1.5, 1.5], 4.0)
    assert row["slice_positions_mm"] == [-10.0, -6.0, -2.0, 2.0, 6.0, 10.0]
    assert row["choice"] == CHOICE.to_dict()
    assert row["threshold"] == 0.5
    assert {one["series_uid"]: one["accepted"] for one in row["candidates"]} == {
        study_dicom.uid("good", 2): False,
        study_dicom.uid("good", 3): False,
    }
    assert {name: row["flags"] for name, row in rows.items()} == {
        "good": [],
        "shared/x-1-00": ["out_of_domain: KNEE"],
        "shared/y-1-00": [],
        "end": ["damaged_files_left_out"],
        "other": [],
        "neck.nii.gz": ["contrast_unverified", "cropped_to_canvas"],
    }
    for row in rows.values():
        assert row["verdict"] == ("positive" if row["risk"] >= 0.5 else "negative")


def test_five_lines_of_python_agree_with_the_program(place: pathlib.Path, done: Results) -> None:
    [answer] = study_reading.read(risk.load(place / "slices"), place / "tree" / "good")
    row = predictions(place, "plain")["good"]
    assert answer.risk == pytest.approx(row["risk"], abs=1e-5)
    assert {**study_reading.as_row(answer), "risk": 0, "overlay": 0} == {**row, "risk": 0, "overlay": 0}


def test_pictures_and_table(place: pathlib.Path, done: Results) -> None:
    rows = predictions(place, "plain")
    with (place / "plain" / "predictions.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [line["study"] for line in table] == [row["study"] for row in rows.values()]
    assert [float(line["risk"]) for line in table] == [row["risk"] for row in rows.values()]
    assert len({row["overlay"] for row in rows.values()}) == len(list((place / "plain" / "overlays").iterdir())) == 6
    for row in rows.values():
        picture = cv2.imread(str(place / "plain" / row["overlay"]))
        assert picture is not None
        assert picture.shape[1] == 1200


def test_a_private_log_takes_names_uids_and_descriptions_away(place: pathlib.Path, done: Results) -> None:
    status, out, error = done["private"]
    assert status == 0, error
    assert stat.S_IMODE(os.stat(place / "who.csv").st_mode) == 0o600
    with (place / "who.csv").open() as stream:
        who = {row["pseudonym"]: row["name"] for row in csv.DictReader(stream)}
    rows = {row["study"]: row for row in json.loads((place / "private" / "predictions.json").read_text())}
    assert sorted(rows) == list(rows)
    good = next(name for name, path in who.items() if path == str(place / "tree" / "good"))
    assert (rows[good]["series_uid"], rows[good]["series_description"], rows[good]["threshold"]) == ("", "", 1.0)
    assert rows[good]["flags"] == []
    assert {tuple(row["flags"]) for name, row in rows.items() if name != good} == {
        ("out_of_domain: KNEE", "clinical_missing"),
        ("damaged_files_left_out", "clinical_missing"),
        ("contrast_unverified", "cropped_to_canvas", "clinical_missing"),
        ("clinical_missing",),
    }
    assert all(name in who for name in refused(place, "private"))
    texts = [path.read_text() for path in (place / "private").glob("*.*")]
    everything = "".join([out, error, *texts, *(path.name for path in (place / "private").rglob("*"))])
    for secret in ("T2 SAG", "T1 SAG", str(place / "tree"), "hole-1", study_dicom.uid("good", 1)):
        assert secret not in everything


@pytest.mark.parametrize("run", ["plain", "private", "override", "gaps", "twice", "nothing"])
def test_no_identifier_is_written_or_printed(place: pathlib.Path, done: Results, run: str) -> None:
    texts = [path.read_bytes().decode("latin-1") for path in (place / run).rglob("*") if path.is_file()]
    everything = "".join([*done[run][1:], *texts])
    assert "secret" not in everything.lower()
    assert "20200101" not in everything
    assert not any(study_dicom.uid(name) in everything for name in ("good", "x", "y", "no_t2", "few", "hole", "end"))


def test_a_series_named_by_the_user_and_a_frozen_threshold(place: pathlib.Path, done: Results) -> None:
    assert done["override"][0] == 0, done["override"][2]
    rows = predictions(place, "override")
    assert rows["no_t2"]["series_reason"].startswith("chosen by its UID; ")
    assert rows["no_t2"]["series_description"] == "T1 SAG"
    assert rows["end"]["series_uid"] == study_dicom.uid("end", 1)
    assert {(row["threshold"], row["verdict"]) for row in rows.values()} == {(0.0, "positive")}
    assert "frozen" in json.loads((place / "override" / "run.json").read_text())["threshold_source"]
    assert not (place / "override" / "overlays").exists()


def test_a_gap_may_be_interpolated(place: pathlib.Path, done: Results) -> None:
    row = predictions(place, "gaps")["hole"]
    assert row["flags"] == ["damaged_files_left_out", "gap_interpolated"]
    assert (row["series_slices"], row["files"]) == (8, 7)


def test_a_study_with_two_clinical_rows_is_refused(place: pathlib.Path, done: Results) -> None:
    rows = predictions(place, "twice")
    assert set(rows) == {"shared/y-1-00"}
    assert rows["shared/y-1-00"]["flags"] == ["clinical_missing"]
    reasons = set(refused(place, "twice").values())
    assert len(reasons) == 1
    assert "rows 2, 3 of --clinical are all of this study" in reasons.pop()


def test_nothing_to_score_ends_with_1_and_says_why(place: pathlib.Path, done: Results) -> None:
    status, _, error = done["nothing"]
    assert status == 1
    assert error.splitlines()[-1].startswith("error: no study could be scored: 1 studies and 1 other files refused")
    assert len(refused(place, "nothing")) == 5
    assert json.loads((place / "nothing" / "predictions.json").read_text()) == []


@pytest.mark.parametrize(
    ("run", "ending", "message"),
    [("empty", 1, "no file in the 1 paths given"), ("no_table", 2, "--clinical: the file cannot be read")],
)
def test_with_a_private_log_the_messages_name_no_path(
    place: pathlib.Path, done: Results, run: str, ending: int, message: str
) -> None:
    status, out, error = done[run]
    assert (status, message in error) == (ending, True), error
    assert "SECRET" not in out + error
    assert not (place / run).exists()


WRONG = {
    "--spacing_mm is not for a model of deformity": ["--spacing_mm=0.2,0.2", "{tree}"],
    "--thresholds is not for a model of deformity": ["--thresholds=adi=3", "{tree}"],
    "--overlay_side is not for a model of deformity": ["--overlay_side=700", "{tree}"],
    "--explain is not for a model of landmarks": ["--model={films}", "--explain=gradcam", "{tree}"],
    "--threshold is not for a model of landmarks": ["--model={films}", "--threshold=0.5", "{tree}"],
    "--series_uid is not for a model of landmarks": ["--model={films}", "--series_uid=1.2", "{tree}"],
    "exclude each other": ["--threshold=0.5", "--threshold_from={place}/earlier", "{tree}"],
    "neither summary.json nor run.json": ["--threshold_from={tree}", "{tree}"],
    "this model takes slices alone": ["--clinical={place}/clinical.csv", "{tree}"],
    "row 2: column 'age' is a number of years": ["--model={place}/clinical", "--clinical={place}/bad.csv", "{tree}"],
    "--clinical: the file is not a CSV file": ["--model={place}/clinical", "--clinical={place}/broken.csv", "{tree}"],
    "the file cannot be read: No such file": ["--model={place}/clinical", "--clinical={place}/no.csv", "{tree}"],
    "none of the columns study, study_uid, patient_id": [
        "--model={place}/clinical", "--clinical={tree}/notes.txt", "{tree}",
    ],
    "no study here has a readable MR series": ["--series_uid=1.2.3", "{tree}"],
    "leave --nooverlays away": ["--nooverlays", "--explain=gradcam", "{tree}"],
    "name the films or studies": [],
    "no such file or folder": ["{tree}/nowhere"],
    "explain": ["--explain=lime", "{tree}"],
}  # fmt: skip


def test_wrong_flags_end_with_2_and_leave_nothing(
    place: pathlib.Path,
    model_directory: pathlib.Path,
    start_many: Callable[[str, list[list[str]]], list[tuple[int, str, str]]],
    tmp_path: pathlib.Path,
) -> None:
    start = [f"--model={place / 'slices'}", f"--output_dir={tmp_path / 'out'}"]
    named = {"tree": place / "tree", "place": place, "films": model_directory}
    lines = [[*start, *(text.format(**named) for text in given)] for given in WRONG.values()]
    for message, (status, _, error) in zip(WRONG, start_many("experiments.predict", lines), strict=True):
        assert (status, message in error) == (2, True), error
        assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
