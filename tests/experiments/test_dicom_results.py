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
import served_models
import study_dicom
import study_models
from served_models import FILMS, STUDIES

from raspine import landmarker, risk
from raspine.dicom_results import content_tree, read_back, templates

LINES = Callable[[str, list[list[str]]], list[tuple[int, str, str]]]
Results = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two models, films and studies."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(served_models.directory(FILMS), place / "landmarks")
    shutil.copytree(served_models.directory(STUDIES), place / "risk")
    measured_films.write(place / "bare.dcm", ImagerPixelSpacing=None)
    (place / "clinical.csv").write_text(f"study_uid,age,sex\n{study_dicom.uid('neck')},61.5,f\n")
    (place / "earlier").mkdir()
    (place / "earlier" / "summary.json").write_text('{"threshold": 1.0, "threshold_source": "given"}')
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
    study_dicom.write(place / "gap", "gap", indices=[0, 1, 2, 4, 5, 6, 7], **study_dicom.T1)
    (place / "studies" / "notes.txt").write_text("no image")
    return place


@pytest.fixture(scope="module")
def done(place: pathlib.Path, start_many: LINES) -> Results:
    """Runs the program once for each kind of use."""
    asked = [f"--clinical={place / 'clinical.csv'}", "--threshold=1"]
    wished = [
        f"--series_uid={study_dicom.uid('gap', 1)}", "--gaps=interpolate", "--strict",
        f"--threshold_from={place / 'earlier'}",
    ]  # fmt: skip
    lines: dict[str, list[Any]] = {
        "films": ["landmarks", place / "films"],
        "carried": ["landmarks", "--carry_patient", place / "films"],
        "studies": ["risk", place / "studies"],
        "nothing": ["landmarks", place / "films" / "notes.txt"],
        "no paths": ["landmarks"],
        "no file": ["landmarks", place / "nowhere"],
        "no model": ["films", place / "films"],
        "spacing": ["landmarks", "--spacing_mm=0.2,0.3", place / "bare.dcm"],
        "thresholds": ["landmarks", "--spacing_mm=0.2,0.3", "--thresholds=adi=900,sac=0.001", place / "bare.dcm"],
        "asked": ["risk", *asked, "--explain=gradcam++", place / "studies" / "neck"],
        "wished": ["risk", *wished, place / "gap"],
        "thresholds of a risk": ["risk", "--thresholds=adi=3", place / "gap"],
        "clinical of a film": ["landmarks", f"--clinical={place / 'clinical.csv'}", place / "films"],
        "drawing": ["landmarks", "--overlay_side=700", place / "films"],
        "no spacing": ["landmarks", "--spacing_mm=0,1", place / "films"],
        "two models": ["landmarks", "--endpoint=grpc://127.0.0.1:1/films", place / "films"],
    }
    commands = [[f"--model={place / model}", *map(str, rest)] for model, *rest in lines.values()]
    server = served_models.served()
    lines |= {"films served": [], "studies served": []}
    commands.append([f"--endpoint={server.grpc(FILMS)}", str(place / "films" / "one.dcm")])
    commands.append([f"--endpoint={server.grpc(STUDIES)}", *asked, str(place / "studies" / "neck")])
    commands = [[f"--output_dir={place / 'out' / name}", *rest] for name, rest in zip(lines, commands, strict=True)]
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
    assert {one["sop_instance_uid"] for row in rows for one in row["objects"]}.isdisjoint(plain)


def report(place: pathlib.Path, name: str) -> pydicom.Dataset:
    """The report of the first input of a run."""
    row = index(place, name)[0]
    return pydicom.dcmread(place / "out" / name / row["objects"][0]["file"])


