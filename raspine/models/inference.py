"""The fast way from a finished network's inputs to its outputs, which loaded models take."""

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from raspine.models import folding

PRECISIONS = ("float32", "bfloat16", "auto")
Network = Callable[[Any], tf.Tensor]
_CPU = pathlib.Path("/proc/cpuinfo")


def fast(network: keras.Model, precision: str = "float32") -> Network:
    """Returns a function with a network's values for inference; graph ops, many times faster inside a `tf.function`.

    It holds the weights as they are now. A network that `folding` does not know runs as it is.

    Args:
      network: of `hrnet` or `resnet`.
      precision: "float32"; "bfloat16", which is faster on CPUs with AMX, slower on others, and moves a logit by some
        thousandths of its size and a landmark by fractions of a pixel; or "auto", which looks at the CPU, so that two
        machines may answer differently.

    Raises:
      ValueError: for an unknown precision.
    """
    dtype = _dtype(precision)
    with tf.init_scope():
        twin = folding.folded(network, dtype)
    return lambda inputs: twin(inputs, training=False)


def checked(precision: str) -> str:
    """Returns a precision.

    Raises:
      ValueError: it is none.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}. Received: {precision!r}.")
    return precision


def has_amx(facts: str) -> bool:
    """Returns whether a CPU multiplies bfloat16 matrices in hardware, by the text of /proc/cpuinfo."""
    flags = (line.partition(":")[2].split() for line in facts.splitlines() if line.startswith("flags"))
    return any("amx_bf16" in one for one in flags)


def _dtype(precision: str) -> str:
    if checked(precision) != "auto":
        return precision
    return "bfloat16" if _CPU.is_file() and has_amx(_CPU.read_text(encoding="utf-8")) else "float32"
