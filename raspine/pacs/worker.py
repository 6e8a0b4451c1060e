"""The loop beside an archive: look, make jobs, take each to its end, wait; until it is told to stop."""

import contextlib
import dataclasses
import pathlib
import random
import sqlite3
import threading
import time
from typing import Any

from raspine.pacs import audit, backoff, ledger, metrics
from raspine.pacs.arrivals import Arrivals
from raspine.pacs.course import FETCHED_FOLDER, RESULTS_FOLDER, Bounds, Course, Partners, PauseError
from raspine.pacs.database import Database
from raspine.pacs.failures import FailedError, OutageError
from raspine.pacs.health import Status
from raspine.pacs.incoming import FOLDER as INCOMING_FOLDER
from raspine.pacs.instances import Instance
from raspine.pacs.ledger import Job, Ledger
from raspine.pacs.pseudonym_key import Key
from raspine.pacs.roster import Roster, digests
from raspine.pacs.watching import Watcher, Window

_PAUSE_FIRST, _PAUSE_LONGEST = 1.0, 30.0  # seconds
# What a step in a state proves to be there; fetching may have had its files already.
_PROVEN = {
    ledger.NEW: (metrics.STATE,),
    ledger.FETCHED: (metrics.STATE, metrics.MODEL),
    ledger.ANSWERED: (metrics.STATE, metrics.DESTINATION),
}
_IDLE = 60.0  # seconds after which partners are asked whether they are still there


@dataclasses.dataclass(frozen=True)
class Desk:
    """What a worker keeps in its state folder.

    Attributes:
      folder: where.
      database: jobs and what led to them.
      log: the audit log.
      key: makes pseudonyms.
    """

    folder: pathlib.Path
    database: Database
    log: audit.Log
    key: Key


