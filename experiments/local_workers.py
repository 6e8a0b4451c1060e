"""Processes of one training on one machine: started together, ended together."""

import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from experiments import children
from experiments.cluster import tf_config
from raspine import program

_WITH_REASON = (program.NOTHING_DONE, program.WRONG_FLAGS)
# Before its first step a training has nothing new to save, and ends as other programs do: 130, or by the signal itself.
_AFTER_SIGNAL = {program.DONE, program.STOPPED, 130, -signal.SIGTERM, -signal.SIGINT}
_PORTS = range(16_000, 32_000)  # Linux takes 32768 and more for connections, IANA advises 49152 and more
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is started, and how long it is waited for.

    Attributes:
      workers: processes.
      arguments: flags that each of them gets.
      logs: folder for the output of all but worker 0, which writes to the terminal.
      grace: seconds between SIGTERM and SIGKILL.
      settle: seconds between the end of a worker and SIGTERM for the others, which may end by themselves.
      module: the program.
    """

    workers: int
    arguments: tuple[str, ...]
    logs: pathlib.Path
    grace: float = 40.0
    settle: float = 5.0
    module: str = "experiments.train"

    def log(self, worker: int) -> pathlib.Path | None:
        """Returns the file that a worker's output goes to; None for the terminal."""
        return self.logs / f"worker-{worker}.log" if worker else None


@dataclasses.dataclass(frozen=True)
class Ending:
    """How all workers ended.

    Attributes:
      statuses: of each worker, as of subprocess: negative for a signal.
      first: the worker whose end with another status than 0 took the others down; None when all were done.
      was_stopped: whether SIGTERM or Ctrl-C was passed on.
    """

    statuses: tuple[int, ...]
    first: int | None
    was_stopped: bool

    @property
    def status(self) -> int:
        """The exit status of the whole: of the worker that failed with a reason, else worker 0's, which writes."""
        lead = self.statuses[0]
        if self.was_stopped and lead != program.DONE and set(self.statuses) <= _AFTER_SIGNAL:
            return program.STOPPED
        if lead != program.DONE and self.first is not None and self.statuses[self.first] in _WITH_REASON:
            return self.statuses[self.first]
        return lead if lead in (program.DONE, program.STOPPED) else program.NOTHING_DONE

    @property
    def may_go_on(self) -> bool:
        """Whether starting all again may help: a worker was killed, or all stopped without having been told."""
        if self.first is None or self.was_stopped or self.status == program.DONE:
            return False
        return self.statuses[self.first] < 0 or self.statuses[self.first] == program.STOPPED


def run(plan: Plan) -> Ending:
    """Starts all workers and returns when all have ended; SIGTERM and Ctrl-C are passed on to them."""
    plan.logs.mkdir(parents=True, exist_ok=True)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(plan.workers)]
    team: list[subprocess.Popen[bytes]] = []
    with children.signals() as received:
        try:
            for worker in range(plan.workers):
                command = [sys.executable, "-m", plan.module, "--strategy=multi_worker", *plan.arguments]
                surroundings = environment(addresses, worker)
                team.append(children.start(command, plan.log(worker), surroundings))
            first = _watch(team, plan, received)
        finally:
            children.kill(team)
    return Ending(tuple(process.returncode for process in team), first, received.any)


def environment(addresses: Sequence[str], worker: int) -> dict[str, str]:
    """Returns the variables that make a process one of the workers, with its share of the machine's cores.

    Args:
      addresses: host:port of every worker.
      worker: its number.
    """
    threads = str(max(1, len(os.sched_getaffinity(0)) // len(addresses)))
    shares = {name: threads for name in _THREADS if name not in os.environ}
    return {**shares, tf_config.VARIABLE: tf_config.text(addresses, worker)}


def free_ports(count: int) -> list[int]:
    """Returns different ports of the loopback interface that nothing listens on.

    None of those that systems give to connections, one of which could take it before its program listens.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found


def _watch(team: Sequence["subprocess.Popen[bytes]"], plan: Plan, received: children.Received) -> int | None:
    """Waits for all; returns the worker that failed first, after which the others get signals."""
    first: int | None = None
    due: list[tuple[float, signal.Signals]] = []
    while any(process.poll() is None for process in team):
        time.sleep(0.05)
        received.pass_on(team)
        if first is None and (first := _failed(team)) is not None:
            due = _signals(plan, team[first].returncode == program.STOPPED or received.any)
        while due and time.monotonic() >= due[0][0]:
            _, number = due.pop(0)
            for process in team:
                process.send_signal(number)
    return first if first is not None else _failed(team)


def _failed(team: Sequence["subprocess.Popen[bytes]"]) -> int | None:
    """Returns a worker that failed; one that only saved and stopped is seldom the reason."""
    failed = [worker for worker, process in enumerate(team) if process.poll()]
    return min(failed, key=lambda worker: team[worker].returncode == program.STOPPED, default=None)


def _signals(plan: Plan, is_stopping: bool) -> list[tuple[float, signal.Signals]]:
    """Returns when the other workers get which signal; those that are about to save must not get SIGTERM again."""
    now = time.monotonic()
    if is_stopping:
        return [(now + plan.grace, signal.SIGKILL)]
    return [(now + plan.settle, signal.SIGTERM), (now + plan.settle + plan.grace, signal.SIGKILL)]
