"""raspine's networks for the contestants that run in raspine's own environment."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from experiments.benchmarks import tensors
from raspine.models import hrnet, resnet


def prepare(spec: Mapping[str, Any]) -> None:
    """Sets threads, precision and seed before anything is computed."""
    tf.config.threading.set_intra_op_parallelism_threads(spec["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(spec["threads"])
    keras.utils.set_random_seed(1)
    if spec["precision"] == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")


def build(spec: Mapping[str, Any]) -> keras.Model:
    """Returns the case's network; a small one of the same kind when the spec is `tiny`."""
    shape = (spec["size"], spec["size"], spec["channels"])
    if spec["network"] == "resnet101":
        return resnet.resnet(26 if spec["tiny"] else 101, shape)
    return hrnet.hrnet(num_landmarks=tensors.LANDMARKS, input_shape=shape, small=spec["tiny"])


def versions() -> dict[str, str]:
    """Returns the versions of what does the work."""
    return {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
