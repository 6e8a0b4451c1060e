"""HDF5 files of weights, looked through by another process before anything is read from them here.

HDF5 lets a file name other files to read from, and lets a few bytes stand for gigabytes (compression, virtual and
unwritten datasets). What Keras writes does neither, so a file that does is refused. On damaged files the library may go
round for ever, crash or fill the memory, so `weights_walk` looks through each in a process with limits.
"""

import functools
import os
import pathlib
import signal
import subprocess
import sys

from raspine import quoting
from raspine.models import weights_walk

SECONDS = 120.0  # on the clock; the process has a limit of its own for the processor


class WeightsFileError(ValueError):
    """A file of weights is damaged or holds what Keras never writes; the one-line message names no path."""


def check(path: str | os.PathLike[str], member: str = "") -> int:
    """Returns how many bytes of numbers a file of weights holds; one that was looked through before is not again.

    Args:
      path: the HDF5 file, or a zip archive that holds it.
      member: its name in the archive; empty without one.

    Raises:
      WeightsFileError: it points at other files, its numbers are more than its bytes, or it is damaged.
      OSError: there is no such file.
    """
    found = os.stat(path)
    said = _walked(os.fspath(path), member, found.st_ino, found.st_size, found.st_mtime_ns)
    if not said.isdecimal():
        raise WeightsFileError(said)
    return int(said)


@functools.lru_cache(maxsize=256)
def _walked(path: str, member: str, *identity: int) -> str:
    """Returns what the other process says, or how it ended."""
    command = [sys.executable, "-P", str(pathlib.Path(weights_walk.__file__)), path, *([member] if member else [])]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "the file of weights is damaged: reading it does not end."
    if done.returncode < 0:
        how = (
            "reading it does not end" if -done.returncode in (signal.SIGXCPU, signal.SIGKILL) else "it crashes a reader"
        )
        return f"the file of weights is damaged: {how}."
    return quoting.line(done.stdout) or "the file of weights is damaged: it cannot be looked through."
