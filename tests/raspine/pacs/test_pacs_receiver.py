"""The store SCP, spoken to by pynetdicom and by bare sockets."""

import contextlib
import copy
import pathlib
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import orthanc
import pydicom
import pytest
import study_dicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from raspine.dicom import parse
from raspine.pacs import receiver, storage
from raspine.pacs.incoming import Incoming, Received, UnknownError, identified
from raspine.pacs.instances import Instance
from raspine.pacs.pseudonym_key import Key
from raspine.pacs.receiver import Hooks, Listening, Receiver

LIMIT = 200_000


class Case:
    """A receiver that listens, and what it was given."""

    def __init__(self, folder: pathlib.Path, **options: object):
        self.folder, self.taken, self.events = folder, list[Instance](), list[tuple[str, dict]]()
        self.full = False
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"callers": (orthanc.CALLER,), "max_object": LIMIT, "seconds": 3.0, **options}
        self.incoming = Incoming(folder, Key(b"k" * 32), 1 << 20)
        self.receiver = Receiver(Listening(port=0, **settings), self.incoming, self._hooks())  # type: ignore[arg-type]
        self.port = 0

    def _hooks(self) -> Hooks:
        return Hooks(
            lambda: sum(one.size for one in self.taken),
            lambda: self.full,
            self.taken.append,
            lambda event, **facts: self.events.append((event, facts)),
        )

    def send(self, *objects: Dataset) -> list[int]:
        return orthanc.send("127.0.0.1", self.port, "RASPINE", *objects)

    def files(self) -> list[pathlib.Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@contextlib.contextmanager
def listening(folder: pathlib.Path, **options: object) -> Iterator[Case]:
    case = Case(folder, **options)
    with case.receiver.listening() as case.port:
        yield case


@pytest.fixture
def case(tmp_path: pathlib.Path) -> Iterator[Case]:
    with listening(tmp_path / "state") as found:
        yield found


def slices(folder: pathlib.Path, count: int = 1, **tags: object) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in study_dicom.write(folder / "sent", "s", indices=range(count), **tags)]


def associate(case: Case, title: str = "RASPINE", caller: str = orthanc.CALLER, syntax: str = "1.2.840.10008.1.2"):
    entity = AE(ae_title=caller)
    entity.add_requested_context(Verification)
    entity.add_requested_context(storage.SLICES[0], syntax)
    return entity.associate("127.0.0.1", case.port, ae_title=title)


def test_what_is_acknowledged_stands_on_the_disk_under_a_name_of_our_own(case: Case, tmp_path: pathlib.Path) -> None:
    sent = slices(tmp_path, 2)
    assert case.send(*sent) == [0, 0]
    assert [one.sop for one in case.taken] == [one.SOPInstanceUID for one in sent]
    for one, original in zip(case.taken, sent, strict=True):
        path = case.folder / one.file
        assert path.parent == case.folder / "incoming"
        assert path.stat().st_mode & 0o077 == 0
        assert path.stat().st_size == one.size
        assert one.sop not in path.name
        assert parse.parse(path.read_bytes()).PixelData == original.PixelData
    assert len(case.files()) == 2


def test_echo_is_answered_and_associations_are_on_record(case: Case) -> None:
    association = associate(case)
    assert association.send_c_echo().Status == 0
    association.release()
    assert ("association_accepted", {}) in case.events


@pytest.mark.parametrize(("title", "caller"), [("OTHER", orthanc.CALLER), ("RASPINE", "STRANGER")])
def test_strangers_and_wrong_numbers_are_rejected(case: Case, title: str, caller: str) -> None:
    assert associate(case, title, caller).is_rejected
    orthanc.until(5, lambda: ("association_rejected", {}) in case.events)


def test_other_addresses_are_rejected(tmp_path: pathlib.Path) -> None:
    with listening(tmp_path / "state", peers=("192.0.2.7",)) as case:
        assert not associate(case).is_established
        assert ("association_rejected", {}) in case.events
    with listening(tmp_path / "other", peers=("127.0.0.1",)) as case:
        association = associate(case)
        assert association.is_established
        association.release()


def test_only_syntaxes_that_can_be_decoded_are_accepted(case: Case) -> None:
    mpeg = "1.2.840.10008.1.2.4.100"
    association = associate(case, syntax=mpeg)
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    association.release()
    assert accepted == {str(Verification)}


