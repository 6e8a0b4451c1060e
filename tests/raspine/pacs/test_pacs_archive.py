"""The archive's client: against a real Orthanc, and against servers that misbehave."""

import contextlib
import datetime
import http.server
import json
import pathlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import orthanc
import pydicom
import pytest
import study_dicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from raspine.dicom import parse
from raspine.pacs import archive as archive_module
from raspine.pacs import sessions
from raspine.pacs.archive import Address, Archive
from raspine.pacs.failures import FailedError, OutageError, RefusedError
from raspine.pacs.instances import Instance
from raspine.pacs.sessions import Credentials, Limits

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]
ONE = Instance("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.1")


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[orthanc.Orthanc]:
    with orthanc.running(tmp_path_factory.mktemp("orthanc")) as archive:
        place = tmp_path_factory.mktemp("studies")
        for study, date in (("old", "20200101"), ("new", "20260101"), ("newest", "20261101")):
            files = study_dicom.write(place, study, indices=range(3), StudyDate=date)
            archive.stow(*map(pydicom.dcmread, files))
        yield archive


def client(pacs: orthanc.Orthanc, **options: object) -> Archive:
    return Archive(Address(pacs.url, credentials_file=str(pacs.credentials()), **options))  # type: ignore[arg-type]


def test_studies_are_listed_page_by_page_and_by_date(pacs: orthanc.Orthanc) -> None:
    archive = client(pacs, page=2)
    archive.ping()
    every = list(archive.studies(None, 100))
    assert {one.uid for one in every} == {study_dicom.uid(name) for name in ("old", "new", "newest")}
    assert {one.instances for one in every} == {3}
    recent = list(archive.studies(datetime.date(2026, 1, 1), 100))
    assert {one.uid for one in recent} == {study_dicom.uid(name) for name in ("new", "newest")}
    assert len(list(archive.studies(None, 2))) == 2


def test_a_study_lists_its_objects_and_too_many_are_refused(pacs: orthanc.Orthanc) -> None:
    archive = client(pacs, page=2)
    found = archive.instances(study_dicom.uid("old"), 3)
    assert {one.sop for one in found} == {study_dicom.uid("old", 1, index) for index in range(3)}
    assert {UID(one.sop_class).name for one in found} == {"MR Image Storage"}
    with pytest.raises(RefusedError, match="more than 2 objects"):
        archive.instances(study_dicom.uid("old"), 2)


def test_an_object_is_fetched_as_it_was_stored(pacs: orthanc.Orthanc, tmp_path: pathlib.Path) -> None:
    archive = client(pacs)
    one = archive.instances(study_dicom.uid("old"), 3)[0]
    archive.fetch(one, tmp_path / "object")
    found, sent = parse.parse((tmp_path / "object").read_bytes()), study_dicom.write(tmp_path, "old", indices=range(3))
    original = next(dataset for dataset in map(pydicom.dcmread, sent) if dataset.SOPInstanceUID == one.sop)
    assert found.PixelData == original.PixelData
    assert found.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    with pytest.raises(FailedError, match="status 404"):
        archive.fetch(ONE, tmp_path / "none")


def test_storing_twice_leaves_one_object(pacs: orthanc.Orthanc, tmp_path: pathlib.Path) -> None:
    archive = client(pacs)
    (path,) = study_dicom.write(tmp_path, "stored", indices=[0])
    dataset = pydicom.dcmread(path)
    study, sop = str(dataset.StudyInstanceUID), str(dataset.SOPInstanceUID)
    assert not archive.has(study, sop)
    for _ in range(2):
        archive.store(study, [dataset])
    assert archive.has(study, sop)
    assert len(archive.instances(study, 9)) == 1


def test_objects_of_another_study_are_not_taken(pacs: orthanc.Orthanc, tmp_path: pathlib.Path) -> None:
    (path,) = study_dicom.write(tmp_path, "other", indices=[0])
    with pytest.raises(FailedError, match="archive"):
        client(pacs).store("1.2.3", [pydicom.dcmread(path)])


