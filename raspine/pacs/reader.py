"""The worker's side of the reading process: started when needed, asked within a time limit, killed when it overruns."""

import contextlib
import dataclasses
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from raspine.model_identity import ModelIdentity
from raspine.pacs import reading_process
from raspine.pacs.failures import CrashedError, FailedError, UnreadyError
from raspine.pacs.instances import Instance

COMMAND = (sys.executable, "-m", reading_process.__name__)
_LONGEST_ANSWER = 1 << 24  # bytes
_STARTING = 300.0  # seconds that TensorFlow and the models may take on a busy machine
_FETCHING = 4  # times the seconds of a job: connecting, asking, waiting and reading have limits of their own


class StartError(ValueError):
    """The reading process cannot start: a model or an address is wrong."""


class Reader:
    """The reading process, and a new one after each that was lost.

    Args:
      start: what it needs to know.
      seconds: that reading a job may take; fetching an object, four times as many.
      command: of the process.

    Attributes:
      identities: the model of each kind of job; others once a request ended with UnreadyError because of them.

    Raises:
      StartError: it cannot start.
    """

    def __init__(self, start: reading_process.Start, seconds: float, command: Sequence[str] = COMMAND):
        self._start, self._seconds, self._command = start, seconds, command
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self.identities = self._started()

    def fetch(self, instances: Sequence[Instance], room: int) -> list[int]:
        """Fetches objects from the archive into the files that they name; returns the bytes of each.

        Args:
          instances: with the files to write, relative to the state folder.
          room: bytes that they may have together.

        Raises:
          RefusedError, FailedError, CrashedError, OutageError, UnreadyError, RoomError: why it did not.
        """
        sizes: list[int] = []
        seconds = _FETCHING * self._seconds
        for one in instances:  # a request each: a slow archive is not the images' fault
            rows = [reading_process.row(one)]
            sizes += self._ask(seconds, what=reading_process.FETCH, instances=rows, room=room - sum(sizes))
        return [int(size) for size in sizes]

    def answer(self, kind: str, instances: Sequence[Instance], folder: str) -> list[tuple[str, str]]:
        """Makes the results of a job; returns SOP Instance UID and file of each.

        Args:
          kind: `film` or `study`.
          instances: with their files.
          folder: for the results, relative to the state folder.

        Raises:
          RefusedError, FailedError, CrashedError, OutageError, UnreadyError, RoomError: why it did not.
        """
        rows = [reading_process.row(one) for one in instances]
        return [
            (str(sop), str(file)) for sop, file in self._ask(self._seconds, what=kind, instances=rows, folder=folder)
        ]

    def ping(self) -> None:
        """Returns when the models answer.

        Raises:
          UnreadyError: they are others now.
          OutageError, FailedError: they do not.
        """
        self._ask(self._seconds, what=reading_process.PING)

    def is_alive(self) -> bool:
        """Returns whether the process runs; it is started anew at the next request."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]

    def _started(self) -> dict[str, ModelIdentity]:
        self._buffer.clear()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries quote what they cannot read
            start_new_session=True,
        )
        try:
            found = self._exchange(dataclasses.asdict(self._start), _STARTING)
        except (CrashedError, FailedError) as error:
            self.close()
            raise StartError(str(error)) from error
        except BaseException:
            self._kill()
            raise
        return {kind: ModelIdentity(**facts) for kind, facts in found.items()}

    def _ask(self, seconds: float, **request: Any) -> Any:
        if not self.is_alive():
            self._renew()
        try:
            return self._exchange(request, seconds)
        except UnreadyError:
            self._renew()
            raise

    def _renew(self) -> None:
        """Starts the process anew.

        Raises:
          UnreadyError: it does not start, or has other models.
        """
        self.close()
        try:
            found = self._started()
        except StartError as error:
            raise UnreadyError(f"the reading process does not start: {error}") from error
        if found != self.identities:
            self.identities = found
            raise UnreadyError("a model was replaced.")

    def _exchange(self, request: Any, seconds: float) -> Any:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(self._line(time.monotonic() + seconds))
        except TimeoutError as error:
            self._kill()
            raise CrashedError(f"the images took longer than {seconds:g} s.") from error
        except (OSError, EOFError) as error:
            self._kill()
            raise CrashedError("the images made the reading process crash.") from error
        except ValueError as error:
            self._kill()
            raise CrashedError("the reading process does not make sense.") from error
        if "error" in answer:
            raise reading_process.KINDS[answer["error"]](answer["reason"])
        return answer["ok"]

    def _line(self, until: float) -> bytes:
        """Returns the next line of the process's answers."""
        assert self._process is not None
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise TimeoutError
                if not (read := os.read(handle, 1 << 16)):
                    raise EOFError
                self._buffer += read
                if len(self._buffer) > _LONGEST_ANSWER:
                    raise ValueError("an answer without end")
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        return line

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
