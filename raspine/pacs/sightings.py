"""Studies that an archive has shown: which images they had when, and for which models they were planned."""

import dataclasses
import time
from collections.abc import Callable

from raspine.pacs.database import Database


@dataclasses.dataclass(frozen=True)
class Sighting:
    """How a study was last seen.

    Attributes:
      fingerprint: of its images, the worker's own results left out.
      instances: how many objects the archive said it has; None when it does not say.
      since: from when on it has looked like this, seconds since 1970.
      planned: the models for which its jobs were made; empty for none yet.
    """

    fingerprint: str
    instances: int | None
    since: float
    planned: str


class Sightings:
    """The studies seen.

    Args:
      database: where they stand.
      clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time):
        self._database, self._clock = database, clock

    def of(self, study: str) -> Sighting | None:
        """Returns how a study was last seen; None when never."""
        rows = self._database.rows("SELECT * FROM sightings WHERE study = ?", study)
        return (
            Sighting(**{key: rows[0][key] for key in ("fingerprint", "instances", "since", "planned")})
            if rows
            else None
        )

    def note(self, study: str, fingerprint: str, instances: int | None) -> Sighting:
        """Notes how a study looks now; it is quiet from now on when it looks different."""
        now = self._clock()
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO sightings (study, fingerprint, instances, since) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (study) DO UPDATE SET instances = excluded.instances, "
                "since = CASE WHEN fingerprint = excluded.fingerprint THEN since ELSE excluded.since END, "
                "planned = CASE WHEN fingerprint = excluded.fingerprint THEN planned ELSE '' END, "
                "fingerprint = excluded.fingerprint",
                (study, fingerprint, instances, now),
            )
        found = self.of(study)
        assert found is not None
        return found

    def planned(self, study: str, models: str) -> None:
        """Notes that a study's jobs are made for these models."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE sightings SET planned = ? WHERE study = ?", (models, study))