def test_wrong_credentials_are_an_outage_and_not_the_jobs_fault(pacs: orthanc.Orthanc, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "wrong"
    path.touch(0o600)
    path.write_text("Basic worker:wrong")
    with pytest.raises(OutageError, match="401"):
        Archive(Address(pacs.url, credentials_file=str(path))).ping()


@contextlib.contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yields the address of a server that answers so."""
    methods = dict.fromkeys(("do_GET", "do_POST"), answer)
    handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {**methods, "log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/dicom-web"
    finally:
        server.shutdown()
        server.server_close()


def saying(body: bytes, kind: str = "application/dicom+json", status: int = 200, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(body)

    return answer


def dripping(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(ConnectionError):
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)


def dripping_header(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    with contextlib.suppress(ConnectionError):
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.05)


LISTED = b'[{"0020000D": {"vr": "UI", "Value": ["1.2"]}, "00201208": {"vr": "IS", "Value": [1]}}]'
QUICK = Limits(connect_seconds=2, read_seconds=1, whole_seconds=1, max_bytes=10_000)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (saying(b"x" * 20_000), FailedError, "more than 10000 bytes"),
        (dripping, FailedError, "more than 1 s"),
        (dripping_header, OutageError, "Timeout"),
        (lambda _: time.sleep(3), OutageError, "Timeout"),
        (saying(b"", status=302, Location="http://127.0.0.1:1/"), FailedError, "TooManyRedirects"),
        (saying(b"", status=503), OutageError, "503"),
        (saying(b"", status=500), FailedError, "500"),
        (saying(b"[{"), FailedError, "archive"),
        (saying(b"17"), FailedError, "no list"),
        (saying(b"[" * 9_000), FailedError, "archive"),
    ],
)
def test_a_server_that_misbehaves_is_a_failure_in_one_line(answer: Answer, error: type, message: str) -> None:
    with serving(answer) as url, pytest.raises(error, match=message) as found:
        list(Archive(Address(url, limits=QUICK)).studies(None, 10))
    assert "\n" not in str(found.value)
    assert url not in str(found.value)


def test_a_compressed_bomb_is_bounded_by_what_it_grows_to() -> None:
    import gzip

    bomb = saying(gzip.compress(b" " * 5_000_000), **{"Content-Encoding": "gzip"})
    with serving(bomb) as url, pytest.raises(FailedError, match="more than 10000 bytes"):
        list(Archive(Address(url, limits=QUICK)).studies(None, 10))


def test_an_archive_without_offsets_is_not_asked_for_ever() -> None:
    with serving(saying(LISTED)) as url:
        assert len(list(Archive(Address(url, page=1)).studies(None, 10_000))) == 1


@pytest.mark.parametrize("uid", ["../../1.2", "1.2/series", "", "1.2 1", "1.2\0"])
def test_rows_without_proper_uids_are_left_out(uid: str) -> None:
    row = {"0020000D": {"Value": [uid]}, "0020000E": {"Value": ["1"]}, "00080018": {"Value": [uid]}}
    rubbish = [17, None, "x", {"0020000D": 3}, {"0020000D": {"Value": [{}]}}]
    with serving(saying(json.dumps([row, *rubbish]).encode())) as url:
        archive = Archive(Address(url))
        assert list(archive.studies(None, 10)) == []
        assert archive.instances("1.2", 10) == []


def test_what_is_fetched_and_is_no_object_is_a_failure(tmp_path: pathlib.Path) -> None:
    kind = 'multipart/related; type="application/dicom"; boundary="b"'
    for part in (b"", b"not dicom", b"\0" * 128 + b"DICM" + b"\xff" * 50):
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n--b--"
        with serving(saying(body, kind)) as url, pytest.raises((FailedError, RefusedError), match=r"archive|damaged"):
            Archive(Address(url)).fetch(ONE, tmp_path / "object")


def test_objects_that_the_archive_did_not_store_are_a_failure() -> None:
    refused = Dataset()
    refused.ReferencedSOPInstanceUID, refused.FailureReason = "1.2", 0x0110
    answer = Dataset()
    answer.FailedSOPSequence = [refused]
    with (
        serving(saying(answer.to_json().encode(), status=202)) as url,
        pytest.raises(FailedError, match="failure reason 0x0110"),
    ):
        Archive(Address(url)).store("1.2", [])


def test_the_certificate_is_verified(tmp_path: pathlib.Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(saying(LISTED), context) as url:
        with pytest.raises(OutageError, match="certificate cannot be verified"):
            Archive(Address(url)).ping()
        Archive(Address(url, ca_file=str(certificate))).ping()
        other_name = url.replace("127.0.0.1", "localhost")
        with pytest.raises(OutageError, match="certificate"):
            Archive(Address(other_name, ca_file=str(certificate))).ping()
    with serving(dripping_header, context) as url, pytest.raises(OutageError, match="Timeout"):
        Archive(Address(url, ca_file=str(certificate), limits=QUICK)).ping()


@pytest.mark.parametrize(
    "url",
    [
        "http://pacs.example/dicom-web", "ftp://127.0.0.1/", "https://user:pass@pacs.example/", "https:///x", "pacs",
        "http://127.0.0.1.pacs.example/", "https://pacs.example/?token=1",
    ],
)  # fmt: skip
def test_addresses_that_would_leak_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"https"):
        sessions.check_url(url, allow_http=False)


def test_credentials_never_go_unencrypted() -> None:
    for url in ("http://127.0.0.1:8042/dicom-web", "https://pacs.example/dicom-web"):
        sessions.check_url(url, allow_http=True, has_credentials=True)
    sessions.check_url("http://pacs.example/dicom-web", allow_http=True)
    with pytest.raises(ValueError, match="credentials unencrypted"):
        sessions.check_url("http://pacs.example/dicom-web", allow_http=True, has_credentials=True)
    with pytest.raises(ValueError, match="credentials unencrypted"):
        Archive(Address("http://pacs.example/dicom-web", credentials_file="any", allow_http=True))


def test_a_list_may_not_be_as_long_as_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_LONGEST_LIST", 1_000)
    with serving(saying(b" " * 2_000)) as url:
        archive = Archive(Address(url))
        with pytest.raises(FailedError, match="more than 1000 bytes"):
            list(archive.studies(None, 5))
        with pytest.raises(FailedError, match="cannot be read"):
            archive.fetch(ONE, pathlib.Path("nowhere"))


def test_credentials_that_go_away_are_an_outage(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "credentials"
    path.touch(0o600)
    path.write_text("Bearer first\n")
    with serving(saying(b"[]")) as url:
        archive = Archive(Address(url, credentials_file=str(path)))
        archive.ping()
        path.unlink()
        with pytest.raises(OutageError, match="credentials file cannot be used") as caught:
            archive.has("1.2", "1.2.3")
    assert str(path) not in str(caught.value)


def test_credentials_are_read_at_every_request_and_only_from_private_files(tmp_path: pathlib.Path) -> None:
    seen = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        saying(b"[]")(handler)

    path = tmp_path / "credentials"
    path.touch(0o600)
    path.write_text("Bearer first\n")
    with serving(answer) as url:
        archive = Archive(Address(url, credentials_file=str(path)))
        archive.ping()
        path.write_text("Basic user:pass:word\n")
        archive.ping()
    assert seen == ["Bearer first", "Basic dXNlcjpwYXNzOndvcmQ="]
    for text in ("", "Bearer", "Bearer a\nb", "Basic user", "Digest x"):
        path.write_text(text)
        with pytest.raises(ValueError, match="holds no credentials"):
            Credentials(str(path))
    path.chmod(0o644)
    with pytest.raises(ValueError, match="mode 0600"):
        Credentials(str(path))


def test_a_server_that_does_not_take_what_is_sent_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/dicom-web"
        limits = Limits(connect_seconds=60, read_seconds=60, whole_seconds=0.5)
        large = Dataset()
        large.file_meta = FileMetaDataset()
        large.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        large.SOPClassUID = large.file_meta.MediaStorageSOPClassUID = ONE.sop_class
        large.SOPInstanceUID = large.file_meta.MediaStorageSOPInstanceUID = ONE.sop
        large.add_new("PixelData", "OB", bytes(50_000_000))
        with pytest.raises(OutageError, match="archive"):
            Archive(Address(url, limits=limits)).store(ONE.study, [large])
