"""One trial of a sweep: a training in a process of its own, read by its run.json."""

import contextlib
import dataclasses
import json
import pathlib
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from experiments import children

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 120.0  # for a trial that is pruned to end


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a trial's process ended.

    Attributes:
      status: as of subprocess: negative for a signal.
      seconds: it took, in this process.
      report: what stands in its run.json.
      is_pruned: whether it was told to end early.
    """

    status: int
    seconds: float
    report: dict[str, Any]
    is_pruned: bool


def run(
    command: Sequence[str],
    folder: pathlib.Path,
    log: pathlib.Path,
    received: children.Received,
    is_hopeless: Callable[[Sequence[dict[str, Any]]], bool],
    lock: int,
) -> Ending:
    """Runs a training to its end; SIGTERM and Ctrl-C are passed on to it.

    Args:
      command: starts it.
      folder: of its run.
      log: file that its output is added to.
      received: signals for this process.
      is_hopeless: takes the figures of the epochs so far; the trial is ended when it says so.
      lock: file descriptor that keeps others out of the folder; the training holds it too.
    """
    began, pruned_at = time.monotonic(), 0.0
    process = children.start(command, log, keep=(lock,))
    try:
        while process.poll() is None:
            received.pass_on([process])
            if not pruned_at and is_hopeless(report(folder).get("history") or []):
                process.send_signal(signal.SIGTERM)
                pruned_at = time.monotonic()
            if pruned_at and time.monotonic() - pruned_at > _GRACE_SECONDS:
                process.kill()
            children.pause(_POLL_SECONDS, [process])
    finally:
        children.kill([process])
    return Ending(process.returncode, time.monotonic() - began, report(folder), bool(pruned_at))


def report(folder: pathlib.Path) -> dict[str, Any]:
    """Returns what stands in a run's run.json; empty when it has none yet."""
    with contextlib.suppress(FileNotFoundError):
        return dict(json.loads((folder / "run.json").read_text(encoding="utf-8")))
    return {}
