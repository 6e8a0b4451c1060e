"""Makes synthetic lateral cervical radiographs as DICOM, with exact landmarks, for training without patients.

Each patient gets a folder under dicom/ with a neutral, a flexion and an extension film, of mixed sizes,
spacings, photometric interpretations and transfer syntaxes. labels.csv holds the landmarks in native pixels,
truth.json the exact landmarks, ADI, SAC and how each film is stored. The same seed gives the same bytes. The
films are synthetic: good for learning the tools and for tests, no evidence about patients.

  python -m data_prep.phantom --patients=200 --seed=1 --output_dir=build/films
"""

import os
import pathlib
from collections.abc import Sequence

from absl import flags
from tqdm import tqdm

from data_prep.phantom import study
from raspine import atomic, program

_KIND = flags.DEFINE_enum("kind", "radiographs", ["radiographs"], "What to make.")
_PATIENTS = flags.DEFINE_integer(
    "patients", 20, "How many patients; each gets three films.", lower_bound=1, upper_bound=9999
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed: the same seed gives the same bytes.", lower_bound=0)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "New folder for dicom/, labels.csv and truth.json.")
_ANNOTATORS = flags.DEFINE_integer(
    "annotators",
    1,
    "Rows per film in labels.csv: 1 gives the exact landmarks, more give that many erring readers.",
    lower_bound=1,
    upper_bound=9,
)
_DETECTOR_PLANE = flags.DEFINE_float(
    "detector_plane_fraction",
    0.0,
    "Share of films whose header gives the detector's pixel spacing and no correction for magnification.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_WORKERS = flags.DEFINE_integer("workers", 0, "Processes; 0 is one per processor.", lower_bound=0)
flags.mark_flag_as_required("output_dir")


def main(argv: Sequence[str]) -> None:
    """Makes the set that the flags describe."""
    if len(argv) > 1:
        raise program.UsageError(f"this program takes flags only. Received: {' '.join(argv[1:])}")
    output = pathlib.Path(str(_OUTPUT_DIR.value))
    with atomic.atomic_directory(output) as folder:
        films = _make_films(folder / "dicom")
        study.write_labels(folder / "labels.csv", films, _ANNOTATORS.value, _SEED.value)
        study.write_truth(folder / "truth.json", films, _SEED.value)
    print(f"{len(films)} synthetic films of {_PATIENTS.value} patients: {output}/dicom, labels.csv, truth.json")


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
