"""experiments.predict with a served model gives what it gives with the model itself."""

import csv
import json
import math
import pathlib
import socket
from collections.abc import Callable
from typing import Any

import cv2
import fake_servers
import grpc
import numpy as np
import pytest
import served_models
import study_dicom
import tensorflow as tf
from served_models import FILMS, STUDIES

from raspine import reading, study_reading
from raspine.dicom import film
from raspine.serving import client

RUNS = ("model", "grpc", "rest")
Results = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, dicom_writer: Callable, film_pixels: Callable) -> pathlib.Path:
    """Films and studies, good ones and others."""
    place = tmp_path_factory.mktemp("endpoint")
    films = place / "films"
    films.mkdir()
    known = {"PixelSpacing": [0.2, 0.3], "PixelSpacingCalibrationType": "GEOMETRY"}
    for number in range(3):
        dicom_writer(films / f"{number}.dcm", film_pixels(90 + number, 70, number), **known)
    dicom_writer(films / "detector.dcm", film_pixels(80, 64, 5), ImagerPixelSpacing=[0.2, 0.2])
    dicom_writer(films / "no_spacing.dcm", film_pixels(64, 64, 6))
    (films / "notes.txt").write_text("no film")
    study_dicom.write(place / "studies" / "a", "a")
    study_dicom.write(place / "studies" / "b", "b")
    study_dicom.write(place / "studies" / "few", "few", indices=range(4))
    (place / "clinical.csv").write_text(f"study_uid,age,sex\n{study_dicom.uid('a')},61.5,f\n")
    (place / "token").write_text("hush-hush")
    return place


WRONG = {
    "give --model=DIR or --endpoint=ADDRESS": [],
    "exactly one of the two": ["--model={films}", "--endpoint=grpc://127.0.0.1:1/films"],
    "--deadline goes with --endpoint": ["--model={films}", "--deadline=3"],
    "an endpoint is grpc://HOST:PORT/NAME": ["--endpoint=archive:8500"],
    "a token is not sent unencrypted": ["--endpoint=grpc://archive/films", "--endpoint_token_file={place}/token"],
    "certificates are for grpcs://": ["--endpoint=grpc://archive/films", "--endpoint_ca={place}/token"],
    "ca_file: '{place}/none' cannot be read": ["--endpoint=grpcs://archive/films", "--endpoint_ca={place}/none"],
    "certificate and its key go together": ["--endpoint=grpcs://archive/films", "--endpoint_key={place}/token"],
    "--explain=gradcam++ needs the model itself": ["--endpoint=grpc://archive/films", "--explain=gradcam++"],
    "card: '{place}/none' cannot be read": ["--endpoint=grpc://127.0.0.1:1/films", "--card={place}/none"],
    "deadline": ["--endpoint=grpc://archive/films", "--deadline=0"],
    "--thresholds is not for a model of deformity": ["--endpoint={studies}", "--thresholds=adi=3"],
    "--clinical is not for a model of landmarks": ["--endpoint={remote}", "--clinical={place}/clinical.csv"],
}


def moody(request: Any, context: Any) -> fake_servers.Answer:
    """A landmark model that refuses films of 91 rows, and is gone when it sees one of 64 rows."""
    if request.model_spec.signature_name == "describe":
        text = (served_models.exported(FILMS) / "assets" / "model.json").read_bytes()
        return {"card": np.array([text], object)}
    height = cv2.imdecode(np.frombuffer(tf.make_ndarray(request.inputs["png"])[0], np.uint8), -1).shape[0]
    if height == 91:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "assertion failed: [raspine: not this one. Received:] [91]")
    if height == 64:
        context.abort(grpc.StatusCode.INTERNAL, "the model is gone")
    points, spacing = np.zeros((1, 4, 2), np.float32), tf.make_ndarray(request.inputs["pixel_spacing"])
    zero = np.where(np.isnan(spacing[:, 0]), np.nan, 0).astype(np.float32)
    verdict = np.where(np.isnan(zero), -1, 1).astype(np.int32)
    return {
        "points_px": points, "confidence": np.zeros((1, 4), np.float32), "adi_mm": zero, "sac_mm": zero,
        "verdict": verdict,
    }  # fmt: skip


