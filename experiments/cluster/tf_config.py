"""TF_CONFIG: how TensorFlow learns of the workers of a training and of which one a process is."""

import json
from collections.abc import Mapping, Sequence

VARIABLE = "TF_CONFIG"
INDICES = ("JOB_COMPLETION_INDEX", "SLURM_PROCID")  # of Kubernetes' Indexed Jobs, of Slurm's tasks
_PLACE = "{index}"


class ClusterError(ValueError):
    """Hosts, number of workers and environment do not describe a worker."""


def text(addresses: Sequence[str], worker: int) -> str:
    """Returns the variable's value for one worker.

    Args:
      addresses: host:port of every worker, the same for all of them.
      worker: its number, from 0.

    Raises:
      ClusterError: there is no such worker, or an address is given twice.
    """
    if not 0 <= worker < len(addresses):
        raise ClusterError(f"worker {worker} is not among the {len(addresses)} workers; they are counted from 0.")
    if len(set(addresses)) < len(addresses):
        raise ClusterError(f"every worker needs an address of its own. Received: {', '.join(addresses)}.")
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": worker}})


def addresses(hosts: str, count: int, port: int) -> list[str]:
    """Returns host:port of every worker.

    Args:
      hosts: names between commas, or one name with `{index}` in it.
      count: number of workers; with names between commas 0, or their number.
      port: that all listen on.

    Raises:
      ClusterError: the number is missing, or does not fit the names.
    """
    if _PLACE in hosts:
        if count < 1:
            raise ClusterError(f"a host name with {_PLACE} needs the number of workers.")
        return [f"{hosts.replace(_PLACE, str(index))}:{port}" for index in range(count)]
    names = [name.strip() for name in hosts.split(",") if name.strip()]
    if not names or count not in (0, len(names)):
        raise ClusterError(f"hosts and number of workers differ. Received: {len(names)} hosts, {count} workers.")
    return [f"{name}:{port}" for name in names]


def index(environment: Mapping[str, str]) -> int:
    """Returns which worker this process is.

    Args:
      environment: of the process.

    Raises:
      ClusterError: neither Kubernetes nor Slurm says so.
    """
    found = [environment[name] for name in INDICES if environment.get(name)]
    if not found or not found[0].isdecimal():
        raise ClusterError(f"none of {' and '.join(INDICES)} says which worker this is; start it through the template.")
    return int(found[0])
