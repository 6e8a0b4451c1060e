"""What the programs that make data sets share: their flags, the checks of these, and the last lines they print."""

from collections.abc import Mapping, Sequence

from absl import flags

from data_prep import split
from raspine import program, pseudonyms

OUTPUT_DIR = flags.DEFINE_string("output_dir", "", "Folder to make; not needed with --dry_run.")
COUNTS = flags.DEFINE_list("split_counts", [], "Patients in train,validation,test, e.g. 680,140,86.")
FRACTIONS = flags.DEFINE_list("split_fractions", [], "Parts of the patients, e.g. 0.6,0.2,0.2.")
SPLIT_FILE = flags.DEFINE_string(
    "split_file", "", "CSV file with the columns patient (or image of a film, study of an MRI) and split."
)
SEED = flags.DEFINE_integer("split_seed", 0, "Seed of the split and of the order in shards.", lower_bound=0)
CHECK_PATIENTS = flags.DEFINE_bool(
    "check_patients",
    True,
    "Refuse films and studies whose header contradicts patient_id or shows two people under one ID.",
)
WORKERS = flags.DEFINE_integer("workers", 2, "Threads that read films or studies.", lower_bound=1)
PRIVATE_LOG = flags.DEFINE_string("private_log", "", "CSV file to make, mode 0600: who the pseudonyms are.")
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would be done; write nothing but --private_log.")


def check_flags(argv: Sequence[str], *needed: flags.FlagHolder[str]) -> None:
    """Checks that there is an input, and where the data set and the private log shall stand.

    Args:
      argv: what is left after flag parsing.
      needed: flags that must be given.

    Raises:
      UsageError: they cannot stand there, a flag is missing, or there are arguments beside the flags.
    """
    program.check_flags_alone(argv)
    if missing := [f"--{flag.name}" for flag in needed if not flag.value]:
        raise program.UsageError(f"{' and '.join(missing)} must be given. Try --help.")
    if not OUTPUT_DIR.value and not DRY_RUN.value:
        raise program.UsageError("--output_dir is needed, or --dry_run.")
    if not DRY_RUN.value:
        program.check_new_folder(OUTPUT_DIR.value)
    try:
        if PRIVATE_LOG.value:
            pseudonyms.check_private_log(PRIVATE_LOG.value, OUTPUT_DIR.value or None)
    except pseudonyms.PrivateLogError as error:
        raise program.UsageError(str(error)) from error


def rule(item: str, stratify: bool = False) -> split.Rule | None:
    """Returns the split that the flags ask for; a dry run may do without one.

    Args:
      item: what --split_file may name beside patients, `image` or `study`.
      stratify: give every split the same share of positive patients.
    """
    if DRY_RUN.value and not (COUNTS.value or FRACTIONS.value or SPLIT_FILE.value):
        return None
    return split.parse(COUNTS.value, FRACTIONS.value, SPLIT_FILE.value, SEED.value, stratify, item)


def check_counts(wanted: split.Rule | None, most: int, what: str) -> None:
    """Fails before any picture is read when the counts can no longer be met.

    Args:
      wanted: the split.
      most: how many patients there can be at most; 0 leaves it to the end to say that there is nothing.
      what: which patients count.

    Raises:
      UsageError: the counts sum to more.
    """
    if wanted and most and sum(wanted.counts) > most:
        raise program.UsageError(
            f"--split_counts sum to {sum(wanted.counts)} patients, but at most {most} have {what}: "
            f"make the counts sum to {most}, or use --split_fractions."
        )


def finish(known: Mapping[str, Mapping[str, str]]) -> None:
    """Writes the private log if one is wanted; `known` holds the pseudonym of each name, by kind."""
    if PRIVATE_LOG.value:
        pseudonyms.write_private_log(PRIVATE_LOG.value, known)


def say_end(wanted: split.Rule | None, files: str) -> None:
    """Prints where the results are, `files` naming them."""
    if PRIVATE_LOG.value:
        print(f"who the pseudonyms are: {PRIVATE_LOG.value} (keep it private)")
    if DRY_RUN.value:
        print("dry run: no data set was written" + ("." if wanted else "; add a split flag to see the split."))
    else:
        print(f"results: {OUTPUT_DIR.value} ({files})")