@pytest.fixture(scope="module")
def done(place: pathlib.Path, start_many: Callable[[str, list[list[str]]], list[tuple[int, str, str]]]) -> Results:
    """Runs the program on films and studies by each way, and wherever it cannot come to an end; all in one process."""
    server = served_models.served()
    lines: dict[str, list[str]] = {"help": ["--help"]}
    for kind, rest in ((FILMS, []), (STUDIES, [f"--clinical={place / 'clinical.csv'}"])):
        ways = {
            "model": [f"--model={served_models.directory(kind)}"],
            "grpc": [f"--endpoint={server.grpc(kind)}"],
            "rest": [f"--endpoint={server.rest(kind)}/versions/1", f"--endpoint_token_file={place / 'token'}"],
        }
        for way, flags in ways.items():
            lines[f"{kind}-{way}"] = [*flags, *rest, str(place / kind)]
    card = served_models.exported(FILMS) / "assets" / "model.json"
    lines["card"] = [
        f"--endpoint={server.grpc(FILMS)}", f"--card={card}", "--thresholds=adi=900,sac=0.001", "--nooverlays",
        f"--private_log={place / 'who.csv'}", str(place / FILMS),
    ]  # fmt: skip
    named = {
        "place": place, "films": served_models.directory(FILMS), "remote": server.grpc(FILMS),
        "studies": server.grpc(STUDIES),
    }  # fmt: skip
    for message, given in WRONG.items():
        lines[message] = [*(text.format(**named) for text in given), str(place / FILMS)]
    with fake_servers.over_grpc(moody) as fake, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        films = [str(place / FILMS / f"{name}.dcm") for name in (0, 1, 2)]
        there, lost = f"--endpoint=grpc://127.0.0.1:{fake.port}/films", str(place / FILMS / "no_spacing.dcm")
        gone = f"--endpoint=grpc://127.0.0.1:{nobody.getsockname()[1]}/films"
        lines |= {"refusing": [there, *films], "losing": [there, *films, lost], "gone": [gone, "--deadline=1", *films]}
        whole = [[f"--output_dir={place / 'out' / str(number)}", *line] for number, line in enumerate(lines.values())]
        results = start_many("experiments.predict", whole)
    for number, name in enumerate(lines):
        if (place / "out" / str(number)).exists():
            (place / "out" / str(number)).rename(place / name)
    return dict(zip(lines, results, strict=True))


def rows(place: pathlib.Path, run: str) -> list[dict[str, Any]]:
    return json.loads((place / run / "predictions.json").read_text())


def refused(place: pathlib.Path, run: str) -> dict[str, str]:
    with (place / run / "refused.csv").open() as stream:
        return {pathlib.Path(row["file"]).name: row["reason"] for row in csv.DictReader(stream)}