def test_films_are_measured_by_the_spacing_and_the_thresholds_given(place: pathlib.Path, done: Results) -> None:
    spaced, ruled = (report(place, name) for name in ("spacing", "thresholds"))
    said = read_back.read(spaced)
    assert set(said.millimetres) == {"adi", "sac"}
    ruled_said = read_back.read(ruled)
    assert ruled_said.millimetres == said.millimetres
    assert (said.verdict, ruled_said.verdict) == ("positive", "negative")
    lines = [item.TextValue for item in content_tree.descendants(ruled) if item.ValueType == "TEXT"]
    assert any(line.endswith("(positive > 900 mm)") for line in lines)
    assert spaced.SOPInstanceUID != ruled.SOPInstanceUID


def test_studies_are_scored_by_the_values_and_the_threshold_given(place: pathlib.Path, done: Results) -> None:
    found = {name: report(place, name) for name in ("studies", "asked", "wished")}
    said = {name: read_back.read(one) for name, one in found.items()}
    assert "clinical_missing" not in said["asked"].flags
    assert "clinical_missing" in said["studies"].flags
    lines = {name: [item.TextValue for item in content_tree.descendants(one) if item.ValueType == "TEXT"]
             for name, one in found.items()}  # fmt: skip
    assert "Clinical values: age 61.5 years, sex: female." in lines["asked"]
    assert not any(line.startswith("Clinical values") for line in lines["studies"])
    assert "Grad-CAM++: see the secondary capture." in lines["asked"]
    assert said["asked"].verdict == said["wished"].verdict == "negative"
    assert any(line.endswith("(positive from 1 on).") for line in lines["wished"])
    model = risk.load(place / "risk")
    for name, threshold in (("asked", 1.0), ("wished", 1.0), ("studies", study_models.THRESHOLD)):
        # The model of another threshold is another model.
        digest = model.with_threshold(threshold).identity.digest
        assert f"sha256 {digest}" in lines[name]
    assert len({one.SOPInstanceUID for one in found.values()}) == 3
    # A T1 with a gap is taken only when it is asked for, and the gap too.
    assert said["wished"].sources <= {study_dicom.uid("gap", 1, place) for place in range(8)}


def test_a_served_model_gives_what_the_model_itself_gives(place: pathlib.Path, done: Results) -> None:
    for name, local in (("films served", "films"), ("studies served", "asked")):
        there, here = (read_back.read(report(place, run)) for run in (name, local))
        assert there.model == (name.split()[0], "1")
        assert (there.verdict, there.flags, there.sources) == (here.verdict, here.flags, here.sources)
        assert list(there.points) == list(here.points)
        for landmark, point in here.points.items():
            np.testing.assert_allclose(there.points[landmark], point, atol=0.01)
        assert there.risk == pytest.approx(here.risk, abs=1.01e-4)  # one apart in the last digit
    assert [one["kind"] for one in index(place, "studies served")[0]["objects"]] == ["report", "capture"]


def test_a_study_has_a_report_and_a_picture(place: pathlib.Path, done: Results) -> None:
    status, out, err = done["studies"]
    assert status == 0, err
    [row] = index(place, "studies")
    assert [one["kind"] for one in row["objects"]] == ["report", "capture"]
    assert len(row["files"]) == 6
    report, capture = (pydicom.dcmread(place / "out" / "studies" / one["file"]) for one in row["objects"])
    said = read_back.read(report)
    assert (said.risk, said.verdict) == (pytest.approx(row["risk"], abs=5.1e-5), row["verdict"])
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
        ("thresholds of a risk", 2, "error: --thresholds is not for a model of deformity"),
        ("clinical of a film", 2, "error: --clinical is not for a model of landmarks"),
        ("drawing", 2, "error: --overlay_side is of experiments.predict"),
        ("no spacing", 2, "error: --spacing_mm is ROW,COLUMN"),
        ("two models", 2, "error: give --model=DIR or --endpoint=ADDRESS"),
        ("occupied", 2, "error: the folder of --output_dir exists and is not empty"),
    ):
        assert done[name][0] == status, name
        assert done[name][2].splitlines()[-1].startswith(said), done[name][2]
    assert refused(place, "nothing") == {"notes.txt": "not a DICOM file: a result needs the UIDs of one."}
