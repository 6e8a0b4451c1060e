"""Makes synthetic lateral cervical radiographs or cervical MRI studies as DICOM, for training without patients.

--kind=radiographs: each patient gets a folder under dicom/ with a neutral, a flexion and an extension film, of mixed
sizes, spacings, photometric interpretations and transfer syntaxes. labels.csv holds the landmarks in native pixels,
truth.json the exact landmarks, ADI, SAC and how each film is stored.

--kind=mri: each patient gets a baseline and a follow-up study from one of two simulated scanners, each with a sagittal
T2 among other series. outcomes.csv holds two raters, their consensus and clinical columns for each baseline study;
truth.json the outcome, the grades of the signs that decide its odds, the best possible AUC (bayes_auc) and the mask
in masks/ of where the signs are.

The same seed gives the same bytes. Headers give age, sex and a machine named `raspine phantom A`, B or C, none of which
shows in the films or tells an outcome. All of it is synthetic, and every header says so in Synthetic Data (0008,001C):
good for learning the tools and for tests, no evidence about patients.

  python -m data_prep.phantom --patients=200 --seed=1 --output_dir=build/films
  python -m data_prep.phantom --kind=mri --patients=40 --seed=1 --output_dir=build/studies
"""

import os
import pathlib
from collections.abc import Sequence

from absl import flags
from tqdm import tqdm

from data_prep.phantom import study
from data_prep.phantom.mri import bayes
from data_prep.phantom.mri import study as mri_study
from raspine import atomic, program

_KIND = flags.DEFINE_enum("kind", "radiographs", ["radiographs", "mri"], "What to make.")
_PATIENTS = flags.DEFINE_integer(
    "patients", 20, "How many patients; each gets three films, or two MRI studies.", lower_bound=1, upper_bound=9999
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed: the same seed gives the same bytes.", lower_bound=0)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "New folder for dicom/, labels.csv or outcomes.csv, and truth.json."
)
_ANNOTATORS = flags.DEFINE_integer(
    "annotators",
    1,
    "Radiographs: rows per film in labels.csv: 1 gives the exact landmarks, more give that many erring readers.",
    lower_bound=1,
    upper_bound=9,
)
_DETECTOR_PLANE = flags.DEFINE_float(
    "detector_plane_fraction",
    0.0,
    "Radiographs: share of films whose header gives the detector's pixel spacing and no correction for magnification.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_CONTENT = flags.DEFINE_enum(
    "content",
    "full",
    list(mri_study.CONTENTS),
    "MRI: both studies with all series, or the baseline's sagittal T2 alone (for many patients).",
)
_PREVALENCE = flags.DEFINE_float(
    "prevalence",
    0.35,
    "MRI: share of outcome 1 in the population.",
    lower_bound=bayes.PREVALENCE_RANGE[0],
    upper_bound=bayes.PREVALENCE_RANGE[1],
)
_DOUBTFUL = flags.DEFINE_float(
    "doubtful", 0.05, "MRI: share of patients whose consensus is doubtful.", lower_bound=0.0, upper_bound=1.0
)
_MATRIX = flags.DEFINE_integer(
    "matrix", 0, "MRI: rows and columns of every image; 0 is each scanner's own.", lower_bound=0, upper_bound=1024
)
_WORKERS = flags.DEFINE_integer("workers", 0, "Processes; 0 is one per processor.", lower_bound=0)
flags.mark_flag_as_required("output_dir")


def main(argv: Sequence[str]) -> None:
    """Makes the set that the flags describe."""
    if len(argv) > 1:
        raise program.UsageError(f"this program takes flags only. Received: {' '.join(argv[1:])}")
    if 0 < _MATRIX.value < 32:
        raise program.UsageError(f"--matrix must be 0 or at least 32. Received: {_MATRIX.value}")
    output = pathlib.Path(str(_OUTPUT_DIR.value))
    with atomic.atomic_directory(output) as folder:
        done = _make_studies(folder, output) if _KIND.value == "mri" else _make_radiographs(folder, output)
    print(done)


def _make_radiographs(folder: pathlib.Path, output: pathlib.Path) -> str:
    films = _make_films(folder / "dicom")
    study.write_labels(folder / "labels.csv", films, _ANNOTATORS.value, _SEED.value)
    study.write_truth(folder / "truth.json", films, _SEED.value)
    return f"{len(films)} synthetic films of {_PATIENTS.value} patients: {output}/dicom, labels.csv, truth.json"


def _make_studies(folder: pathlib.Path, output: pathlib.Path) -> str:
    orders = [
        mri_study.Order(
            _SEED.value, number, str(folder), _CONTENT.value, _PREVALENCE.value, _DOUBTFUL.value, _MATRIX.value
        )
        for number in range(1, _PATIENTS.value + 1)
    ]
    done = mri_study.make_patients(orders, _WORKERS.value or os.cpu_count() or 1)
    rows, studies = zip(*tqdm(done, desc="patients", total=len(orders), unit="patient", delay=2), strict=True)
    mri_study.write_outcomes(folder / "outcomes.csv", rows)
    mri_study.write_truth(folder / "truth.json", studies, _SEED.value, _PREVALENCE.value)
    number = len(studies) * (2 if _CONTENT.value == "full" else 1)
    return f"{number} synthetic studies of {len(studies)} patients: {output}/dicom, masks, outcomes.csv, truth.json"


def _make_films(folder: pathlib.Path) -> list[study.Facts]:
    orders = [
        study.Order(_SEED.value, number, _DETECTOR_PLANE.value, str(folder)) for number in range(1, _PATIENTS.value + 1)
    ]
    done = study.make_patients(orders, _WORKERS.value or os.cpu_count() or 1)
    progress = tqdm(done, desc="patients", total=len(orders), unit="patient", delay=2)
    return [film for films in progress for film in films]


def run() -> None:
    """The console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
