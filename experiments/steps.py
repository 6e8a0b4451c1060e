"""The programs one after another, as a user would start them: what the demonstrations and studies are made of."""

import csv
import pathlib
import shlex
import shutil
import subprocess
import sys

from raspine import atomic, program

_SHOWN, _LONGEST = 8, 120


def run(title: str, module: str, *arguments: str) -> None:
    """Starts a program as a user would, after showing the command.

    Raises:
      NothingDone: it ended with another status than 0.
    """
    short = [text if len(text) < _LONGEST else f"{text[: _LONGEST - 3]}..." for text in arguments[:_SHOWN]]
    more = " ..." if len(arguments) > _SHOWN else ""
    print(f"\n== {title}\n$ python -m {module} {shlex.join(short)}{more}", flush=True)
    finished = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
    if finished.returncode:
        raise program.NothingDone(f"{module} ended with status {finished.returncode}; see its message above.")


def collect(work: pathlib.Path, results: pathlib.Path) -> None:
    """Copies what results rest on beside them: the model, how it was trained, and what the data set says of itself."""
    shutil.copytree(work / "run" / "best", results / "best")
    shutil.copy(work / "run" / "run.json", results)
    (results / "data").mkdir()
    for name in ("dataset.json", "records.csv", "refused.csv"):
        shutil.copy(work / "records" / name, results / "data")


def report(results: pathlib.Path) -> None:
    """Makes the page and the model card of a result folder."""
    page, card = results / "report.html", results / "model_card.md"
    run("writing the report", "experiments.report", f"--run={results}", f"--output={page}", f"--card={card}")


def claim(folder: pathlib.Path, marker: str) -> None:
    """Marks a folder as made by a program, so that only what it made itself is ever removed.

    Args:
      folder: made when missing.
      marker: name of the hidden file that marks it.

    Raises:
      UsageError: it holds something else.
    """
    if not (folder / marker).is_file() and atomic.has_content(folder):
        raise program.UsageError(f"output folder '{folder}' holds something else: name another or empty it.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / marker).touch()


def names(private_log: pathlib.Path, kind: str) -> dict[str, str]:
    """Returns who is behind each pseudonym of a kind, from a private log."""
    with private_log.open(encoding="utf-8") as stream:
        return {row["pseudonym"]: row["name"] for row in csv.DictReader(stream) if row["kind"] == kind}