def alike(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two rows are the same but for numbers that differ by little."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key], tolerance) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other, [tolerance] * len(one)))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=0, abs_tol=tolerance)
    return bool(one == other)


@pytest.mark.parametrize("kind", [FILMS, STUDIES])
def test_the_rows_are_the_same_by_every_way(place: pathlib.Path, done: Results, kind: str) -> None:
    for way in RUNS:
        status, _, error = done[f"{kind}-{way}"]
        assert status == 0, error
    local, by_grpc, by_rest = (rows(place, f"{kind}-{way}") for way in RUNS)
    assert by_grpc == by_rest
    assert len(local) == {FILMS: 5, STUDIES: 2}[kind]
    assert alike(local, by_grpc, 1e-3 if kind == FILMS else 1e-5)
    assert refused(place, f"{kind}-model") == refused(place, f"{kind}-grpc") == refused(place, f"{kind}-rest")
    assert [done[f"{kind}-{way}"][1].splitlines()[-1].partition(":")[0] for way in RUNS] == [
        done[f"{kind}-model"][1].splitlines()[-1].partition(":")[0]
    ] * 3


@pytest.mark.parametrize("kind", [FILMS, STUDIES])
def test_the_pictures_are_the_same_by_every_way(place: pathlib.Path, done: Results, kind: str) -> None:
    for row in rows(place, f"{kind}-model"):
        local, by_grpc, by_rest = (cv2.imread(str(place / f"{kind}-{way}" / row["overlay"])) for way in RUNS)
        np.testing.assert_array_equal(by_grpc, by_rest)
        assert np.abs(local.astype(int) - by_grpc).mean() < 0.1


@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_five_lines_of_python_agree_with_the_program(place: pathlib.Path, done: Results, way: str) -> None:
    server = served_models.served()
    with client.connect(getattr(server, way)(FILMS)) as endpoint:
        model = client.landmarker(endpoint)
        films = [film.read(place / FILMS / "detector.dcm")]
        [result] = reading.measure_films(model, films)
    row = next(row for row in rows(place, f"{FILMS}-{way}") if row["file"].endswith("detector.dcm"))
    assert {"overlay": row["overlay"], **reading.as_row(row["file"], films[0], result, model.schema)} == row
    with client.connect(getattr(server, way)(STUDIES)) as endpoint:
        [answer] = study_reading.read(client.risk_model(endpoint), place / STUDIES / "b")
    row = next(row for row in rows(place, f"{STUDIES}-{way}") if row["study"].endswith("b"))
    assert (answer.risk, answer.verdict) == (row["risk"], row["verdict"])


def test_run_json_says_which_model_answered_and_no_token(place: pathlib.Path, done: Results) -> None:
    server = served_models.served()
    facts = json.loads((place / f"{FILMS}-rest" / "run.json").read_text())
    card = json.loads((served_models.exported(FILMS) / "assets" / "model.json").read_text())
    assert facts["endpoint"] == {
        "address": f"{server.rest(FILMS)}/versions/1", "name": FILMS, "version": "1", "digest": card["digest"],
        "variant": "folded",
    }  # fmt: skip
    assert facts["model"] == {"data_hash": "0123"}
    assert json.loads((place / f"{FILMS}-model" / "run.json").read_text())["endpoint"] is None
    for path in place.glob("*-*/*.*"):
        assert "hush" not in path.read_text()
    assert "hush" not in "".join(text for _, *texts in done.values() for text in texts)


def test_a_card_from_a_file_with_thresholds_and_pseudonyms(place: pathlib.Path, done: Results) -> None:
    status, out, error = done["card"]
    assert status == 0, error
    assert {row["verdict"] for row in rows(place, "card")} == {"negative", "none"}
    assert all(row["file"].startswith("film-0000") for row in rows(place, "card"))
    assert str(place / FILMS) not in out + (place / "card" / "refused.csv").read_text()


def test_a_refused_film_is_listed(place: pathlib.Path, done: Results) -> None:
    status, _, error = done["refusing"]
    assert status == 0, error
    reason = refused(place, "refusing")["1.dcm"]
    assert reason.startswith("the server refuses it: INVALID_ARGUMENT: not this one. Received: 91. Asked: grpc://")
    assert len(rows(place, "refusing")) == 2


@pytest.mark.parametrize(("run", "words"), [("losing", "INTERNAL: the model is gone"), ("gone", "Connection refused")])
def test_a_lost_server_ends_the_run_and_leaves_nothing(
    place: pathlib.Path, done: Results, run: str, words: str
) -> None:
    status, _, error = done[run]
    assert status == 1
    assert words in error.splitlines()[-1]
    assert "Traceback" not in error
    assert not (place / run).exists()
    assert not list((place / "out").iterdir())


@pytest.mark.parametrize("message", WRONG)
def test_wrong_flags_end_with_2_and_leave_nothing(place: pathlib.Path, done: Results, message: str) -> None:
    status, _, error = done[message]
    assert (status, message.format(place=place) in error) == (2, True), error
    assert "Traceback" not in error
    assert not (place / message).exists()


def test_help_names_the_endpoint(done: Results) -> None:
    status, out, _ = done["help"]
    assert status == 0
    assert "--endpoint=grpc://host:8500/NAME" in out
    assert "--endpoint_token_file" in out
