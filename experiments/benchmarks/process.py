"""A contestant's process as the benchmark sees it: started, asked for steps, held still while others run."""

import contextlib
import json
import os
import pathlib
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks import machine

_EXPERIMENTS = pathlib.Path(__file__).resolve().parents[1]
_LOOK = 0.25  # seconds between looks at the machine's memory
_LONGEST = 160  # characters of a reason
# Not from the working folder and behind the environment's own packages, whichever environment that is.
_START = "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name='__main__')"


class ContestantError(Exception):
    """A contestant's process failed; says why in a line."""


class MemoryShortError(ContestantError):
    """The machine's memory does not hold the processes that run."""


def command(module: str, peers: str | None, own: str) -> list[str]:
    """Returns how a module of this package is run, but for its argument.

    Args:
      module: without the package.
      peers: Python of the peers' environment, which must not see raspine; None for a contestant in raspine's own.
      own: Python of raspine's environment.
    """
    if peers:
        return [peers, "-P", "-c", _START, str(_EXPERIMENTS), f"benchmarks.{module}"]
    return [own, "-P", "-c", _START, str(_EXPERIMENTS.parent), f"experiments.benchmarks.{module}"]


def environment(threads: int, scratch: pathlib.Path) -> dict[str, str]:
    """Returns the environment of every contestant: as many threads for all, no GPU, nothing left outside `scratch`."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TF_CONFIG")}
    count = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "OPENBLAS")}
    return {
        **kept,
        **count,
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "TMPDIR": str(scratch),
        "TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor"),
    }


class Process:
    """A running contestant; between its turns it is stopped, so that threads that spin or read ahead disturb nobody.

    Args:
      arguments: the command.
      variables: its environment.
      least_gib: memory that must stay free on the machine.
    """

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str], least_gib: float = 0.0):
        self._least_gib, self._unread = least_gib, b""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            arguments,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            process_group=0,
        )

    def ready(self, seconds: float) -> dict[str, Any]:
        """Waits until the contestant is ready; returns the seconds of its first step and its versions.

        Raises:
          ContestantError: it failed, or not within `seconds`.
        """
        answer = self._answer(seconds)
        self._hold()
        return answer

    def go(self, steps: int, seconds: float) -> float:
        """Returns the seconds of a step, over some; raises as `ready`."""
        return float(self._ask(f"go {steps}", seconds)["seconds"])

    def peak_mib(self) -> float:
        """Returns its highest resident memory so far, MiB; raises as `ready`."""
        return float(self._ask("peak", 10.0)["mib"])

    def stop(self) -> None:
        """Ends the process and what it started; safe to call twice."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]

    def _ask(self, line: str, seconds: float) -> dict[str, Any]:
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(f"{line}\n".encode())  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            raise self._failed() from None
        answer = self._answer(seconds)
        self._hold()
        return answer

    def _hold(self) -> None:
        self._signal(signal.SIGSTOP)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _answer(self, seconds: float) -> dict[str, Any]:
        """Returns the next line, watching time and memory."""
        limit, stream = time.monotonic() + seconds, self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)  # type: ignore[arg-type]
            while b"\n" not in self._unread:
                if selector.select(_LOOK):
                    part = os.read(stream.fileno(), 65536)  # type: ignore[union-attr]
                    if not part:
                        raise self._failed()
                    self._unread += part
                elif time.monotonic() > limit:
                    raise ContestantError(f"no answer within {seconds:.0f} s")
                elif machine.gib() < self._least_gib:
                    raise MemoryShortError("the machine's memory was used up")
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            return dict(json.loads(line))
        except ValueError as error:
            raise ContestantError(f"answered '{line[:40].decode(errors='replace')}', which is no JSON") from error

    def _failed(self) -> ContestantError:
        status = self._process.wait()
        if status == -signal.SIGKILL:
            return MemoryShortError("killed, as the system does when memory runs out")
        self._errors.seek(0)
        return ContestantError(reason(self._errors.read().decode(errors="replace")) or f"ended with status {status}")


def reason(text: str) -> str:
    """Returns one line of what a process left on its standard error, its last error, without paths."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Failed)\b", line)] or lines
    line = re.sub(r"(?<!\w)/(?:[^\s/:'\"]+/)+", "", errors[-1] if errors else "")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