class Worker:
    """Does the work of one state folder.

    Args:
      desk: what it keeps.
      partners: with whom it deals.
      window: what it looks at.
      bounds: how far a job may go.
      poll_seconds: between two looks at the archive; 0 for none.
    """

    def __init__(self, desk: Desk, partners: Partners, window: Window, bounds: Bounds, poll_seconds: float):
        self.metrics = metrics.Metrics()
        self.jobs, self.arrivals = Ledger(desk.database), Arrivals(desk.database)
        self._desk, self._partners, self._poll_seconds, self._window = desk, partners, poll_seconds, window
        self._draw = random.Random()
        models = digests(partners.reader.identities)
        self._watcher = Watcher(desk.folder, self.jobs, self.arrivals, window, models, self._tell)
        self._roster = Roster(partners.reader, self.jobs, self._watcher, self.metrics, self.tell)
        self._course = Course(desk.folder, self.jobs, partners, bounds, self._tell, self.metrics, self._draw)
        self._wake = threading.Event()
        self._stopping = False
        self._next_poll = self._paused_until = 0.0
        self._last_greeting = -_IDLE
        self._pauses = 0
        self._lost: dict[str, str] = {}  # why, by partner
        self._sweep()

    def stop(self) -> None:
        """Lets the loop end after the job under way; safe in a signal handler."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Works until it is stopped."""
        self.tell(audit.STARTED)
        while not self._stopping:
            self._wake.clear()
            if not self._turned() and not self._stopping:
                self._wake.wait(self._wait())
        self.tell(audit.STOPPED)

    def once(self) -> None:
        """Does what there is to do now, without waiting for studies to become quiet or for failed jobs to be due.

        Raises:
          PauseError: a partner cannot be reached.
        """
        try:
            self._look(patient=False)
        except (OutageError, FailedError) as error:
            self.metrics.outage(metrics.ARCHIVE)
            raise PauseError(metrics.ARCHIVE, str(error)) from error
        self._watcher.take_arrivals(patient=False)
        while not self._stopping and (job := self.jobs.next()):
            with self._roster.adopting():
                self._carry(job)

    def take(self, instance: Instance) -> None:
        """Takes an object that stands in the incoming folder."""
        # Told first: what cannot be told is not acknowledged, and must not become a job either.
        self.tell(audit.RECEIVED, object=self._desk.key.of(instance.sop), study=self._desk.key.of(instance.study))
        if replaced := self.arrivals.note(instance):
            (self._desk.folder / replaced).unlink(missing_ok=True)
        self._wake.set()

    def is_full(self) -> bool:
        """Returns whether nothing new is taken."""
        return self._watcher.is_full()

    def tell(self, event: str, **facts: object) -> None:
        """Writes an event into the audit log and counts it."""
        self._desk.log.tell(event, **facts)
        self.metrics.event(event)

    def status(self) -> Status:
        """Returns how the worker is, and brings its metrics up to date."""
        try:
            counts, waiting, arrived = self.jobs.counts(), self.jobs.waiting(), self.arrivals.count()
            self.metrics.stands(counts, waiting + arrived, self.jobs.bytes_held())
        except Exception:  # whatever is wrong with the database, the page says so
            return Status({"database": False}, {})
        checks = {"database": True} | {name: name not in self._lost for name in metrics.PARTNERS}
        jobs = {f"jobs {state}": count for state, count in counts.items()}
        facts = {**jobs, "objects in no job yet": arrived, **self._roster.facts()}
        return Status(checks, facts, dict(self._lost))

    def _turned(self) -> bool:
        """Does one thing; returns whether there was one. Pauses when a partner or the state folder fails."""
        try:
            with self._roster.adopting():
                return self._turn()
            return True
        except PauseError as pause:
            self._pause(pause.partner, str(pause))
        except (OSError, sqlite3.Error) as error:  # a full disk, mostly
            self.metrics.outage(metrics.STATE)
            self._pause(metrics.STATE, f"{getattr(error, 'strerror', None) or error}.")
        return False

    def _turn(self) -> bool:
        self._roster.adopt()
        self._watcher.take_arrivals()
        now = time.monotonic()
        if now < self._paused_until:
            return False
        if self._poll_seconds and now >= self._next_poll:
            try:
                self._look()
            except (OutageError, FailedError) as error:
                self.metrics.outage(metrics.ARCHIVE)
                self._pause(metrics.ARCHIVE, str(error))
            self._next_poll = time.monotonic() + self._poll_seconds
        if now > self._last_greeting + _IDLE:
            self._greet()
        if job := self.jobs.next():
            self._carry(job)
            return True
        if self._lost:
            self._greet()
        return False

    def _carry(self, job: Job) -> None:
        """Takes a job as far as it goes now."""
        while True:
            after = self._course.step(job)
            self._reached(*_PROVEN[job.state])
            if after.state == job.state or after.state not in ledger.OPEN:
                return
            job = after

    def _look(self, patient: bool = True) -> None:
        if self._partners.source is None or not self._poll_seconds:
            return
        with self.metrics.timed(metrics.POLL):
            self._watcher.look(self._partners.source, patient)
        self._reached(metrics.ARCHIVE, metrics.STATE)

    def _greet(self) -> None:
        """Asks partners whether they are there, and models whether they are those that they were."""
        self._last_greeting = time.monotonic()
        for partner, ping in (
            (metrics.DESTINATION, self._partners.destination.ping),
            (metrics.MODEL, self._partners.reader.ping),
        ):
            try:
                ping()
            except (OutageError, FailedError) as error:
                self.metrics.outage(partner)
                raise PauseError(partner, str(error)) from error
            self._reached(partner, metrics.STATE)

    def _reached(self, *partners: str) -> None:
        for partner in partners:
            if self._lost.pop(partner, None) is not None:
                self._tell_of(audit.PARTNER_BACK, partner=partner)
        if not self._lost:
            self._pauses = 0

    def _pause(self, partner: str, reason: str) -> None:
        known, self._lost[partner] = self._lost.get(partner), reason
        if known != reason:
            self._tell_of(audit.PARTNER_LOST, partner=partner, reason=reason)
        if time.monotonic() < self._paused_until:
            return  # two partners that are gone are one reason to wait
        self._pauses += 1
        wait = backoff.seconds(self._pauses, self._draw, _PAUSE_FIRST, _PAUSE_LONGEST)
        self._paused_until = time.monotonic() + wait

    def _tell_of(self, event: str, **facts: object) -> None:
        with contextlib.suppress(OSError):  # the partner may be the disk of the log itself
            self.tell(event, **facts)

    def _wait(self) -> float:
        """Returns for how many seconds there is nothing to do."""
        try:
            return self._rest()
        except sqlite3.Error:
            return _PAUSE_FIRST

    def _rest(self) -> float:
        now, today = time.monotonic(), time.time()
        times = [self._last_greeting + _IDLE - now]
        if self._poll_seconds:
            times.append(self._next_poll - now)
        if (due := self.jobs.next_due()) is not None:
            times.append(due - today)
        pause = self._paused_until - now
        wait = max(pause, min(times)) if pause > 0 else min(times)
        if (quiet := self.arrivals.next_quiet(self._window.quiet_seconds)) is not None:
            wait = min(wait, quiet - today)
        return max(wait, 0.05)

    def _tell(self, event: str, job: Job, **facts: Any) -> None:
        of = self._desk.key.of
        self.tell(
            event, job=job.number, kind=job.kind, id=of(job.subject), study=of(job.study), model=job.model[:12], **facts
        )

    def _sweep(self) -> None:
        """Removes the files of jobs that are done or never came to be, left by a crash."""
        held = self.jobs.files_held()
        for folder in (INCOMING_FOLDER, FETCHED_FOLDER, RESULTS_FOLDER):
            root = self._desk.folder / folder
            for path in sorted(root.rglob("*"), reverse=True) if root.is_dir() else ():
                if path.is_dir() and not path.is_symlink():
                    if not any(path.iterdir()):
                        path.rmdir()
                elif path.relative_to(self._desk.folder).as_posix() not in held:
                    path.unlink()
