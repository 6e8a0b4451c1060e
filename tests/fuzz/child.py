"""One target in a process of its own, guided by coverage: a crash or a hang ends this process, not the campaign.

    python -m fuzz.child TARGET FOLDER SECONDS SEED

Says once a second how far it is, as JSON lines on standard output. The input under way stands in FOLDER, where the
parent finds it when this process is gone.
"""

import json
import mmap
import os
import pathlib
import random
import struct
import sys
import time
from collections.abc import Callable, Sequence

import atheris

from fuzz import findings, oracle, targets
from fuzz.mutation import numbers

HANG_SECONDS = 60  # on the clock; `oracle` counts processor time
MAX_INPUT = 1 << 20
UNDER_WAY = "under_way"
_INSTRUMENTED = [
    "raspine", "data_prep", "experiments", "pydicom", "json_tensors", "grpc_service", "served"
]  # fmt: skip
_HEADROOM_MB = 4096 + 1024  # libFuzzer ends the process; the oracle says what took more than 4 GiB


class Watch:
    """What is under way, and how many there have been."""

    def __init__(self, folder: pathlib.Path, name: str, out: int) -> None:
        self._findings = findings.Findings(folder / "findings", name)
        self._out, self._count, self._told, self._peak = out, 0, 0.0, 0
        with (folder / f"{name}.{UNDER_WAY}").open("wb+") as stream:
            stream.truncate(MAX_INPUT + 4)
            self._page = mmap.mmap(stream.fileno(), MAX_INPUT + 4)

    def run(self, target: targets.Target, data: bytes) -> None:
        """Reads one input and keeps what is wrong with it."""
        data = data[:MAX_INPUT]
        self._page[: 4 + len(data)] = struct.pack("<I", len(data)) + data
        self._count += 1
        try:
            oracle.check(target, data, oracle.wants_repeat(random.Random(self._count)))
        except oracle.FaultError as fault:
            self._findings.add(fault, data)
        self._peak = max(self._peak, oracle.peak_bytes())
        if time.monotonic() - self._told > 1.0:
            self.tell()

    def tell(self) -> None:
        """Says how far it is."""
        self._told = time.monotonic()
        line = {"executions": self._count, "findings": len(self._findings), "peak_gib": round(self._peak / 2**30, 2)}
        os.write(self._out, (json.dumps(line) + "\n").encode())


def under_way(folder: pathlib.Path, name: str) -> bytes:
    """Returns the input that a target was given last."""
    page = (folder / f"{name}.{UNDER_WAY}").read_bytes()
    (length,) = struct.unpack_from("<I", page)
    return page[4 : 4 + length]


def mutator(target: targets.Target, seeds: Sequence[bytes]) -> Callable[[bytes, int, int], bytes]:
    """Returns what libFuzzer asks for the next input: mostly the target's own ways, sometimes random bytes.

    Args:
      target: whose input it is.
      seeds: one of them is begun with now and then, since what TensorFlow does with an input is no coverage here.
    """

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.15:
            return bytes(atheris.Mutate(data, max_size))
        changed = rng.choice(seeds) if rng.random() < 0.3 else data
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            try:
                changed = target.mutate(changed, rng)
            except Exception:  # what is spoiled already may be beyond a way that wants structure
                changed = numbers.spoil(changed, rng)
        return changed[:max_size]

    return mutate


def main() -> None:
    """Runs until the time is over."""
    name, place, seconds, seed = sys.argv[1:]
    folder, out = pathlib.Path(place), os.dup(1)
    os.dup2(2, 1)
    with atheris.instrument_imports(include=_INSTRUMENTED):
        target = targets.load(name)
    corpus = folder / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = target.seeds()
    for title, data in seeds.items():
        (corpus / title).write_bytes(data)
    watch = Watch(folder, name, out)
    watch.tell()
    options = {
        "max_total_time": max(1, round(float(seconds))),
        "timeout": HANG_SECONDS,
        "rss_limit_mb": _HEADROOM_MB,
        "max_len": MAX_INPUT,
        "seed": seed,
        "len_control": 0,
        "artifact_prefix": f"{folder}/libfuzzer-{name}-",
    }
    arguments = [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus)]
    atheris.Setup(
        arguments, lambda data: watch.run(target, bytes(data)), custom_mutator=mutator(target, list(seeds.values()))
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
