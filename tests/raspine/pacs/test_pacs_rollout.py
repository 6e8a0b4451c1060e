"""A served model is replaced while the worker runs: no job loses an attempt, and each is answered once."""

import dataclasses
import errno
import http.server
import json
import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from unittest import mock

import numpy as np
import pydicom
import pytest
from pacs_stub import Site, identity

from raspine import landmarker, landmarks, measurement
from raspine.dicom_results import read_back
from raspine.pacs import audit, ledger, metrics, reading_process, reading_session
from raspine.pacs.course import PauseError
from raspine.pacs.failures import OutageError, UnreadyError
from raspine.pacs.instances import Instance
from raspine.serving import signatures


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


def test_a_rollout_costs_no_attempt_and_what_was_answered_stays(site: Site) -> None:
    site.film(1)
    site.worker.once()
    site.film(2)
    site.film(3)
    site.troubles = [OutageError("once, of this job alone."), 2]
    site.worker.once()
    site.jobs.database.rows("UPDATE jobs SET due = 0")
    site.worker.once()
    assert site.answered_by == ["1", "2", "2"]
    assert sorted(site.stored) == ["1.2.3.1.1", "1.2.3.2.2", "1.2.3.3.2"]
    assert [site.jobs.job(number).model[0] for number in (1, 2, 3)] == ["1", "2", "2"]
    assert len(site.events(audit.FAILED)) == 1  # by the outage and not by the rollout
    (told,) = site.events(audit.MODEL_REPLACED)
    expected = {"kind": "film", "name": "films", "version": "2", "variant": "folded", "model": "2" * 12}
    assert {name: told[name] for name in expected} == expected


def test_the_page_and_the_metrics_name_the_model_of_now(site: Site) -> None:
    def figure(version: int) -> float | None:
        labels = {"kind": "film", "name": "films", "version": str(version), "variant": "folded"}
        return site.worker.metrics.registry.get_sample_value("raspine_pacs_model", labels)

    assert (figure(1), figure(2)) == (1.0, None)
    assert site.worker.status().facts["model of a film"] == "films 1 (folded)"
    site.film(1)
    site.troubles = [2]
    site.worker.once()
    assert (figure(1), figure(2)) == (None, 1.0)
    assert site.worker.status().facts["model of a film"] == "films 2 (folded)"
    replaced = site.worker.metrics.registry.get_sample_value(
        "raspine_pacs_events_total", {"event": audit.MODEL_REPLACED}
    )
    assert replaced == 1.0


def test_models_that_are_gone_and_not_yet_back_let_all_jobs_wait(site: Site) -> None:
    site.film(1)
    for _ in range(9):  # more often than a job may fail
        site.troubles = [UnreadyError("the model's server does not serve this version.")]
        with pytest.raises(PauseError) as pause:
            site.worker.once()
        assert pause.value.partner == metrics.MODEL
    (job,) = [site.jobs.job(1)]
    assert (job.state, job.attempts) == ("fetched", 0)
    site.worker.once()
    assert site.answered_by == ["1"]
    assert site.events(audit.MODEL_REPLACED) == []


def test_the_loop_goes_on_by_itself_after_a_rollout(site: Site) -> None:
    site.film(1)
    site.jobs.database.rows("UPDATE arrivals SET received = 0")
    site.troubles = [2]
    plain = site.worker._course._tell

    def tell(event: str, *facts: object, **more: object) -> None:
        plain(event, *facts, **more)
        if event == audit.SENT:
            site.worker.stop()

    with mock.patch.object(site.worker._course, "_tell", tell):
        site.worker.run()
    assert site.stored == ["1.2.3.1.2"]
    assert site.worker.status().is_ready


def test_what_could_not_be_noted_of_a_rollout_is_noted_later(site: Site) -> None:
    site.film(1)
    site.identities = {ledger.FILM: identity(2)}
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch.object(site.worker._desk.log, "tell", side_effect=full):
        assert not site.worker._turned()
    assert site.worker.status().checks["state_folder"] is False
    site.worker._turned()
    assert len(site.events(audit.MODEL_REPLACED)) == 1
    assert site.worker.status().facts["model of a film"] == "films 2 (folded)"


