import csv
import json
import pathlib
import shutil
import stat
from collections.abc import Callable
from typing import Any

import measured_films
import numpy as np
import pydicom
import pytest
import study_dicom
import study_models

from raspine import landmarker, risk
from raspine.dicom_results import read_back, templates

LINES = Callable[[str, list[list[str]]], list[tuple[int, str, str]]]
Results = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, model_directory: pathlib.Path) -> pathlib.Path:
    """Two models, films and studies."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(model_directory, place / "landmarks")
    study_models.write(place / "risk")
    films = place / "films"
    films.mkdir()
    measured_films.write(films / "one.dcm", SeriesDescription="SECRET series")
    measured_films.write(films / "two.dcm", SOPInstanceUID="1.2.3.4", PatientOrientation=["A", "F"])
    measured_films.write(films / "unnamed.dcm", StudyInstanceUID=None)
    measured_films.write(films / "overlong.dcm", PatientID="SECRET" * 11)
    (films / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (films / "notes.txt").write_text("no film")
    (films / ".hidden").write_text("no film")
    study_dicom.write(place / "studies" / "neck", "neck", SeriesDescription="SECRET T2 SAG")
    study_dicom.write(place / "studies" / "t1", "t1", **{**study_dicom.T1, "SeriesDescription": "SECRET T1"})
    (place / "studies" / "notes.txt").write_text("no image")
    return place


@pytest.fixture(scope="module")
def done(place: pathlib.Path, start_many: LINES) -> Results:
    """Runs the program once for each kind of use."""
    lines: dict[str, list[Any]] = {
        "films": ["landmarks", place / "films"],
        "carried": ["landmarks", "--carry_patient", place / "films"],
        "studies": ["risk", place / "studies"],
        "nothing": ["landmarks", place / "films" / "notes.txt"],
        "no paths": ["landmarks"],
        "no file": ["landmarks", place / "nowhere"],
        "no model": ["films", place / "films"],
    }
    commands = [
        [f"--model={place / model}", f"--output_dir={place / 'out' / name}", *map(str, rest)]
        for name, (model, *rest) in lines.items()
    ]
    commands.append(commands[0])
    results = start_many("experiments.dicom_results", commands)
    return dict(zip([*lines, "occupied"], results, strict=True))


def index(place: pathlib.Path, name: str) -> list[dict[str, Any]]:
    return json.loads((place / "out" / name / "index.json").read_text())["inputs"]


def refused(place: pathlib.Path, name: str) -> dict[str, str]:
    with (place / "out" / name / "refused.csv").open(newline="") as stream:
        return {pathlib.Path(row["file"]).name: row["reason"] for row in csv.DictReader(stream)}


def test_every_film_has_a_report_and_an_overlay_or_a_reason(place: pathlib.Path, done: Results) -> None:
    status, out, err = done["films"]
    assert status == 0, err
    rows = index(place, "films")
    assert [pathlib.Path(row["input"]).name for row in rows] == ["one.dcm", "overlong.dcm", "two.dcm"]
    assert [[one["file"] for one in row["objects"]] for row in rows] == [
        [f"{number:05d}_report.dcm", f"{number:05d}_overlay.dcm"] for number in (1, 2, 3)
    ]
    files = sorted(path.name for path in (place / "out" / "films").iterdir())
    assert files == sorted([one["file"] for row in rows for one in row["objects"]] + ["index.json", "refused.csv"])
    reasons = refused(place, "films")
    assert set(reasons) == {"unnamed.dcm", "picture.png", "notes.txt"}
    assert reasons["unnamed.dcm"].startswith("Study Instance UID (0020,000D) is missing")
    assert reasons["picture.png"] == "not a DICOM file: a result needs the UIDs of one."
    assert out.splitlines()[-1].startswith("6 objects of 3 films written, 3 refused: ")


def test_the_report_says_what_the_model_says(place: pathlib.Path, done: Results) -> None:
    film = measured_films.measured(place / "same.dcm", PatientOrientation=["A", "F"]).film
    points, _ = landmarker.load(place / "landmarks").locate([(film.pixels, film.spacing.millimetres)])
    [row] = [row for row in index(place, "films") if row["input"].endswith("two.dcm")]
    said = read_back.read(pydicom.dcmread(place / "out" / "films" / row["objects"][0]["file"]))
    assert said.verdict == row["verdict"]
    expected = film.to_native.apply(points[0])
    inside = (expected >= -0.5).all(-1) & (expected <= (measured_films.COLUMNS - 0.5, measured_films.ROWS - 0.5)).all(
        -1
    )
    assert inside.any()
    np.testing.assert_allclose(list(said.points.values()), expected[inside], atol=1e-3)


def test_objects_name_nobody_unless_asked(place: pathlib.Path, done: Results) -> None:
    for name in ("films", "studies"):
        for path in (place / "out" / name).iterdir():
            assert b"SECRET" not in path.read_bytes().upper(), path.name
    for status, out, err in done.values():
        assert "SECRET" not in (out + err).upper()
        assert "Traceback" not in err
        assert status in (0, 1, 2)


def test_objects_for_the_archive_carry_the_patient_and_are_private(place: pathlib.Path, done: Results) -> None:
    assert done["carried"][0] == 0
    rows = index(place, "carried")
    assert [pathlib.Path(row["input"]).name for row in rows] == ["one.dcm", "two.dcm"]
    assert refused(place, "carried")["overlong.dcm"].startswith("Patient ID (0010,0020) breaks the rules")
    for row in rows:
        for one in row["objects"]:
            path = place / "out" / "carried" / one["file"]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert pydicom.dcmread(path).PatientID == "SECRET-ID"
    plain = {one["sop_instance_uid"] for row in index(place, "films") for one in row["objects"]}
    assert {one["sop_instance_uid"] for row in rows for one in row["objects"]} <= plain


def test_a_study_has_a_report_and_a_picture(place: pathlib.Path, done: Results) -> None:
    status, out, err = done["studies"]
    assert status == 0, err
    [row] = index(place, "studies")
    assert [one["kind"] for one in row["objects"]] == ["report", "capture"]
    assert len(row["files"]) == 6
    report, capture = (pydicom.dcmread(place / "out" / "studies" / one["file"]) for one in row["objects"])
    said = read_back.read(report)
    assert (said.risk, said.verdict) == (row["risk"], row["verdict"])
    assert said.model[0] == risk.TASK
    assert capture.pixel_array.ndim == 3
    assert [templates.check(one) for one in (report, capture)] == [[], []]
    reasons = refused(place, "studies")
    assert any(reason.startswith("no series") or "T2" in reason for reason in reasons.values())
    assert reasons["notes.txt"] == "not a DICOM file."
    assert out.splitlines()[-1].startswith("2 objects of 1 study written, 2 ")


def test_wrong_uses_end_in_one_line(place: pathlib.Path, done: Results) -> None:
    for name, status, said in (
        ("nothing", 1, "error: nothing was written: 1 refused, see"),
        ("no paths", 2, "error: name the films or studies"),
        ("no file", 2, "error: no such file or folder"),
        ("no model", 2, "error: --model:"),
        ("occupied", 2, "error: the folder of --output_dir exists and is not empty"),
    ):
        assert done[name][0] == status, name
        assert done[name][2].splitlines()[-1].startswith(said), done[name][2]
    assert refused(place, "nothing") == {"notes.txt": "not a DICOM file: a result needs the UIDs of one."}
