"""The worker as a user starts it, beside a real Orthanc, with tiny models."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import highdicom
import numpy as np
import orthanc
import pydicom
import pytest
import requests
import study_dicom
import study_models
from conftest import ROOT
from fake_servers import Certificates
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from experiments import local_workers
from raspine import landmarker, reading, risk, study_reading
from raspine.dicom import film as film_reader
from raspine.dicom_results import read_back
from raspine.pacs import ledger
from raspine.pacs.database import Database
from raspine.pacs.instances import Instance

CALLERS = f"{orthanc.CALLER},{orthanc.TITLE}"
SECONDS = 30  # within which a report must be there
IDENTIFIERS = ("SECRET", "Secret", "1.2.826.0.1.3680043.8.498.")  # the tests' patients; pydicom's UIDs


@dataclasses.dataclass
class Site:
    """An archive and the worker beside it."""

    archive: orthanc.Orthanc
    process: "subprocess.Popen[str]"
    flags: list[str]
    state: pathlib.Path
    dicom_port: int
    health: str
    models: tuple[pathlib.Path, pathlib.Path]

    def report_of(self, *sops: str) -> Dataset:
        """Returns the one report on some images, as soon as it is there."""

        def find() -> Dataset | None:
            found = [one for one in self.archive.reports() if set() < read_back.read(one).sources <= set(sops)]
            assert len(found) <= 1
            return found[0] if found else None

        return orthanc.until(SECONDS, find)


@pytest.fixture(scope="module")
def site(model_directory: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("site")
    risk_directory = study_models.write(place / "risk")
    dicom_port, health_port = local_workers.free_ports(2)
    with orthanc.running(place / "orthanc", dicom_port) as archive:
        flags = [
            f"--state_dir={place / 'state'}", f"--landmark_model={model_directory}", f"--risk_model={risk_directory}",
            f"--dicomweb_url={archive.url}", f"--credentials_file={archive.credentials()}", "--look_back_days=0",
            "--quiet_seconds=1",
        ]  # fmt: skip
        more = [
            "--poll_seconds=0.5", f"--listen_port={dicom_port}", f"--calling_ae_titles={CALLERS}",
            f"--health_port={health_port}",
        ]  # fmt: skip
        process = start(*flags, *more)
        health = f"http://127.0.0.1:{health_port}"
        try:
            orthanc.until(120, is_ready, health, process)
            found = Site(
                archive, process, flags, place / "state", dicom_port, health, (model_directory, risk_directory)
            )
            yield found
        finally:
            process.kill()
            process.wait()


def start(*flags: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "experiments.pacs_worker", *flags]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def is_ready(health: str, process: "subprocess.Popen[str]") -> bool:
    assert process.poll() is None, process.communicate()[0]
    try:
        return requests.get(f"{health}/readyz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.fixture
def film(tmp_path: pathlib.Path, dicom_writer: Callable, film_pixels: Callable) -> Callable[[int], pathlib.Path]:
    def make(number: int, **tags: object) -> pathlib.Path:
        path = tmp_path / f"{number}.dcm"
        facts = {
            "StudyInstanceUID": generate_uid(entropy_srcs=["study", str(number)]),
            "SeriesInstanceUID": generate_uid(entropy_srcs=["series", str(number)]),
            "PixelSpacing": [0.2, 0.3],
            "PixelSpacingCalibrationType": "GEOMETRY",
            "BodyPartExamined": "CSPINE",
            **tags,
        }
        dicom_writer(path, film_pixels(90 + number, 70, number), **facts)
        return path

    return make


def sent(path: pathlib.Path) -> Dataset:
    return pydicom.dcmread(path)


def check_film(site: Site, path: pathlib.Path) -> None:
    """Compares the report in the archive with what the library measures on the same film."""
    model = landmarker.load(site.models[0])
    film = film_reader.read(path)
    measured = reading.measure_films(model, [film])[0]
    expected = film.to_native.apply(measured.points)
    report = site.report_of(str(sent(path).SOPInstanceUID))
    said = read_back.read(report)
    # The tiny model's points are arbitrary; a report draws those on the film.
    size = film.native_size[::-1]
    inside = {
        name: place
        for name, place in zip(model.schema.landmarks, expected, strict=True)
        if (place + 0.5 >= 0).all() and (place + 0.5 <= size).all()
    }
    assert inside
    assert set(said.points) == set(inside)
    for name, place in inside.items():
        np.testing.assert_allclose(said.points[name], place, atol=1e-3)
    assert said.verdict == measured.verdict
    assert said.model == (model.identity.name, model.identity.version)
    # SCOORD counts from the corner of the top-left pixel (PS3.3 C.18.6.1.1), the library from its centre.
    corner = sorted(tuple(place + 0.5) for place in inside.values())
    np.testing.assert_allclose(drawn_points(report), corner, atol=1e-3)
    assert report.PatientID == "SECRET-ID"


def drawn_points(report: Dataset) -> list[tuple[float, float]]:
    """Returns the points (column, row) in a report as highdicom reads it, sorted."""
    parsed = highdicom.sr.ComprehensiveSR.from_dataset(report)
    found = highdicom.sr.utils.find_content_items(parsed, value_type="SCOORD", recursive=True)
    points = {tuple(one.GraphicData) for one in found if one.GraphicType == "POINT"}
    return sorted((float(column), float(row)) for column, row in points)


def test_a_film_that_a_scanner_sends_gets_its_report(site: Site, film: Callable) -> None:
    path = film(1)
    site.archive.c_store(sent(path))
    check_film(site, path)


def test_a_film_stored_over_the_web_gets_its_report_and_overlay(site: Site, film: Callable) -> None:
    path = film(2)
    site.archive.stow(sent(path))
    check_film(site, path)
    overlays = [site.archive.read(one["name"]) for one in site.archive.listed("PR")]
    shown = {
        str(image.ReferencedSOPInstanceUID)
        for one in overlays
        for series in one.ReferencedSeriesSequence
        for image in series.ReferencedImageSequence
    }
    assert str(sent(path).SOPInstanceUID) in shown


def test_a_film_sent_to_the_worker_itself_gets_its_report(site: Site, film: Callable) -> None:
    path = film(3)
    assert orthanc.send("127.0.0.1", site.dicom_port, "RASPINE", sent(path)) == [0]
    check_film(site, path)


def test_a_film_that_the_archive_passes_on_is_answered_once(site: Site, film: Callable) -> None:
    path = film(4)
    site.archive.stow(sent(path))
    (name,) = [one["name"] for one in site.archive.listed("DX") if one["SOPInstanceUID"] == sent(path).SOPInstanceUID]
    site.archive.post("/modalities/worker/store", name)
    check_film(site, path)


def test_an_mri_study_gets_its_report_and_picture(site: Site, tmp_path: pathlib.Path) -> None:
    files = study_dicom.write(tmp_path / "s", "whole")
    site.archive.stow(*map(sent, files))
    (answer,) = study_reading.read(risk.load(site.models[1]), tmp_path / "s")
    report = site.report_of(*(str(sent(path).SOPInstanceUID) for path in files))
    said = read_back.read(report)
    assert said.risk == pytest.approx(answer.risk, abs=6e-5)
    assert said.verdict == answer.verdict
    highdicom.sr.ComprehensiveSR.from_dataset(report)
    study = str(sent(files[0]).StudyInstanceUID)
    pictures = [site.archive.read(one["name"]) for one in site.archive.listed()]
    captures = [one for one in pictures if one.StudyInstanceUID == study and one.SOPClassUID.name.startswith("Second")]
    assert len(captures) == 1
    assert captures[0].pixel_array.ndim == 3


@pytest.mark.parametrize(
    ("number", "tags", "reason"),
    [
        (11, {"BodyPartExamined": "CHEST"}, "not the cervical spine: the header names CHEST."),
        (12, {"SeriesDescription": "Knie seitlich"}, "not the cervical spine: the header names KNEE."),
        (13, {"ViewPosition": "AP"}, "not a lateral view by its header."),
        (14, {"PixelSpacing": [0, 0]}, "Pixel Spacing"),
        (15, {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": 60_000, "Columns": 60_000}, "Rows"),
        (16, {"SeriesDescription": "AI result, research use: x"}, "a result of this program"),
    ],
)
def test_what_must_not_be_measured_is_refused_with_the_reason(
    site: Site, film: Callable, number: int, tags: dict, reason: str
) -> None:
    before = len(refusals(site))
    site.archive.stow(sent(film(number, **tags)))
    orthanc.until(SECONDS, lambda: len(refusals(site)) > before)
    assert reason in refusals(site)[-1]["reason"]


def events(site: Site) -> list[dict]:
    return [json.loads(line) for line in (site.state / "audit.jsonl").read_text().splitlines()]


def refusals(site: Site) -> list[dict]:
    return [event for event in events(site) if event["event"] == "refused"]


def test_the_health_page_says_how_things_stand(site: Site) -> None:
    def get(path: str) -> requests.Response:
        return requests.get(site.health + path, timeout=10)

    assert (get("/healthz").status_code, get("/healthz").text) == (200, "alive\n")
    names = ("database", "archive", "destination", "model", "state_folder")
    assert get("/readyz").json() == dict.fromkeys(names, "ok")
    figures = get("/metrics").text
    sent_jobs = sum(event["event"] == "sent" for event in events(site))
    assert f'raspine_pacs_jobs{{state="sent"}} {float(sent_jobs)}' in figures
    for name in ("step_seconds_bucket", "queue_length", "retries_total", "partner_errors_total", "events_total"):
        assert f"raspine_pacs_{name}" in figures
    page = get("/")
    assert "jobs sent" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert [get(path).status_code for path in ("/../etc/passwd", "/metrics/x")] == [404, 404]
    for text in (figures, page.text):
        assert not any(word in text for word in IDENTIFIERS)


def test_nothing_but_the_database_and_the_images_names_anybody(site: Site) -> None:
    text = (site.state / "audit.jsonl").read_text()
    assert not any(word in text for word in IDENTIFIERS)
    assert {"planned", "fetched", "answered", "sent", "received", "association_accepted"} <= {
        event["event"] for event in events(site)
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in (site.state, *site.state.rglob("*")))


def test_a_second_worker_is_refused(site: Site, start_many: Callable) -> None:
    ((status, _, errors),) = start_many("experiments.pacs_worker", [[*site.flags, "--once"]])
    assert (status, errors.strip()) == (2, f"error: another worker is at work in '{site.state}'.")


def test_an_archive_that_goes_away_and_comes_back_costs_nothing(site: Site, film: Callable) -> None:
    path, before = film(6), len(events(site))

    def told(event: str, partner: str) -> list[dict[str, Any]]:
        return [one for one in events(site)[before:] if (one["event"], one.get("partner")) == (event, partner)]

    site.archive.stop()
    orthanc.until(SECONDS, lambda: requests.get(f"{site.health}/readyz", timeout=5).status_code == 503)
    reason = "archive: it cannot be reached (ConnectionError)."
    assert requests.get(f"{site.health}/readyz", timeout=5).json()["archive"] == f"not reachable: {reason}"
    assert reason in requests.get(site.health, timeout=5).text
    assert orthanc.send("127.0.0.1", site.dicom_port, "RASPINE", sent(path)) == [0]
    orthanc.until(SECONDS, told, "partner_lost", "destination")
    site.archive.start()
    check_film(site, path)
    assert not [event for event in events(site) if event["event"] in ("failed", "dead")]
    assert reason in [one["reason"] for one in told("partner_lost", "archive")]
    for partner in ("archive", "destination"):
        orthanc.until(SECONDS, told, "partner_back", partner)


def test_sigterm_lets_the_job_under_way_end_and_the_next_run_repeats_nothing(
    site: Site, film: Callable, start_many: Callable, model_directory: pathlib.Path
) -> None:
    orthanc.until(SECONDS, lambda: not list((site.state / "incoming").iterdir()))
    before = len(events(site))
    site.archive.stow(sent(film(7)))
    orthanc.until(SECONDS, lambda: "planned" in [event["event"] for event in events(site)[before:]])
    site.process.send_signal(signal.SIGTERM)
    output, _ = site.process.communicate(timeout=60)
    assert site.process.returncode == 0, output
    assert [event["event"] for event in events(site)[before:]] in (
        ["planned", "fetched", "answered", "sent", "stopped"], ["planned", "stopped"],
    )  # fmt: skip
    assert "Traceback" not in output
    assert not any(word in output for word in IDENTIFIERS)
    assert "research use only" in output.splitlines()[-1]
    given_up = sent(film(8))
    site.archive.stow(given_up)
    give_up(site, given_up)
    ((status, retried, _),) = start_many("experiments.pacs_worker", [[*site.flags, "--retry_dead"]])
    assert (status, retried.splitlines()[-1][:22]) == (0, "1 jobs are open again;")
    other = [
        flag for flag in site.flags if not flag.startswith(("--state_dir", "--risk_model"))
    ] + [f"--state_dir={site.state.parent / 'other'}", "--dry_run"]  # fmt: skip
    once, again, preview = start_many(
        "experiments.pacs_worker", [[*site.flags, "--once"], [*site.flags, "--list_dead"], other]
    )
    assert [status for status, _, _ in (once, again, preview)] == [0, 0, 0], (once, again, preview)
    reports = [read_back.read(one).sources for one in site.archive.reports()]
    assert len(reports) == len(set(reports)) == 8
    assert {str(given_up.SOPInstanceUID)} in reports
    left = {path.name for path in site.state.rglob("*") if path.is_file()}
    assert left == {".lock", "audit.jsonl", "jobs.sqlite3", "pseudonym.key"}
    assert again[1].strip() == (
        "0 jobs were given up; --retry_dead tries them again, --discard_dead refuses them for good."
    )
    # To a worker that did not make it, our picture is a capture that may be a film, until it is read.
    films = len(site.archive.listed("DX")) + 1
    assert f"{films} films and 0 MRI studies would be read, " in preview[1].splitlines()[-1]
    assert not any(word in text for text in (once[1], preview[1]) for word in IDENTIFIERS)


def give_up(site: Site, film: Dataset) -> None:
    """Has a film's job be given up before it was fetched, by another model than the one of now."""
    uids = (film.StudyInstanceUID, film.SeriesInstanceUID, film.SOPInstanceUID, film.SOPClassUID)
    one = Instance(*map(str, uids))
    with contextlib.closing(Database(site.state / "jobs.sqlite3")) as opened:
        jobs = ledger.Ledger(opened)
        (job,) = jobs.add([ledger.Plan(ledger.FILM, one.study, one.sop, "", "older", (one,))])
        jobs.buried(job, "status 500.")


