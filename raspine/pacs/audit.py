"""The audit log: one JSON line an event in a file of mode 0600; images stand in it as keyed hashes only."""

import datetime
import errno
import json
import os
import pathlib
import threading

NAME = "audit.jsonl"

RECEIVED, PLANNED, FETCHED, ANSWERED, SENT, REFUSED, FAILED, DEAD, RETRIED = EVENTS = (
    "received",
    "planned",
    "fetched",
    "answered",
    "sent",
    "refused",
    "failed",
    "dead",
    "retried",
)
OBJECT_REFUSED, ASSOCIATION_ACCEPTED, ASSOCIATION_REJECTED = NETWORK_EVENTS = (
    "object_refused",
    "association_accepted",
    "association_rejected",
)
MODEL_REPLACED = "model_replaced"
PARTNER_LOST, PARTNER_BACK = PARTNER_EVENTS = ("partner_lost", "partner_back")
STARTED, STOPPED = "started", "stopped"


class Log:
    """Adds lines to a file, from any thread; a line is whole or not there."""

    def __init__(self, folder: pathlib.Path):
        self._path, self._lock = folder / NAME, threading.Lock()

    def tell(self, event: str, **facts: object) -> None:
        """Adds an event.

        Args:
          event: which.
          **facts: nothing that identifies anybody: running numbers, keyed hashes, outcomes.

        Raises:
          OSError: the disk takes no line.
        """
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": when, "event": event, **facts}, ensure_ascii=True) + "\n"
        # Opened each time, so that the file may be moved away while the worker runs.
        with self._lock:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                _append(descriptor, line.encode())
            finally:
                os.close(descriptor)


def _append(descriptor: int, line: bytes) -> None:
    """Adds a line as a whole: a disk that is nearly full takes the beginning of one without an error."""
    before = os.fstat(descriptor).st_size
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
