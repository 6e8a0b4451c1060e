"""The trials of a sweep as they go by, with what a user is told of each."""

import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from experiments import children, search, search_results, search_space, search_trial
from experiments.sweep_request import Request
from raspine import program


class Course:
    """Runs trials one after another.

    Args:
      request: what is searched.
      found: the search so far.
      received: signals for this process.
      lock: file descriptor that keeps other sweeps out.
    """

    def __init__(self, request: Request, found: search.Search, received: children.Received, lock: int):
        self._request, self._found, self._received, self._lock = request, found, received, lock
        self._seconds, self._failures = list[float](), 0

    def complete(self) -> bool:
        """Runs the trials that are missing; returns whether none is missing now.

        Raises:
          UsageError: the first trial says that its flags are wrong, or its run has no such metric.
          NothingDone: too many failed one after another.
        """
        while self._found.finished < self._request.trials and not self._received.any:
            trial = self._found.begin()
            ending = self._run(trial)
            if not self._keep(trial, ending):
                break
            self._seconds.append(ending.seconds)
            self._write()
            print(self._line(trial.number), flush=True)
            self._check_failures(trial.number)
        return self._found.finished >= self._request.trials

    def _run(self, trial: optuna.Trial) -> search_trial.Ending:
        request, number = self._request, trial.number
        place, log = request.place(number), request.log(number)
        for folder in (place.parent, log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        drawn = search_space.arguments(trial.params)
        print(f"trial {number}: {' '.join(drawn)}", flush=True)
        command = [sys.executable, "-m", request.module, *request.arguments, *drawn, f"--output_dir={place}"]

        def is_hopeless(history: Sequence[Mapping[str, Any]]) -> bool:
            return request.prune_after > 0 and self._found.is_hopeless(trial, history, request.metric)

        ending = search_trial.run(command, place, log, self._received, is_hopeless, self._lock)
        is_hopeless(ending.report.get("history") or [])  # later trials are compared with all its epochs
        return ending

    def _keep(self, trial: optuna.Trial, ending: search_trial.Ending) -> bool:
        """Keeps what came of a trial; returns whether anything did: one that was stopped is still to be done."""
        notes: dict[str, Any] = {"seconds": round(ending.seconds, 1)}
        metric = self._request.metric
        if ending.status == program.DONE:
            best = _best(ending.report, metric)
            is_number = isinstance(best[metric], int | float) and math.isfinite(best[metric])
            notes |= {"epoch": best.get("epoch")} if is_number else {"reason": f"{metric} is {best[metric]}"}
            self._found.end(trial, notes, best[metric] if is_number else None)
        elif ending.is_pruned:
            self._found.end(trial, notes, is_pruned=True)
        elif self._received.any or ending.status == program.STOPPED:
            return False
        else:
            self._found.end(trial, {**notes, "reason": self._reason(trial.number, ending.status)})
        return True

    def _reason(self, number: int, status: int) -> str:
        said = children.last_lines(self._request.log(number), 1)
        reason = said[0].removeprefix("error: ") if said and status > 0 else children.how_it_ended(status)
        if status == program.WRONG_FLAGS and self._found.best is None:
            raise program.UsageError(f"trial {number}: {reason}")
        return reason

    def _write(self) -> None:
        request, found = self._request, self._found
        search_results.write_table(request.folder, found.trials, request.metric)
        if found.best is not None:
            search_results.write_best(request, found.best, found.finished)

    def _line(self, number: int) -> str:
        request, found, row, best = self._request, self._found, self._found.trials[number], self._found.best
        result = f"{request.metric} {row.value:.5g}" if row.state == TrialState.COMPLETE else f"{_state(row)}"
        leader = f"best {best.value:.5g} (trial {best.number})" if best is not None else "none is done yet"
        left = (request.trials - found.finished) * statistics.fmean(self._seconds)
        return f"trial {number}: {result}; {leader}; {found.finished} of {request.trials}, {_duration(left)} left"

    def _check_failures(self, number: int) -> None:
        is_failed = self._found.trials[number].state == TrialState.FAIL
        self._failures = self._failures + 1 if is_failed else 0
        if self._failures >= self._request.failures:
            raise program.NothingDone(
                f"{self._failures} trials failed one after another; look at {self._request.log(number)}. "
                "The same command goes on with the next one."
            )


def _best(report: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    best: Mapping[str, Any] = report.get("best") or {}
    if metric in best:
        return best
    there = ", ".join(sorted(set(best) - {"score", "epoch"})) or "nothing: do the data have a validation split?"
    raise program.UsageError(f"--metric: run.json has no {metric} for its best epoch. It has {there}")


def _state(row: optuna.trial.FrozenTrial) -> str:
    if row.state == TrialState.PRUNED:
        return f"pruned after epoch {row.last_step}"
    return f"failed ({row.user_attrs.get('reason')})"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
