"""One case: contestants are tried, slow settings dropped, and the others take turns, one step at a time."""

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from experiments.benchmarks import contestants, process

MEASURED, DROPPED, LEFT_OUT, FAILED = "measured", "dropped", "left out", "failed"
_TRIAL = 2  # turns that decide who is dropped
_FEWEST = 3  # rounds


class Runner(Protocol):
    """A contestant's process; see `process.Process`."""

    def ready(self, seconds: float) -> dict[str, Any]:
        """Waits until it is ready."""

    def go(self, steps: int, seconds: float) -> float:
        """Returns the seconds of a step."""

    def peak_mib(self) -> float:
        """Returns its highest resident memory."""

    def stop(self) -> None:
        """Ends it."""


Start = Callable[[contestants.Contestant], Runner]


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
      rounds: at most, of which each gives every contestant a turn.
      warm_up: rounds before them that do not count.
      budget: seconds of a case's rounds, above which there are fewer, but at least three.
      turn: seconds that a turn lasts at least, by repeating quick steps.
      most_steps: of a turn.
      probe: steps from which the length of a step is guessed.
      drop_above: PyTorch settings this many times slower than the best one are dropped after a trial.
      compile_within: settings that run eagerly within this many times of the best eager one are compiled too.
      start_limit: seconds until a contestant has done its first step.
      turn_limit: seconds of a turn.
    """

    rounds: int = 7
    warm_up: int = 1
    budget: float = 40.0
    turn: float = 0.5
    most_steps: int = 8
    probe: int = 1
    drop_above: float = 1.5
    compile_within: float = 1.25
    start_limit: float = 300.0
    turn_limit: float = 180.0


@dataclasses.dataclass
class Result:
    """What came of a contestant in a case.

    Attributes:
      contestant: who.
      status: `measured`, `dropped` (too slow in the trial), `left out` (not worth trying) or `failed`.
      seconds: of a step, one a round; of the trial when dropped.
      first: seconds of the first step, with whatever is built in it.
      peak_mib: highest resident memory.
      versions: of the packages that did the work.
      reason: why it was not measured.
      interleaved: whether the contestants took turns; else memory held one at a time.
    """

    contestant: contestants.Contestant
    status: str = MEASURED
    seconds: list[float] = dataclasses.field(default_factory=list)
    first: float | None = None
    peak_mib: float | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    reason: str = ""
    interleaved: bool = True

    @property
    def median(self) -> float:
        """Of the seconds; NaN without any."""
        return statistics.median(self.seconds) if self.seconds else math.nan


def measure(
    everybody: Sequence[contestants.Contestant], plan: Plan, start: Start, say: Callable[[str], None] = print
) -> list[Result]:
    """Returns what came of each contestant, in their order.

    Args:
      everybody: the contestants.
      plan: how much is measured.
      start: starts a contestant's process.
      say: takes a line about each contestant.
    """
    try:
        return _Case(plan, start, say).together(everybody)
    except process.MemoryShortError:
        say("  memory does not hold the contestants together: one after the other")
    results: dict[str, Result] = {}
    for one in everybody:
        why = _needless(one, results, plan)
        results[one.name] = Result(one, LEFT_OUT, reason=why) if why else _alone(one, plan, start, say, best(results))
    return list(results.values())


def best(results: Mapping[str, Result]) -> float:
    """Returns the seconds of PyTorch's best setting so far; infinity without any."""
    return min((min(one.seconds) for one in results.values() if _is_setting(one) and one.seconds), default=math.inf)


def _is_setting(result: Result) -> bool:
    return result.contestant.family == "torch"


def _needless(one: contestants.Contestant, results: Mapping[str, Result], plan: Plan) -> str:
    """Returns why a setting is not worth compiling, by how it ran eagerly; nothing when it is."""
    eager = results.get(one.name.removesuffix(contestants.COMPILED)) if one.settings.get("compiled") else None
    if eager is None:
        return ""
    if not eager.seconds:
        return f"eager it was {eager.status}"
    factor = min(eager.seconds) / best({name: found for name, found in results.items() if not _is_compiled(found)})
    return f"eager it took {factor:.2f} times the best" if factor > plan.compile_within else ""


