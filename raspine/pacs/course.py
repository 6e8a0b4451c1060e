"""A job's way from the archive to the archive, one step at a time.

What a step leaves outside (files, objects in the archive) stands before the ledger says so, and doing it twice leaves
the same: files are replaced, and results have the same UIDs and bytes until they are sent.
"""

import dataclasses
import pathlib
import random
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pydicom
from pydicom.dataset import Dataset

from raspine.model_identity import ModelIdentity
from raspine.pacs import audit, backoff, ledger, metrics
from raspine.pacs.failures import NO_ROOM, CrashedError, FailedError, OutageError, RefusedError, RoomError
from raspine.pacs.instances import Instance
from raspine.pacs.ledger import Job, Ledger

FETCHED_FOLDER, RESULTS_FOLDER = "fetched", "results"
_CRASHES = 2  # a second time is no accident


class Reading(Protocol):
    """What fetches and answers: `raspine.pacs.reader.Reader`."""

    @property
    def identities(self) -> Mapping[str, ModelIdentity]:
        """The model of each kind of job."""

    def fetch(self, instances: Sequence[Instance], room: int) -> list[int]:
        """Fetches objects into the files that they name; returns the bytes of each."""

    def answer(self, kind: str, instances: Sequence[Instance], folder: str) -> list[tuple[str, str]]:
        """Makes the results of a job; returns SOP Instance UID and file of each."""

    def ping(self) -> None:
        """Returns when the models answer."""


class Destination(Protocol):
    """Where results go: `raspine.pacs.archive.Archive` or `raspine.pacs.sender.Sender`."""

    def has(self, study: str, sop: str) -> bool:
        """Returns whether an object is there for sure."""

    def store(self, study: str, objects: Sequence[Dataset]) -> None:
        """Stores objects of a study."""

    def ping(self) -> None:
        """Returns when it can be reached."""


