import datetime
import pathlib
from collections.abc import Iterator

import pytest

from raspine.pacs import ledger, picking, storage
from raspine.pacs.archive import Listed
from raspine.pacs.arrivals import Arrivals
from raspine.pacs.database import Database
from raspine.pacs.failures import FailedError, OutageError, RefusedError
from raspine.pacs.instances import Instance, fingerprint, is_uid
from raspine.pacs.ledger import Job, Ledger
from raspine.pacs.watching import Watcher, Window

FILM, MR, SR = storage.FILMS[0], storage.SLICES[0], storage.RESULTS[0]
CT = "1.2.840.10008.5.1.4.1.1.2"
MODELS = {ledger.FILM: "film-model", ledger.STUDY: "risk-model"}


def instance(study: str, number: int, sop_class: str = FILM, file: str = "") -> Instance:
    return Instance(study, f"{study}.1", f"{study}.1.{number}", sop_class, file, 9)


class FakeArchive:
    def __init__(self) -> None:
        self.content: dict[str, list[Instance]] = {}
        self.says_counts, self.asked = True, list[str]()
        self.trouble: Exception | None = None
        self.troubled = ""  # the one study that it cannot list; empty for all
        self.is_there = True

    def studies(self, since: datetime.date | None, most: int) -> Iterator[Listed]:
        for uid, found in self.content.items():
            yield Listed(uid, len(found) if self.says_counts else None)

    def instances(self, study: str, most: int) -> list[Instance]:
        self.asked.append(study)
        if self.trouble and self.troubled in ("", study):
            raise self.trouble
        return self.content[study]

    def ping(self) -> None:
        if not self.is_there:
            raise OutageError("gone.")


class Case:
    def __init__(self, folder: pathlib.Path):
        self.folder, self.now, self.events = folder, 1000.0, list[str]()
        self.database = Database(folder / "jobs")
        self.jobs, self.arrivals = Ledger(self.database, self.clock), Arrivals(self.database, self.clock)
        self.archive = FakeArchive()

    def clock(self) -> float:
        return self.now

    def watcher(self, models: dict[str, str] = MODELS, **window: object) -> Watcher:
        options = {"quiet_seconds": 10.0, **window}
        return Watcher(self.folder, self.jobs, self.arrivals, Window(**options), models, self._tell)  # type: ignore[arg-type]

    def _tell(self, event: str, job: Job, **_: object) -> None:
        self.events.append(event)

    def states(self) -> dict[str, int]:
        return {state: count for state, count in self.jobs.counts().items() if count}


@pytest.fixture
def case(tmp_path: pathlib.Path) -> Case:
    return Case(tmp_path)


def test_a_study_is_taken_once_it_is_quiet_and_then_left_alone(case: Case) -> None:
    watcher = case.watcher()
    case.archive.content["1.2"] = [instance("1.2", 1)]
    assert watcher.look(case.archive) == 0
    case.now += 9
    case.archive.content["1.2"].append(instance("1.2", 2))
    assert watcher.look(case.archive) == 0
    case.now += 9
    assert watcher.look(case.archive) == 0
    case.now += 2
    assert watcher.look(case.archive) == 2
    asked = len(case.archive.asked)
    case.now += 100
    assert watcher.look(case.archive) == 0
    assert len(case.archive.asked) == asked


@pytest.mark.parametrize("says_counts", [True, False])
def test_our_results_do_not_make_a_study_new(case: Case, says_counts: bool) -> None:
    case.archive.says_counts = says_counts
    case.archive.content["1.2"] = [instance("1.2", 1)]
    watcher = case.watcher()
    assert watcher.look(case.archive, patient=False) == 1
    case.jobs.answered(case.jobs.job(1), [("1.2.9.1", "f")])
    case.archive.content["1.2"].append(Instance("1.2", "1.2.9", "1.2.9.1", SR))
    for _ in range(3):
        case.now += 60
        assert watcher.look(case.archive) == 0


