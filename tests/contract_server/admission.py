"""How much work a server takes on: so many calls at once, so many that wait, and no more."""

import contextlib
import threading
from collections.abc import Iterator

from refusal import Refusal


class Admission:
    """Gives requests their turn.

    Args:
      running: calls of a model at once.
      waiting: requests that may wait for their turn.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self.places = running + waiting
        self._inside = threading.BoundedSemaphore(self.places)
        self._running = threading.BoundedSemaphore(running)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn and keeps it within the block.

        Raises:
          Refusal: too many wait already.
        """
        if not self._inside.acquire(blocking=False):
            raise Refusal("RESOURCE_EXHAUSTED", f"{self.places} requests are in work or waiting: try again later.")
        try:
            with self._running:
                yield
        finally:
            self._inside.release()