def test_given_up_jobs_are_listed_and_opened_again(tmp_path: pathlib.Path, start_many: Callable) -> None:
    state = tmp_path / "state"
    state.mkdir(0o700)
    with contextlib.closing(Database(state / "jobs.sqlite3")) as opened:
        jobs = ledger.Ledger(opened)
        one = Instance("1.2", "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2", "1.2.840")
        (job,) = jobs.add([ledger.Plan(ledger.FILM, "1.2", one.sop, "", "m", (one,))])
        jobs.buried(job, "the images took longer than 1 s.")
    shutil.copytree(state, tmp_path / "other")
    lines = [[f"--state_dir={state}", flag] for flag in ("--list_dead", "--retry_dead", "--list_dead")]
    lines += [[f"--state_dir={tmp_path / 'other'}", flag] for flag in ("--discard_dead", "--list_dead")]
    listed, retried, after, discarded, none = start_many("experiments.pacs_worker", lines)
    assert {status for status, _, _ in (listed, retried, after, discarded, none)} == {0}
    assert "given up when new: the images took longer than 1 s." in listed[1]
    assert not any(word in listed[1] for word in IDENTIFIERS)
    assert retried[1].splitlines()[-1] == "1 jobs are open again; the next run of the worker takes them."
    assert after[1].startswith("0 jobs")
    assert '"event": "retried"' in (state / "audit.jsonl").read_text()
    assert discarded[1].splitlines()[-1] == "1 jobs are refused; their images go when the worker starts."
    assert none[1].startswith("0 jobs")
    with contextlib.closing(Database(tmp_path / "other" / "jobs.sqlite3")) as opened:
        assert ledger.Ledger(opened).counts()["refused"] == 1
        assert ledger.Ledger(opened).files_held() == set()


