"""DIMSE over TLS, spoken to by dcmtk, which takes another TLS stack's rules and none of pynetdicom's code."""

import pathlib
import random
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator

import orthanc
import pydicom
import pytest
import study_dicom
from fake_servers import Certificates
from test_pacs_receiver import Case, associate, listening
from test_pacs_sender import result

from experiments import local_workers
from raspine.pacs import dimse_tls
from raspine.pacs.failures import OutageError
from raspine.pacs.sender import Peer, Sender


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("known") / "tls")


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("unknown") / "tls")


def identity(tls: Certificates, name: str = "server", authority: Certificates | None = None) -> dimse_tls.Identity:
    files = (tls.certificate(name), tls.key(name), (authority or tls).certificate("ca"))
    return dimse_tls.Identity(*map(pathlib.Path, files))


@pytest.fixture
def case(tmp_path: pathlib.Path, known: Certificates) -> Iterator[Case]:
    with listening(tmp_path / "state", tls=identity(known)) as found:
        yield found


def store(case: Case, path: pathlib.Path, *options: str) -> int:
    """Sends a file with dcmtk; returns its exit status."""
    command = ["storescu", *options, "-aet", orthanc.CALLER, "-aec", "RASPINE", "127.0.0.1", str(case.port), str(path)]
    return subprocess.run(command, capture_output=True, timeout=60).returncode


def shown(tls: Certificates, authority: Certificates) -> tuple[str, ...]:
    """Returns dcmtk's options that show a certificate and believe in an authority."""
    return ("+tls", tls.key("client"), tls.certificate("client"), "+cf", authority.certificate("ca"))


def test_who_shows_a_certificate_of_the_authority_may_send(
    case: Case, tmp_path: pathlib.Path, known: Certificates
) -> None:
    (path,) = study_dicom.write(tmp_path / "sent", "s", indices=[0])
    sent = pydicom.dcmread(path)
    sent.Rows, sent.Columns, sent.PixelData = 256, 256, random.Random(0).randbytes(1 << 17)  # several records of TLS
    sent.save_as(path)
    assert store(case, path, *shown(known, known)) == 0
    (one,) = case.taken
    got = pydicom.dcmread(case.folder / one.file)
    assert (got.SOPInstanceUID, got.PixelData) == (one.sop, sent.PixelData)
    assert case.events[0] == ("association_accepted", {})


def test_strangers_and_those_without_tls_are_rejected(
    case: Case, tmp_path: pathlib.Path, known: Certificates, unknown: Certificates
) -> None:
    (path,) = study_dicom.write(tmp_path / "sent", "s", indices=[0])
    for options in (shown(unknown, known), ("+tla", "+cf", known.certificate("ca")), ()):
        case.events.clear()
        assert store(case, path, *options) != 0
        orthanc.until(5, lambda: ("association_rejected", {}) in case.events)
    assert not associate(case).is_established
    assert (case.taken, case.files()) == ([], [])


def test_old_protocols_are_refused(case: Case, known: Certificates) -> None:
    context = ssl.create_default_context(cafile=known.certificate("ca"))
    context.load_cert_chain(known.certificate("client"), known.key("client"))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        with (
            socket.create_connection(("127.0.0.1", case.port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            assert (wrapped.version() or "").replace(".", "_") == version.name
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", case.port)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_one_that_keeps_silent_holds_up_nobody(case: Case, tmp_path: pathlib.Path, known: Certificates) -> None:
    (path,) = study_dicom.write(tmp_path / "sent", "s", indices=[0])
    with socket.create_connection(("127.0.0.1", case.port)) as silent:
        silent.sendall(b"\x16")  # a handshake begins so
        assert store(case, path, *shown(known, known)) == 0
        silent.settimeout(30)
        assert silent.recv(1) == b""  # closed after `seconds`


@pytest.fixture
def peer(tmp_path: pathlib.Path, known: Certificates) -> Iterator[tuple[int, pathlib.Path]]:
    """dcmtk's store SCP, which wants certificates: its port and the folder of what it got."""
    (port,), folder = local_workers.free_ports(1), tmp_path / "got"
    folder.mkdir()
    options = ["+tls", known.key("server"), known.certificate("server"), "+cf", known.certificate("ca")]
    with subprocess.Popen(["storescp", *options, "-od", str(folder), str(port)], stderr=subprocess.DEVNULL) as process:
        orthanc.until(20, lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        yield port, folder
        process.terminate()


def test_results_go_to_a_peer_that_both_sides_know(
    peer: tuple[int, pathlib.Path], tmp_path: pathlib.Path, known: Certificates
) -> None:
    port, folder = peer
    one = result(tmp_path)
    sender = Sender(Peer("PACS", "127.0.0.1", port, "RASPINE", 5.0, identity(known, "client")))
    sender.ping()
    sender.store(str(one.StudyInstanceUID), [one])
    (got,) = folder.iterdir()
    assert pydicom.dcmread(got).SOPInstanceUID == one.SOPInstanceUID


def test_a_peer_that_one_side_does_not_know_is_an_outage(
    peer: tuple[int, pathlib.Path], known: Certificates, unknown: Certificates
) -> None:
    port, _ = peer
    strangers = identity(known, "client", unknown), identity(unknown, "client", known)
    for host, who in (("127.0.0.1", strangers[0]), ("127.0.0.1", strangers[1]), ("localhost", identity(known))):
        with pytest.raises(OutageError, match="'PACS' cannot be reached by TLS, or a certificate is refused"):
            Sender(Peer("PACS", host, port, "RASPINE", 5.0, who)).ping()


def test_files_that_do_not_go_together_are_refused(
    tmp_path: pathlib.Path, known: Certificates, unknown: Certificates
) -> None:
    good, readable, empty = identity(known), tmp_path / "readable", tmp_path / "empty"
    shutil.copy(good.key, readable)
    readable.chmod(0o640)
    empty.touch(0o600)
    locked = tmp_path / "locked"
    command = ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", str(good.key), "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    for files, wanted in {
        (good.certificate, good.key, tmp_path / "none"): "no such file: '.*none'",
        (good.certificate, readable, good.ca_file): "can be read by others: give the file mode 0600",
        (good.certificate, identity(unknown).key, good.ca_file): r"are no certificate and its key in PEM \(\w+\)",
        (empty, good.key, good.ca_file): "are no certificate and its key",
        (good.certificate, locked, good.ca_file): "the key has a password",
        (good.certificate, good.key, empty): "'.*empty' holds no certificates in PEM",
    }.items():
        with pytest.raises(ValueError, match=wanted):
            dimse_tls.acceptor(dimse_tls.Identity(*files), 1.0)
