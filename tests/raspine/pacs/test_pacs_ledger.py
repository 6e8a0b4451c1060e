import contextlib
import dataclasses
import pathlib
import random
import sqlite3
import tempfile

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from raspine.pacs import database, ledger, metrics
from raspine.pacs.course import Bounds, Course, Partners
from raspine.pacs.database import Database, DatabaseError
from raspine.pacs.instances import Instance
from raspine.pacs.ledger import Ledger, Plan

FILM_CLASS = "1.2.840.10008.5.1.4.1.1.1"


def film(number: int, model: str = "m1") -> Plan:
    one = Instance("1.2", f"1.2.{number}", f"1.2.{number}.1", FILM_CLASS)
    return Plan(ledger.FILM, "1.2", one.sop, "", model, (one,))


@pytest.fixture
def jobs(tmp_path: pathlib.Path) -> Ledger:
    return Ledger(Database(tmp_path / "jobs"))


def test_a_film_becomes_one_job_however_often_it_is_seen(jobs: Ledger) -> None:
    assert [job.number for job in jobs.add([film(1), film(2)])] == [1, 2]
    assert jobs.add([film(1), film(2)]) == []
    assert jobs.counts()["new"] == 2


def test_another_model_answers_old_films_only_when_it_is_asked_to(jobs: Ledger) -> None:
    (job,) = jobs.add([film(1)])
    jobs.sent(job)
    assert jobs.add([film(1, "m2")]) == []
    assert [one.model for one in jobs.add([film(1, "m2")], reprocess=True)] == ["m2"]
    assert jobs.add([film(1, "m2")], reprocess=True) == []


def test_a_film_that_nobody_has_answered_goes_to_the_model_of_today(jobs: Ledger) -> None:
    first, second = jobs.add([film(1), film(2)])
    jobs.answered(second, [("1.9", "results/2/0.dcm")])
    jobs.adopt({ledger.FILM: "m2"})
    assert [jobs.job(one.number).model for one in (first, second)] == ["m2", "m1"]


def test_what_is_nearly_done_goes_first_and_what_failed_waits(tmp_path: pathlib.Path) -> None:
    now = [100.0]
    jobs = Ledger(Database(tmp_path / "jobs"), lambda: now[0])
    first, second, third = jobs.add([film(1), film(2), film(3)])
    jobs.fetched(third, [("f", 5)])
    assert jobs.next() == jobs.job(third.number)
    jobs.failed(third, "no reason", 30.0)
    assert jobs.next() == first
    assert jobs.next_due() == 0
    now[0] = 131.0
    assert jobs.job(third.number).attempts == 1
    assert jobs.next() == jobs.job(third.number)
    assert second.number == 2


def test_a_dead_job_opens_again_where_it_died(jobs: Ledger) -> None:
    (job,) = jobs.add([film(1)])
    jobs.fetched(job, [("incoming/a", 7)])
    jobs.buried(jobs.job(job.number), "it hangs")
    assert jobs.next() is None
    assert [(one.number, one.died_in, one.reason) for one in jobs.dead()] == [(1, "fetched", "it hangs")]
    assert jobs.holds("incoming/a")
    assert jobs.retry_dead() == 1
    assert (jobs.job(1).state, jobs.job(1).attempts) == ("fetched", 0)


def test_a_done_job_needs_no_files_and_knows_its_results(jobs: Ledger) -> None:
    (job,) = jobs.add([film(1)])
    jobs.fetched(job, [("fetched/1/0.dcm", 7)])
    assert jobs.bytes_held() == 7
    jobs.answered(job, [("1.9", "results/1/0.dcm")])
    assert jobs.files_held() == {"fetched/1/0.dcm", "results/1/0.dcm"}
    jobs.sent(job)
    assert (jobs.bytes_held(), jobs.files_held()) == (0, set())
    assert jobs.is_result("1.9")
    assert not jobs.is_result("1.2.1.1")


