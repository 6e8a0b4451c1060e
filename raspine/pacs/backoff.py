"""How long to wait before another attempt."""

import random

FIRST = 2.0  # seconds
LONGEST = 600.0


def seconds(attempts: int, draw: random.Random, first: float = FIRST, longest: float = LONGEST) -> float:
    """Returns the wait after so many failed attempts: doubled each time, half of it random ("equal jitter").

    Args:
      attempts: how many have failed, at least 1.
      draw: so that workers that failed together do not come back together.
      first: seconds after the first failure, at most.
      longest: seconds, at most.
    """
    # 2 ** 64 of any first wait is above any longest one, and floats end at 2 ** 1024.
    whole = min(longest, first * 2.0 ** min(max(attempts, 1) - 1, 64))
    return whole / 2 + draw.uniform(0, whole / 2)
