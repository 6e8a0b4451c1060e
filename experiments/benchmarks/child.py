"""The contestant's side of the protocol: one process that waits for a line, does its steps, answers with one of JSON.

    "go N"   N steps             -> {"seconds": a step's, over the N}
    "peak"                       -> {"mib": highest resident memory so far}
    "quit" or the end of input   -> the process ends

When it is ready it says {"ready": true, "seconds": of the first step, "versions": {...}}.
"""

import ctypes
import dataclasses
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

_SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
      step: does one training step or one batch, and returns when its result is there.
      versions: of the packages that do the work.
    """

    step: Callable[[], object]
    versions: Mapping[str, str]


def serve(prepare: Callable[[dict[str, Any]], Subject]) -> None:
    """Prepares a subject from the JSON in the first argument and answers until the input ends."""
    die_with_parent()
    answers = _own_output()
    subject = prepare(json.loads(sys.argv[1]))
    first = _timed(subject.step, 1)
    _answer(answers, ready=True, seconds=first, versions=dict(subject.versions))
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "go":
            _answer(answers, seconds=_timed(subject.step, int(number or 1)))
        elif word == "peak":
            _answer(answers, mib=peak_mib())
        else:
            break
    answers.flush()
    # Some libraries wait for their threads at exit, or crash there; everything was said.
    os._exit(0)


def die_with_parent() -> None:
    """Has the kernel end this process with its parent, where it can (Linux)."""
    try:
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    except (OSError, AttributeError):
        return


def peak_mib() -> float:
    """Returns the highest resident memory of this process so far, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _own_output() -> TextIO:
    """Returns a stream for the answers alone: what libraries print goes to the standard error instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _timed(step: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - began) / count


def _answer(stream: TextIO, **values: Any) -> None:
    stream.write(json.dumps(values) + "\n")
    stream.flush()
