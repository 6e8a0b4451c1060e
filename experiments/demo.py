"""Runs the whole road on synthetic films: make films, write TFRecords, train, evaluate, predict, export.

    make demo        (or: python -m experiments.demo --output_dir=build/demo)

Everything is synthetic: the figures say that the road works, nothing about patients.
"""

import csv
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from absl import flags

from raspine import atomic, program, records

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "build/demo", "Folder of the results; made anew.")
_PATIENTS = flags.DEFINE_integer("patients", 56, "Synthetic patients to train on, three films each.", lower_bound=8)
_UNSEEN = flags.DEFINE_integer("unseen_patients", 16, "Synthetic patients that training never sees.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 1, "Of the synthetic patients and the training.", lower_bound=0)

_FLAGFILES = pathlib.Path(__file__).parent / "subluxation"
_VALIDATION_PATIENTS = 4


def main(argv: Sequence[str]) -> None:
    """Runs the programs one after another as a user would, and prints the figures."""
    if len(argv) > 1:
        raise program.UsageError(f"arguments are given as --flag=value. Received: {' '.join(argv[1:])}.")
    began = time.monotonic()
    folder = pathlib.Path(_OUTPUT_DIR.value)
    work, results = folder / "work", folder / "subluxation"
    _claim(folder)
    for place in (work, results):
        shutil.rmtree(place, ignore_errors=True)
    _make_films(work)
    _train(work)
    _measure_unseen(work, results)
    shutil.copytree(work / "run" / "best", results / "best")
    _print_figures(results, time.monotonic() - began)


def _claim(folder: pathlib.Path) -> None:
    """Marks the folder as the demonstration's, so that only what it made itself is ever removed."""
    marker = folder / ".raspine-demo"
    if not marker.is_file() and atomic.has_content(folder):
        raise program.UsageError(f"output folder '{folder}' holds something else: name another or empty it.")
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()


def _make_films(work: pathlib.Path) -> None:
    train, unseen = _PATIENTS.value, _UNSEEN.value
    phantom = ["data_prep.phantom", "--kind=radiographs", f"--patients={train + unseen}", f"--seed={_SEED.value}"]
    _run("making synthetic films as DICOM", *phantom, f"--output_dir={work / 'films'}")
    counts = f"{train - _VALIDATION_PATIENTS},{_VALIDATION_PATIENTS},{unseen}"
    _run(
        "writing TFRecords, split by patient",
        "data_prep.radiographs",
        f"--images={work / 'films' / 'dicom'}",
        f"--labels={work / 'films' / 'labels.csv'}",
        "--schema=atlantoaxial",
        f"--split_counts={counts}",
        "--max_side=800",
        f"--private_log={work / 'names.csv'}",
        f"--output_dir={work / 'records'}",
    )


def _train(work: pathlib.Path) -> None:
    data, seed = f"--data={work / 'records'}", f"--seed={_SEED.value}"
    whole, refined = work / "whole", work / "run"
    film_flags, region_flags = _FLAGFILES / "demo.flags", _FLAGFILES / "demo_region.flags"
    train = "experiments.train"
    _run("training HRNet on whole films", train, f"--flagfile={film_flags}", data, f"--output_dir={whole}", seed)
    _run(
        "training a refiner on the region that it finds",
        train,
        f"--flagfile={region_flags}",
        f"--refine={whole / 'best'}",
        data,
        f"--output_dir={refined}",
        seed,
    )


def _measure_unseen(work: pathlib.Path, results: pathlib.Path) -> None:
    model = f"--model={work / 'run' / 'best'}"
    _run(
        "evaluating on unseen patients",
        "experiments.evaluate",
        model,
        f"--data={work / 'records'}",
        "--split=test",
        f"--output_dir={work / 'evaluated'}",
    )
    paths = [str(path) for path in _unseen_films(work)]
    predicted = work / "predicted"
    _run("measuring unseen DICOM films", "experiments.predict", model, f"--output_dir={predicted}", *paths)
    results.mkdir()
    shutil.copytree(work / "evaluated", results, dirs_exist_ok=True, ignore=shutil.ignore_patterns("overlays"))
    shutil.copytree(work / "evaluated" / "overlays", results / "against_truth")
    for name in ("predictions.json", "predictions.csv", "refused.csv", "overlays"):
        shutil.move(predicted / name, results / name)
    _run("exporting a SavedModel", "experiments.export", model, f"--output_dir={results / 'export'}")


def _unseen_films(work: pathlib.Path) -> list[pathlib.Path]:
    """Returns the DICOM files of the patients that the split put into the test set."""
    unseen = {record.film for shard in sorted((work / "records").glob("test-*")) for record in records.read(shard)}
    with (work / "names.csv").open(encoding="utf-8") as stream:
        names = {row["pseudonym"]: row["name"] for row in csv.DictReader(stream) if row["kind"] == "film"}
    return sorted(work / "films" / "dicom" / names[film] for film in unseen)


def _run(title: str, module: str, *arguments: str) -> None:
    shown = shlex.join([a if len(a) < 120 else a[:117] + "..." for a in arguments[:8]])
    print(f"\n== {title}\n$ python -m {module} {shown}{' ...' if len(arguments) > 8 else ''}", flush=True)
    finished = subprocess.run([sys.executable, "-m", module, *arguments], check=False)
    if finished.returncode:
        raise program.NothingDone(f"{module} ended with status {finished.returncode}; see its message above.")


def _print_figures(results: pathlib.Path, seconds: float) -> None:
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    predictions = json.loads((results / "predictions.json").read_text(encoding="utf-8"))
    atomic.write_json(results / "demo.json", {"seconds": round(seconds, 1), "synthetic": True})
    print(
        f"\nSynthetic films of patients unseen in training ({summary['n']} films):\n"
        f"  mean radial error          {summary['mre_mm']:.2f} mm (SD {summary['mre_sd_mm']:.2f})\n"
        f"  ADI, mean absolute error   {summary['adi_mae_mm']:.2f} mm\n"
        f"  SAC, mean absolute error   {summary['sac_mae_mm']:.2f} mm\n"
        f"  DICOM films measured       {len(predictions)}\n"
        f"Not clinical: the films are synthetic. Took {seconds / 60:.1f} min.\n"
        f"Pictures, figures and the model are in {results}"
    )


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
