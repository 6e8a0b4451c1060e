r"""Cross-validates a training: repeated, stratified, by patient, with epoch and threshold chosen inside each fold.

    python -m experiments.cross_validate --data=DIR --output_dir=DIR --folds=5 --repeats=2 \
        --flagfile=experiments/deformity/recommended.flags

For cohorts that are too small for one test part. All records of the splits in --splits are dealt anew, patients whole;
every patient tests once a repeat. Of the patients who do not test, --inner_fraction is held back: best/ and the
threshold are chosen on them, never on those who test. Each fold is a run of experiments.train, with the flags given
here, judged by experiments.evaluate. --dry_run lists the folds and trains nothing. The same command goes on with one
that was cut; more --repeats and other --learning_curve go further.

A network that refines what another one finds is trained in each fold after the other: --refiner_flagfile.

Leaves in --output_dir: summary.json (mean, deviation and corrected interval over folds; the figures of each fold; the
predictions of each repeat pooled; the learning curve; the check for leaks), studies.csv or films.csv with repeat and
fold, folds.csv (who was where), cross_validation.png, learning_curve.png, folds/ and logs/.

Exits with 0 when all folds are done, 75 when it was stopped and the same command goes on, 2 when flags are wrong or
there are too few patients, 1 when a fold failed.
"""

import copy
import pathlib
from collections.abc import Sequence

from absl import flags

from experiments import deformity_flags, landmark_flags, training_flags
from experiments.cross_request import Request
from raspine import program

TASKS = ("subluxation", "landmarks", "deformity")
SPLITS = ("train", "validation", "test")

_TASK = flags.DEFINE_enum("task", "subluxation", TASKS, "What is trained, as in experiments.train.")
_DATA = flags.DEFINE_string("data", None, "Folder of data_prep.radiographs or data_prep.mri.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder to make, or to go on with.", required=True)
_FOLDS = flags.DEFINE_integer("folds", 5, "Parts into which the patients are dealt.", lower_bound=2, upper_bound=100)
_REPEATS = flags.DEFINE_integer("repeats", 2, "How often they are dealt.", lower_bound=1, upper_bound=100)
_INNER = flags.DEFINE_float(
    "inner_fraction",
    0.25,
    "Share of the patients who do not test on which epoch and threshold are chosen.",
    lower_bound=0.05,
    upper_bound=0.5,
)
_CURVE = flags.DEFINE_list(
    "learning_curve", [], "Shares of the training patients, such as 0.25,0.5,1.0: a training for each fold and share."
)
_SPLITS = flags.DEFINE_list("splits", list(SPLITS), "Splits of --data that take part; the others stay untouched.")
_FOLD_SEED = flags.DEFINE_integer("fold_seed", 0, "Of the dealing; --seed is that of the training.", lower_bound=0)
_SENSITIVITY = flags.DEFINE_float(
    "sensitivity",
    None,
    "Of a risk: the threshold is the highest with this sensitivity on the inner patients; without, Youden's.",
    lower_bound=0.01,
    upper_bound=1,
)
_REFINER = flags.DEFINE_string(
    "refiner_flagfile", None, "Of films: flag file of a second training in each fold, which refines the first."
)
_KEEP = flags.DEFINE_bool(
    "keep_records", False, "Keep each fold's records, checkpoints and last/: the room of --data and several networks."
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "List the folds and train nothing.")
_PASSED_ON = (training_flags, landmark_flags, deformity_flags)
for _module in _PASSED_ON:
    flags.adopt_module_key_flags(_module)


def main(argv: Sequence[str]) -> int:
    """Cross-validates as the flags say and returns the exit status."""
    request = _request(argv)
    # TensorFlow takes seconds to load: wrong flags should not.
    from experiments import cross_start

    return cross_start.start(request, _DRY_RUN.value)


