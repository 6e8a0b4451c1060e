"""Writes one self-contained HTML file about a run: figures with intervals, charts, checks, model card, checklists.

    python -m experiments.report --run=DIR --output=FILE.html

--run is an evaluation (experiments.evaluate), a result folder of experiments.demo, or a training run. The parts are
looked for inside it: the evaluation in evaluated/ or evaluation/, the training in run/ or training/, the explanations
in explained/, the data in records/ or data/, a cross-validation in cross_validation/. Flags name those that stand
elsewhere. A section whose part is missing says which command makes it.

The page needs no network, prints on A4, and works without JavaScript, which only adds sorting, filters and a threshold
explorer. --card=FILE.md writes the model card as Markdown too. Files that exist are replaced.

Exits with 0 when the report is written, 1 when a file of the run is damaged, 2 when the flags name nothing to report,
parts of two tasks, or an output that cannot be written.
Research use only.
"""

import pathlib
import tempfile
from collections.abc import Sequence

from absl import flags

from raspine import atomic, program
from raspine.report import gather, markdown, page

_RUN = flags.DEFINE_string("run", None, "Evaluation, result folder of the demo, or training run.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "HTML file to write; an older one is replaced.", required=True)
_TRAINING = flags.DEFINE_string("training", None, "Training run: the folder with run.json.")
_EXPLAINED = flags.DEFINE_string("explained", None, "Folder of experiments.explain, with explanations.json.")
_DATA = flags.DEFINE_string("data", None, "Data set of data_prep, with dataset.json; its shards are not read.")
_CROSS_VALIDATION = flags.DEFINE_string("cross_validation", None, "Folder of experiments.cross_validate.")
_CARD = flags.DEFINE_string("card", None, "Markdown file for the model card; an older one is replaced.")
_TITLE = flags.DEFINE_string("title", "", "Title of the page; by default what the model is for.")


def main(argv: Sequence[str]) -> None:
    """Reports the run that the flags name."""
    program.check_flags_alone(argv)
    _check_outputs()
    named = (_TRAINING, _EXPLAINED, _DATA, _CROSS_VALIDATION)
    try:
        places = gather.locate(
            pathlib.Path(_RUN.value),
            **{flag.name: pathlib.Path(flag.value) for flag in named if flag.value is not None},
        )
    except gather.NotFound as error:
        raise program.UsageError(str(error)) from error
    try:
        run = gather.read(places)
    except gather.Mismatched as error:
        raise program.UsageError(str(error)) from error
    _write(_OUTPUT.value, page.render(run, _TITLE.value))
    if _CARD.value:
        _write(_CARD.value, markdown.render(run, _TITLE.value))
    print(f"report: {_OUTPUT.value}" + (f", model card: {_CARD.value}" if _CARD.value else ""))


def _check_outputs() -> None:
    for flag in (_OUTPUT, _CARD):
        if flag.value is None:
            continue
        path = pathlib.Path(flag.value)
        try:
            if not flag.value or (path.exists() and not path.is_file()):
                raise program.UsageError(f"--{flag.name} is a file to write. Received: '{flag.value}'.")
            _try_beside(path)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise program.UsageError(f"--{flag.name}: '{flag.value}' cannot be written: {reason}.") from error
    if _CARD.value and pathlib.Path(_CARD.value).resolve() == pathlib.Path(_OUTPUT.value).resolve():
        raise program.UsageError("--card and --output are two files. Received the same one twice.")


def _try_beside(path: pathlib.Path) -> None:
    """Makes and removes a file where the output or its first missing folder will stand."""
    folder = next(parent for parent in path.resolve().parents if parent.exists())
    with tempfile.TemporaryFile(dir=folder):
        pass


def _write(path: str, text: str) -> None:
    with atomic.atomic_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()
