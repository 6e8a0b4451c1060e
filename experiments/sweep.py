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

from absl import flags

from experiments import sweep_start
from experiments.sweep_request import Request
from raspine import program

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
    metric, direction = sweep_start.goal(arguments, _METRIC.value, _DIRECTION.value)
    return sweep_start.sweep(
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


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
