"""The subluxation road on synthetic films: films, TFRecords, two networks, figures, pictures, SavedModel."""

import json
import pathlib
import shutil

from experiments import steps
from raspine import records

_FLAGFILES = pathlib.Path(__file__).parent / "subluxation"
_VALIDATION_PATIENTS = 4


def run(work: pathlib.Path, results: pathlib.Path, patients: int, unseen: int, seed: int) -> None:
    """Goes the whole road.

    Args:
      work: folder for what lies in between.
      results: folder to make.
      patients: synthetic patients to train on, three films each.
      unseen: synthetic patients that training never sees.
      seed: of the patients and the training.
    """
    _make_films(work, patients, unseen, seed)
    _train(work, seed)
    _measure_unseen(work, results)
    steps.collect(work, results)
    steps.report(results)


def _make_films(work: pathlib.Path, patients: int, unseen: int, seed: int) -> None:
    phantom = ["data_prep.phantom", "--kind=radiographs", f"--patients={patients + unseen}", f"--seed={seed}"]
    steps.run("making synthetic films as DICOM", *phantom, f"--output_dir={work / 'films'}")
    counts = f"{patients - _VALIDATION_PATIENTS},{_VALIDATION_PATIENTS},{unseen}"
    steps.run(
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


def _train(work: pathlib.Path, seed: int) -> None:
    data, drawn = f"--data={work / 'records'}", f"--seed={seed}"
    whole, refined = work / "whole", work / "run"
    film_flags, region_flags = _FLAGFILES / "demo.flags", _FLAGFILES / "demo_region.flags"
    train = "experiments.train"
    steps.run("training HRNet on whole films", train, f"--flagfile={film_flags}", data, f"--output_dir={whole}", drawn)
    steps.run(
        "training a refiner on the region that it finds",
        train,
        f"--flagfile={region_flags}",
        f"--refine={whole / 'best'}",
        data,
        f"--output_dir={refined}",
        drawn,
    )


def _measure_unseen(work: pathlib.Path, results: pathlib.Path) -> None:
    model = f"--model={work / 'run' / 'best'}"
    steps.run(
        "evaluating on unseen patients",
        "experiments.evaluate",
        model,
        f"--data={work / 'records'}",
        "--split=test",
        f"--output_dir={work / 'evaluated'}",
    )
    paths = [str(path) for path in _unseen_films(work)]
    predicted = work / "predicted"
    steps.run("measuring unseen DICOM films", "experiments.predict", model, f"--output_dir={predicted}", *paths)
    results.mkdir()
    shutil.copytree(work / "evaluated", results, dirs_exist_ok=True, ignore=shutil.ignore_patterns("overlays"))
    shutil.copytree(work / "evaluated" / "overlays", results / "against_truth")
    for name in ("predictions.json", "predictions.csv", "refused.csv", "overlays"):
        shutil.move(predicted / name, results / name)
    steps.run("exporting a SavedModel", "experiments.export", model, f"--output_dir={results / 'export'}")


def _unseen_films(work: pathlib.Path) -> list[pathlib.Path]:
    """Returns the DICOM files of the patients that the split put into the test set."""
    unseen = {record.film for shard in sorted((work / "records").glob("test-*")) for record in records.read(shard)}
    names = steps.names(work / "names.csv", "film")
    return sorted(work / "films" / "dicom" / names[film] for film in unseen)


def figures(results: pathlib.Path) -> list[str]:
    """Returns what the road has shown, in lines for people."""
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    predictions = json.loads((results / "predictions.json").read_text(encoding="utf-8"))
    return [
        f"Subluxation, synthetic films of patients unseen in training ({summary['n']} films):",
        f"  mean radial error          {summary['mre_mm']:.2f} mm (SD {summary['mre_sd_mm']:.2f})",
        f"  ADI, mean absolute error   {summary['adi_mae_mm']:.2f} mm",
        f"  SAC, mean absolute error   {summary['sac_mae_mm']:.2f} mm",
        f"  DICOM films measured       {len(predictions)}",
    ]
