"""A sweep from its request to its best trial."""

from collections.abc import Sequence
from typing import cast

from experiments import children, folder_lock, known_flags, sweep_folder
from experiments.sweep_request import Direction, Request
from raspine import program

METRICS: dict[str, tuple[str, Direction]] = {
    "subluxation": ("val_mre_mm", "minimize"),
    "landmarks": ("val_mre_mm", "minimize"),
    "deformity": ("val_auc", "maximize"),
}


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
    others = "a sweep, or a trial of one that was cut,"
    with folder_lock.alone(request.folder, others) as lock, children.signals() as received:
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
