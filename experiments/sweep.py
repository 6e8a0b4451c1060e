r"""Searches for the flags with which a training does best: trials one after another, each a run of experiments.train.

    python -m experiments.sweep --space=experiments/sweeps/deformity.json --trials=40 --output_dir=DIR \
        -- --flagfile=experiments/deformity/recommended.flags --data=DIR

--space is a JSON file of the flags that vary: {"low": .., "high": ..} with "log": true or "step", or {"choices": [..]};
all of it is checked before any work. What stands after -- goes to every trial. Optuna's TPE sampler draws the values; a
trial's figure is --metric of the epoch that its run chose as the best. The same command goes on with a sweep that was
cut, the trial that was under way included; more --trials go further. A trial that fails (NaN, out of memory) is
counted, and the sweep goes on.

Leaves in --output_dir: trials/0007 and so on, each a run (`tensorboard --logdir DIR/trials` compares them under
HPARAMS), logs/, trials.csv, best.flags, and journal.jsonl with what Optuna knows. The best trial was chosen on the
validation items, so its figure there is too good: score it on the test split.

Exits with 0 when all trials are done, 75 when it was stopped and the same command goes on, 2 when flags or space are
wrong, 1 when nothing could be done. Needs Optuna: pip install 'raspine[sweep]'.
"""

import pathlib
from collections.abc import Sequence
from typing import cast

from absl import flags

from experiments import children, known_flags, sweep_folder
from experiments.sweep_request import Direction, Request
from raspine import program

METRICS: dict[str, tuple[str, Direction]] = {
    "subluxation": ("val_mre_mm", "minimize"),
    "landmarks": ("val_mre_mm", "minimize"),
    "deformity": ("val_auc", "maximize"),
}

_SPACE = flags.DEFINE_string("space", None, "JSON file of the flags that vary; see experiments/sweeps/.", required=True)
_TRIALS = flags.DEFINE_integer("trials", 20, "How many in all.", lower_bound=1)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the sweep; made, or gone on with.", required=True)
_METRIC = flags.DEFINE_string(
    "metric", None, "Figure of the best epoch in run.json; without, val_auc for deformity, val_mre_mm for films."
)
_DIRECTION = flags.DEFINE_enum("direction", None, ["maximize", "minimize"], "In which --metric is better.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the values that are drawn.", lower_bound=0)
_PRUNE_AFTER = flags.DEFINE_integer(
    "prune_after",
    0,
    "Epoch from which a trial that is worse than the median of the others at the same epoch ends; 0: never.",
    lower_bound=0,
)
_FAILURES = flags.DEFINE_integer("failures", 5, "Failed trials one after another that end the sweep.", lower_bound=1)


def main(argv: Sequence[str]) -> int:
    """Searches as the flags say and returns the exit status."""
    arguments = _expanded(argv[1:])
    metric, direction = goal(arguments, _METRIC.value, _DIRECTION.value)
    return sweep(
        Request(
            space=_SPACE.value,
            trials=_TRIALS.value,
            folder=pathlib.Path(_OUTPUT_DIR.value),
            arguments=arguments,
            metric=metric,
            direction=direction,
            seed=_SEED.value,
            prune_after=_PRUNE_AFTER.value,
            failures=_FAILURES.value,
        )
    )


def _expanded(arguments: Sequence[str]) -> tuple[str, ...]:
    """Returns the flags of the trials with flag files replaced by what stands in them."""
    if wrong := [text for text in arguments if not text.startswith("-")]:
        raise program.UsageError(f"arguments are given as --flag=value. Received: {wrong[0]}.")
    try:
        given = tuple(flags.FLAGS.read_flags_from_files(list(arguments)))
    except flags.Error as error:
        raise program.UsageError(f"--flagfile: {error}") from error
    if folder := [text for text in given if text.lstrip("-").startswith("output_dir")]:
        raise program.UsageError(f"every trial gets a folder of its own; leave out {folder[0]} after --.")
    return given


def goal(arguments: Sequence[str], metric: str | None, direction: str | None) -> tuple[str, Direction]:
    """Returns metric and direction; what is not given follows from the task among the trials' flags.

    Args:
      arguments: flags of the trials.
      metric: as asked for, or None.
      direction: as asked for, or None.

    Raises:
      UsageError: nothing says in which direction the metric is better.
    """
    tasks = [text.partition("=")[2] for text in arguments if text.lstrip("-").startswith("task=")]
    usual = METRICS.get(tasks[-1] if tasks else "subluxation", METRICS["subluxation"])
    directions: dict[str, Direction] = {**dict(METRICS.values()), "val_loss": "minimize"}
    name = metric or usual[0]
    if not direction and name not in directions:
        raise program.UsageError(f"--metric={name} needs --direction=maximize or minimize.")
    return name, cast(Direction, direction) if direction else directions[name]


def sweep(request: Request) -> int:
    """Runs the trials that are missing and returns the exit status.

    Raises:
      UsageError: space, flags or folder do not fit.
      NothingDone: no trial is worth anything.
    """
    try:
        from experiments import search, search_space, sweep_course
    except ModuleNotFoundError as error:
        raise program.UsageError(f"{error.name} is not installed: pip install 'raspine[sweep]'.") from error
    try:
        space = search_space.read(request.space, known_flags.of(request.module))
    except search_space.SpaceError as error:
        raise program.UsageError(f"--space: {error}") from error
    with sweep_folder.alone(request.folder) as lock, children.signals() as received:
        sweep_folder.claim(request)
        found = search.Search(request.journal, space, request.direction, request.seed, request.prune_after)
        print(
            f"{request.trials} trials, {found.finished} done already. tensorboard --logdir {request.runs}", flush=True
        )
        if not sweep_course.Course(request, found, received, lock).complete():
            print(f"Stopped with {found.finished} of {request.trials} trials done; the same command goes on.")
            return program.STOPPED
    best = found.best
    if best is None:
        raise program.NothingDone(f"none of {found.finished} trials is done; {request.folder / 'trials.csv'} says why.")
    where = f"its flags: {request.folder / 'best.flags'}; all trials: {request.folder / 'trials.csv'}"
    print(f"Best: {request.metric} {best.value:.5g} in {request.place(best.number)}; {where}")
    return program.DONE


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