def test_a_film_that_comes_later_is_taken_alone(case: Case) -> None:
    watcher = case.watcher()
    case.archive.content["1.2"] = [instance("1.2", 1)]
    assert watcher.look(case.archive, patient=False) == 1
    case.archive.content["1.2"].append(instance("1.2", 2))
    assert watcher.look(case.archive, patient=False) == 1
    assert case.states() == {"new": 2}


def test_slices_that_come_later_make_the_study_a_new_job(case: Case) -> None:
    watcher = case.watcher()
    case.archive.content["1.2"] = [instance("1.2", number, MR) for number in range(3)]
    assert watcher.look(case.archive, patient=False) == 1
    case.archive.content["1.2"].append(instance("1.2", 7, MR))
    assert watcher.look(case.archive, patient=False) == 1
    assert [len(case.jobs.sources(case.jobs.job(number))) for number in (1, 2)] == [3, 4]


def test_what_no_model_takes_is_on_record_once_for_each_class(case: Case) -> None:
    case.archive.content["1.2"] = [instance("1.2", 1), *(instance("1.2", number, CT) for number in range(2, 9))]
    watcher = case.watcher({ledger.FILM: "film-model"})
    case.archive.content["1.3"] = [instance("1.3", 1, MR)]
    watcher.look(case.archive, patient=False)
    assert case.states() == {"new": 1, "refused": 2}
    reasons = {job.reason for number in range(1, 4) if (job := case.jobs.job(number)).state == "refused"}
    assert reasons == {"no model here takes CT Image Storage.", "no model here takes MR Image Storage."}
    assert sorted(case.events) == ["planned", "refused", "refused"]


def test_a_model_that_is_added_gets_the_studies_seen_before(case: Case) -> None:
    case.archive.content["1.3"] = [instance("1.3", 1, MR)]
    case.watcher({ledger.FILM: "film-model"}).look(case.archive, patient=False)
    assert case.watcher().look(case.archive, patient=False) == 1
    assert case.states() == {"new": 1, "refused": 1}


def test_a_new_model_leaves_old_films_alone_unless_it_is_asked(case: Case) -> None:
    case.archive.content["1.2"] = [instance("1.2", 1)]
    case.watcher().look(case.archive, patient=False)
    case.jobs.sent(case.jobs.job(1))
    newer = {ledger.FILM: "newer"}
    assert case.watcher(newer).look(case.archive, patient=False) == 0
    assert case.watcher(newer, reprocess=True).look(case.archive, patient=False) == 1
    assert case.watcher(newer, reprocess=True).look(case.archive, patient=False) == 0


def test_a_full_queue_takes_no_more(case: Case) -> None:
    case.archive.content = {f"1.{number}": [instance(f"1.{number}", 1)] for number in range(2, 12)}
    watcher = case.watcher(queue=3)
    assert watcher.look(case.archive, patient=False) == 3
    assert watcher.is_full()
    case.jobs.sent(case.jobs.job(1))
    assert watcher.look(case.archive, patient=False) == 1


def test_a_study_that_cannot_be_asked_for_does_not_stop_the_others(case: Case) -> None:
    case.archive.content["1.2"] = [instance("1.2", 1)]
    case.archive.trouble = FailedError("status 500.")
    assert case.watcher().look(case.archive, patient=False) == 0
    case.archive.trouble = RefusedError("the study has more than 5 objects.")
    assert case.watcher().look(case.archive, patient=False) == 1
    assert case.states() == {"refused": 1}


def test_a_study_too_slow_to_list_does_not_stop_the_others(case: Case) -> None:
    case.archive.content = {uid: [instance(uid, 1)] for uid in ("1.2", "1.3", "1.4")}
    case.archive.trouble, case.archive.troubled = OutageError("status 504."), "1.2"
    assert [plan.study for plan in case.watcher().preview(case.archive)] == ["1.3", "1.4"]
    assert case.watcher().look(case.archive, patient=False) == 2
    case.archive.is_there = False
    for look in (case.watcher().look, case.watcher().preview):
        with pytest.raises(OutageError, match="gone"):
            look(case.archive)
    case.archive.trouble = None
    assert case.watcher().look(case.archive, patient=False) == 1


