"""Runs both whole roads on synthetic data: make DICOM, write TFRecords, train, evaluate, explain, predict, export.

    make demo        (or: python -m experiments.demo --output_dir=build/demo)

Everything is synthetic: the figures say that the roads work, nothing about patients. The two roads run side by side,
for small networks do not fill two cores. Leaves in --output_dir subluxation/ and deformity/, each with best/,
summary.json, predictions.json and pictures.
"""

import pathlib
import shutil
import sys
import time
from collections.abc import Sequence

from absl import flags

from experiments import deformity_road, side_by_side, steps, subluxation_road
from raspine import atomic, program

ROADS = ("subluxation", "deformity")

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "build/demo", "Folder of the results; made anew.")
_ROAD = flags.DEFINE_enum("road", "both", ["both", *ROADS], "Which road.")
_PATIENTS = flags.DEFINE_integer("patients", 56, "Synthetic patients to train on, three films each.", lower_bound=8)
_UNSEEN = flags.DEFINE_integer("unseen_patients", 16, "Synthetic patients that training never sees.", lower_bound=1)
_STUDIES = flags.DEFINE_integer("studies", 320, "Synthetic MRI studies to train on.", lower_bound=20)
_SEED = flags.DEFINE_integer("seed", 1, "Of the synthetic patients and the training.", lower_bound=0)

_MARKER = ".raspine-demo"
_FLAGFILE = pathlib.Path(__file__).parent / "deformity" / "demo.flags"


def main(argv: Sequence[str]) -> None:
    """Runs the programs one after another as a user would, and prints the figures."""
    program.check_flags_alone(argv)
    began = time.monotonic()
    folder = pathlib.Path(_OUTPUT_DIR.value)
    steps.claim(folder, _MARKER)
    roads = ROADS if _ROAD.value == "both" else (_ROAD.value,)
    if len(roads) > 1:
        # The subluxation road is the longer one: the other takes what it leaves of the processors.
        yielding = ["nice", "-n", "10"] if shutil.which("nice") else []
        first, second = (_command(road, folder) for road in roads)
        side_by_side.run({roads[0]: first, roads[1]: [*yielding, *second]})
    else:
        _go(roads[0], folder)
    for road in roads:
        print("\n".join(["", *_figures(road, folder)]))
    minutes = (time.monotonic() - began) / 60
    print(f"Not clinical: everything is synthetic. Took {minutes:.1f} min.\nPictures, figures and models: {folder}")


def _command(road: str, folder: pathlib.Path) -> list[str]:
    given = [f"--{flag.name}={flag.value}" for flag in (_PATIENTS, _UNSEEN, _STUDIES, _SEED)]
    return [sys.executable, "-m", "experiments.demo", f"--road={road}", f"--output_dir={folder}", *given]


def _go(road: str, folder: pathlib.Path) -> None:
    began = time.monotonic()
    work, results = folder / "work" / road, folder / road
    for place in (work, results):
        shutil.rmtree(place, ignore_errors=True)
    work.mkdir(parents=True)
    if road == "subluxation":
        subluxation_road.run(work, results, _PATIENTS.value, _UNSEEN.value, _SEED.value)
    else:
        deformity_road.run(work, results, _plan())
    atomic.write_json(results / "demo.json", {"seconds": round(time.monotonic() - began, 1), "synthetic": True})


def _figures(road: str, folder: pathlib.Path) -> list[str]:
    if road == "subluxation":
        return subluxation_road.figures(folder / road)
    return deformity_road.figures(folder / "work" / road, folder / road)


def _plan() -> deformity_road.Plan:
    return deformity_road.Plan(
        train=_STUDIES.value,
        validation=40,
        test=60,
        unseen=2,
        matrix=160,
        size=(112, 72),
        pixel_mm=1.6,
        flagfile=_FLAGFILE,
        seed=_SEED.value,
    )


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
