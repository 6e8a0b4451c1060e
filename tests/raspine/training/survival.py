r"""Stops a run again and again by SIGKILL and SIGTERM at random steps, and compares its end with an undisturbed one's.

    PYTHONPATH=tests python tests/raspine/training/survival.py STOPS

Stops a run of one process, and one of two workers, STOPS times with each signal. Prints how far the weights are apart.
"""

import json
import os
import pathlib
import random
import signal
import sys
import tempfile
from collections.abc import Sequence

import forked
import numpy as np

from experiments import local_workers
from experiments.cluster import tf_config

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[3]
STEPS = 60
PATIENCE = 300  # seconds; far more than any step or end takes


def start(workers: int, folder: pathlib.Path, precision: str) -> list[forked.Program]:
    """Starts the run's processes, worker 0 first."""
    name = "one_device" if workers == 1 else "multi_worker"
    environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1"}
    addresses = [f"127.0.0.1:{port}" for port in local_workers.free_ports(workers)]
    started = []
    for index in range(workers):
        cluster = {} if workers == 1 else {tf_config.VARIABLE: tf_config.text(addresses, index)}
        out = pathlib.Path(tempfile.mkdtemp(dir=folder.parent)) / "out"
        arguments = [name, str(folder), precision]
        started.append(forked.begin(str(HERE.with_name("tiny_run.py")), arguments, ROOT, out, environment | cluster))
    return started


def stop_at(step: int, number: int, victim: int, programs: Sequence[forked.Program]) -> list[int]:
    """Sends a signal to a process once worker 0 has said a step; returns how all of them ended."""
    for line in programs[0].lines():
        if line.startswith("step ") and int(line.split()[1]) >= step:
            os.kill(programs[victim].process.pid, number)
            break
    return [program.end(PATIENCE) for program in programs]


def complete(workers: int, folder: pathlib.Path, precision: str) -> None:
    """Runs to the end, which no worker reaches before the first one has written the last of its files."""
    programs = start(workers, folder, precision)
    last_file = folder / "run.json"
    for program in reversed(programs):
        status = program.end(PATIENCE)
        assert status == 0, f"status {status}: {program.out.read_text()[-2000:]} {program.errors.read_text()[-2000:]}"
        assert "pace" in json.loads(last_file.read_text(encoding="utf-8"))


def furthest(one: pathlib.Path, other: pathlib.Path) -> float:
    """Returns the largest difference of the weights that two runs left."""
    with np.load(one / "last" / "weights.npz") as ours, np.load(other / "last" / "weights.npz") as theirs:
        return max(float(np.abs(ours[name] - theirs[name]).max()) for name in theirs.files)


def interrupted(
    workers: int, stops: int, seed: int, folder: pathlib.Path, precision: str
) -> list[tuple[int, list[int]]]:
    """Stops a run `stops` times with each signal at random steps, then lets it end; returns step and endings."""
    rng = random.Random(seed)
    steps = sorted(rng.sample(range(2, STEPS - 6), 2 * stops))
    signals = [signal.SIGKILL, signal.SIGTERM] * stops
    found = []
    for step, number in zip(steps, signals, strict=True):
        ended = stop_at(step, number, rng.randrange(workers), start(workers, folder, precision))
        wanted = {signal.SIGTERM: {75}, signal.SIGKILL: {-9, 75} if workers > 1 else {-9}}[number]
        assert set(ended) == wanted, f"{signal.Signals(number).name} at step {step}: {ended}"
        found.append((step, ended))
    complete(workers, folder, precision)
    return found


def study(workers: int, stops: int, seed: int, folder: pathlib.Path) -> float:
    """Returns how far a run that was stopped ends from an undisturbed one."""
    precision = "float32" if workers == 1 else "float64"
    undisturbed, stopped = folder / f"undisturbed_{workers}", folder / f"stopped_{workers}"
    complete(workers, undisturbed, precision)
    interrupted(workers, stops, seed, stopped, precision)
    return furthest(stopped, undisturbed)


if __name__ == "__main__":
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        for many in (1, 2):
            apart = study(many, count, 0, pathlib.Path(place))
            print(f"{many} process(es), {count} times SIGKILL and {count} times SIGTERM: weights {apart:.3g} apart")
