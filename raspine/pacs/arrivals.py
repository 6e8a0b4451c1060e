"""Objects that came by C-STORE and are in no job yet."""

import dataclasses
import time
from collections.abc import Callable

from raspine.pacs.database import Database
from raspine.pacs.instances import Instance


class Arrivals:
    """The objects received, by study.

    Args:
      database: where they stand.
      clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time):
        self._database, self._clock = database, clock

    def note(self, instance: Instance) -> str:
        """Notes an object whose file stands on the disk; one that comes again takes its own place.

        Returns:
          The file that it had before, which nobody needs any more; empty when it is new.
        """
        with self._database.transaction() as connection:
            old = connection.execute("SELECT file FROM arrivals WHERE sop = ?", (instance.sop,)).fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO arrivals (study, series, sop, sop_class, file, size, received) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*dataclasses.astuple(instance), self._clock()),
            )
        return old["file"] if old else ""

    def count(self) -> int:
        """Returns how many there are."""
        return self._database.value("SELECT COUNT(*) FROM arrivals")

    def quiet(self, seconds: float) -> list[list[Instance]]:
        """Returns the objects of every study of which none came within the last seconds, the oldest first."""
        studies = self._database.rows(
            "SELECT study FROM arrivals GROUP BY study HAVING MAX(received) <= ? ORDER BY MIN(received)",
            self._clock() - seconds,
        )
        return [self._of(row[0]) for row in studies]

    def next_quiet(self, seconds: float) -> float | None:
        """Returns when the next study will be quiet, seconds since 1970; None when nothing waits."""
        rows = self._database.rows("SELECT MIN(last) FROM (SELECT MAX(received) AS last FROM arrivals GROUP BY study)")
        return None if rows[0][0] is None else rows[0][0] + seconds

    def drop(self, instances: list[Instance]) -> None:
        """Forgets objects, since they are in jobs now or need none; one that came anew meanwhile stays."""
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM arrivals WHERE sop = ? AND file = ?", [(one.sop, one.file) for one in instances]
            )

    def _of(self, study: str) -> list[Instance]:
        rows = self._database.rows("SELECT * FROM arrivals WHERE study = ? ORDER BY series, sop", study)
        return [
            Instance(row["study"], row["series"], row["sop"], row["sop_class"], row["file"], row["size"])
            for row in rows
        ]
