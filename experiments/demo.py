"""Runs both whole roads on synthetic data: make DICOM, write TFRecords, train, evaluate, explain, predict, export.

    make demo        (or: python -m experiments.demo --output_dir=build/demo)

Everything is synthetic: the figures say that the roads work, nothing about patients. Leaves in --output_dir:
subluxation/ and deformity/, each with best/, summary.json, predictions.json and pictures.
"""

import pathlib
import shutil
import time
from collections.abc import Sequence

from absl import flags

from experiments import deformity_road, steps, subluxation_road
from raspine import atomic, program

ROADS = ("subluxation", "deformity")

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "build/demo", "Folder of the results; made anew.")
_ROADS = flags.DEFINE_multi_enum("road", list(ROADS), list(ROADS), "Which road; give it twice for both.")
_PATIENTS = flags.DEFINE_integer("patients", 44, "Synthetic patients to train on, three films each.", lower_bound=8)
_UNSEEN = flags.DEFINE_integer("unseen_patients", 16, "Synthetic patients that training never sees.", lower_bound=1)
_STUDIES = flags.DEFINE_integer("studies", 200, "Synthetic MRI studies to train on.", lower_bound=20)
_SEED = flags.DEFINE_integer("seed", 1, "Of the synthetic patients and the training.", lower_bound=0)

_FLAGFILE = pathlib.Path(__file__).parent / "deformity" / "demo.flags"


def main(argv: Sequence[str]) -> None:
    """Runs the programs one after another as a user would, and prints the figures."""
    if len(argv) > 1:
        raise program.UsageError(f"arguments are given as --flag=value. Received: {' '.join(argv[1:])}.")
    began = time.monotonic()
    folder = pathlib.Path(_OUTPUT_DIR.value)
    steps.claim(folder, ".raspine-demo")
    lines: list[str] = []
    for road in ROADS:
        if road in _ROADS.value:
            lines += ["", *_go(road, folder)]
    minutes = (time.monotonic() - began) / 60
    print("\n".join(lines))
    print(
        f"Not clinical: everything is synthetic. Took {minutes:.1f} min.\nPictures, figures and models are in {folder}"
    )


def _go(road: str, folder: pathlib.Path) -> list[str]:
    began = time.monotonic()
    work, results = folder / "work" / road, folder / road
    for place in (work, results):
        shutil.rmtree(place, ignore_errors=True)
    work.mkdir(parents=True)
    if road == "subluxation":
        lines = subluxation_road.run(work, results, _PATIENTS.value, _UNSEEN.value, _SEED.value)
    else:
        lines = deformity_road.run(work, results, _plan())
    seconds = round(time.monotonic() - began, 1)
    atomic.write_json(results / "demo.json", {"seconds": seconds, "synthetic": True})
    return [*lines, f"  took                       {seconds / 60:.1f} min"]


def _plan() -> deformity_road.Plan:
    return deformity_road.Plan(
        train=_STUDIES.value,
        validation=40,
        test=60,
        unseen=4,
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
