from collections.abc import Callable

import pytest

from raspine.serving import errors, retry


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.waits = 100.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def failing(times: int, *found: errors.EndpointError) -> Callable[[float], str]:
    """Returns an attempt that fails so often, then succeeds."""
    left = [found[number % len(found)] for number in range(times)]

    def attempt(_: float) -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return attempt


def run(
    attempt: Callable[[float], str], retries: int = 4, seconds: float = 60.0, draw: float = 1.0
) -> tuple[str, Clock]:
    clock = Clock()
    return retry.run(attempt, retries, clock.now + seconds, clock, clock.sleep, lambda: draw), clock


def test_waits_double_up_to_the_longest() -> None:
    answer, clock = run(failing(8, errors.of_code("UNAVAILABLE", "gone")), retries=8)
    assert answer == "answer"
    assert clock.waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])


def test_waits_are_drawn() -> None:
    assert run(failing(2, errors.of_code("RESOURCE_EXHAUSTED", "busy")), draw=0.25)[1].waits == [0.05, 0.1]


def test_the_server_s_own_wish_counts_when_it_is_longer() -> None:
    assert run(failing(1, errors.of_code("UNAVAILABLE", "gone", retry_after=7.0)))[1].waits == [7.0]


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "INTERNAL", errors.UNTRUSTED])
def test_other_errors_end_at_once(code: str) -> None:
    clock = Clock()
    with pytest.raises(errors.EndpointError) as caught:
        retry.run(failing(1, errors.of_code(code, "no")), 4, clock.now + 60, clock, clock.sleep)
    assert (caught.value.attempts, clock.waits) == (1, [])


def test_retries_end() -> None:
    clock = Clock()
    with pytest.raises(errors.EndpointError, match="after 3 attempts") as caught:
        retry.run(failing(9, errors.of_code("UNAVAILABLE", "gone", "here")), 2, clock.now + 60, clock, clock.sleep)
    assert (caught.value.attempts, len(clock.waits)) == (3, 2)


def test_nobody_waits_beyond_the_deadline() -> None:
    clock = Clock()
    with pytest.raises(errors.EndpointError) as caught:
        retry.run(
            failing(9, errors.of_code("UNAVAILABLE", "gone", retry_after=40.0)), 9, clock.now + 60, clock, clock.sleep
        )
    assert (caught.value.attempts, clock.waits) == (2, [40.0])


def test_an_attempt_is_told_what_is_left() -> None:
    seen: list[float] = []

    def attempt(left: float) -> str:
        seen.append(left)
        if len(seen) < 3:
            raise errors.of_code("UNAVAILABLE", "gone", retry_after=10.0)
        return "answer"

    run(attempt)
    assert seen == [60.0, 50.0, 40.0]