def test_a_way_back_answers_nothing_twice(tmp_path: pathlib.Path) -> None:
    site = Site(tmp_path, reprocess=True)
    site.film(1)
    site.worker.once()
    site.identities = {ledger.FILM: identity(2)}
    site.worker._roster.adopt()
    site.film(1)
    site.troubles = [1]
    site.worker.once()
    assert site.stored == ["1.2.3.1.1"]
    assert site.jobs.waiting() == 0
    site.identities = {ledger.FILM: identity(2)}
    site.worker._roster.adopt()
    site.film(1)
    site.worker.once()
    assert site.stored == ["1.2.3.1.1", "1.2.3.1.2"]


class Serving:
    """TensorFlow Serving's REST route for a landmark model, in the versions that it is told to serve."""

    def __init__(self) -> None:
        self.versions = [1]

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        asked = handler.path.removesuffix(":predict").removeprefix("/v1/models/films").removeprefix("/versions/")
        version = int(asked or max(self.versions))
        status, content = 404, {"error": f"Servable not found for request: Specific(films, {version})"}
        if version in self.versions:
            say = describe if request["signature_name"] == signatures.DESCRIBE else measure
            status, content = 200, {"predictions": [say(version, row) for row in request["instances"]]}
        body = json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def describe(version: int, _: dict) -> str:
    facts = {"format": signatures.CARD_FORMAT, "task": landmarker.TASK, "schema": landmarks.ATLANTOAXIAL.to_dict()}
    return json.dumps({**dataclasses.asdict(identity(version)), **facts, "version": version})


def measure(_: int, row: dict) -> dict:
    points = np.array([[10.0 * number, 5.0 * number] for number in range(1, 5)])
    schema, spacing = landmarks.ATLANTOAXIAL, row[signatures.SPACING]
    found = schema.measure(points, spacing)
    verdicts = {word: number for number, word in signatures.VERDICTS.items()}
    return {
        signatures.POINTS: points.tolist(),
        signatures.CONFIDENCE: [0.5] * len(points),
        **{signatures.millimetres(name): float(value) for name, value in found.items()},
        signatures.VERDICT: verdicts[measurement.verdict(schema, found)],
    }


@pytest.fixture
def served() -> Iterator[tuple[Serving, str]]:
    """Yields a server and the model's address."""
    serving = Serving()
    methods = {"do_POST": lambda handler: serving.answer(handler), "log_message": lambda *_: None}
    handler = type("Handler", (http.server.BaseHTTPRequestHandler,), methods)
    front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=front.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield serving, f"http://127.0.0.1:{front.server_address[1]}/v1/models/films"
    finally:
        front.shutdown()
        front.server_close()


def test_a_rollout_is_noticed_whether_the_old_version_is_still_there_or_not(
    served: tuple[Serving, str], tmp_path: pathlib.Path, dicom_writer: Callable, film_pixels: Callable
) -> None:
    serving, url = served
    tags = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3", "BodyPartExamined": "CSPINE"}
    dicom_writer(tmp_path / "film.dcm", film_pixels(90, 70, 1), PixelSpacing=[0.2, 0.3], **tags)
    film = pydicom.dcmread(tmp_path / "film.dcm")
    one = Instance("1.2", "1.2.3", film.SOPInstanceUID, film.SOPClassUID, "film.dcm")
    request = {"what": "film", "instances": [reading_process.row(one)], "folder": "results"}
    start = reading_process.Start(str(tmp_path), landmark_endpoint=url)
    session = reading_session.Session(start)
    session.do(**request)
    session.do("ping")
    serving.versions = [1, 2]
    session.do(**request)  # the version that described itself still answers
    with pytest.raises(UnreadyError, match="describes another model"):
        session.do("ping")
    serving.versions = [2]
    with pytest.raises(UnreadyError, match="does not serve this version"):
        session.do(**request)
    newer = reading_session.Session(start)
    assert [found.identities()["film"]["version"] for found in (session, newer)] == ["1", "2"]
    assert session.identities()["film"]["digest"] != newer.identities()["film"]["digest"]
    newer.do("ping")
    (report, *_) = newer.do(**request)
    assert read_back.read(pydicom.dcmread(tmp_path / report[1])).model == ("films", "2")
