import pathlib
import random
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from raspine.pacs import audit, backoff, ledger, metrics
from raspine.pacs.course import Bounds, Course, Partners, PauseError
from raspine.pacs.database import Database
from raspine.pacs.failures import CrashedError, FailedError, OutageError, RefusedError
from raspine.pacs.instances import Instance
from raspine.pacs.ledger import Job, Ledger, Plan


class Partner:
    """Reader, source and destination in one, which raises what it is told to."""

    def __init__(self) -> None:
        self.troubles: dict[str, list[Exception]] = {}
        self.stored: list[str] = []

    def _do(self, what: str) -> None:
        if self.troubles.get(what):
            raise self.troubles[what].pop(0)

    def fetch(self, instances: list[Instance], room: int) -> list[int]:
        self._do("fetch")
        return [3 for _ in instances]

    def answer(self, kind: str, instances: list[Instance], folder: str) -> list[tuple[str, str]]:
        self._do("answer")
        return []

    def has(self, study: str, sop: str) -> bool:
        return False

    def store(self, study: str, objects: list[Any]) -> None:
        self._do("store")

    def ping(self) -> None:
        self._do("ping")


class Case:
    def __init__(self, folder: pathlib.Path, attempts: int = 3):
        self.folder, self.now, self.events = folder, 1000.0, list[str]()
        self.jobs = Ledger(Database(folder / "jobs"), lambda: self.now)
        self.partner, self.metrics = Partner(), metrics.Metrics()
        self.course = Course(
            folder, self.jobs, Partners(self.partner, self.partner, self.partner), Bounds(attempts, 100),
            self._tell, self.metrics, random.Random(1),
        )  # fmt: skip
        one = Instance("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.1")
        self.jobs.add([Plan(ledger.FILM, "1.2", one.sop, "", "m", (one,))])

    def _tell(self, event: str, job: Job, **_: object) -> None:
        self.events.append(event)

    def step(self) -> Job:
        job = self.jobs.next()
        assert job is not None
        return self.course.step(job)


def give_result(case: Case) -> None:
    """Gives the job a result to send."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = "1.2.9"
    one.save_as(case.folder / "report.dcm", enforce_file_format=True)
    case.jobs.answered(case.jobs.job(1), [("1.2.9", "report.dcm")])


@pytest.fixture
def case(tmp_path: pathlib.Path) -> Case:
    return Case(tmp_path)


def test_a_job_goes_from_step_to_step(case: Case) -> None:
    assert [case.step().state for _ in range(3)] == ["fetched", "answered", "sent"]
    assert case.events == [audit.FETCHED, audit.ANSWERED, audit.SENT]
    assert case.jobs.next() is None


def test_what_cannot_be_handled_is_refused_at_once_and_for_good(case: Case) -> None:
    case.partner.troubles["answer"] = [RefusedError("not the cervical spine.")]
    case.step()
    after = case.step()
    assert (after.state, after.reason, case.jobs.next()) == ("refused", "not the cervical spine.", None)


def test_a_failed_step_is_tried_again_later_and_later_and_then_given_up(case: Case) -> None:
    case.partner.troubles["fetch"] = [FailedError("status 500.")] * 3
    waits = []
    for _ in range(2):
        assert case.step().state == "new"
        due = case.jobs.next_due()
        assert due is not None
        waits.append(due - case.now)
        assert case.jobs.next() is None
        case.now = due
    assert case.step().state == "dead"
    assert 1 <= waits[0] <= 2
    assert 2 <= waits[1] <= 4
    assert case.events == [audit.FAILED, audit.FAILED, audit.DEAD]
    assert case.jobs.dead()[0].reason == "status 500."


def test_a_step_that_went_well_forgets_the_failures_before(case: Case) -> None:
    case.partner.troubles["fetch"] = [FailedError("once.")]
    case.step()
    case.now += 60
    assert case.step().state == "fetched"
    assert case.jobs.job(1).attempts == 0


def test_images_that_crash_the_reading_twice_are_given_up(tmp_path: pathlib.Path) -> None:
    case = Case(tmp_path, attempts=9)
    case.partner.troubles["answer"] = [CrashedError("it hangs.")] * 2
    case.step()
    assert case.step().state == "fetched"
    case.now += 60
    assert case.step().state == "dead"


@pytest.mark.parametrize(("steps", "what"), [(0, "fetch"), (1, "answer"), (2, "store")])
def test_an_outage_costs_no_attempt(case: Case, steps: int, what: str) -> None:
    for _ in range(steps):
        case.step()
    case.partner.troubles = {what: [OutageError("gone.")], "ping": [OutageError("gone.")]}
    if what == "store":
        give_result(case)
    with pytest.raises(PauseError) as pause:
        case.step()
    assert pause.value.partner == {"fetch": "archive", "answer": "model", "store": "destination"}[what]
    assert case.jobs.job(1).attempts == 0
    assert case.step().state == ("fetched", "answered", "sent")[steps]


def test_a_partner_that_fails_on_one_job_alone_does_not_stop_the_others(case: Case) -> None:
    case.partner.troubles = {"fetch": [OutageError("timed out.")]}
    assert case.step().attempts == 1


def test_nothing_is_fetched_when_there_is_no_room(case: Case) -> None:
    case.jobs.database.rows("INSERT INTO arrivals VALUES ('1.5', '1', '1', '1', 'f', 100, 0)")
    assert "no room" in case.step().reason


def test_waits_double_up_to_the_longest_and_are_never_below_half() -> None:
    draw = random.Random(3)
    for attempts, whole in ((1, 2), (2, 4), (5, 32), (30, 600), (100_000, 600)):
        waits = [backoff.seconds(attempts, draw) for _ in range(200)]
        assert whole / 2 <= min(waits) < 0.6 * whole
        assert 0.9 * whole < max(waits) <= whole
