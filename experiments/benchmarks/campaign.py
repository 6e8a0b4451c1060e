"""A whole run: the cases one after another, what each needs beforehand, and what one case spares the next."""

import dataclasses
import functools
import json
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from experiments.benchmarks import cases, contestants, machine, process, rounds, table

_LEAST_GIB = 1.0  # that the machine keeps free
_FILMS, _ONNX_SECONDS, _FILMS_SECONDS = "films", 300.0, 300.0
_FEWER_FILMS = 16
_CARRY_ABOVE = 1.25  # times as slow as the best setting: not tried at other sizes
_ELSEWHERE = "in"
# Of the guess how long a job takes: seconds to start a contestant, and of its steps for one unit of a case's work.
_STARTING, _STEPPING = 25.0, {"train": 2.5, "infer": 0.7}


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
      what: of `contestants.WHAT`.
      chosen: the cases of networks.
      families: who takes part.
      own: Python of raspine's environment.
      peers: Python of the peers'; None without.
      threads: of every contestant.
      plan: how much is measured.
      eager: whether PyTorch's compiled settings are left out.
      tiny: whether networks are small ones, to try the program.
    """

    what: Sequence[str]
    chosen: Sequence[cases.Case]
    families: Sequence[str]
    own: str
    peers: str | None
    threads: int
    plan: rounds.Plan
    eager: bool = False
    tiny: bool = False


@dataclasses.dataclass(frozen=True)
class Job:
    """A case to measure: `what`, its name, items a step, who takes part, and what all of them are told."""

    what: str
    case: str
    items: int
    everybody: Sequence[contestants.Contestant]
    spec: dict[str, Any]
    plan: rounds.Plan
    network: str
    work: float

    @property
    def guess(self) -> float:
        """Seconds, roughly, in proportion to other jobs."""
        return len(self.everybody) * (_STARTING + self.work * _STEPPING.get(self.what, 1.0))


def jobs(request: Request) -> list[Job]:
    """Returns what a request comes to, in the order of measuring."""
    return [*_of_networks(request), *(_of_input(request) if "input" in request.what else ())]


def run(request: Request, say: Callable[[str], None] = print) -> tuple[list[dict[str, Any]], dict[str, dict[str, str]]]:
    """Measures all; returns the table's rows, and by environment the versions of what did the work."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        campaign = _Campaign(request, pathlib.Path(scratch))
        todo, began, done, rows = jobs(request), time.monotonic(), 0.0, []
        whole = sum(job.guess for job in todo)
        for number, job in enumerate(todo, 1):
            pace = (time.monotonic() - began) / done if done else 1.0
            minutes = (whole - done) * pace / 60
            say(f"[{number} of {len(todo)}] {job.what} {job.case}; about {minutes:.0f} min left")
            results = campaign.measure(job, say)
            rows += [table.row(job.what, job.case, job.items, result) for result in results]
            done += job.guess
        return rows, campaign.versions


