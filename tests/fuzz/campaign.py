"""Targets one after another, each in a child process that is started again when it dies."""

import dataclasses
import json
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from fuzz import ROOT, child, findings, oracle

_START_SECONDS = 600  # a busy machine takes long to import TensorFlow under instrumentation
_MEMORY = pathlib.Path("/dev/shm")  # the readers' files live for milliseconds
_NOTES = {
    70: "a reader hung for more than a minute",
    71: "a reader took more memory than the limit",
    77: "the reader's process crashed",
}


@dataclasses.dataclass
class Result:
    """What became of one target.

    Attributes:
      executions: inputs tried.
      findings: faults of different signature.
      deaths: child processes that a reader killed.
      peak_gib: the most memory.
    """

    executions: int = 0
    findings: int = 0
    deaths: int = 0
    peak_gib: float = 0.0


class ChildError(RuntimeError):
    """A child process could not start its target."""


def run(name: str, folder: pathlib.Path, seconds: float, seed: int, told: Callable[[Result], None]) -> Result:
    """Tries inputs on one target for some time.

    Args:
      name: of the target.
      folder: for the corpus, the findings and logs.
      seconds: that the trying takes, without the start of the process.
      seed: of the mutations.
      told: is given the state about once a second.

    Raises:
      ChildError: the target did not start.
    """
    total = Result()
    left = seconds
    while left > 1:
        before = dataclasses.replace(total)
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as scratch:
            started = _Child(name, folder, left, seed + total.deaths, scratch)
            status = started.watch(total, before, told)
        left -= started.seconds
        if status == 0:
            break
        if total.executions == before.executions:
            raise ChildError(f"target {name} did not start (status {status}): see {folder / name}.log")
        total.deaths += 1
        total.findings += findings.Findings(folder / "findings", name).add(
            _death(status), child.under_way(folder, name)
        )
    total.findings = len(findings.Findings(folder / "findings", name))
    return total


def _death(status: int) -> oracle.FaultError:
    number = -status if status < 0 else 0
    what = _NOTES.get(status, f"killed by {signal.Signals(number).name}" if number else f"ended with status {status}")
    return oracle.FaultError(what, what)


class _Child:
    def __init__(self, name: str, folder: pathlib.Path, seconds: float, seed: int, scratch: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
            "TMPDIR": scratch,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        command = [sys.executable, "-m", "fuzz.child", name, str(folder), str(seconds), str(seed)]
        with (folder / f"{name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                bufsize=0,  # or `select` would not see the second line of two
            )
        self._limit = seconds
        self.seconds = 0.0

    def watch(self, total: Result, before: Result, told: Callable[[Result], None]) -> int:
        """Waits for the end and returns the status; what the child says is added to what was before."""
        begun, born = 0.0, time.monotonic()
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                late = begun and time.monotonic() - begun > self._limit + 2 * child.HANG_SECONDS
                if late or (not begun and time.monotonic() - born > _START_SECONDS):
                    self._process.kill()
                if not ready.select(timeout=1.0):
                    continue
                line = self._process.stdout.readline()  # a child writes whole lines
                if not line:
                    break
                begun = begun or time.monotonic()
                _take(total, before, json.loads(line))
                told(total)
        self.seconds = time.monotonic() - (begun or born)
        return self._process.wait()


def _take(total: Result, before: Result, said: dict[str, float]) -> None:
    total.executions = before.executions + int(said["executions"])
    total.findings = int(said["findings"])
    total.peak_gib = max(total.peak_gib, said["peak_gib"])
