"""Becomes one worker of a training on several hosts; the templates beside this file start it, one process a host.

    python -m experiments.cluster.worker --hosts=node1,node2 -- --task=deformity --data=DIR --output_dir=DIR

Sets TF_CONFIG from --hosts and from the number that Kubernetes (JOB_COMPLETION_INDEX) or Slurm (SLURM_PROCID) gives
the process, and then turns into `experiments.train --strategy=multi_worker` with the flags after --, so that signals
and exit statuses are that program's: 0 done, 75 stopped with its state saved, 2 flags wrong, 1 otherwise.
"""

import os
import sys
from collections.abc import Sequence

from absl import flags

from experiments.cluster import tf_config
from raspine import program

_HOSTS = flags.DEFINE_string(
    "hosts", None, "Of all workers: names between commas, or one with {index} in it and --workers.", required=True
)
_WORKERS = flags.DEFINE_integer("workers", 0, "How many; 0: as many as --hosts names.", lower_bound=0)
_PORT = flags.DEFINE_integer("port", 2222, "That all workers listen on.", lower_bound=1, upper_bound=65535)
_SHOW = flags.DEFINE_bool("show", False, "Print TF_CONFIG and the command, and start nothing.")


def main(argv: Sequence[str]) -> None:
    """Sets TF_CONFIG and becomes the training."""
    if len(argv) < 2:
        raise program.UsageError("the flags of experiments.train are missing: give them after --.")
    try:
        addresses = tf_config.addresses(_HOSTS.value, _WORKERS.value, _PORT.value)
        config = tf_config.text(addresses, tf_config.index(os.environ))
    except tf_config.ClusterError as error:
        raise program.UsageError(str(error)) from error
    command = [sys.executable, "-m", "experiments.train", "--strategy=multi_worker", *argv[1:]]
    print(f"{tf_config.VARIABLE}={config}", *(command[1:] if _SHOW.value else []), sep="\n", flush=True)
    if not _SHOW.value:
        os.execve(command[0], command, {**os.environ, tf_config.VARIABLE: config})


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
