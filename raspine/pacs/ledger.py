"""What is to be done and what is done: a job a film or study, from the first sight to the report sent.

States: new -> fetched -> answered -> sent; refused (nothing to be done about it) and dead (too many attempts). Each
step is one transaction, so that a crash leaves a job before a step or after it.
"""

import dataclasses
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from raspine.pacs.database import Database
from raspine.pacs.instances import Instance

NEW, FETCHED, ANSWERED, SENT, REFUSED, DEAD = STATES = ("new", "fetched", "answered", "sent", "refused", "dead")
OPEN = (NEW, FETCHED, ANSWERED)
FILM, STUDY, OTHER = KINDS = ("film", "study", "other")

_OPEN = "state IN ('new', 'fetched', 'answered')"
_UNANSWERED = "kind = ? AND state IN ('new', 'fetched')"
_LEFT = f"{_UNANSWERED} AND model != ?"
_OF_JOB = "kind = ? AND subject = ? AND content = ?"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A job that may be made.

    Attributes:
      kind: one of `KINDS`; `other` for images that no model here handles.
      study: Study Instance UID.
      subject: SOP Instance UID of a film, else Study Instance UID.
      content: which images of a study, or the SOP class of others; empty for a film.
      model: digest of the model that shall answer; empty when none does.
      instances: the images; none when nothing can be done.
      refusal: why nothing can be done; empty when something can.
    """

    kind: str
    study: str = dataclasses.field(repr=False)
    subject: str = dataclasses.field(repr=False)
    content: str
    model: str
    instances: tuple[Instance, ...] = dataclasses.field(default=(), repr=False)
    refusal: str = ""


@dataclasses.dataclass(frozen=True)
class Job:
    """A job as the ledger has it; see `Plan`.

    Attributes:
      number: running, of the ledger.
      state: one of `STATES`.
      attempts: how many failed since the last step.
      crashes: how many of them ended the process that reads images.
      reason: of the last failure or refusal.
      died_in: the state in which it was given up.
    """

    number: int
    kind: str
    study: str = dataclasses.field(repr=False)
    subject: str = dataclasses.field(repr=False)
    content: str
    model: str
    state: str
    attempts: int
    crashes: int
    reason: str
    died_in: str


class Ledger:
    """The jobs of a database.

    Args:
      database: where they stand.
      clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time):
        self.database, self.clock = database, clock

    def add(self, plans: Sequence[Plan], reprocess: bool = False) -> list[Job]:
        """Makes the jobs that are not there yet, in one transaction, and returns them.

        Args:
          plans: for what.
          reprocess: whether images that another model answered, or refused, are answered again by this one.
        """
        with self.database.transaction() as connection:
            numbers = [number for plan in plans if (number := self._add(connection, plan, reprocess))]
        return [self.job(number) for number in numbers]

    def missing(self, plans: Sequence[Plan], reprocess: bool = False) -> list[Plan]:
        """Returns the plans of which `add` would make jobs."""
        return [plan for plan in plans if self._is_missing(self.database.rows, plan, reprocess)]

    def _is_missing(self, query: Callable[..., Iterable[sqlite3.Row]], plan: Plan, reprocess: bool) -> bool:
        models = [row[0] for row in query(f"SELECT model FROM jobs WHERE {_OF_JOB}", *_key(plan))]
        return plan.model not in models and (reprocess or not models)

    def _add(self, connection: sqlite3.Connection, plan: Plan, reprocess: bool) -> int:
        if not self._is_missing(lambda text, *values: connection.execute(text, values), plan, reprocess):
            return 0
        now, state = self.clock(), REFUSED if plan.refusal else NEW
        cursor = connection.execute(
            "INSERT INTO jobs (kind, subject, content, study, model, state, reason, made, changed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*_key(plan), plan.study, plan.model, state, plan.refusal, now, now),
        )
        number = int(cursor.lastrowid or 0)
        if not plan.refusal:
            connection.executemany(
                "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (number, place, one.series, one.sop, one.sop_class, one.file, one.size)
                    for place, one in enumerate(plan.instances)
                ],
            )
        return number

    def job(self, number: int) -> Job:
        """Returns a job as it stands."""
        return _job(self.database.rows("SELECT * FROM jobs WHERE number = ?", number)[0])

    def next(self) -> Job | None:
        """Returns the job to go on with: due, the furthest first, then the oldest; None when there is none."""
        found = self.database.rows(
            f"SELECT * FROM jobs WHERE {_OPEN} AND due <= ? "
            "ORDER BY state = 'answered' DESC, state = 'fetched' DESC, number LIMIT 1",
            self.clock(),
        )
        return _job(found[0]) if found else None

    def sources(self, job: Job) -> list[Instance]:
        """Returns the images of a job that is not done."""
        rows = self.database.rows("SELECT * FROM sources WHERE job = ? ORDER BY place", job.number)
        return [
            Instance(job.study, row["series"], row["sop"], row["sop_class"], row["file"], row["size"]) for row in rows
        ]

    def slices(self, study: str) -> set[str]:
        """Returns the SOP Instance UIDs that the jobs of an MRI study, done or not, were made for."""
        rows = self.database.rows(
            "SELECT sop FROM sources JOIN jobs ON jobs.number = sources.job WHERE kind = ? AND subject = ?",
            STUDY,
            study,
        )
        return {row[0] for row in rows}

    def results(self, job: Job) -> list[tuple[str, str]]:
        """Returns SOP Instance UID and file of what a job has made and not yet sent."""
        rows = self.database.rows("SELECT sop, file FROM results WHERE job = ? ORDER BY file", job.number)
        return [(row["sop"], row["file"]) for row in rows]

    def is_result(self, sop: str) -> bool:
        """Returns whether an object is one that was made here."""
        return bool(self.database.rows("SELECT 1 FROM results WHERE sop = ?", sop))

    def fetched(self, job: Job, files: Sequence[tuple[str, int]]) -> None:
        """Notes that every image of a job is here.

        Args:
          job: the job.
          files: of each image its file, relative to the state folder, and its bytes, in the order of `sources`.
        """
        with self.database.transaction() as connection:
            connection.executemany(
                "UPDATE sources SET file = ?, size = ? WHERE job = ? AND place = ?",
                [(file, size, job.number, place) for place, (file, size) in enumerate(files)],
            )
            self._move(connection, job, FETCHED)

    def answered(self, job: Job, results: Sequence[tuple[str, str]]) -> None:
        """Notes that a job's results stand on the disk: SOP Instance UID and file of each."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM results WHERE job = ?", (job.number,))
            connection.executemany(
                "INSERT OR REPLACE INTO results (sop, job, file) VALUES (?, ?, ?)",
                [(sop, job.number, file) for sop, file in results],
            )
            self._move(connection, job, ANSWERED)

    def sent(self, job: Job) -> None:
        """Notes that a job's results are in the archive."""
        self._end(job, SENT, "")

    def refused(self, job: Job, reason: str) -> None:
        """Notes that a job's images cannot be handled."""
        self._end(job, REFUSED, reason)

    def failed(self, job: Job, reason: str, wait: float, crashed: bool = False) -> None:
        """Notes a failed attempt; the next is due after `wait` seconds."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET attempts = attempts + 1, crashes = crashes + ?, reason = ?, due = ?, changed = ? "
                "WHERE number = ?",
                (int(crashed), reason, self.clock() + wait, self.clock(), job.number),
            )

    def buried(self, job: Job, reason: str) -> None:
        """Notes that a job is given up; its files stay, so that it can be tried again."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, died_in = state, attempts = attempts + 1, reason = ?, changed = ? "
                "WHERE number = ?",
                (DEAD, reason, self.clock(), job.number),
            )

    def dead(self) -> list[Job]:
        """Returns the dead-letter list."""
        return [_job(row) for row in self.database.rows("SELECT * FROM jobs WHERE state = 'dead' ORDER BY number")]

    def retry_dead(self) -> int:
        """Opens every dead job again where it died; returns how many there were."""
        with self.database.transaction() as connection:
            cursor = connection.execute(
                "UPDATE jobs SET state = died_in, died_in = '', attempts = 0, crashes = 0, due = 0, changed = ? "
                "WHERE state = 'dead'",
                (self.clock(),),
            )
        return cursor.rowcount

    def adopt(self, models: Mapping[str, str]) -> None:
        """Gives jobs that no model has answered yet to the models of today.

        A job to answer again what the model of today has answered before is dropped.

        Args:
          models: digest by kind of job.
        """
        with self.database.transaction() as connection:
            for kind, digest in models.items():
                connection.execute(f"UPDATE OR IGNORE jobs SET model = ? WHERE {_UNANSWERED}", (digest, kind))
                connection.execute(
                    f"DELETE FROM sources WHERE job IN (SELECT number FROM jobs WHERE {_LEFT})", (kind, digest)
                )
                connection.execute(f"DELETE FROM jobs WHERE {_LEFT}", (kind, digest))

    def counts(self) -> dict[str, int]:
        """Returns how many jobs there are by state."""
        found = {row[0]: row[1] for row in self.database.rows("SELECT state, COUNT(*) FROM jobs GROUP BY state")}
        return {state: found.get(state, 0) for state in STATES}

    def waiting(self) -> int:
        """Returns how many jobs are not done, objects apart that are not yet in any."""
        return self.database.value(f"SELECT COUNT(*) FROM jobs WHERE {_OPEN}")

    def next_due(self) -> float | None:
        """Returns when the next open job is due, seconds since 1970; None when none is open."""
        rows = self.database.rows(f"SELECT MIN(due) FROM jobs WHERE {_OPEN}")
        return rows[0][0]

    def bytes_held(self) -> int:
        """Returns the bytes of image files on this machine that jobs and arrivals have."""
        return self.database.value("SELECT SUM(size) FROM sources WHERE file != ''") + self.database.value(
            "SELECT SUM(size) FROM arrivals"
        )

    def holds(self, file: str) -> bool:
        """Returns whether a job that is not done needs an image file."""
        return bool(self.database.rows("SELECT 1 FROM sources WHERE file = ?", file))

    def files_held(self) -> set[str]:
        """Returns every file, relative to the state folder, that is still needed."""
        rows = self.database.rows(
            "SELECT file FROM sources WHERE file != '' UNION SELECT file FROM arrivals UNION SELECT file FROM results "
            f"WHERE job IN (SELECT number FROM jobs WHERE {_OPEN} OR state = 'dead')"
        )
        return {row[0] for row in rows}

    def _move(self, connection: sqlite3.Connection, job: Job, state: str) -> None:
        connection.execute(
            "UPDATE jobs SET state = ?, attempts = 0, crashes = 0, due = 0, reason = '', changed = ? WHERE number = ?",
            (state, self.clock(), job.number),
        )

    def _end(self, job: Job, state: str, reason: str) -> None:
        with self.database.transaction() as connection:
            self._move(connection, job, state)
            connection.execute("UPDATE jobs SET reason = ? WHERE number = ?", (reason, job.number))
            if job.kind == STUDY:  # what it was read from stays known, without the files
                connection.execute("UPDATE sources SET file = '', size = 0 WHERE job = ?", (job.number,))
            else:
                connection.execute("DELETE FROM sources WHERE job = ?", (job.number,))


def _key(plan: Plan) -> tuple[str, str, str]:
    return plan.kind, plan.subject, plan.content


def _job(row: sqlite3.Row) -> Job:
    return Job(**{field.name: row[field.name] for field in dataclasses.fields(Job)})