def test_the_example_of_the_flags_is_taken_as_it_stands(tmp_path: pathlib.Path, start_many: Callable) -> None:
    example = (ROOT / "experiments/serving/pacs_worker.flags").read_text()
    tls = Certificates(tmp_path / "etc")
    for made, name in ((tls.certificate("server"), "worker.pem"), (tls.key("server"), "worker.key")):
        pathlib.Path(made).rename(tls.folder / name)
    (tls.folder / "pacs.credentials").touch(0o600)
    (tls.folder / "pacs.credentials").write_text("Bearer token")
    (tmp_path / "flags").write_text(
        example.replace("/etc/raspine", str(tls.folder)).replace("/var/lib/raspine/pacs", str(tmp_path / "state"))
    )
    ((status, output, errors),) = start_many(
        "experiments.pacs_worker", [[f"--flagfile={tmp_path / 'flags'}", "--list_dead"]]
    )
    assert (status, errors) == (0, ""), output


WRONG = [
    ([], "give a model"),
    (["--landmark_model=."], "give a way in"),
    (["--landmark_model=.", "--listen_port=0"], "give a way back"),
    (["--landmark_model=nowhere", "--dicomweb_url=https://x/"], "no such folder"),
    (["--landmark_model=.", "--landmark_endpoint=grpc://x/y", "--dicomweb_url=https://x/"], "not both"),
    (["--landmark_model=.", "--dicomweb_url=http://pacs.example/d"], "https is needed"),
    (["--landmark_model=.", "--dicomweb_url=https://u:p@x/"], "without user"),
    (["--landmark_model=.", "--dicomweb_url=https://x/", "--ca_file=nowhere"], "error: --ca_file: no such file"),
    (["--landmark_model=.", "--dicomweb_url=https://x/", "--credentials_file=nowhere"],
     "error: --credentials_file: No such file or directory: 'nowhere'."),
    (["--landmark_model=.", "--dicomweb_url=http://pacs.example/d", "--allow_http", "--credentials_file=nowhere"],
     "would send credentials unencrypted"),
    (["--landmark_model=.", "--dicomweb_url=https://x/", "--poll_seconds=0"], "no way in"),
    (["--landmark_model=.", "--dicomweb_url=https://x/", "--listen_port=0"], "--calling_ae_titles"),
    (
        ["--landmark_model=.", "--dicomweb_url=https://x/", "--listen_port=0", "--calling_ae_titles=A",
         "--listen_address=0.0.0.0"],
        "--peers",
    ),
    (
        ["--landmark_model=.", "--dicomweb_url=https://x/", "--listen_port=0", "--calling_ae_titles=A\\B"],
        "AE title",
    ),
    (["--landmark_model=.", "--listen_port=0", "--calling_ae_titles=A", "--send_to=PACS"], "AE_TITLE@HOST:PORT"),
    (["--landmark_model=.", "--listen_port=0", "--calling_ae_titles=A", "--send_to=PACS@h:99999"], "AE_TITLE@HOST"),
    (["--landmark_model=.", "--dicomweb_url=https://x/", "--listen_port=0", "--calling_ae_titles=A", "--dimse_key=k"],
     "--dimse_certificate, --dimse_key, --dimse_ca_file: all of them, or none"),
    (["--landmark_model=.", "--listen_port=0", "--calling_ae_titles=A", "--send_to=PACS@h:104",
      "--dimse_certificate=c", "--dimse_key=k", "--dimse_ca_file=a"], "--dimse_ca_file: no such file: 'c'"),
    (["--landmark_model=.", "--dicomweb_url=https://x/", "--dimse_certificate=c"], "for --listen_port and --send_to"),
    (["--landmark_model=.", "--dicomweb_url=https://x/", "--max_queue=0"], "max_queue"),
    (["--landmark_endpoint=nowhere", "--dicomweb_url=https://x/"], "--landmark_endpoint: "),
    (["--risk_endpoint=grpc://x/y", "--endpoint_ca_file=nowhere", "--dicomweb_url=https://x/"], "cannot be read"),
    (["--retry_dead", "--discard_dead"], "one of them"),
    (["--list_dead", "stray"], "unexpected argument 'stray': everything is given by flags."),
]  # fmt: skip