def test_a_full_queue_and_a_full_disk_are_out_of_resources(case: Case, tmp_path: pathlib.Path) -> None:
    case.full = True
    assert case.send(*slices(tmp_path)) == [receiver.OUT_OF_RESOURCES]
    case.full = False
    case.taken.append(Instance("1", "1", "1", "1", "held", 1 << 20))
    assert case.send(*slices(tmp_path)) == [0xA700]
    assert case.files() == []
    assert [event for event, _ in case.events].count("object_refused") == 2
    case.taken.clear()
    assert case.send(*slices(tmp_path)) == [0]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyInstanceUID", "../../etc/passwd"),
        ("StudyInstanceUID", ""),
        ("SeriesInstanceUID", "1/2"),
        ("SeriesInstanceUID", None),
    ],
)
def test_objects_without_proper_uids_are_refused(
    case: Case, tmp_path: pathlib.Path, keyword: str, value: object
) -> None:
    (sent,) = slices(tmp_path)
    if value is None:
        delattr(sent, keyword)
    else:
        sent.add_new(keyword, "LO", value)
        sent[keyword].VR = "UI"
    with pydicom.config.disable_value_validation():
        assert case.send(sent) == [receiver.DOES_NOT_MATCH]
    assert (case.taken, case.files()) == ([], [])
    facts = next(facts for event, facts in case.events if event == "object_refused")
    assert "passwd" not in str(facts)


def test_an_object_that_says_it_is_another_is_refused(case: Case, tmp_path: pathlib.Path) -> None:
    (sent,) = slices(tmp_path)
    data = encode(sent, is_implicit_vr=False, is_little_endian=True)
    assert data is not None
    assert identified(Received(sent.file_meta, memoryview(data))).sop == sent.SOPInstanceUID
    for keyword in ("MediaStorageSOPInstanceUID", "MediaStorageSOPClassUID"):
        meta = copy.deepcopy(sent.file_meta)
        setattr(meta, keyword, "1.2.3.4.5")
        with pytest.raises(UnknownError, match="another object"):
            identified(Received(meta, memoryview(data)))


def test_a_deflated_object_is_inflated_no_further_than_its_uids(tmp_path: pathlib.Path) -> None:
    [sent] = slices(tmp_path)
    sent.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    plain = encode(sent, is_implicit_vr=False, is_little_endian=True)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = packer.compress(plain) + packer.compress(bytes(1 << 28)) + packer.flush()
    tracemalloc.start()
    try:
        found = identified(Received(sent.file_meta, memoryview(bomb)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.sop, found.study) == (sent.SOPInstanceUID, sent.StudyInstanceUID)
    assert most < 1 << 25


def test_an_object_beyond_the_limit_ends_the_association_and_not_the_receiver(
    case: Case, tmp_path: pathlib.Path
) -> None:
    (sent,) = slices(tmp_path)
    sent.PixelData = b"\0" * (LIMIT + (2 << 20))
    with contextlib.suppress(RuntimeError):
        assert case.send(sent) == [-1]
    assert (case.taken, case.files()) == ([], [])
    assert case.send(*slices(tmp_path)) == [0]


def test_a_unit_that_claims_to_be_huge_is_not_waited_for(case: Case, tmp_path: pathlib.Path) -> None:
    with socket.create_connection(("127.0.0.1", case.port), timeout=10) as connection:
        connection.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFF0) + b"\0" * 1000)
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass
        assert time.monotonic() - start < 9
    assert case.send(*slices(tmp_path)) == [0]


def test_more_associations_than_allowed_are_turned_away(tmp_path: pathlib.Path) -> None:
    with listening(tmp_path / "state", associations=1) as case:
        first = associate(case)
        assert first.is_established
        assert not associate(case).is_established
        first.release()
        assert orthanc.until(10, lambda: associate(case).is_established)


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff" * 64, struct.pack(">BBL", 4, 0, 6) + b"\0\0\0\2\1\3", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_rubbish_does_no_harm(case: Case, tmp_path: pathlib.Path, rubbish: bytes) -> None:
    with socket.create_connection(("127.0.0.1", case.port), timeout=5) as connection:
        connection.sendall(rubbish)
    assert case.send(*slices(tmp_path)) == [0]
