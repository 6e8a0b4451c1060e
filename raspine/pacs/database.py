"""The worker's SQLite file: schema, durability, one writer at a time.

The file is private (mode 0600): it holds UIDs, since without them nothing could be fetched.
"""

import contextlib
import os
import pathlib
import sqlite3
import threading
from collections.abc import Iterator

VERSION = 1
NAME = "jobs.sqlite3"

_SCHEMA = """
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  study TEXT NOT NULL,
  subject TEXT NOT NULL,
  content TEXT NOT NULL,
  model TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  due REAL NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  died_in TEXT NOT NULL DEFAULT '',
  made REAL NOT NULL,
  changed REAL NOT NULL,
  UNIQUE (kind, subject, content, model)
);
CREATE INDEX jobs_by_state ON jobs (state, due);
CREATE TABLE sources (
  job INTEGER NOT NULL,
  place INTEGER NOT NULL,
  series TEXT NOT NULL,
  sop TEXT NOT NULL,
  sop_class TEXT NOT NULL,
  file TEXT NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY (job, place)
);
CREATE TABLE results (sop TEXT PRIMARY KEY, job INTEGER NOT NULL, file TEXT NOT NULL);
CREATE TABLE arrivals (
  sop TEXT PRIMARY KEY,
  study TEXT NOT NULL,
  series TEXT NOT NULL,
  sop_class TEXT NOT NULL,
  file TEXT NOT NULL,
  size INTEGER NOT NULL,
  received REAL NOT NULL
);
CREATE INDEX arrivals_by_study ON arrivals (study);
CREATE TABLE sightings (
  study TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  instances INTEGER,
  since REAL NOT NULL,
  planned TEXT NOT NULL DEFAULT ''
);
"""


class DatabaseError(ValueError):
    """The file is no database of this version, or a damaged one."""


class Database:
    """A connection that the worker's threads share, one transaction at a time.

    Raises:
      DatabaseError: the file is damaged, or of another version.
    """

    def __init__(self, path: pathlib.Path):
        _private(path)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._connection.row_factory = sqlite3.Row
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise DatabaseError(f"'{path}' is no database or a damaged one: {error}.") from error

    def _prepare(self, path: pathlib.Path) -> None:
        # With a write-ahead log readers do not wait; FULL: what is committed survives a power cut.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.transaction() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
        if found not in (0, VERSION):
            self._connection.close()
            raise DatabaseError(f"'{path}' is of version {found}; this raspine reads version {VERSION}.")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yields the connection; what is done within the block stands whole or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Returns what a query finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> int:
        """Returns the first value of the first row, 0 where there is none."""
        found = self.rows(query, *values)
        return 0 if not found or found[0][0] is None else found[0][0]

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()


def _private(path: pathlib.Path) -> None:
    """Makes the file before SQLite would, so that it and the log beside it are nobody else's to read."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