def test_wrong_flags_are_told_in_one_line(tmp_path: pathlib.Path, start_many: Callable) -> None:
    lines = [[f"--state_dir={tmp_path / 'state'}", *flags] for flags, _ in WRONG]
    for (flags, message), (status, _, errors) in zip(WRONG, start_many("experiments.pacs_worker", lines), strict=True):
        assert status == 2, (flags, errors)
        assert message in errors, flags
        assert "Traceback" not in errors
        assert len(errors.strip().splitlines()) <= 2
    assert not (tmp_path / "state").exists()


BEFORE_WORK = {".lock", "jobs.sqlite3", "pseudonym.key"}  # in the state folder of a worker that did nothing


def names(state: pathlib.Path) -> set[str]:
    return {path.name for path in state.rglob("*") if path.is_file()}


def test_a_model_that_cannot_be_loaded_is_told_in_one_line(tmp_path: pathlib.Path, start_many: Callable) -> None:
    (closed,) = local_workers.free_ports(1)
    model = f"--landmark_endpoint=grpc://127.0.0.1:{closed}/films"
    line = [f"--state_dir={tmp_path / 's'}", "--dicomweb_url=https://x/", model]
    ((status, output, errors),) = start_many("experiments.pacs_worker", [line])
    assert (status, output) == (1, "")
    assert errors.startswith("error: UNAVAILABLE: ")
    assert len(errors.strip().splitlines()) == 1
    assert names(tmp_path / "s") == BEFORE_WORK