class _Campaign:
    """Remembers between jobs which settings are not worth trying, and which files were written."""

    def __init__(self, request: Request, scratch: pathlib.Path):
        self._request, self._scratch = request, scratch
        self._variables = process.environment(request.threads, scratch)
        self._spared: dict[tuple[str, str], dict[str, str]] = {}
        self.versions: dict[str, dict[str, str]] = {"raspine": {}, "peers": {}}

    def measure(self, job: Job, say: Callable[[str], None]) -> list[rounds.Result]:
        spared = self._spared.setdefault((job.what, job.network), {})
        unable = self._prepare(job)
        found = {
            one.name: rounds.Result(one, rounds.LEFT_OUT, reason=spared[one.name])
            for one in job.everybody
            if one.name in spared
        }
        found |= {name: rounds.Result(one, rounds.FAILED, reason=why) for name, (one, why) in unable.items()}
        present = [one for one in job.everybody if one.name not in found]
        for result in rounds.measure(present, job.plan, functools.partial(self._start, job), say):
            found[result.contestant.name] = result
            own = "raspine" if result.contestant.family in contestants.OWN else "peers"
            self.versions[own] |= result.versions
        spared |= _not_again(job.case, found)
        return [found[one.name] for one in job.everybody]

    def _start(self, job: Job, one: contestants.Contestant) -> process.Process:
        python = None if one.family in contestants.OWN else self._request.peers
        command = process.command(one.module, python, self._request.own)
        spec = {**self._spec(job), **one.settings, "precision": one.precision}
        return process.Process([*command, json.dumps(spec)], self._variables, _LEAST_GIB)

    def _spec(self, job: Job) -> dict[str, Any]:
        """Returns what everybody is told, with the files that were written for the job."""
        return {**job.spec, "folder": str(self._scratch / _FILMS), "model": str(self._scratch / f"{job.case}.onnx")}

    def _prepare(self, job: Job) -> dict[str, tuple[contestants.Contestant, str]]:
        """Writes the files a job needs; returns by name who cannot take part, and why."""
        if job.what == "input":
            if (self._scratch / _FILMS).exists():
                return {}
            (self._scratch / _FILMS).mkdir()
            why = self._once("input_films", None, {**self._spec(job), "size": contestants.INPUT_SIZE}, _FILMS_SECONDS)
            return {one.name: (one, f"making films: {why}") for one in job.everybody} if why else {}
        needing = [one for one in job.everybody if one.family in contestants.EXPORTED]
        if not needing:
            return {}
        spec = {**self._spec(job), "precision": "float32", "channels_last": False, "compiled": False}
        why = self._once("torch_export", self._request.peers, spec, _ONNX_SECONDS)
        return {one.name: (one, f"torch.onnx: {why}") for one in needing} if why else {}

    def _once(self, module: str, peers: str | None, spec: dict[str, Any], seconds: float) -> str:
        """Runs a module to its end; returns why it failed, or nothing."""
        command = [*process.command(module, peers, self._request.own), json.dumps(spec)]
        try:
            done = subprocess.run(
                command, env=self._variables, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return f"not done within {seconds:.0f} s"
        return (process.reason(done.stderr) or f"status {done.returncode}") if done.returncode else ""


def _not_again(case: str, found: Mapping[str, rounds.Result]) -> dict[str, str]:
    """Returns by name the PyTorch settings that other sizes of the network need not try, and why."""
    best, reasons = rounds.best(found), {}
    for name, result in found.items():
        if result.contestant.family != "torch" or result.reason.startswith(_ELSEWHERE):
            continue
        if result.status != rounds.MEASURED:
            reasons[name] = f"{_ELSEWHERE} {case}: {result.status}, {result.reason}"
        elif min(result.seconds) > _CARRY_ABOVE * best:
            reasons[name] = f"{_ELSEWHERE} {case}: {min(result.seconds) / best:.2f} times the best setting"
    return reasons


def _of_networks(request: Request) -> Iterator[Job]:
    has_amx = machine.has_amx()
    families = [one for one in request.families if one != "keras" or not request.tiny]
    kinds = [kind for kind in ("train", "infer") if kind in request.what]
    if "memory" in request.what and "train" not in kinds:
        kinds.insert(0, "train")
    for kind in kinds:
        for case in request.chosen:
            everybody = (
                contestants.training(case, families, has_amx, request.eager)
                if kind == "train"
                else contestants.inference(families, has_amx, request.eager)
            )
            spec = contestants.network_spec(case, request.threads, request.tiny)
            if everybody:
                yield Job(kind, case.name, case.batch, everybody, spec, request.plan, case.network, case.work)


def _of_input(request: Request) -> Iterator[Job]:
    # Batches come in bursts: a turn takes many, and the first ones, read ahead, say little.
    plan = dataclasses.replace(request.plan, probe=8, turn=2 * request.plan.turn, most_steps=64)
    films = _FEWER_FILMS if request.tiny else contestants.INPUT_FILMS
    for cache, title in contestants.CACHES.items():
        everybody = contestants.feeding(request.families, cache, films)
        if everybody:
            spec = {"threads": request.threads, "films": films}
            yield Job("input", f"films {title}", contestants.INPUT_BATCH, everybody, spec, plan, cache, 1.0)