class PauseError(Exception):
    """A partner cannot be reached: all jobs wait, and none has lost an attempt.

    Attributes:
      partner: one of `metrics.PARTNERS`.
    """

    def __init__(self, partner: str, reason: str):
        super().__init__(reason)
        self.partner = partner


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far a job may go.

    Attributes:
      attempts: failed ones until a job is given up.
      held_bytes: of all image files together.
    """

    attempts: int = 5
    held_bytes: int = 20 << 30


@dataclasses.dataclass(frozen=True)
class Partners:
    """With whom a job deals.

    Attributes:
      reader: fetches and answers.
      destination: takes the results.
      source: answers a ping when the archive to fetch from can be reached; None without one.
    """

    reader: Reading
    destination: Destination
    source: Any = None


class Course:
    """Takes jobs a step further.

    Args:
      state: the state folder.
      jobs: the ledger.
      partners: with whom.
      bounds: how far.
      tell: takes events about jobs.
      figures: the metrics.
      draw: for the waits between attempts.
    """

    def __init__(
        self,
        state: pathlib.Path,
        jobs: Ledger,
        partners: Partners,
        bounds: Bounds,
        tell: Callable[..., None],
        figures: metrics.Metrics,
        draw: random.Random,
    ):
        self._state, self._jobs, self._partners, self._bounds = state, jobs, partners, bounds
        self._tell, self._metrics, self._draw = tell, figures, draw

    def step(self, job: Job) -> Job:
        """Takes a job one step further and returns it as it then stands.

        Raises:
          PauseError: a partner cannot be reached.
          UnreadyError: the models are not those that they were; the job stands as before.
        """
        step, partner, name = {
            ledger.NEW: (self._fetch, metrics.ARCHIVE, metrics.FETCH),
            ledger.FETCHED: (self._answer, metrics.MODEL, metrics.ANSWER),
            ledger.ANSWERED: (self._send, metrics.DESTINATION, metrics.SEND),
        }[job.state]
        sources = self._jobs.sources(job)
        try:
            with self._metrics.timed(name):
                step(job, sources)
        except RefusedError as error:
            self._jobs.refused(job, str(error))
            self._tell(audit.REFUSED, job, reason=str(error))
        except OutageError as error:
            self._judge_outage(job, partner, str(error))
        except FailedError as error:
            self._fail(job, str(error), isinstance(error, CrashedError))
        except RoomError as error:
            raise PauseError(metrics.STATE, str(error)) from error
        except OSError as error:
            if error.errno in NO_ROOM:
                raise PauseError(metrics.STATE, f"{error.strerror}.") from error
            self._fail(job, f"a file of the job: {error.strerror or type(error).__name__}.", False)
        after = self._jobs.job(job.number)
        if after.state in (ledger.SENT, ledger.REFUSED):
            self._clear(job, sources)
        return after

    def _clear(self, job: Job, sources: Sequence[Instance]) -> None:
        """Removes the files of a job that is done."""
        for one in sources:
            if one.file:
                (self._state / one.file).unlink(missing_ok=True)
        for folder in (FETCHED_FOLDER, RESULTS_FOLDER):
            shutil.rmtree(self._state / folder / str(job.number), ignore_errors=True)

    def _fetch(self, job: Job, sources: list[Instance]) -> None:
        if not all(one.file for one in sources):
            sources = [
                dataclasses.replace(one, file=f"{FETCHED_FOLDER}/{job.number}/{place:05d}.dcm")
                for place, one in enumerate(sources)
            ]
            room = self._bounds.held_bytes - self._jobs.bytes_held()
            if room <= 0:
                raise FailedError("no room for the images of this job.")
            sizes = self._partners.reader.fetch(sources, room)
            sources = [dataclasses.replace(one, size=size) for one, size in zip(sources, sizes, strict=True)]
        self._jobs.fetched(job, [(one.file, one.size) for one in sources])
        self._tell(audit.FETCHED, job, objects=len(sources))

    def _answer(self, job: Job, sources: list[Instance]) -> None:
        folder = f"{RESULTS_FOLDER}/{job.number}"
        (self._state / RESULTS_FOLDER).mkdir(mode=0o700, exist_ok=True)
        results = self._partners.reader.answer(job.kind, sources, folder)
        self._jobs.answered(job, results)
        self._tell(audit.ANSWERED, job, results=len(results))

    def _send(self, job: Job, _: list[Instance]) -> None:
        destination = self._partners.destination
        missing = [file for sop, file in self._jobs.results(job) if not destination.has(job.study, sop)]
        if missing:
            destination.store(job.study, [_read(self._state / file) for file in missing])
        self._jobs.sent(job)
        self._tell(audit.SENT, job, stored=len(missing))

    def _judge_outage(self, job: Job, partner: str, reason: str) -> None:
        """Lets everything wait when a partner answers nobody, and this job alone when it answers others."""
        try:
            self._ping(partner)
        except (OutageError, FailedError) as error:
            self._metrics.outage(partner)
            raise PauseError(partner, str(error)) from error
        self._fail(job, reason, False)

    def _ping(self, partner: str) -> None:
        if partner == metrics.MODEL:
            self._partners.reader.ping()
        elif partner == metrics.DESTINATION:
            self._partners.destination.ping()
        elif self._partners.source is not None:
            self._partners.source.ping()

    def _fail(self, job: Job, reason: str, crashed: bool) -> None:
        self._metrics.retry()
        attempts = job.attempts + 1
        if attempts >= self._bounds.attempts or (crashed and job.crashes + 1 >= _CRASHES):
            self._jobs.buried(job, reason)
            self._tell(audit.DEAD, job, reason=reason, attempts=attempts)
            return
        wait = backoff.seconds(attempts, self._draw)
        self._jobs.failed(job, reason, wait, crashed)
        self._tell(audit.FAILED, job, reason=reason, attempts=attempts, next_seconds=round(wait, 1))


def _read(path: pathlib.Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)
