r"""Writes what a model says of films or MRI studies as DICOM objects, for an archive or a viewer.

    python -m experiments.dicom_results --model=run/best --output_dir=DIR film.dcm folder/ ...
    python -m experiments.dicom_results --model=risk/best --output_dir=DIR study/ tree/ ...
    python -m experiments.dicom_results --endpoint=grpc://host:8500/NAME --output_dir=DIR film.dcm ...

A film gets a measurement report (Comprehensive SR, TID 1500) with its distances in mm as lines and its landmarks as
points on the film, and an overlay (Grayscale Softcopy Presentation State) that a viewer draws over it. A study gets a
report with the risk and a secondary capture of the slices with Grad-CAM in red. Every object says "AI result, research
use", is not verified by anybody, names the model, and refers to its images by their UIDs. The same images, model and
settings give the same objects, with the same UIDs.

Films and studies are read as experiments.predict reads them, by the same flags: --spacing_mm, --thresholds for films;
--series_uid, --strict, --gaps, --clinical, --threshold, --threshold_from, --explain for studies; --endpoint for a model
that is served. Thresholds and clinical values stand in the report.

By default the objects name no patient: their patient module is empty, and only UIDs lead back. With --carry_patient
they carry the patient and study modules of their images, as an archive needs to file them. They are then readable by
you alone (mode 0600): send them to the archive that the images are from, and delete them. An Accession Number of more
than the 16 characters that DICOM gives it is left empty; the UIDs still name the study. Objects with and without the
patient have different UIDs.

Leaves in --output_dir: the objects as NUMBER_KIND.dcm, index.json (which object belongs to which input) and
refused.csv (file, reason). Every object was checked against its template before it appears.

Exits with 0 when something was written (also when other inputs were refused), 1 when nothing could be (refused.csv is
still left), 2 when the flags are wrong. Research use only.
"""

from collections.abc import Sequence

from absl import flags

from experiments import (
    endpoints,
    film_objects,
    film_prediction,
    object_folder,
    prediction,
    reading_flags,
    risk_threshold,
    study_objects,
    study_prediction,
)
from raspine import atomic, drawing, program
from raspine.serving.remote import RemoteModel

_CARRY_PATIENT = flags.DEFINE_bool(
    "carry_patient", False, "Write the images' patient and study modules into the objects: for their own archive only."
)
for _name in film_prediction.MEASURING:
    flags.declare_key_flag(_name)
for _module in (reading_flags, endpoints, study_prediction, risk_threshold):
    flags.adopt_module_key_flags(_module)


def main(argv: Sequence[str]) -> None:
    """Writes the objects of what the arguments name."""
    _check(argv[1:])
    with endpoints.connected() as remote:
        print(_write(argv[1:], remote))


def _write(paths: Sequence[str], remote: RemoteModel | None) -> str:
    """Writes the objects and returns the closing line."""
    makes = film_objects if reading_flags.is_for_films(remote) else study_objects
    output_dir = reading_flags.OUTPUT_DIR.value
    refused: dict[str, str] = {}
    with atomic.atomic_directory(output_dir) as place:
        folder = object_folder.ObjectFolder(place, private=_CARRY_PATIENT.value)
        for answer in makes.made(reading_flags.MODEL.value, remote, paths, _CARRY_PATIENT.value):
            if isinstance(answer.objects, str):
                refused[answer.name] = answer.objects
            else:
                folder.add(answer.name, answer.objects, answer.facts)
        folder.close(refused)
    prediction.print_refused(refused)
    if not folder.rows:
        raise program.NothingDone(f"nothing was written: {len(refused)} refused, see {output_dir}/refused.csv.")
    count = sum(len(row["objects"]) for row in folder.rows)
    of_what = makes.NOUNS[len(folder.rows) > 1]
    return (
        f"{count} objects of {len(folder.rows)} {of_what} written, {len(refused)} refused: "
        f"{output_dir} ({drawing.RESEARCH_USE})"
    )


def _check(paths: Sequence[str]) -> None:
    reading_flags.check(paths, pictures=True)
    if given := [name for name in film_prediction.DRAWING if flags.FLAGS[name].present]:
        raise program.UsageError(f"--{given[0]} is of experiments.predict: a viewer draws these overlays.")


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()