def _is_compiled(result: Result) -> bool:
    return bool(result.contestant.settings.get("compiled"))


def _alone(one: contestants.Contestant, plan: Plan, start: Start, say: Callable[[str], None], goal: float) -> Result:
    try:
        result = _Case(plan, start, say, goal).together([one])[0]
    except process.MemoryShortError as error:
        result = Result(one, FAILED, reason=str(error))
    result.interleaved = False
    return result


class _Case:
    """The processes of a case and their results."""

    def __init__(self, plan: Plan, start: Start, say: Callable[[str], None], goal: float = math.inf):
        self._plan, self._start, self._say, self._best = plan, start, say, goal
        self._running: dict[str, Runner] = {}
        self._results: dict[str, Result] = {}
        self._steps: dict[str, int] = {}

    def together(self, everybody: Sequence[contestants.Contestant]) -> list[Result]:
        """Tries each, then lets those that are left take turns.

        Raises:
          MemoryShortError: memory does not hold them all.
        """
        try:
            for one in everybody:
                if why := _needless(one, self._results, self._plan):
                    self._results[one.name] = Result(one, LEFT_OUT, reason=why)
                    continue
                self._results[one.name] = Result(one)
                self._try(one)
                self._drop_slow()
            self._take_turns()
            return list(self._results.values())
        finally:
            for runner in self._running.values():
                runner.stop()

    def _try(self, one: contestants.Contestant) -> None:
        plan, result = self._plan, self._results[one.name]
        with self._watching(one.name):
            self._running[one.name] = runner = self._start(one)
            ready = runner.ready(plan.start_limit)
            result.first, result.versions = float(ready["seconds"]), dict(ready["versions"])
            once = runner.go(plan.probe, plan.turn_limit)
            self._steps[one.name] = steps = max(1, min(plan.most_steps, math.ceil(plan.turn / max(once, 1e-6))))
            result.seconds = [runner.go(steps, plan.turn_limit) for _ in range(_TRIAL)]
            result.peak_mib = runner.peak_mib()
            self._say(f"  {one.name}: first step {result.first:.1f} s, then {min(result.seconds):.3f} s")

    def _drop_slow(self) -> None:
        """Ends PyTorch's settings that are far behind the best of them."""
        trials = {name: min(self._results[name].seconds) for name in self._running if _is_setting(self._results[name])}
        self._best = min([self._best, *trials.values()])
        for name, seconds in trials.items():
            if seconds > self._plan.drop_above * self._best:
                result = self._results[name]
                result.status, result.reason = DROPPED, f"{seconds / self._best:.2f} times the best setting"
                self._running.pop(name).stop()

    def _take_turns(self) -> None:
        plan = self._plan
        turns = {name: self._results[name].median * self._steps[name] for name in self._running}
        rounds = min(plan.rounds, max(_FEWEST, int(plan.budget / max(sum(turns.values()), 1e-6))))
        for name in self._running:
            self._results[name].seconds = []
        for number in range(-plan.warm_up, rounds):
            for name in list(self._running):
                with self._watching(name):
                    seconds = self._running[name].go(self._steps[name], plan.turn_limit)
                    if number >= 0:
                        self._results[name].seconds.append(seconds)
        for name in list(self._running):
            with self._watching(name):
                self._results[name].peak_mib = self._running[name].peak_mib()

    @contextlib.contextmanager
    def _watching(self, name: str) -> Iterator[None]:
        """Takes a contestant out when its process fails; lack of memory ends the case while others hold some."""
        try:
            yield
        except process.MemoryShortError:
            raise
        except process.ContestantError as error:
            result = self._results[name]
            result.status, result.reason, result.seconds = FAILED, str(error), []
            if runner := self._running.pop(name, None):
                runner.stop()
            self._say(f"  {name}: failed: {error}")
