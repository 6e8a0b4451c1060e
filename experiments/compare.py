"""Sets two or more runs side by side on the same test set, with paired tests.

    python -m experiments.compare --runs=build/a,build/b --output_dir=DIR

Takes folders of experiments.evaluate (or result folders that hold the same files). The runs must have been evaluated
on the same films or studies with the same truth; --common compares what they share.

Landmark models are compared by their radial error over the points that both found, points within 2 mm (one that was
not found is not), and each distance: absolute error, accuracy, sensitivity and specificity of the verdict. Risk models
by the area under the ROC curve, the Brier score, and their decisions, each at its own threshold. Intervals come from a
bootstrap that draws patients. p values are of a permutation test that swaps both models' answers patient by patient
(of one decision a patient McNemar's test, exact while few patients differ); for the areas of DeLong's test, or
Obuchowski's when patients have several studies. Those under `p_holm` are adjusted for all figures and pairs.

Leaves comparison.json, comparison.csv and comparison.png in --output_dir.

Exits with 0 when runs were compared, 2 when the flags are wrong or the runs do not fit.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from experiments.comparisons import pairs, picture, runs, table
from raspine import atomic, program, provenance

_RUNS = flags.DEFINE_list("runs", None, "Two or more folders of experiments.evaluate.", required=True)
_NAMES = flags.DEFINE_list("names", [], "Their names, in the same order; by default the ends of their paths.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make.", required=True)
_COMMON = flags.DEFINE_bool("common", False, "Compare the films or studies that all runs share.")
_SEED = flags.DEFINE_integer("seed", 0, "Of bootstrap and permutations.", lower_bound=0)
_CONFIDENCE = flags.DEFINE_float("confidence", 0.95, "Of the intervals.", 0.5, 0.999)


def main(argv: Sequence[str]) -> None:
    """Compares the runs that the flags name."""
    program.check_flags_alone(argv)
    program.check_new_folder(_OUTPUT_DIR.value)
    if len(_RUNS.value) < 2:
        raise program.UsageError(f"--runs takes two folders or more. Received: {len(_RUNS.value)}.")
    found = runs.read(_RUNS.value, _NAMES.value)
    cases = runs.check(found, _COMMON.value)
    compared = pairs.compare(found, cases, _SEED.value, _CONFIDENCE.value)
    with atomic.atomic_directory(_OUTPUT_DIR.value) as folder:
        facts = {
            "task": found[0].kind,
            "runs": [{"name": run.name, "data_hash": run.data_hash or None, "split": run.split} for run in found],
            "n": len(cases),
            "confidence": _CONFIDENCE.value,
            "seed": _SEED.value,
            "pairs": [pair.to_dict() for pair in compared],
            **provenance.describe(),
        }
        atomic.write_json(folder / "comparison.json", facts)
        atomic.write_csv(folder / "comparison.csv", [pair.to_row() for pair in compared], pairs.FIELDS)
        picture.draw(pathlib.Path(folder) / "comparison.png", compared, _CONFIDENCE.value)
    print(table.text(compared))
    print(f"{len(found)} runs on {len(cases)} {found[0].kind}: {_OUTPUT_DIR.value}")


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()
