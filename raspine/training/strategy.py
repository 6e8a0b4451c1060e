"""Where a network trains: one device, every GPU (or logical CPU) of the machine, or those of several machines."""

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

NAMES = ("one_device", "mirrored", "multi_worker")
CLUSTER = "TF_CONFIG"


class ClusterError(ValueError):
    """The environment does not describe the workers."""


def make(name: str) -> tf.distribute.Strategy:
    """Returns the strategy of that name.

    `one_device` takes the first GPU when there is one, else the CPU; `mirrored` all GPUs, else all logical CPUs;
    `multi_worker` all GPUs (else the CPU) of each of the processes that the variable TF_CONFIG names, and must be made
    before TensorFlow does anything else.

    Raises:
      ValueError: an unknown name.
      ClusterError: `multi_worker` with a TF_CONFIG that describes no workers.
    """
    if name not in NAMES:
        raise ValueError(f"A strategy is one of {', '.join(NAMES)}. Received: '{name}'.")
    if name == "multi_worker":
        check_cluster(os.environ.get(CLUSTER, ""))
        return _multi_worker()
    gpus = [device.name.replace("/physical_device:", "/") for device in tf.config.list_physical_devices("GPU")]
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(gpus[0] if gpus else "/CPU:0")
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(gpus or cpus)


def _multi_worker() -> tf.distribute.Strategy:
    handler = signal.getsignal(signal.SIGTERM)
    place = tf.distribute.MultiWorkerMirroredStrategy()
    with contextlib.suppress(ValueError):  # not the main thread
        # TensorFlow has taken SIGTERM for a notifier of its own, and the process would not end by it any more.
        signal.signal(signal.SIGTERM, handler)
    return place


def check_cluster(text: str) -> None:
    """Checks TF_CONFIG; an empty one means a single worker.

    Args:
      text: JSON, `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}`.

    Raises:
      ClusterError: it is none, or the task is not among the workers.
    """
    if not text:
        return
    try:
        stored = json.loads(text)
        workers, task = stored["cluster"]["worker"], stored["task"]
        is_known = task["type"] == "worker" and 0 <= int(task["index"]) < len(workers)
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{CLUSTER} describes no workers ({type(error).__name__}: {error}); it is "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.'
        ) from error
    if not is_known or set(stored["cluster"]) != {"worker"}:
        raise ClusterError(
            f"{CLUSTER}: every task is a worker of the list. Received: task {task}, {len(workers)} workers."
        )


def is_chief(place: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes what the run leaves."""
    resolver = place.cluster_resolver
    return resolver is None or not resolver.task_id


def workers(place: tf.distribute.Strategy) -> int:
    """Returns the number of processes."""
    if not is_multi_worker(place):
        return 1
    return max(1, len(place.cluster_resolver.cluster_spec().as_dict().get("worker", [])))


def is_multi_worker(place: tf.distribute.Strategy) -> bool:
    """Returns whether replicas of other processes belong to it."""
    return isinstance(place, tf.distribute.MultiWorkerMirroredStrategy)


def describe(place: tf.distribute.Strategy, name: str) -> Mapping[str, Any]:
    """Returns strategy, replicas, workers and the kind of device, for people and for run.json."""
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return {"strategy": name, "replicas": place.num_replicas_in_sync, "workers": workers(place), "device": kind}


def split_cpu(count: int) -> None:
    """Makes `count` logical CPUs of the machine's one, to run `mirrored` without GPUs; before any TensorFlow work."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
