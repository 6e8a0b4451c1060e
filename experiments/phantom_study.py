"""How near a network comes to the best possible on synthetic MRI studies, and whether Grad-CAM looks at the signs.

    python -m experiments.phantom_study --output_dir=build/phantom_study

The outcome of a synthetic patient is drawn with a known probability given signs that its baseline T2 shows, so no
reader can reach a larger AUC than that probability itself, the Bayes score. Leaves in --output_dir what
`make demo` leaves in deformity/: summary.json (auc, reference_auc of the Bayes score on the same patients, their
difference with its interval), explained/explanations.json (`energy`: the share of Grad-CAM inside the signs' dilated
masks, of the trained network and of one with random weights), pictures and best/. Synthetic, not clinical.
"""

import pathlib
import shutil
import time
from collections.abc import Sequence

from absl import flags

from experiments import deformity_road, steps
from raspine import atomic, program

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the results; made anew.", required=True)
_TRAIN = flags.DEFINE_integer("train", 2000, "Synthetic patients to train on.", lower_bound=20)
_VALIDATION = flags.DEFINE_integer("validation", 300, "Synthetic patients to choose the epoch on.", lower_bound=10)
_TEST = flags.DEFINE_integer("test", 600, "Synthetic patients to test on.", lower_bound=10)
_FLAGFILE = flags.DEFINE_string(
    "recipe", str(pathlib.Path(__file__).parent / "deformity" / "study.flags"), "Flag file of the training."
)
_SEED = flags.DEFINE_integer("seed", 1, "Of the synthetic patients and the training.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    """Runs the programs one after another, and prints the figures."""
    program.check_flags_alone(argv)
    began = time.monotonic()
    folder = pathlib.Path(_OUTPUT_DIR.value)
    steps.claim(folder, ".raspine-phantom-study")
    work, results = folder / "work", folder / "deformity"
    for place in (work, results):
        shutil.rmtree(place, ignore_errors=True)
    work.mkdir()
    deformity_road.run(work, results, _plan())
    seconds = round(time.monotonic() - began, 1)
    atomic.write_json(results / "demo.json", {"seconds": seconds, "synthetic": True})
    print("\n".join(["", *deformity_road.figures(work, results)]))
    print(f"Not clinical: everything is synthetic. Took {seconds / 60:.1f} min.\nResults: {results}")


def _plan() -> deformity_road.Plan:
    return deformity_road.Plan(
        train=_TRAIN.value,
        validation=_VALIDATION.value,
        test=_TEST.value,
        unseen=4,
        matrix=208,
        size=(176, 112),
        pixel_mm=1.0,
        flagfile=pathlib.Path(_FLAGFILE.value),
        seed=_SEED.value,
        methods=("gradcam",),
    )


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
