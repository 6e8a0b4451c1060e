r"""Turns MRI studies and their outcomes into TFRecords, split by patient.

    python -m data_prep.mri --studies=DIR --outcomes=outcomes.csv --slices=native_middle \
        --split_counts=123,30,67 --stratify --output_dir=DIR

--studies holds everything the scanners sent; it is indexed once by its headers, and the sagittal T2 of each
study is found by plane and contrast. The outcomes are a CSV file with a row per study: `patient_id, study_uid,
rater1, rater2, consensus` with 0, 1 or doubtful, then any of age, sex, disease_duration, rf, anti_ccp, biologic.

study_uid empty means the patient's earliest study. An empty consensus is what both raters say, if they agree. The
optional column series_uid names the series to take, and the optional column file, in place of study_uid, a
NIfTI file below --studies. Look first with --dry_run: it reads everything, writes no data set, and says which
series would be taken, why, and what would be refused.

Leaves in --output_dir: train-00000-of-0000N.tfrecord, validation and test alike, dataset.json, refused.csv,
series.csv with the candidates of every study, and records.csv with split, age (90 stands for every higher one), sex
and scanner of every study: age and sex of the outcomes, else of the header. Studies and patients are named there by
running numbers; --private_log keeps who they are. The same input and seed give the same bytes.

Exits with 0 when studies were written (also when others were refused), 1 when none could be or when a patient
or a picture would be in two splits, 2 when the flags or the outcomes file are wrong; after 1 and 2 nothing is
left.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from data_prep import (
    making,
    outcomes,
    refusals,
    report,
    shards,
    split,
    studies,
    study_dataset,
    study_selection,
    unreadable,
)
from raspine import atomic, program
from raspine.dicom import index
from raspine.dicom.nifti import is_nifti
from raspine.inputs import slices

_STUDIES = flags.DEFINE_string("studies", "", "Folder with the studies: DICOM, or NIfTI files.")
_OUTCOMES = flags.DEFINE_string("outcomes", "", "CSV file with the outcomes.")
_SLICES = flags.DEFINE_enum(
    "slices",
    slices.NATIVE_MIDDLE,
    list(slices.KINDS),
    "The scanner's middle slices, 1 mm isotropic as the paper says, or a slab of --slab_mm.",
)
_PIXEL = flags.DEFINE_float("pixel_mm", 0.5, "mm of a stored pixel; paper_literal has 1 mm.", lower_bound=0)
_SIZE = flags.DEFINE_list("size", ["512", "512"], "ROWS,COLUMNS of a stored slice.")
_COUNT = flags.DEFINE_integer("count", 6, "Slices of a study.", lower_bound=1)
_SLAB = flags.DEFINE_float("slab_mm", None, "Thickness of --slices=slab, edge to edge.", lower_bound=0)
_STRATIFY = flags.DEFINE_bool("stratify", False, "Give every split the same share of positive patients.")
_DOUBTFUL = flags.DEFINE_enum(
    "doubtful", "exclude", ["exclude", "negative", "positive"], "What a doubtful consensus means."
)
_GAPS = flags.DEFINE_enum("gaps", "refuse", ["refuse", "interpolate"], "What to do about a missing slice.")
_STRICT = flags.DEFINE_bool("strict", False, "Refuse a study in which two series are equally good.")
_PER_SHARD = flags.DEFINE_integer("per_shard", 32, "At most so many studies in a shard.", lower_bound=1)

flags.adopt_module_key_flags(making)


def main(argv: Sequence[str]) -> None:
    """Makes the data set, or says what would be made."""
    _check_flags(argv)
    try:
        options, rule, table = _options(), making.rule("study", _STRATIFY.value), outcomes.read(_OUTCOMES.value)
    except split.LeakError as error:
        raise program.NothingDone(f"{error} Nothing was written.") from error
    except ValueError as error:
        raise program.UsageError(str(error)) from error
    found = index.scan([_STUDIES.value], progress=True)
    nifti = study_selection.find_nifti(pathlib.Path(_STUDIES.value))
    damage = unreadable.attribute(found)
    chosen = study_selection.select(table, found, nifti, damage, _DOUBTFUL.value, making.CHECK_PATIENTS.value)
    _report_found(found, table)
    making.check_counts(rule, chosen.most_patients, "studies with an outcome")
    if making.DRY_RUN.value:
        _finish(_make(study_dataset.read(chosen, damage, options, making.WORKERS.value), rule))
    elif rule:
        with atomic.atomic_directory(making.OUTPUT_DIR.value) as folder:
            spool = shards.Spool(folder / ".spool")
            made = _make(study_dataset.read(chosen, damage, options, making.WORKERS.value, spool), rule)
            _write(folder, made, table, options, rule, spool)
            _finish(made)
    making.say_end(rule, "shards, dataset.json, records.csv, refused.csv, series.csv")


def _write(
    folder: pathlib.Path,
    made: study_dataset.Dataset,
    table: outcomes.Table,
    options: studies.Options,
    rule: split.Rule,
    spool: shards.Spool,
) -> None:
    written = study_dataset.write(folder, made, spool, making.SEED.value, _PER_SHARD.value)
    spool.remove()
    refusals.write(folder / "refused.csv", made.refused, made.selection.pseudonym)
    study_dataset.write_series(folder / "series.csv", made)
    described = study_dataset.manifest(made, table, rule, written, _used(options))
    atomic.write_json(folder / "dataset.json", described)


def _make(read: study_dataset.Dataset, rule: split.Rule | None) -> study_dataset.Dataset:
    """Returns the studies read with splits, and prints the report also when that fails."""
    made = read
    try:
        if rule and made.taken:
            if left_over := split.unmatched(made.owners, rule):
                print(f"warning: {left_over} rows of --split_file belong to no usable study.")
            made = study_dataset.with_split(made, rule)
    except split.LeakError as error:
        raise program.NothingDone(f"{error} Nothing was written.") from error
    except split.SplitError as error:
        raise program.UsageError(str(error)) from error
    finally:
        _report(made)
    if not made.taken:
        raise program.NothingDone("no study can be used: nothing was written.")
    return made


def _finish(made: study_dataset.Dataset) -> None:
    making.finish({"study": made.selection.studies, "patient": made.selection.patients})


def _check_flags(argv: Sequence[str]) -> None:
    making.check_flags(argv, _STUDIES, _OUTCOMES)
    if not pathlib.Path(_STUDIES.value).is_dir():
        raise program.UsageError("--studies is not a folder.")
    if (_SLAB.value is not None) != (_SLICES.value == slices.SLAB):
        raise program.UsageError("--slab_mm and --slices=slab go together: give both or neither.")
    if _SLICES.value == slices.PAPER_LITERAL and _PIXEL.present and _PIXEL.value != slices.PAPER_MM:
        raise program.UsageError(f"--slices=paper_literal has pixels of {slices.PAPER_MM:g} mm: leave --pixel_mm away.")


def _options() -> studies.Options:
    return studies.Options(_choice(), _GAPS.value, _STRICT.value)


def _choice() -> slices.Choice:
    try:
        rows, columns = (int(value) for value in _SIZE.value)
    except ValueError as error:
        raise ValueError(f"--size is ROWS,COLUMNS in pixels. Received: {','.join(_SIZE.value)}.") from error
    usual = slices.Choice()
    return slices.Choice(
        kind=_SLICES.value,
        count=_COUNT.value,
        pixel_mm=slices.PAPER_MM if _SLICES.value == slices.PAPER_LITERAL else _PIXEL.value,
        size=(rows, columns),
        thickness_mm=usual.thickness_mm if _SLAB.value is None else _SLAB.value,
    )


def _used(options: studies.Options) -> dict[str, Any]:
    return {
        "choice": options.choice.to_dict(),
        "doubtful": _DOUBTFUL.value,
        "gaps": options.gaps,
        "strict": options.strict,
        "per_shard": _PER_SHARD.value,
        "check_patients": making.CHECK_PATIENTS.value,
    }


def _report_found(found: index.Index, table: outcomes.Table) -> None:
    """Prints what is in the folder and in the table, before pixels are read."""
    if table.unknown_columns:
        print(f"warning: columns of the outcomes that mean nothing here: {', '.join(table.unknown_columns)}.")
    others = sum(not is_nifti(path) for path in found.refused)
    print(f"files: {found.files}, of them {others} no MR image or not readable.")
    grades = outcomes.agreement(table.rows)
    print(
        f"outcomes: {len(table.rows)} usable rows; both raters graded {grades['graded_by_both']}, "
        f"the same in {grades['agree']}."
    )


def _report(made: study_dataset.Dataset) -> None:
    """Prints what was taken, what was refused and why, and what does not match."""
    print(f"studies: {len(made.taken)} usable, {len(made.refused)} refused.")
    report.print_tallies(made.tallies())
    report.print_synthetic(made.synthetic(), "studies")
    name = made.selection.pseudonym
    if making.DRY_RUN.value:
        taken = [f"{name(key)}: {study.series_reason}" for key, study in made.taken.items()]
        report.print_some("series taken", taken, everything=True)
    refused = sorted(f"{name(key)}: {refusal.reason}" for key, refusal in made.refused.items())
    report.print_some("refused", refused, making.DRY_RUN.value)
    without = [name(key) for key in made.selection.without_outcome]
    report.print_some("studies without outcome", without, making.DRY_RUN.value)
    for part in split.SPLITS if made.parts else ():
        counts = made.counts(part)
        empty = "" if counts["studies"] else ", so no shard"
        print(
            f"{part}: {counts['studies']} studies of {counts['patients']} patients, "
            f"{counts['positive']} positive, {counts['negative']} negative{empty}"
        )


def run() -> None:
    """Starts the program."""
    program.run(main)


if __name__ == "__main__":
    run()
