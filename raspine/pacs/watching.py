"""What is new: studies that an archive shows and objects that came by C-STORE, made into jobs once they are quiet."""

import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from raspine.pacs import audit, ledger, picking
from raspine.pacs.archive import Listed
from raspine.pacs.arrivals import Arrivals
from raspine.pacs.failures import FailedError, OutageError, RefusedError
from raspine.pacs.instances import Instance, fingerprint
from raspine.pacs.ledger import Ledger, Plan
from raspine.pacs.sightings import Sighting, Sightings

_TOO_MANY = "too many"
_LATE = "slices came after others of their study had been taken: send the whole study again."


class Lister(Protocol):
    """What lists studies: `raspine.pacs.archive.Archive`."""

    def studies(self, since: datetime.date | None, most: int) -> Iterator[Listed]:
        """Yields its studies from a Study Date on."""

    def instances(self, study: str, most: int) -> list[Instance]:
        """Returns the objects of a study."""

    def ping(self) -> None:
        """Returns when the archive answers."""


@dataclasses.dataclass(frozen=True)
class Window:
    """What is looked at.

    Attributes:
      look_back_days: how old a Study Date may be; 0 for any.
      studies: at most, in one look.
      objects: of one study, at most.
      quiet_seconds: for which a study must not change before it is taken.
      queue: jobs and objects that may wait; beyond it nothing new is taken.
      reprocess: whether what another model answered is answered again.
    """

    look_back_days: int = 7
    studies: int = 10_000
    objects: int = 5_000
    quiet_seconds: float = 10.0
    queue: int = 1_000
    reprocess: bool = False


class Watcher:
    """Makes jobs.

    Args:
      state: the state folder.
      jobs: the ledger.
      arrivals: what came by C-STORE.
      window: what is looked at.
      models: digest of the model by kind of job.
      tell: takes events about jobs.
    """

    def __init__(
        self,
        state: pathlib.Path,
        jobs: Ledger,
        arrivals: Arrivals,
        window: Window,
        models: Mapping[str, str],
        tell: Callable[..., None],
    ):
        self._state, self._jobs, self._arrivals = state, jobs, arrivals
        self._window, self._tell = window, tell
        self._sightings = Sightings(jobs.database, jobs.clock)
        self.adopt(models)

    def adopt(self, models: Mapping[str, str]) -> None:
        """Makes jobs for these models from now on: digest by kind of job."""
        self._models = models
        # A study is looked at anew when models come or go, and when results are wanted again.
        self._planned_for = "|".join([*sorted(models.values()), "again" * self._window.reprocess])

    def is_full(self) -> bool:
        """Returns whether nothing new is taken."""
        return self._jobs.waiting() + self._arrivals.count() >= self._window.queue

    def look(self, archive: Lister, patient: bool = True) -> int:
        """Looks once at the archive and makes jobs of what is quiet; returns how many.

        Args:
          archive: which.
          patient: whether a study must be quiet first.

        Raises:
          OutageError, FailedError: the archive cannot be asked.
        """
        made = 0
        for listed in archive.studies(self._since(), self._window.studies):
            if self.is_full():
                break
            with _alone(archive):
                made += self._look_at(archive, listed, self._window.quiet_seconds if patient else 0.0)
        return made

    def preview(self, archive: Lister) -> list[Plan]:
        """Returns what `look` would make jobs of; nothing is written.

        Raises:
          OutageError, FailedError: the archive cannot be asked.
        """
        found = []
        for listed in archive.studies(self._since(), self._window.studies):
            with _alone(archive):
                found += self._jobs.missing(self._previewed(archive, listed.uid), self._window.reprocess)
        return found

    def _previewed(self, archive: Lister, study: str) -> list[Plan]:
        try:
            return picking.plans(self._foreign(archive, study), self._models)
        except RefusedError as error:
            return [picking.refused(study, _TOO_MANY, str(error))]

    def take_arrivals(self, patient: bool = True) -> int:
        """Makes jobs of the objects of quiet studies; returns how many."""
        made = 0
        for instances in self._arrivals.quiet(self._window.quiet_seconds if patient else 0.0):
            plans = picking.plans([one for one in instances if not self._jobs.is_result(one.sop)], self._models)
            made += self._add([self._whole(plan) for plan in plans])
            self._arrivals.drop(instances)
            for one in instances:
                if not self._jobs.holds(one.file):
                    (self._state / one.file).unlink(missing_ok=True)
        return made

    def _whole(self, plan: Plan) -> Plan:
        """Refuses to read slices that came after others of their study: a part of a study has another risk."""
        before = self._jobs.slices(plan.study) if plan.kind == ledger.STUDY else set()
        if before <= {one.sop for one in plan.instances}:
            return plan
        return picking.refused(plan.study, plan.content, _LATE)

    def _look_at(self, archive: Lister, listed: Listed, quiet: float) -> int:
        seen = self._sightings.of(listed.uid)
        known = seen is not None and listed.instances is not None and seen.instances == listed.instances
        if seen is not None and known and not self._is_due(seen, quiet):
            return 0
        try:
            instances = self._foreign(archive, listed.uid)
        except RefusedError as error:
            self._sightings.note(listed.uid, _TOO_MANY, listed.instances)
            self._sightings.planned(listed.uid, self._planned_for)
            return self._add([picking.refused(listed.uid, _TOO_MANY, str(error))])
        seen = self._sightings.note(listed.uid, fingerprint(instances), listed.instances)
        if not self._is_due(seen, quiet):
            return 0
        made = self._add(picking.plans(instances, self._models))
        self._sightings.planned(listed.uid, self._planned_for)
        return made

    def _is_due(self, seen: Sighting, quiet: float) -> bool:
        """Returns whether a study waits for its jobs and has been quiet."""
        return seen.planned != self._planned_for and seen.since + quiet <= self._jobs.clock()

    def _foreign(self, archive: Lister, study: str) -> list[Instance]:
        """Returns the objects of a study that were not made here."""
        return [one for one in archive.instances(study, self._window.objects) if not self._jobs.is_result(one.sop)]

    def _add(self, plans: list[Plan]) -> int:
        made = self._jobs.add(plans, self._window.reprocess)
        for job in made:
            if job.reason:
                self._tell(audit.REFUSED, job, reason=job.reason)
            else:
                self._tell(audit.PLANNED, job)
        return len(made)

    def _since(self) -> datetime.date | None:
        days = self._window.look_back_days
        return datetime.date.today() - datetime.timedelta(days) if days else None


@contextlib.contextmanager
def _alone(archive: Lister) -> Iterator[None]:
    """Passes over one study that the archive cannot list, as long as it answers otherwise; the next look tries again.

    Raises:
      OutageError: it does not.
    """
    try:
        yield
    except FailedError:
        pass
    except OutageError:  # an archive may always be too slow for its largest study
        archive.ping()
