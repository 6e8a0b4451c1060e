"""The process that reads images may hang, crash, talk nonsense or want all the memory; the worker goes on."""

import dataclasses
import errno
import http.server
import json
import pathlib
import sys
import threading
import types
import zlib
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from fake_servers import Certificates, over_grpc

from raspine.model_identity import ModelIdentity
from raspine.pacs import ledger, loaded_models, reading_process
from raspine.pacs.archive import Address
from raspine.pacs.failures import CrashedError, FailedError, OutageError, RefusedError, RoomError, UnreadyError
from raspine.pacs.instances import Instance
from raspine.pacs.reader import Reader, StartError
from raspine.pacs.reading_process import Start
from raspine.pacs.sessions import Limits
from raspine.serving import client, errors, served_card

ONE = Instance("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.1", "fetched/1/0.dcm")
IDENTITY = ModelIdentity("films", "1", "ab", "folded")

# A process that obeys: what it is asked for as the series' UID tells it how to behave.
OBEDIENT = """
import json, os, sys, time
identity = {"name": "films", "version": "1", "digest": sys.argv[1], "variant": "folded"}
print(json.dumps({"ok": {"film": identity}}), flush=True)
sys.stdin.readline()
for line in sys.stdin:
    request = json.loads(line)
    series = request["instances"][0][1] if "instances" in request else ""
    if series == "1.1":
        time.sleep(60)
    elif series == "1.2":
        os.abort()
    elif series == "1.3":
        print("nonsense", flush=True)
    elif series == "1.4":
        print("x" * 20_000_000, flush=True)
    elif series == "1.5":
        print(json.dumps({"error": "refused", "reason": "no film."}), flush=True)
    elif series == "1.7":
        time.sleep(0.3)
        print(json.dumps({"ok": [7] * len(request["instances"])}), flush=True)
    elif series == "1.6":
        print(json.dumps({"error": "unready", "reason": "gone."}), flush=True)
    else:
        print(json.dumps({"ok": [7] * len(request.get("instances", []))}), flush=True)
"""


@pytest.fixture
def reader(tmp_path: pathlib.Path) -> Iterator[Reader]:
    made = Reader(Start(str(tmp_path)), 0.5, (sys.executable, "-c", OBEDIENT, "ab"))
    yield made
    made.close()


def asked(series: str) -> list[Instance]:
    return [dataclasses.replace(ONE, series=series)]


def test_the_models_are_known_from_the_start(reader: Reader) -> None:
    assert reader.identities == {ledger.FILM: IDENTITY}
    assert reader.fetch([ONE] * 120, 1000) == [7] * 120


def test_many_objects_from_a_slow_archive_are_not_taken_for_a_hang(reader: Reader) -> None:
    process = reader._process
    assert reader.fetch(asked("1.7") * 10, 1000) == [7] * 10  # 3 s, of which a request may take 2
    assert reader._process is process


@pytest.mark.parametrize(
    ("series", "message"),
    [("1.1", "longer than 2 s"), ("1.2", "crash"), ("1.3", "make sense"), ("1.4", "make sense")],
)
def test_a_lost_process_is_replaced(reader: Reader, series: str, message: str) -> None:
    with pytest.raises(CrashedError, match=message):
        reader.fetch(asked(series), 1000)
    assert not reader.is_alive()
    assert reader.fetch([ONE], 1000) == [7]


def test_what_the_process_refuses_is_refused_and_it_stays(reader: Reader) -> None:
    with pytest.raises(RefusedError, match=r"^no film\.$"):
        reader.fetch(asked("1.5"), 1000)
    assert reader.is_alive()


def test_a_process_that_finds_another_model_says_so_once_and_goes_on(reader: Reader) -> None:
    reader._command = (*reader._command[:-1], "cd")
    reader.close()
    with pytest.raises(UnreadyError, match="replaced"):
        reader.fetch([ONE], 1000)
    assert reader.identities[ledger.FILM].digest == "cd"
    assert reader.fetch([ONE], 1000) == [7]


def test_a_process_whose_models_are_gone_is_started_anew(reader: Reader) -> None:
    first = reader._process
    with pytest.raises(UnreadyError, match=r"^gone\.$"):
        reader.fetch(asked("1.6"), 1000)
    assert reader.identities == {ledger.FILM: IDENTITY}
    assert reader.is_alive()
    assert reader._process is not first
    reader._command = (sys.executable, "-c", "pass")
    with pytest.raises(UnreadyError, match="does not start"):
        reader.fetch(asked("1.6"), 1000)
    assert not reader.is_alive()


def test_a_process_that_does_not_start_says_why(tmp_path: pathlib.Path) -> None:
    silent = (sys.executable, "-c", "pass")
    with pytest.raises(StartError, match="crash"):
        Reader(Start(str(tmp_path)), 1.0, silent)


