"""The process that reads outside bytes: it fetches, decodes and answers, and may be killed at any moment.

A decoder that hangs, crashes or eats the memory takes this process with it and not the worker, its database or its
network side. It is a process rather than a thread because a thread in native code cannot be ended, and one for all jobs
because TensorFlow takes seconds to load.

It takes one JSON object a line on standard input, the first of them its `Start`, and answers one a line. JSON, not
pickle: what this process says is read by the one that it is kept apart from.
"""

import ctypes
import dataclasses
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from raspine.pacs.failures import (
    NO_ROOM,
    CrashedError,
    FailedError,
    OutageError,
    RefusedError,
    RoomError,
    UnreadyError,
)
from raspine.pacs.instances import Instance

FETCH, FILM, STUDY, PING = "fetch", "film", "study", "ping"
KINDS: Mapping[str, type[Exception]] = {
    "refused": RefusedError,
    "failed": FailedError,
    "crashed": CrashedError,
    "outage": OutageError,
    "unready": UnreadyError,
    "room": RoomError,
}
_PR_SET_PDEATHSIG = 1


@dataclasses.dataclass(frozen=True)
class Start:
    """What the process needs to know.

    Attributes:
      state: the state folder.
      landmark_model: directory, empty for none.
      risk_model: directory, empty for none.
      landmark_endpoint: of a server, empty for none.
      risk_endpoint: of a server, empty for none.
      endpoint_ca_file: see `raspine.serving.options.Options`.
      endpoint_certificate_file: the same.
      endpoint_key_file: the same.
      endpoint_token_file: the same.
      archive: of `archive.Address` as a dictionary; None without one.
      memory_bytes: that the process may have, beside mapped files.
    """

    state: str
    landmark_model: str = ""
    risk_model: str = ""
    landmark_endpoint: str = ""
    risk_endpoint: str = ""
    endpoint_ca_file: str = ""
    endpoint_certificate_file: str = ""
    endpoint_key_file: str = ""
    endpoint_token_file: str = ""
    archive: dict[str, Any] | None = None
    memory_bytes: int = 8 << 30


def main() -> None:
    """Answers requests until standard input ends."""
    answers = _confined()
    try:
        start = Start(**json.loads(sys.stdin.readline()))
        # RLIMIT_DATA counts private memory; RLIMIT_AS would count TensorFlow's mapped libraries too.
        resource.setrlimit(resource.RLIMIT_DATA, (start.memory_bytes, start.memory_bytes))
        from raspine.pacs import reading_session

        session = reading_session.Session(start)
    except Exception as error:
        _say(answers, {"error": "failed", "reason": _line(error)})
        return
    _say(answers, {"ok": session.identities()})
    for line in sys.stdin:
        _say(answers, _answer(session.do, json.loads(line)))


def _confined() -> TextIO:
    """Keeps signals, core dumps and chatter of libraries away from the worker; returns where answers go."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker ends this process by closing its input
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core holds images
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    return answers


def _answer(do: Callable[..., Any], request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": do(**request)}
    except MemoryError:
        return {"error": "refused", "reason": "the images need more memory than one job may have."}
    except tuple(KINDS.values()) as error:
        kind = next(name for name, known in KINDS.items() if type(error) is known)
        return {"error": kind, "reason": _line(error)}
    except OSError as error:
        kind = "room" if error.errno in NO_ROOM else "failed"
        return {"error": kind, "reason": f"a file: {error.strerror or type(error).__name__}."}
    except Exception as error:  # its message may hold identifiers
        return {"error": "failed", "reason": f"unexpected {type(error).__name__}."}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _say(answers: TextIO, value: Mapping[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def instances(rows: list[list[Any]]) -> list[Instance]:
    """Returns the instances of a request."""
    return [Instance(*row) for row in rows]


def row(instance: Instance) -> list[Any]:
    """Returns an instance as a request has it."""
    return list(dataclasses.astuple(instance))


if __name__ == "__main__":
    main()
