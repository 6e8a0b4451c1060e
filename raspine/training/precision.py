"""In which precision a network computes, and how it is set before the network is built."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

NAMES = ("float32", "mixed_bfloat16", "mixed_float16", "float64")


@contextlib.contextmanager
def used(name: str) -> Iterator[None]:
    """Sets Keras's dtype policy for networks that are built within the block.

    The mixed ones compute in 16 bits and keep weights, normalisation's statistics and the loss in float32. `float64`
    is for comparing strategies: it needs `keras` or `synchronized` normalisation.

    Raises:
      ValueError: an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"A precision is one of {', '.join(NAMES)}. Received: '{name}'.")
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64" if name == "float64" else "float32")
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def scaled(optimizer: keras.optimizers.Optimizer, name: str) -> keras.optimizers.Optimizer:
    """Returns the optimizer, with a loss scale where gradients in float16 would vanish."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if name == "mixed_float16" else optimizer


def wide(tensor: tf.Tensor) -> tf.Tensor:
    """Returns a tensor in float32, or as it is in float64."""
    return tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)
