r"""Turns radiographs and their landmark labels into TFRecords, split by patient.

    python -m data_prep.radiographs --images=DIR --labels=labels.csv --schema=atlantoaxial \
        --split_counts=680,140,86 --output_dir=DIR

The labels are a CSV file with a row per image and annotator: `image, annotator, NAME_x, NAME_y, ...` in
pixels of the file as stored, the origin at the centre of its top-left pixel, empty where a landmark is not
visible. `image` is a path below --images. Optional columns: patient_id, position (neutral, flexion or
extension), age in years and sex (F, M or O), which go before the header's, spacing_row_mm and spacing_column_mm.
Spacing columns that differ from a DICOM header are taken as a calibration; --spacing_mm holds only for PNG and
JPEG files without such columns.

Without a patient_id column the DICOM PatientID tells the patient; an image with neither is its own patient.
Look first with --dry_run: it reads everything, writes no data set, and says what would be refused.

Leaves in --output_dir: train-00000-of-0000N.tfrecord, validation and test alike, dataset.json, refused.csv, and
records.csv with split, position, age (90 stands for every higher one), sex and maker of the machine of every film.
Films and patients are named there by running numbers; --private_log keeps who they are. The same input and
seed give the same bytes.

Exits with 0 when films were written (also when others were refused), 1 when none could be or when a patient
or a picture would be in two splits, 2 when the flags or the labels file are wrong; after 1 and 2 nothing is
left.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from data_prep import dataset, films, labels, making, refusals, report, selection, shards, split
from raspine import atomic, geometry, landmarks, program

_IMAGES = flags.DEFINE_string("images", "", "Folder with the films: DICOM, PNG or JPEG.")
_LABELS = flags.DEFINE_string("labels", "", "CSV file with the landmarks.")
_SCHEMA = flags.DEFINE_string("schema", "atlantoaxial", f"{', '.join(landmarks.SCHEMAS)}, or a .json file.")
_SPACING = flags.DEFINE_list("spacing_mm", [], "ROW,COLUMN mm of a pixel, for images that are not DICOM.")
_MAX_SIDE = flags.DEFINE_integer("max_side", 0, "Longest side to store, in pixels; 0: native.", lower_bound=0)
_ANNOTATORS = flags.DEFINE_list("annotators", [], "Names of those to use; all by default.")
_CONSENSUS = flags.DEFINE_enum("consensus", "mean", list(labels.CONSENSUS), "How annotators are combined.")
_PER_SHARD = flags.DEFINE_integer("films_per_shard", 128, "At most so many films in a shard.", lower_bound=1)

flags.adopt_module_key_flags(making)


def main(argv: Sequence[str]) -> None:
    """Makes the data set, or says what would be made."""
    _check_flags(argv)
    try:
        options, rule, table = _options(), making.rule("image"), labels.read(_LABELS.value, _schema())
    except split.LeakError as error:
        raise program.NothingDone(f"{error} Nothing was written.") from error
    except ValueError as error:
        raise program.UsageError(str(error)) from error
    _check_annotators(table)
    chosen = selection.select(table, films.find(_IMAGES.value, table.images), _ANNOTATORS.value)
    making.check_counts(rule, chosen.most_patients, "films with labels")
    if making.DRY_RUN.value:
        _finish(_make(dataset.read(chosen, options, making.WORKERS.value), table, rule))
    elif rule:
        with atomic.atomic_directory(making.OUTPUT_DIR.value) as folder:
            _write(folder, chosen, table, options, rule)
    making.say_end(rule, "shards, dataset.json, records.csv, refused.csv")


def _write(
    folder: pathlib.Path,
    chosen: selection.Selection,
    table: labels.Table,
    options: films.Options,
    rule: split.Rule,
) -> None:
    spool = shards.Spool(folder / ".spool")
    made = _make(dataset.read(chosen, options, making.WORKERS.value, spool), table, rule)
    written = dataset.write(folder, made, options.schema, spool, making.SEED.value, _PER_SHARD.value)
    spool.remove()
    refusals.write(folder / "refused.csv", made.refused, made.selection.pseudonym)
    used = _used(table, options)
    atomic.write_json(folder / "dataset.json", dataset.manifest(made, options.schema, rule, written, used))
    _finish(made)


def _make(read: dataset.Dataset, table: labels.Table, rule: split.Rule | None) -> dataset.Dataset:
    """Returns the films read with patients and splits, and prints the report also when that fails."""
    made = dataset.with_patients(read, making.CHECK_PATIENTS.value)
    try:
        if rule and made.taken:
            if left_over := split.unmatched(made.owners, rule):
                print(f"warning: {left_over} rows of --split_file belong to no usable film.")
            made = dataset.with_split(made, rule)
    except split.LeakError as error:
        raise program.NothingDone(f"{error} Nothing was written.") from error
    except split.SplitError as error:
        raise program.UsageError(str(error)) from error
    finally:
        _report(made, table)
    if not made.taken:
        raise program.NothingDone("no film can be used: nothing was written.")
    return made


def _finish(made: dataset.Dataset) -> None:
    making.finish({"film": made.selection.films, "patient": made.patients})


def _check_flags(argv: Sequence[str]) -> None:
    making.check_flags(argv, _IMAGES, _LABELS)
    if not pathlib.Path(_IMAGES.value).is_dir():
        raise program.UsageError("--images is not a folder.")


def _schema() -> landmarks.Schema:
    return landmarks.load(_SCHEMA.value)


def _options() -> films.Options:
    return films.Options(_schema(), _spacing(), _CONSENSUS.value, _MAX_SIDE.value)


def _spacing() -> tuple[float, float] | None:
    if not _SPACING.value:
        return None
    try:
        spacing = tuple(float(value) for value in _SPACING.value)
    except ValueError:
        spacing = ()
    if not geometry.is_spacing(spacing):
        raise ValueError(f"--spacing_mm is ROW,COLUMN, both above 0. Received: {','.join(_SPACING.value)}.")
    return spacing[0], spacing[1]


def _check_annotators(table: labels.Table) -> None:
    if unknown := sorted(set(_ANNOTATORS.value) - set(table.annotators)):
        known = ", ".join(table.annotators)
        raise program.UsageError(f"--annotators: no usable row by {', '.join(unknown)}, only by: {known}.")


def _used(table: labels.Table, options: films.Options) -> dict[str, Any]:
    return {
        "annotators": _ANNOTATORS.value or list(table.annotators),
        "consensus": options.consensus,
        "max_side": options.max_side,
        "spacing_mm": list(options.spacing_mm) if options.spacing_mm else None,
        "films_per_shard": _PER_SHARD.value,
        "check_patients": making.CHECK_PATIENTS.value,
    }


def _report(made: dataset.Dataset, table: labels.Table) -> None:
    """Prints what was taken, what was refused and why, and what does not match."""
    if table.unknown_columns:
        print(f"warning: columns of the labels that mean nothing here: {', '.join(table.unknown_columns)}.")
    print(f"labels: {len(table.rows)} usable rows by {len(table.annotators)} annotator(s).")
    print(f"films: {len(made.taken)} usable, {len(made.refused)} refused.")
    report.print_tallies(made.tallies())
    report.print_synthetic(made.synthetic(), "films")
    name = made.selection.pseudonym
    refused = sorted(f"{name(key)}: {refusal.reason}" for key, refusal in made.refused.items())
    report.print_some("refused", refused, making.DRY_RUN.value)
    unlabelled = [name(image) for image in made.selection.without_labels]
    report.print_some("images without labels", unlabelled, making.DRY_RUN.value)
    for part in split.SPLITS if made.parts else ():
        counts = made.counts(part)
        empty = "" if counts["films"] else ", so no shard"
        print(f"{part}: {counts['films']} films of {counts['patients']} patients{empty}")


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()
