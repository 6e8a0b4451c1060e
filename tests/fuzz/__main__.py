"""Tries hostile input on every reader of outside bytes, and keeps what breaks one.

    python tests/fuzz --minutes=30
    python tests/fuzz --minutes=5 --target=film --target=study
    python tests/fuzz --target=film --input=build/fuzz/findings/film-0123abcd.bin

A reader must take bytes or refuse them with one of its own errors, in one line that names nobody, within 10 s of
processor time and 4 GiB, and must not crash. Findings stand in build/fuzz/findings: the input, and a line that says
what is wrong. Ends with 0 without findings, 1 with some or when a target did not start, 2 when the flags are wrong.
Needs the extra `fuzz`.
"""

import importlib.util
import os
import pathlib
import sys
import time
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import app, flags
from tqdm import tqdm

from fuzz import ROOT, campaign, oracle, targets

_MINUTES = flags.DEFINE_float("minutes", 1.0, "How long, over all targets.", lower_bound=0.01)
_TARGETS = flags.DEFINE_multi_enum("target", None, list(targets.MODULES), "Which readers; all of them by default.")
_SEED = flags.DEFINE_integer("seed", None, "Of the mutations; the clock's by default.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output_dir", str(ROOT / "build" / "fuzz"), "For corpus, findings and logs.")
_INPUT = flags.DEFINE_string("input", None, "Try this one file on the one --target instead, and say what comes of it.")


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    if len(arguments) > 1 or (_INPUT.value and len(_TARGETS.value or ()) != 1):
        print("fuzz: --input needs exactly one --target, and nothing stands without a flag.", file=sys.stderr)
        return 2
    if _INPUT.value:
        return _one(pathlib.Path(_INPUT.value))
    if not importlib.util.find_spec("atheris"):
        print("fuzz: atheris is not installed: pip install 'raspine[fuzz]'.", file=sys.stderr)
        return 2
    os.nice(10)
    return _all(pathlib.Path(_OUTPUT.value), _TARGETS.value or list(_possible()))


def _possible() -> list[str]:
    """Returns the targets that can run here, and says which cannot."""
    if importlib.util.find_spec("torch"):
        return list(targets.MODULES)
    print("fuzz: target pth is left out, since PyTorch is not installed.")
    return [name for name in targets.MODULES if name != "pth"]


def _one(path: pathlib.Path) -> int:
    try:
        print(oracle.check(targets.load(_TARGETS.value[0]), path.read_bytes(), repeat=True) or "taken")
    except oracle.FaultError as fault:
        print(f"finding: {fault.reason}")
        return 1
    return 0


def _all(folder: pathlib.Path, names: list[str]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    seed = _SEED.value or int(time.time())
    results, failed = {}, list[str]()
    with tqdm(total=round(60 * _MINUTES.value), unit="s", bar_format="{l_bar}{bar}| {remaining} left {postfix}") as bar:
        for number, name in enumerate(names):
            seconds = 60 * _MINUTES.value / len(names)
            bar.set_description(name)
            try:
                results[name] = campaign.run(name, folder, seconds, seed, _teller(bar, number * seconds))
            except campaign.ChildError as error:
                failed.append(str(error))
            bar.update(round((number + 1) * seconds) - bar.n)
    for line in failed:
        print(f"fuzz: {line}", file=sys.stderr)
    return _close(folder, results, seed) or int(bool(failed))


def _teller(bar: "tqdm[None]", before: float) -> Callable[[campaign.Result], None]:
    begun: list[float] = []  # when the target first said something: its start does not count

    def tell(result: campaign.Result) -> None:
        if not begun:
            begun.append(time.monotonic())
        spent = time.monotonic() - begun[0]
        bar.update(max(0, round(before + spent) - bar.n))
        rate = result.executions / max(spent, 1e-9)
        bar.set_postfix_str(f"{rate:.0f} a second, {result.executions} tried, {result.findings} findings")

    return tell


def _close(folder: pathlib.Path, results: dict[str, campaign.Result], seed: int) -> int:
    for name, one in results.items():
        print(f"{name:14}{one.executions:9} tried {one.findings:4} findings, at most {one.peak_gib:.2f} GiB")
    for path in sorted((folder / "findings").glob("*.txt")):
        print(f"{path.with_suffix('.bin')}: {path.read_text(encoding='utf-8').splitlines()[0]}")
    tried, found = sum(one.executions for one in results.values()), sum(one.findings for one in results.values())
    print(f"{tried} inputs, {found} findings, seed {seed}: {folder / 'findings'}")
    return int(found > 0)


if __name__ == "__main__":
    app.run(lambda arguments: sys.exit(main(arguments)))
