"""Trains with several worker processes on this machine, over the path that several hosts take.

    python -m experiments.launch_local --workers=2 -- --task=deformity --data=DIR --output_dir=DIR

What stands after -- goes to `experiments.train --strategy=multi_worker`, one process a worker, with TF_CONFIG for
ports of the loopback interface and a share of the cores each. Worker 0 writes to the terminal, the others to
worker-N.log in --logs. SIGTERM and Ctrl-C are passed on to all, and waited for. A worker that ends with an error takes
the others down: SIGTERM, and SIGKILL after --grace seconds.

For several GPUs of one host take `experiments.train --strategy=mirrored`; for several hosts see experiments/cluster/.

Exits with 0 when all is done, 75 when the state was saved and the same command goes on, 2 when the flags are wrong,
1 otherwise.
"""

import pathlib
import shutil
import tempfile
from collections.abc import Sequence

from absl import flags

from experiments import launched_workers, local_workers
from raspine import program

_WORKERS = flags.DEFINE_integer("workers", 2, "Processes to start.", lower_bound=1, upper_bound=64)
_RESTARTS = flags.DEFINE_integer(
    "restarts", 0, "How often all are started again after a worker was killed or stopped (status 75).", lower_bound=0
)
_LOGS = flags.DEFINE_string(
    "logs", None, "Folder for the workers' output; without, a temporary one that stays after an error."
)
_GRACE = flags.DEFINE_float("grace", 40.0, "Seconds between SIGTERM and SIGKILL.", lower_bound=0)


def main(argv: Sequence[str]) -> int:
    """Starts the workers that the flags ask for and returns the exit status."""
    arguments = tuple(argv[1:])
    _check(arguments)
    logs = pathlib.Path(_LOGS.value or tempfile.mkdtemp(prefix="raspine-workers-"))
    status = launched_workers.launch(local_workers.Plan(_WORKERS.value, arguments, logs, _GRACE.value), _RESTARTS.value)
    if not _LOGS.value and status in (program.DONE, program.STOPPED):
        shutil.rmtree(logs, ignore_errors=True)
    return status


def _check(arguments: Sequence[str]) -> None:
    if not arguments:
        raise program.UsageError("the flags of experiments.train are missing: give them after --.")
    if wrong := [text for text in arguments if not text.startswith("-")]:
        raise program.UsageError(f"arguments are given as --flag=value. Received: {wrong[0]}.")
    if set_here := [text for text in arguments if text.lstrip("-").partition("=")[0] == "strategy"]:
        raise program.UsageError(f"the strategy of several workers is multi_worker; leave out {set_here[0]}.")


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
