"""Work done by threads a few items ahead of whoever takes the results, so that memory stays flat."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Result = TypeVar("Result")


def in_order(calls: Iterable[Callable[[], Result]], workers: int) -> Iterator[Result]:
    """Yields the result of each call in the given order.

    Args:
      calls: what to do; an error ends the iteration where its result would stand.
      workers: number of threads.
    """
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
        for call in calls:
            waiting.append(pool.submit(call))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
