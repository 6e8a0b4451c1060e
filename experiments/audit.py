"""Recomputes every figure of both papers from their own tables, beside the printed one, and says which disagree.

    python -m experiments.audit --json=audit.json

Paper 1 predicts deformity from an MRI, paper 2 measures subluxation on radiographs. Shares come with Wilson's 95 %
interval, which both papers lack. A printed figure agrees when the recomputed one rounds to its digits. The counts and
the printed figures stand in experiments/papers.

Exits with 0 when the figures were printed, 2 when the flags are wrong.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from experiments.papers import recompute, table
from raspine import atomic, program, provenance

_JSON = flags.DEFINE_string("json", None, "File for the figures as JSON; replaced when it is there.")
_ONLY = flags.DEFINE_bool("disagreements", False, "Show only what disagrees.")


def main(argv: Sequence[str]) -> None:
    """Prints the table, and writes JSON when asked to."""
    program.check_flags_alone(argv)
    if _JSON.value and pathlib.Path(_JSON.value).is_dir():
        raise program.UsageError(f"--json is a file. Received the folder '{_JSON.value}'.")
    figures = recompute.figures()
    print(table.text(figures, recompute.titles(), recompute.remarks(), _ONLY.value))
    if _JSON.value:
        atomic.write_json(
            _JSON.value,
            {
                "figures": [figure.to_dict() for figure in figures],
                "remarks": {str(paper): texts for paper, texts in recompute.remarks().items()},
                "confidence": 0.95,
                **provenance.describe(),
            },
        )
    print(table.closing(figures) + (f": {_JSON.value}" if _JSON.value else "."))


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()