def test_a_folder_that_is_no_model_ends_the_start_in_one_line(tmp_path: pathlib.Path) -> None:
    start = Start(str(tmp_path), risk_model=str(tmp_path))
    with pytest.raises(ValueError, match=r"no model directory: it has no model\.json") as found:
        loaded_models.Models(start)
    said = json.dumps({"error": "failed", "reason": reading_process._line(found.value)})
    with pytest.raises(StartError, match=r"no model directory: it has no model\.json"):
        Reader(start, 1.0, (sys.executable, "-c", f"print({said!r})"))


def test_a_bomb_is_refused_by_the_real_process_which_lives_on(tmp_path: pathlib.Path) -> None:
    bomb = deflated_bomb(3 << 28)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving(bomb))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = Address(f"http://127.0.0.1:{server.server_address[1]}/web", limits=Limits(max_bytes=16 << 20))
    start = Start(str(tmp_path), archive=dataclasses.asdict(address), memory_bytes=1 << 30)
    reader = Reader(start, 60.0)
    try:
        with pytest.raises((RefusedError, FailedError), match=r"memory|cannot be read"):
            reader.fetch([ONE], 1 << 30)
        assert reader.is_alive()
        reader.ping()
    finally:
        reader.close()
        server.shutdown()
        server.server_close()


def deflated_bomb(size: int) -> bytes:
    """Returns a deflated DICOM file (PS3.5 A.5) whose data set grows to so many bytes."""
    uid = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    head = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    squeeze = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = squeeze.compress(b"\xe0\x7f\x10\x00OW\0\0" + (size & 0xFFFFFFFE).to_bytes(4, "little"))
    zeros = bytes(1 << 24)
    for _ in range(size >> 24):
        data += squeeze.compress(zeros)
    return b"\0" * 128 + b"DICM" + head + meta + data + squeeze.flush()


def serving(part: bytes) -> type[http.server.BaseHTTPRequestHandler]:
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n--b--"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", 'multipart/related; type="application/dicom"; boundary=b')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


def test_a_served_risk_model_explains_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Remote:
        identity = IDENTITY

        def cut(self, pixels: np.ndarray) -> np.ndarray:
            return pixels[..., 1:3, 1:3]

        def gradcam(self, pixels: np.ndarray) -> np.ndarray:
            return np.array([[[0.0, 2.0], [1.0, 4.0]]], np.float32)[: len(pixels)]

    monkeypatch.setattr(client, "risk_model", lambda endpoint: Remote())
    models = loaded_models.Models(Start("", risk_endpoint="grpc://127.0.0.1:1/risk"))
    pixels = np.arange(2 * 4 * 4, dtype=np.uint16).reshape(2, 4, 4)
    shown, maps = models.explain(pixels)
    assert shown.tolist() == pixels[:, 1:3, 1:3].tolist()
    assert maps.tolist() == [[0.0, 0.5], [0.25, 1.0]]
    with pytest.raises(OutageError, match="UNAVAILABLE"):
        models.ping()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNAVAILABLE", OutageError), ("DEADLINE_EXCEEDED", OutageError), ("INVALID_ARGUMENT", RefusedError),
        ("INTERNAL", FailedError), ("NOT_FOUND", UnreadyError),
    ],
)  # fmt: skip
def test_what_a_server_says_decides_who_waits(code: str, kind: type[Exception]) -> None:
    assert type(loaded_models.translated(errors.of_code(code, "why"))) is kind


@pytest.mark.parametrize("change", [{"version": 2}, {"digest": "cd"}, {"variant": "fast"}])
def test_a_server_that_describes_another_model_is_noticed(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    card = {"name": "films", "version": 1, "digest": "ab", "variant": "folded"}
    monkeypatch.setattr(client, "landmarker", lambda endpoint: types.SimpleNamespace(identity=IDENTITY))
    monkeypatch.setattr(served_card, "of_endpoint", lambda endpoint: card)
    models = loaded_models.Models(Start("", landmark_endpoint="grpc://127.0.0.1:1/films"))
    models.ping()
    card |= change
    with pytest.raises(UnreadyError, match="another model"):
        models.ping()


def test_a_server_is_shown_the_worker_s_certificate(tmp_path: pathlib.Path) -> None:
    tls = Certificates(tmp_path / "tls")
    with over_grpc(lambda _, context: context.abort(grpc.StatusCode.INTERNAL, "it came this far"), tls, True) as fake:
        start = Start(
            "",
            landmark_endpoint=f"grpcs://127.0.0.1:{fake.port}/films",
            endpoint_ca_file=tls.certificate("ca"),
            endpoint_certificate_file=tls.certificate("client"),
            endpoint_key_file=tls.key("client"),
        )
        with pytest.raises(errors.EndpointError, match="it came this far"):
            loaded_models.Models(start)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, RoomError), (errno.EDQUOT, RoomError), (errno.EISDIR, FailedError)]
)
def test_a_full_disk_is_told_apart_from_what_a_job_does(number: int, kind: type[Exception]) -> None:
    def fail(**_: object) -> None:
        raise OSError(number, "why")

    assert reading_process.KINDS[reading_process._answer(fail, {})["error"]] is kind