def test_the_file_is_private_durable_and_of_one_version(tmp_path: pathlib.Path) -> None:
    path = tmp_path / database.NAME
    opened = Database(path)
    assert [file.stat().st_mode & 0o077 for file in tmp_path.iterdir()] == [0, 0, 0]
    assert (opened.value("PRAGMA synchronous"), opened.rows("PRAGMA journal_mode")[0][0]) == (2, "wal")
    opened.close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 9")
    with pytest.raises(DatabaseError, match="is of version 9"):
        Database(path)
    (tmp_path / "other").write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseError, match="damaged"):
        Database(tmp_path / "other")


class CrashError(BaseException):
    """The process is gone."""


@dataclasses.dataclass
class Crashing:
    """Ends the process at the calls whose turn it is."""

    when: list[int]
    calls: int = 0

    def point(self) -> None:
        self.calls += 1
        if self.when and self.calls == self.when[0]:
            self.when.pop(0)
            self.calls = 0
            raise CrashError


class FakeReader:
    """Fetches and answers at once; its results are the same for the same film, as the real ones are."""

    def __init__(self, state: pathlib.Path, crash: Crashing):
        self.state, self.crash = state, crash

    def fetch(self, instances: list[Instance], room: int) -> list[int]:
        self.crash.point()
        for one in instances:
            (self.state / one.file).parent.mkdir(parents=True, exist_ok=True)
            (self.state / one.file).write_bytes(b"film")
            self.crash.point()
        return [4 for _ in instances]

    def answer(self, kind: str, instances: list[Instance], folder: str) -> list[tuple[str, str]]:
        assert all((self.state / one.file).read_bytes() == b"film" for one in instances)
        self.crash.point()
        (self.state / folder).mkdir(parents=True, exist_ok=True)
        made = []
        for part in ("8", "9"):
            report = Dataset()
            report.file_meta = FileMetaDataset()
            report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
            report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = f"{instances[0].sop}.{part}"
            pydicom.dcmwrite(self.state / folder / f"{part}.dcm", report, enforce_file_format=True)
            made.append((str(report.SOPInstanceUID), f"{folder}/{part}.dcm"))
            self.crash.point()
        return made

    def ping(self) -> None:
        """Answers."""


class FakeArchive:
    """Counts what is stored, and may take objects in part."""

    def __init__(self, crash: Crashing, can_say: bool):
        self.crash, self.can_say, self.stored = crash, can_say, dict[str, int]()

    def has(self, study: str, sop: str) -> bool:
        return self.can_say and sop in self.stored

    def store(self, study: str, objects: list[Dataset]) -> None:
        for one in objects:
            self.crash.point()
            self.stored[one.SOPInstanceUID] = self.stored.get(one.SOPInstanceUID, 0) + 1
            self.crash.point()

    def ping(self) -> None:
        """Answers."""


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 14), max_size=10), st.booleans())
def test_wherever_the_process_ends_each_film_has_its_two_results_once(when: list[int], can_say: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        state = pathlib.Path(place)
        crash = Crashing(list(when))
        archive = FakeArchive(crash, can_say)
        for _ in range(len(when) + 1):
            opened = Database(state / database.NAME)
            jobs = Ledger(opened)
            course = Course(
                state, jobs, Partners(FakeReader(state, crash), archive), Bounds(),
                lambda *_, **__: crash.point(), metrics.Metrics(), random.Random(0),
            )  # fmt: skip
            try:
                crash.point()
                jobs.add([film(1), film(2)])
                while job := jobs.next():
                    course.step(job)
            except CrashError:
                continue
            finally:
                opened.close()
        # An archive keeps one object a UID, however often it is sent.
        assert set(archive.stored) == {f"1.2.{number}.1.{part}" for number in (1, 2) for part in (8, 9)}
        if can_say:
            assert set(archive.stored.values()) == {1}
        with contextlib.closing(Database(state / database.NAME)) as opened:
            assert Ledger(opened).counts() == {**dict.fromkeys(ledger.STATES, 0), "sent": 2}


def spoil(jobs: Ledger) -> None:
    with jobs.database.transaction() as connection:
        connection.execute("INSERT INTO results VALUES ('1.2', 1, 'f')")
        raise CrashError


def test_a_crash_within_a_transaction_leaves_nothing_of_it(jobs: Ledger) -> None:
    with pytest.raises(CrashError):
        spoil(jobs)
    assert not jobs.is_result("1.2")