def test_a_preview_says_what_would_be_refused(case: Case) -> None:
    case.archive.content["1.2"] = [instance("1.2", 1)]
    case.archive.trouble = RefusedError("the study has more than 5 objects.")
    [plan] = case.watcher().preview(case.archive)
    assert (plan.kind, plan.refusal) == ("other", "the study has more than 5 objects.")
    assert case.states() == {}


def test_a_preview_writes_nothing(case: Case) -> None:
    case.archive.content["1.2"] = [instance("1.2", 1), instance("1.2", 2, CT)]
    plans = case.watcher().preview(case.archive)
    assert sorted((plan.kind, bool(plan.refusal)) for plan in plans) == [("film", False), ("other", True)]
    assert case.states() == {}


def test_objects_received_become_jobs_once_their_study_is_quiet(case: Case) -> None:
    files = [case.folder / f"{number}.dcm" for number in range(3)]
    for number, path in enumerate(files):
        path.write_bytes(b"film")
        case.arrivals.note(instance("1.2", number, (FILM, FILM, CT)[number], path.name))
        case.now += 6
    watcher = case.watcher()
    assert watcher.take_arrivals() == 0
    case.now += 5
    assert watcher.take_arrivals() == 3
    assert case.states() == {"new": 2, "refused": 1}
    assert case.arrivals.count() == 0
    assert [path.exists() for path in files] == [True, True, False]


def test_slices_received_after_the_others_are_not_read_without_them(case: Case) -> None:
    watcher = case.watcher()

    def receive(*numbers: int) -> None:
        for number in numbers:
            name = f"{case.now:g}_{number}"
            (case.folder / name).write_bytes(b"slice")
            case.arrivals.note(instance("1.2", number, MR, name))
        case.now += 1

    receive(1, 2, 3)
    assert watcher.take_arrivals(patient=False) == 1
    case.jobs.sent(case.jobs.job(1))
    receive(4, 5)
    assert watcher.take_arrivals(patient=False) == 1
    assert case.states() == {"sent": 1, "refused": 1}
    assert case.jobs.job(2).reason.endswith("send the whole study again.")
    receive(1, 2, 3, 4, 5)
    assert watcher.take_arrivals(patient=False) == 1
    assert len(case.jobs.sources(case.jobs.job(3))) == 5
    case.jobs.sent(case.jobs.job(3))
    assert case.jobs.files_held() == set()
    assert case.jobs.bytes_held() == 0


def test_a_film_received_again_is_not_answered_again(case: Case) -> None:
    watcher = case.watcher()
    (case.folder / "a").write_bytes(b"film")
    (case.folder / "b").write_bytes(b"film")
    case.arrivals.note(instance("1.2", 1, file="a"))
    assert watcher.take_arrivals(patient=False) == 1
    case.arrivals.note(instance("1.2", 1, file="b"))
    assert watcher.take_arrivals(patient=False) == 0
    assert (case.folder / "a").exists()
    assert not (case.folder / "b").exists()


@pytest.mark.parametrize("text", ["", "1.2/../../etc", "../1", "1..2", ".1", "1.", "1.2\n", "1" * 65, "1.2.x", "１.2"])
def test_what_is_no_uid_makes_no_instance(text: str) -> None:
    assert not is_uid(text)
    with pytest.raises(ValueError, match="has no UID"):
        Instance("1.2", text, "1.2.3", FILM)


def test_a_fingerprint_is_of_the_images_and_not_of_their_order() -> None:
    one, other = instance("1.2", 1), instance("1.2", 2)
    assert fingerprint([one, other]) == fingerprint([other, one]) != fingerprint([one])


def test_every_class_that_is_taken_is_of_one_kind() -> None:
    every = [*storage.FILMS, *storage.SLICES]
    assert len(set(every)) == len(every)
    plans = picking.plans([instance("1.2", number, one) for number, one in enumerate(every)], MODELS)
    assert [plan.kind for plan in plans] == ["film"] * len(storage.FILMS) + ["study"]
