"""Attempts with exponential back-off, full jitter and one deadline over all of them."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from raspine.serving import errors

FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds
Result = TypeVar("Result")


def run(
    attempt: Callable[[float], Result],
    retries: int,
    ends: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
) -> Result:
    """Returns the result of the first attempt that succeeds.

    The n-th wait is drawn evenly from 0 to FIRST_WAIT x 2^n seconds, at most LONGEST_WAIT, or what the server asks for
    if that is longer.

    Args:
      attempt: takes the seconds that are left.
      retries: attempts after the first one.
      ends: the clock's time at which everything ends.
      clock: seconds.
      sleep: waits for some seconds.
      draw: a random number, 0..1.

    Raises:
      EndpointError: the last attempt's, when it is none that may pass, or retries or time are used up.
    """
    for number in range(retries + 1):
        try:
            return attempt(max(ends - clock(), 0.001))
        except errors.EndpointError as error:
            error.attempts = number + 1
            wait = draw() * min(LONGEST_WAIT, FIRST_WAIT * 2**number)
            wait = max(wait, error.retry_after or 0.0)
            if not error.is_transient or number == retries or clock() + wait >= ends:
                raise
        sleep(wait)
    raise AssertionError("the last attempt returns or raises")
