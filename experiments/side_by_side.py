"""Commands side by side: each one's output line by line, under its name; if one fails, all end."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from raspine import program

_PAUSE_SECONDS = 5.0  # between two updates of a progress bar


def run(commands: Mapping[str, Sequence[str]]) -> None:
    """Starts all commands, prints what they say, and returns when all are done.

    Args:
      commands: by the name that their lines begin with.

    Raises:
      NothingDone: one ended with another status than 0; the others are ended too.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    started = {
        name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
        for name, command in commands.items()
    }
    width = max(map(len, commands))
    readers = [
        threading.Thread(target=_forward, args=(f"{name:<{width}} | ", process.stdout), daemon=True)
        for name, process in started.items()
    ]
    try:
        for reader in readers:
            reader.start()
        _wait(started)
        for reader in readers:
            reader.join()
    finally:
        for process in started.values():
            process.terminate()
            process.wait()


def _wait(started: Mapping[str, "subprocess.Popen[bytes]"]) -> None:
    running = dict(started)
    while running:
        time.sleep(0.2)
        for name, process in list(running.items()):
            if process.poll() is None:
                continue
            del running[name]
            if process.returncode:
                raise program.NothingDone(f"{name} ended with status {process.returncode}; see its lines above.")


def _forward(start: str, stream: IO[bytes] | None) -> None:
    """Prints whole lines at once, and of a bar that redraws itself now and then the latest state."""
    shown = 0.0
    for text, is_whole in _pieces(stream) if stream else ():
        if text.strip() and (is_whole or time.monotonic() - shown > _PAUSE_SECONDS):
            print(start + text, flush=True)
            shown = time.monotonic()


def _pieces(stream: IO[bytes]) -> Iterator[tuple[str, bool]]:
    """Yields text up to each line feed (True) or carriage return (False)."""
    left = b""
    while chunk := os.read(stream.fileno(), 1 << 16):
        *parts, left = re.split(rb"(?<=[\r\n])", left + chunk)
        for part in parts:
            yield part.decode("utf-8", "replace").rstrip("\r\n"), part.endswith(b"\n")
    if left:
        yield left.decode("utf-8", "replace"), True
