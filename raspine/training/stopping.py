"""How a run is told to stop: SIGTERM and Ctrl-C ask for it, and the step that is under way still ends."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(Exception):  # noqa: N818 - it names an outcome
    """A run ended before its last step, its state saved.

    Attributes:
      step: the last one done.
      reason: the signal's name.
    """

    def __init__(self, step: int, reason: str):
        super().__init__(f"stopped by {reason} after step {step}; the state is saved.")
        self.step, self.reason = step, reason


class Request:
    """Whether somebody asked to stop.

    Attributes:
      reason: the signal's name, or None.
    """

    def __init__(self) -> None:
        self.reason: str | None = None

    def __bool__(self) -> bool:
        return self.reason is not None

    def receive(self, number: int, _: FrameType | None = None) -> None:
        """Notes a signal; the same signal a second time ends the program at once.

        Raises:
          KeyboardInterrupt: the second time.
        """
        if self.reason is not None:
            raise KeyboardInterrupt
        self.reason = signal.Signals(number).name


@contextlib.contextmanager
def requests() -> Iterator[Request]:
    """Yields what notes SIGTERM and Ctrl-C within the block; outside the main thread it never does.

    TensorFlow's strategy for several workers takes SIGTERM for itself when it is made, so this stands after it.
    """
    request = Request()
    old = {}
    with contextlib.suppress(ValueError):  # not the main thread
        for number in SIGNALS:
            old[number] = signal.signal(number, request.receive)
    try:
        yield request
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