def _request(argv: Sequence[str]) -> Request:
    """Returns what the flags ask for.

    Raises:
      UsageError: they do not fit together.
    """
    _check(argv)
    refiner = _refiner()
    return Request(
        task=_TASK.value,
        data=pathlib.Path(_DATA.value),
        folder=pathlib.Path(_OUTPUT_DIR.value),
        stages=(_first(), *([refiner[0]] if refiner else [])),
        folds=_FOLDS.value,
        repeats=_REPEATS.value,
        inner=_INNER.value,
        shares=tuple(share for share in _shares() if share < 1),
        splits=tuple(split for split in SPLITS if split in _SPLITS.value),
        seed=_FOLD_SEED.value,
        training_seed=flags.FLAGS.seed,
        sensitivity=_SENSITIVITY.value,
        keep_records=_KEEP.value,
        epochs=flags.FLAGS.epochs + (refiner[1] if refiner else 0),
    )


def _check(argv: Sequence[str]) -> None:
    program.check_flags_alone(argv)
    if not pathlib.Path(_DATA.value).is_dir():
        raise program.UsageError(f"--data: no folder '{_DATA.value}'.")
    if not _SPLITS.value or not set(_SPLITS.value) <= set(SPLITS):
        received = ",".join(_SPLITS.value) or "nothing"
        raise program.UsageError(f"--splits are some of {', '.join(SPLITS)}. Received: {received}.")
    is_studies = _TASK.value == "deformity"
    own, other = (deformity_flags, landmark_flags) if is_studies else (landmark_flags, deformity_flags)
    foreign = (*other.NAMES, *(("refiner_flagfile",) if is_studies else ("sensitivity",)))
    if given := [name for name in foreign if flags.FLAGS[name].present]:
        raise program.UsageError(f"--{given[0]} is not for --task={_TASK.value}.")
    if training_flags.STRATEGY.value == "multi_worker":
        raise program.UsageError("--strategy=multi_worker: folds are trained on this machine, one after another.")
    training_flags.check()
    own.check()


def _shares() -> list[float]:
    """Returns the shares of the learning curve, rising.

    Raises:
      UsageError: one is no share.
    """
    try:
        found = sorted({float(text) for text in _CURVE.value})
    except ValueError:
        found = [0.0]
    if not all(0 < share <= 1 for share in found):
        raise program.UsageError(
            f"--learning_curve are shares above 0 and up to 1, as 0.25,0.5,1.0. Received: {','.join(_CURVE.value)}."
        )
    return found


def _first() -> tuple[str, ...]:
    """Returns the flags of the training that were given, flag files expanded."""
    own = [flag for module in _PASSED_ON for flag in flags.FLAGS.get_key_flags_for_module(module)]
    return (f"--task={_TASK.value}", *(flag.serialize() for flag in own if flag.present and flag.name != "seed"))


def _refiner() -> tuple[tuple[str, ...], int] | None:
    """Returns the flags of --refiner_flagfile and their epochs; None without.

    Raises:
      UsageError: one is none of the training's, or belongs to cross_validate.
    """
    if not _REFINER.value:
        return None
    try:
        given = tuple(flags.FLAGS.read_flags_from_files([f"--flagfile={_REFINER.value}"]))
        alone = copy.deepcopy(flags.FLAGS)
        alone.unparse_flags()
        alone(["refiner", f"--data={_DATA.value}", f"--output_dir={_OUTPUT_DIR.value}", "--epochs=40", *given])
    except (flags.Error, OSError) as error:
        raise program.UsageError(f"--refiner_flagfile: {' '.join(str(error).split())}") from error
    kept = tuple(text for text in given if text.lstrip("-").partition("=")[0] not in ("seed", "task", "refine"))
    own = {flag.name for module in _PASSED_ON for flag in flags.FLAGS.get_key_flags_for_module(module)}
    names = [text.lstrip("-").partition("=")[0] for text in kept]
    if foreign := [name for name in names if name not in own and name.removeprefix("no") not in own]:
        raise program.UsageError(f"--refiner_flagfile: --{foreign[0]} is no flag of the training.")
    return (f"--task={_TASK.value}", *kept), alone.epochs


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
