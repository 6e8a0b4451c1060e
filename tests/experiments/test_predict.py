import csv
import json
import os
import pathlib
import stat
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from raspine import landmarker, reading
from raspine.dicom import film as film_reader


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, dicom_writer: Callable, film_pixels: Callable) -> pathlib.Path:
    """Films of every kind, and files that are none."""
    place = tmp_path_factory.mktemp("films")
    pixels = film_pixels(90, 70, 1)
    calibrated = {"PixelSpacing": [0.2, 0.3], "PixelSpacingCalibrationType": "GEOMETRY"}
    dicom_writer(place / "plain.dcm", pixels, **calibrated)
    dicom_writer(
        place / "mirrored.dcm", np.ascontiguousarray(pixels[:, ::-1]), PatientOrientation=["A", "F"], **calibrated
    )
    turned = {"PixelSpacing": [0.3, 0.2], "PixelSpacingCalibrationType": "GEOMETRY"}
    dicom_writer(place / "turned.dcm", np.ascontiguousarray(pixels.T), PatientOrientation=["F", "P"], **turned)
    dicom_writer(place / "detector.dcm", pixels, ImagerPixelSpacing=[0.2, 0.3])
    dicom_writer(place / "no_spacing.dcm", pixels)
    cv2.imwrite(str(place / "picture.png"), pixels)
    dicom_writer(place / "zero.dcm", pixels, PixelSpacing=[0.0, 0.3])
    (place / "deep" / "er").mkdir(parents=True)
    dicom_writer(place / "deep" / "er" / "Müller Hans.dcm", film_pixels(64, 64, 4), **calibrated)
    data = (place / "plain.dcm").read_bytes()
    (place / "truncated.dcm").write_bytes(data[: len(data) // 2])
    (place / "notes.txt").write_text("not a film")
    (place / ".hidden.dcm").write_bytes(data)
    (place / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    return place


REFUSED = {".hidden.dcm", "DICOMDIR", "notes.txt", "truncated.dcm", "zero.dcm"}


@pytest.fixture(scope="module")
def output(
    folder: pathlib.Path, model_directory: pathlib.Path, start: Callable, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    place = tmp_path_factory.mktemp("predict") / "out"
    done = start(
        "experiments.predict", f"--model={model_directory}", f"--output_dir={place}", "--batch=3", "--workers=2",
        "--spacing_mm=0.5,0.25", folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "7 films measured" in done.stdout.splitlines()[-1]
    assert f"{len(REFUSED)} refused" in done.stdout
    return place


def rows(output: pathlib.Path) -> dict[str, dict]:
    return {pathlib.Path(row["file"]).name: row for row in json.loads((output / "predictions.json").read_text())}


def test_every_file_is_measured_or_refused(output: pathlib.Path, folder: pathlib.Path) -> None:
    measured = {row["file"] for row in json.loads((output / "predictions.json").read_text())}
    with (output / "refused.csv").open() as stream:
        refused = {row["file"]: row["reason"] for row in csv.DictReader(stream)}
    every = {str(path) for path in folder.rglob("*") if path.is_file()}
    assert measured | set(refused) == every
    assert not measured & set(refused)
    assert {pathlib.Path(name).name for name in refused} == REFUSED
    assert all(reason and "\n" not in reason and "SECRET" not in reason for reason in refused.values())


def test_the_outputs_are_complete(output: pathlib.Path) -> None:
    assert sorted(path.name for path in output.iterdir()) == [
        "overlays", "predictions.csv", "predictions.json", "refused.csv", "run.json",
    ]  # fmt: skip
    keys = {
        "file", "landmarks", "points_px", "adi_mm", "sac_mm", "verdict", "spacing_mm", "spacing_source", "flags",
        "confidence", "confidences", "by_magnification", "overlay",
    }  # fmt: skip
    pictures = set()
    for row in rows(output).values():
        assert set(row) == keys
        assert row["confidence"] == min(row["confidences"])
        picture = cv2.imread(str(output / row["overlay"]))
        assert 400 < max(picture.shape) <= 1000
        pictures.add(row["overlay"])
    assert len(pictures) == len(list((output / "overlays").iterdir())) == 7
    with (output / "predictions.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [row["file"] for row in table] == [row["file"] for row in rows(output).values()]
    plain = next(row for row in table if row["file"].endswith("plain.dcm"))
    assert float(plain["adi_mm"]) == rows(output)["plain.dcm"]["adi_mm"]
    assert float(plain["dens_anterior_x"]) == rows(output)["plain.dcm"]["points_px"][1][0]


def test_no_value_of_an_identifying_tag_is_left(output: pathlib.Path) -> None:
    for path in output.rglob("*"):
        if path.is_file():
            assert b"SECRET" not in path.read_bytes()


def test_points_are_pixels_of_the_file_as_stored(output: pathlib.Path) -> None:
    found = rows(output)
    plain = np.array(found["plain.dcm"]["points_px"])
    np.testing.assert_allclose(found["mirrored.dcm"]["points_px"], plain * [-1, 1] + [69, 0], atol=1e-3)
    np.testing.assert_allclose(found["turned.dcm"]["points_px"], plain[:, ::-1], atol=1e-3)
    assert found["plain.dcm"]["spacing_mm"] == found["mirrored.dcm"]["spacing_mm"] == [0.2, 0.3]
    assert found["turned.dcm"]["spacing_mm"] == [0.3, 0.2]
    for name in ("plain.dcm", "mirrored.dcm", "turned.dcm"):
        row = found[name]
        points, spacing = np.array(row["points_px"]), np.array(row["spacing_mm"])
        first, second = (points[1] - points[0]) * spacing[::-1], (points[3] - points[2]) * spacing[::-1]
        assert row["adi_mm"] == pytest.approx(np.hypot(*first), abs=1e-3)
        assert row["sac_mm"] == pytest.approx(np.hypot(*second), abs=1e-3)
        assert row["verdict"] == ("positive" if row["adi_mm"] > 3 or row["sac_mm"] <= 13 else "negative")


def test_the_given_spacing_goes_only_to_files_without_one(output: pathlib.Path) -> None:
    found = rows(output)
    assert (found["picture.png"]["spacing_mm"], found["picture.png"]["spacing_source"]) == ([0.5, 0.25], "given")
    assert (found["no_spacing.dcm"]["spacing_mm"], found["no_spacing.dcm"]["spacing_source"]) == ([0.5, 0.25], "given")
    assert found["plain.dcm"]["spacing_source"] == "geometry"
    assert found["detector.dcm"]["spacing_source"] == "detector_plane"


def test_a_detector_plane_film_has_its_table(output: pathlib.Path) -> None:
    row = rows(output)["detector.dcm"]
    assert "detector_plane_uncorrected" in row["flags"]
    assert [entry["magnification"] for entry in row["by_magnification"]] == [1.0, 1.05, 1.1, 1.15, 1.2]
    assert row["by_magnification"][4]["adi_mm"] == pytest.approx(row["adi_mm"] / 1.2, abs=1e-3)


def test_five_lines_of_python_agree(output: pathlib.Path, folder: pathlib.Path, model: landmarker.Landmarker) -> None:
    film = film_reader.read(folder / "plain.dcm")
    (result,) = reading.measure_films(model, [film])
    row = rows(output)["plain.dcm"]
    np.testing.assert_allclose(result.points, row["points_px"], atol=2e-3)
    assert result.millimetres["adi"] == pytest.approx(row["adi_mm"], abs=1e-3)
    assert result.verdict == row["verdict"]
    assert reading.measure_films(model, []) == []


def test_without_spacing_there_are_pixels_and_no_verdict(folder: pathlib.Path, model: landmarker.Landmarker) -> None:
    film = film_reader.read(folder / "no_spacing.dcm")
    (result,) = reading.measure_films(model, [film])
    row = reading.as_row("x", film, result, model.schema)
    assert (row["adi_mm"], row["sac_mm"], row["verdict"], row["spacing_mm"]) == (None, None, "none", None)
    assert row["spacing_source"] == "none"
    assert "no_spacing" in row["flags"]
    assert all(point is not None for point in row["points_px"])


def test_pseudonyms_thresholds_no_pictures_and_nothing_measurable(
    folder: pathlib.Path, model_directory: pathlib.Path, start_many: Callable, tmp_path: pathlib.Path
) -> None:
    log, out, none = tmp_path / "who.csv", tmp_path / "out", tmp_path / "none"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dcm").write_bytes(b"not DICOM")
    plain = [
        "--nooverlays",
        "--thresholds=adi=1000,sac=0.001",
        f"--private_log={log}",
        f"--output_dir={out}",
        str(folder),
    ]
    broken = [f"--output_dir={none}", str(tmp_path / "in")]
    lines = [[f"--model={model_directory}", *rest] for rest in (plain, broken)]
    good, bad = start_many("experiments.predict", lines)

    assert good[0] == 0, good[2]
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600
    with log.open() as stream:
        names = {row["pseudonym"]: row["name"] for row in csv.DictReader(stream)}
    found = json.loads((out / "predictions.json").read_text())
    refused = (out / "refused.csv").read_text()
    assert sorted(names) == [f"film-{number:05d}" for number in range(1, 13)]
    assert all(os.path.exists(name) for name in names.values())
    assert {row["verdict"] for row in found} == {"negative", "none"}
    assert not (out / "overlays").exists()
    for text in (json.dumps(found), refused, *good[1:]):
        assert str(folder) not in text
        assert "Hans" not in text

    assert bad[0] == 1
    assert bad[2].splitlines()[-1].startswith("error: no film could be measured: 1 refused")
    assert "a.dcm" in (none / "refused.csv").read_text()


WRONG = {
    "name the films": [],
    "no such file or folder": ["{films}/nowhere"],
    "--spacing_mm is ROW,COLUMN, both above 0. Received: 0.2.": ["--spacing_mm=0.2", "{films}"],
    "--spacing_mm is ROW,COLUMN, both above 0. Received: 0.2,-1.": ["--spacing_mm=0.2,-1", "{films}"],
    "exists and is not empty": ["--output_dir={films}", "{films}"],
    "outside --output_dir": ["--private_log={out}/log.csv", "{films}"],
    "no model directory": ["--model={films}", "{films}"],
    "--thresholds is NAME=MM": ["--thresholds=adi", "{films}"],
    "no distance": ["--thresholds=gap=3", "{films}"],
    "batch": ["--batch=0", "{films}"],
}


def test_wrong_flags_end_with_2_and_leave_nothing(
    folder: pathlib.Path, model_directory: pathlib.Path, start_many: Callable, tmp_path: pathlib.Path
) -> None:
    start = [f"--model={model_directory}", f"--output_dir={tmp_path / 'out'}"]
    lines = [[*start, *(text.format(films=folder, out=tmp_path / "out") for text in given)] for given in WRONG.values()]
    before = sorted(folder.rglob("*"))
    for message, (status, _, error) in zip(WRONG, start_many("experiments.predict", lines), strict=True):
        assert (status, message in error) == (2, True), error
        assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert sorted(folder.rglob("*")) == before
