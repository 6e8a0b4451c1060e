r"""Measures raspine, and in an environment of their own its peers, on the same tensors and machine in one run.

    make bench-peers
    python -m experiments.benchmark --output_dir=build/benchmark

Training steps and inference of ResNet-101 and HRNet-W32 against PyTorch (float32 and bfloat16, contiguous and
channels-last, eager and compiled; the best counts), inference also against ONNX Runtime and OpenVINO, the input
pipeline against a DataLoader with Albumentations, and the highest memory of a training process. Every contestant is a
process of its own that is held still while another one has its turn. Leaves table.json, table.md and table.png in
--output_dir. Figures are good on a quiet machine only.

Exits with 0 when there is a table, 1 when nothing could be measured, 2 when the flags are wrong.
"""

import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from experiments import steps
from experiments.benchmarks import campaign, cases, chart, contestants, machine, ratios, rounds, table
from raspine import atomic, program, provenance

_DEFAULT_PEERS = "build/peers/bin/python"
_MARKER = ".raspine-benchmark"
_NAMES = tuple(case.name for case in cases.CASES)

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the table; a table there is replaced.", required=True)
_WHAT = flags.DEFINE_list("what", list(contestants.WHAT), f"What to measure, of {', '.join(contestants.WHAT)}.")
_CASES = flags.DEFINE_list("cases", [], f"Networks, sizes and batches, of {', '.join(_NAMES)}; all by default.")
_CONTESTANTS = flags.DEFINE_list(
    "contestants", list(contestants.FAMILIES), f"Who takes part, of {', '.join(contestants.FAMILIES)}."
)
_PEERS = flags.DEFINE_string("peers", _DEFAULT_PEERS, "Python of the peers' environment, made by make bench-peers.")
_THREADS = flags.DEFINE_integer("threads", 2, "Threads of every contestant.", lower_bound=1, upper_bound=1024)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds a case, at most.", lower_bound=3, upper_bound=1000)
_BUDGET = flags.DEFINE_float(
    "case_seconds", 40.0, "Seconds of a case's rounds; there are fewer then, but at least three.", lower_bound=0
)
_DROP = flags.DEFINE_float(
    "drop_above", 1.5, "PyTorch settings so many times slower than its best are dropped after two turns.", lower_bound=1
)
_START = flags.DEFINE_float("start_seconds", 300.0, "Within which a contestant does its first step.", lower_bound=1)
_COMPILED = flags.DEFINE_bool("compiled", True, "Whether PyTorch's better settings are compiled too; takes longest.")
_QUICK = flags.DEFINE_bool("quick", False, "A short run: two cases, three rounds, no compiled settings.")
_SMALL = flags.DEFINE_bool("small_networks", False, "Tries the program on small networks; the figures say nothing.")


def main(argv: Sequence[str]) -> None:
    """Measures what the flags ask for and writes the table."""
    program.check_flags_alone(argv)
    request = _request()
    folder = pathlib.Path(_OUTPUT_DIR.value)
    steps.claim(folder, _MARKER)
    began = time.monotonic()
    rows, versions = campaign.run(request, lambda line: print(line, flush=True))
    if not any(row["status"] == rounds.MEASURED for row in rows):
        reasons = {row["reason"] for row in rows if row["reason"]}
        raise program.NothingDone(f"nothing could be measured: {'; '.join(sorted(reasons)) or 'nobody takes part'}.")
    report = _report(request, rows, versions, (time.monotonic() - began) / 60)
    _write(report, folder)
    print("\n".join(["", *_closing(report, folder, request.peers)]))


def _request() -> campaign.Request:
    """Returns what the flags ask for.

    Raises:
      UsageError: they do not fit together.
    """
    peers = _peers()
    families = _known(_CONTESTANTS, contestants.FAMILIES)
    plan = rounds.Plan(
        rounds=3 if _QUICK.value else _ROUNDS.value,
        budget=_BUDGET.value,
        turn=0.0 if _SMALL.value else rounds.Plan.turn,
        drop_above=_DROP.value,
        start_limit=_START.value,
    )
    what = _known(_WHAT, contestants.WHAT)
    request = campaign.Request(
        what=what,
        chosen=_chosen(),
        families=[one for one in families if peers or one in contestants.OWN],
        own=sys.executable,
        peers=peers,
        threads=_THREADS.value,
        plan=plan,
        eager=_QUICK.value or not _COMPILED.value,
        tiny=_SMALL.value,
    )
    if not campaign.jobs(request):
        raise program.UsageError(
            f"--contestants: none of {', '.join(families)} does {', '.join(what)}"
            + ("." if peers else f" without the peers' environment, '{_PEERS.value}' (make bench-peers).")
        )
    return request


def _known(flag: flags.FlagHolder[Any], known: Sequence[str]) -> list[str]:
    strange = [value for value in flag.value if value not in known]
    if strange or not flag.value:
        raise program.UsageError(
            f"--{flag.name} takes some of {', '.join(known)}. Received: {', '.join(strange) or 'nothing'}."
        )
    return [value for value in known if value in flag.value]


def _chosen() -> Sequence[cases.Case]:
    offered = cases.TINY if _SMALL.value else cases.CASES
    if not _CASES.value:
        return cases.QUICK if _QUICK.value and not _SMALL.value else offered
    names = _known(_CASES, [case.name for case in offered])
    return [case for case in offered if case.name in names]


def _peers() -> str | None:
    """Returns the peers' Python, or None when the default one was not made."""
    if pathlib.Path(_PEERS.value).is_file():
        # Not resolved: a virtual environment is known by the path of its link to Python.
        return str(pathlib.Path(_PEERS.value).absolute())
    if _PEERS.value == _DEFAULT_PEERS:
        return None
    raise program.UsageError(
        f"--peers: no file '{_PEERS.value}': give the Python of an environment of make bench-peers."
    )


def _report(
    request: campaign.Request, rows: list[dict[str, Any]], versions: dict[str, dict[str, str]], minutes: float
) -> dict[str, Any]:
    return {
        "what": list(request.what),
        "machine": machine.describe(),
        "threads": request.threads,
        "rounds": request.plan.rounds,
        "minutes": round(minutes, 1),
        "small_networks": request.tiny,
        "versions": versions,
        "raspine": provenance.versions()["raspine"],
        "git_commit": provenance.git_commit(),
        "ratios": ratios.all_of(rows, request.what),
        "rows": rows,
    }


def _write(report: dict[str, Any], folder: pathlib.Path) -> None:
    atomic.write_json(folder / "table.json", report)
    with atomic.atomic_file(folder / "table.md") as aside:
        aside.write_text(table.markdown(report), encoding="utf-8")
    with atomic.atomic_file(folder / "table.png") as aside:
        chart.draw(report["rows"], aside)


def _closing(report: dict[str, Any], folder: pathlib.Path, peers: str | None) -> list[str]:
    lines = [
        f"{one['what']} {one['case']}: {one['of']} against {one['over']}: {one['ratio']:.2f}"
        + ("" if one["wanted"] is None else f" (wanted {one['wanted']}: {'met' if one['is_met'] else 'missed'})")
        for one in report["ratios"]
    ]
    failed = sorted(
        {
            f"{row['case']}, {row['contestant']}: {row['reason']}"
            for row in report["rows"]
            if row["status"] == rounds.FAILED
        }
    )
    lines += [f"failed: {one}" for one in failed]
    if peers is None:
        lines.append(f"Only raspine was measured: there is no '{_PEERS.value}'; `make bench-peers` makes it.")
    return [*lines, f"Took {report['minutes']} min. Table: {folder / 'table.md'}"]


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