def test_an_archive_that_is_not_there_is_told_in_one_line(
    tmp_path: pathlib.Path, model_directory: pathlib.Path, start_many: Callable
) -> None:
    (closed,) = local_workers.free_ports(1)
    given = [f"--dicomweb_url=http://127.0.0.1:{closed}/dicom-web", f"--landmark_model={model_directory}"]
    lines = [[*given, f"--state_dir={tmp_path / how}", f"--{how}"] for how in ("once", "dry_run")]
    for status, output, errors in start_many("experiments.pacs_worker", lines):
        assert (status, output) == (1, "")
        assert errors == "error: archive: it cannot be reached (ConnectionError).\n"


def test_a_damaged_database_is_told_in_one_line(tmp_path: pathlib.Path, start_many: Callable) -> None:
    state = tmp_path / "state"
    state.mkdir(0o700)
    path = state / "jobs.sqlite3"
    with contextlib.closing(Database(path)) as opened:
        opened.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes()[:4096].ljust(path.stat().st_size, b"x"))
    (tmp_path / "file").touch()
    damaged, in_the_way = start_many(
        "experiments.pacs_worker", [[f"--state_dir={place}", "--list_dead"] for place in (state, tmp_path / "file")]
    )
    assert (damaged[0], damaged[2]) == (1, f"error: the database in '{state}': database disk image is malformed.\n")
    assert in_the_way[0] == 2
    assert in_the_way[2] == f"error: --state_dir: '{tmp_path / 'file'}' cannot be made: File exists.\n"


