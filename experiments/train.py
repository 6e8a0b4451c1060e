"""Trains a network and leaves best/, last/, run.json and tensorboard/ in --output_dir.

    python -m experiments.train --flagfile=experiments/subluxation/recommended.flags --data=DIR --output_dir=DIR
    python -m experiments.train --flagfile=experiments/deformity/recommended.flags --data=DIR --output_dir=DIR

The tasks: `subluxation` and `landmarks` train an HRNet on films (data_prep.radiographs), `deformity` a ResNet on the
slices of MRI studies (data_prep.mri). A run that was interrupted goes on when the same command is given again: SIGTERM
and Ctrl-C end it after the step that is under way, its state saved, with status 75.
`tensorboard --logdir DIR` shows it while it runs.
"""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from experiments import deformity_flags, landmark_flags, training_flags
from raspine import program

TASKS = ("subluxation", "landmarks", "deformity")

_TASK = flags.DEFINE_enum("task", "subluxation", TASKS, "What to train: subluxation demands the atlantoaxial schema.")
_DATA = flags.DEFINE_string("data", None, "Folder of data_prep.radiographs or data_prep.mri.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the run; made, or gone on with.", required=True)
for _module in (training_flags, landmark_flags, deformity_flags):
    flags.adopt_module_key_flags(_module)


def main(argv: Sequence[str]) -> int:
    """Checks the flags together, trains, and says where the results are; returns the exit status."""
    _check(argv)
    # TensorFlow takes seconds to load: wrong flags should not.
    import tensorflow as tf

    from raspine.training import checkpoints, loop, stopping, strategy

    folder = pathlib.Path(_OUTPUT_DIR.value)
    try:
        result = _train(folder)
    except (loop.RunFolderError, loop.RecipeError, strategy.ClusterError) as error:
        raise program.UsageError(str(error)) from error
    except stopping.Stopped as stop:
        print(f"{stop} The same command goes on: {folder}")
        return program.STOPPED
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from the last checkpoint, if there is one: {folder}")
        return program.STOPPED
    except loop.WorkerLostError as error:
        return _leave(f"{error}: start all workers again with the same command; they go on from the last checkpoint.")
    except (tf.errors.NotFoundError, tf.errors.DataLossError) as error:
        raise program.NothingDone(
            f"a shard is gone or damaged: {_line(error)}; put it back and give the same command again, which goes on "
            "from the last checkpoint."
        ) from error
    except tf.errors.OpError as error:
        raise program.NothingDone(f"TensorFlow: {_line(error)}") from error
    except (FloatingPointError, checkpoints.CheckpointError) as error:
        raise program.NothingDone(str(error)) from error
    print(_closing(result, folder))
    return program.DONE


def _train(folder: pathlib.Path) -> dict[str, Any]:
    from raspine.training import strategy

    if training_flags.LOGICAL_CPUS.value > 1:
        strategy.split_cpu(training_flags.LOGICAL_CPUS.value)
    # Workers find each other before TensorFlow does anything else.
    execution = training_flags.execution(strategy.make(training_flags.STRATEGY.value))
    facts = {"task": _TASK.value, "flags": _values()}
    if _TASK.value == "deformity":
        return deformity_flags.train(_DATA.value, folder, execution, facts)
    return landmark_flags.train(_TASK.value, _DATA.value, folder, execution, facts)


def _leave(message: str) -> int:
    """Ends the process at once: TensorFlow would wait for the worker that is gone."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(program.STOPPED)


def _line(error: Any) -> str:
    return str(error.message).strip().partition("\n")[0]


def _check(argv: Sequence[str]) -> None:
    program.check_flags_alone(argv)
    if not pathlib.Path(_DATA.value).is_dir():
        raise program.UsageError(f"--data: no folder '{_DATA.value}'.")
    training_flags.check()
    own, other = (deformity_flags, landmark_flags) if _TASK.value == "deformity" else (landmark_flags, deformity_flags)
    if foreign := [name for name in other.NAMES if flags.FLAGS[name].present]:
        raise program.UsageError(f"--{foreign[0]} is not for --task={_TASK.value}.")
    own.check()


# Paths stay out of what is passed on with a model; `start` in run.json holds their content's hash.
_PLACES = ("data", "output_dir", "weights", "refine", "cache_dir")


def _values() -> dict[str, Any]:
    foreign = landmark_flags.NAMES if _TASK.value == "deformity" else deformity_flags.NAMES
    own = flags.FLAGS.get_key_flags_for_module(sys.modules[__name__])
    return {flag.name: flag.value for flag in own if flag.name not in {*_PLACES, *foreign}}


def _closing(result: dict[str, Any], folder: pathlib.Path) -> str:
    best = result.get("best")
    if not best:
        return f"No validation data: the network after the last epoch is in {folder / 'last'}."
    known = (("val_mre_mm", "mm"), ("val_pck", "PCK"), ("val_auc", "AUC"))
    figures = [f"{best[key]:.3g} {unit}" for key, unit in known if key in best]
    return f"Best in epoch {best['epoch']} (validation {', '.join(figures)}): {folder / 'best'}"


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
