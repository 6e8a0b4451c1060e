"""Contestant: inference through raspine's fast path, which predict, evaluate and the exported model take."""

from typing import Any

import tensorflow as tf

from experiments.benchmarks import child, raspine_network, tensors
from raspine.models import inference


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns one batch of the case's network."""
    # The network is one trained in float32; the fast path goes down to bfloat16 by itself.
    raspine_network.prepare({**spec, "precision": "float32"})
    answer = tf.function(inference.fast(raspine_network.build(spec), spec["precision"]))
    images = tf.constant(tensors.images(spec))
    return child.Subject(lambda: answer(images).numpy(), raspine_network.versions())


if __name__ == "__main__":
    child.serve(prepare)