def test_a_port_that_is_taken_is_named_by_its_flag(
    tmp_path: pathlib.Path, model_directory: pathlib.Path, start_many: Callable
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = [f"--landmark_model={model_directory}", "--dicomweb_url=https://x/", "--calling_ae_titles=A"]
        ways = (["--listen_port=0", f"--health_port={port}"], [f"--listen_port={port}"])
        lines = [[*given, *way, f"--state_dir={tmp_path / str(number)}"] for number, way in enumerate(ways)]
        health, receiver = start_many("experiments.pacs_worker", lines)
    assert (health[0], health[2]) == (1, "error: --health_port: Address already in use.\n")
    assert (receiver[0], receiver[2]) == (1, "error: --listen_port: Address already in use.\n")


def test_sigterm_while_models_are_loaded_ends_the_worker_at_once(tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        model = f"--landmark_endpoint=http://127.0.0.1:{silent.getsockname()[1]}/v1/models/films"
        process = start(f"--state_dir={tmp_path / 's'}", "--dicomweb_url=https://x/", model)
        asking, _ = silent.accept()
        with asking:
            asking.settimeout(60)
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
            assert (process.returncode, output) == (0, "stopped before it began to work.\n")
            with contextlib.suppress(ConnectionResetError):
                while asking.recv(1 << 16):  # until the process that was loading has ended too
                    pass
    assert names(tmp_path / "s") == BEFORE_WORK
