"""Programs that a program starts and looks after: signals are passed on to them, and none outlives it."""

import collections
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def start(
    command: Sequence[str],
    log: pathlib.Path | None = None,
    environment: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Starts a program in a session of its own; it gets SIGTERM when this process ends in whatever way.

    Args:
      command: the program and its arguments.
      log: file that its output is added to; None leaves it on the terminal.
      environment: added to this process's.
      keep: file descriptors that the program holds too, so that their locks last as long as it does.
    """
    # In a session of its own it gets Ctrl-C once, from here, and not a second time from the terminal.
    with open(log, "ab") if log else contextlib.nullcontext() as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT if log else None,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            start_new_session=True,
            pass_fds=keep,
            preexec_fn=_end_with_parent(os.getpid()),
        )


def _end_with_parent(parent: int) -> Callable[[], None] | None:
    """Returns what a child does before it becomes the program; nothing where the system is not Linux."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "prctl"):
        return None

    def prepare() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def kill(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ends programs at once, with what they started themselves, and waits for them."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for process in processes:
        process.wait()


class Received:
    """The signals that asked this process to stop, oldest first.

    Attributes:
      numbers: those not yet passed on.
      any: whether there was one.
    """

    def __init__(self) -> None:
        self.numbers: collections.deque[int] = collections.deque()
        self.any = False

    def note(self, number: int, _: FrameType | None = None) -> None:
        """Notes a signal."""
        self.numbers.append(number)
        self.any = True

    def pass_on(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        """Sends every signal noted since the last call to the programs that still run."""
        while self.numbers:
            number = self.numbers.popleft()
            for process in processes:
                process.send_signal(number)


@contextlib.contextmanager
def signals() -> Iterator[Received]:
    """Yields what notes SIGTERM and Ctrl-C within the block, instead of ending the program."""
    received = Received()
    old = {number: signal.signal(number, received.note) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def pause(seconds: float, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Sleeps that long, or until one of the programs has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and all(process.poll() is None for process in processes):
        time.sleep(0.05)


def how_it_ended(status: int) -> str:
    """Returns a process's end in words.

    Args:
      status: as of subprocess: negative for a signal.
    """
    if status >= 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"


def last_lines(log: pathlib.Path, count: int = 12) -> list[str]:
    """Returns the last lines of a program's output that hold something; of a bar that redraws itself the last state."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - (1 << 16)))
        text = stream.read().decode("utf-8", "replace")
        lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n")]
        return [line for line in lines if line][-count:]
    return []
