"""What is wrong with the way a reader took some bytes."""

import pathlib
import random
import re
import resource
import tempfile
import time
import traceback
import warnings

from fuzz import ROOT
from fuzz.targets import Target

SECRET = "secret"  # stands in every identifying tag, column and file name of the seeds
MAX_SECONDS = 10.0  # of processor time: the machine may be busy with other things
MAX_BYTES = 4 << 30
MAX_MESSAGE = 1000
_OWN = tuple(str(ROOT / name) for name in ("raspine", "data_prep", "experiments", "tests/contract_server"))
_UNFORESEEN = re.compile("not foreseen|: unexpected [A-Z]")
_STATUS = pathlib.Path("/proc/self/status")
_RESET = pathlib.Path("/proc/self/clear_refs")


class FaultError(Exception):
    """A reader did not do what it must.

    Attributes:
      reason: one line.
      signature: the same for findings that are likely the same fault.
    """

    def __init__(self, reason: str, signature: str):
        super().__init__(reason)
        self.reason, self.signature = reason, signature


def check(target: Target, data: bytes, repeat: bool = False) -> str:
    """Reads some bytes and returns the one-line error, or '' when they were taken.

    Args:
      target: the reader.
      data: what it is given.
      repeat: whether to read a second time, which must end the same way.

    Raises:
      FaultError: the reader broke a rule.
    """
    _begin_peak()
    started = time.process_time()
    message = _message(target, data)
    seconds = time.process_time() - started
    if seconds > MAX_SECONDS:
        raise FaultError(f"took {seconds:.1f} s of processor time", f"slow {message[:30]}")
    if (peak := peak_bytes()) > MAX_BYTES:
        raise FaultError(f"took {peak / 2**30:.1f} GiB of memory", f"memory {message[:30]}")
    if repeat and _placeless(again := _message(target, data)) != _placeless(message):
        raise FaultError(f"said '{message[:200]}', then '{again[:200]}'", "not deterministic")
    return message


def _placeless(message: str) -> str:
    """Returns a message without the name of the temporary folder, which differs each time."""
    return re.sub(re.escape(tempfile.gettempdir()) + "/[^/']+", "", message)


def peak_bytes() -> int:
    """Returns the most memory that this process held since the last `check` began."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _begin_peak() -> None:
    _RESET.write_text("5")


def _message(target: Target, data: bytes) -> str:
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            said = target.read(data)
    except target.errors as error:
        _judge(str(error), error)
        if target.own and not _is_own(error):
            raise _escaped(error) from error
        return str(error)
    except Exception as error:  # whatever else a reader lets through is what is looked for
        raise _escaped(error) from error
    for text in (*map(str, said or ()), *(str(one.message) for one in told)):
        _judge(text, None)
    return ""


def _escaped(error: BaseException) -> FaultError:
    place = _place(error)
    text = " ".join(str(error).split())
    return FaultError(f"{type(error).__name__} at {place}: {text[:300]}", f"{type(error).__name__} at {place}")


def _judge(text: str, error: BaseException | None) -> None:
    """Raises FaultError for a message that names somebody, has several lines, or does not know what went wrong."""
    place = _place(error) if error else "a message"
    if SECRET in text.lower():
        raise FaultError(f"an identifier is in the message: {text[:300]!r}", f"identifier at {place}")
    if _UNFORESEEN.search(text):
        cause = error.__cause__ if error else None
        at = _place(cause) if cause else place
        inner = " ".join(str(cause).split())[:200]
        raise FaultError(f"not foreseen: {type(cause).__name__} at {at}: {inner}", f"{type(cause).__name__} at {at}")
    if error is not None and (len(text.splitlines()) != 1 or not text.isprintable() or len(text) > MAX_MESSAGE):
        raise FaultError(f"no single printable line: {text[:300]!r}", f"line at {place}")


def _is_own(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(_OWN)


def _place(error: BaseException) -> str:
    """Returns the last line of this project on the way to an error, and the function that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(_OWN)] or frames
    if not own:
        return "nowhere"
    near = pathlib.Path(own[-1].filename)
    name = near.relative_to(ROOT) if near.is_relative_to(ROOT) else near.name
    deepest = f" in {frames[-1].name}" if frames[-1] is not own[-1] else ""
    return f"{name}:{own[-1].lineno}{deepest}"


def wants_repeat(rng: random.Random) -> bool:
    """Returns whether to read twice: one time in forty."""
    return rng.random() < 0.025
