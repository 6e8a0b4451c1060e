"""Contestant: ResNet-101 of keras.applications on six channels, trained as Keras does it by itself, for context."""

from typing import Any

import keras
import tensorflow as tf

from experiments.benchmarks import child, raspine_network, tensors


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns one `train_on_batch` with Keras's Adam."""
    raspine_network.prepare(spec)
    shape = (spec["size"], spec["size"], spec["channels"])
    network = keras.applications.ResNet101(weights=None, input_shape=shape, classes=1, classifier_activation=None)
    optimizer = keras.optimizers.Adam(tensors.LEARNING_RATE)
    network.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    images, outcomes = tf.constant(tensors.images(spec)), tf.constant(tensors.outcomes(spec))
    return child.Subject(lambda: network.train_on_batch(images, outcomes), raspine_network.versions())


if __name__ == "__main__":
    child.serve(prepare)
