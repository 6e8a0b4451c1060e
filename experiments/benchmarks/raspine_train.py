"""Contestant: a training step as `raspine.training` does it."""

from typing import Any

import keras
import tensorflow as tf

from experiments.benchmarks import child, raspine_network, tensors
from raspine.training import adam, losses, step, strategy


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns one optimizer step of the case's network."""
    raspine_network.prepare(spec)
    place = strategy.make("one_device")
    with place.scope():
        network = raspine_network.build(spec)
        optimizer = adam.FusedAdam(tensors.LEARNING_RATE)
        optimizer.build(network.trainable_variables)
        network.compile(optimizer, _loss(spec))
    one = step.Step(network, place).one
    truth = tensors.outcomes(spec) if spec["network"] == "resnet101" else tensors.points(spec)
    items, go_on = (tf.constant(tensors.images(spec)), tf.constant(truth)), tf.constant(0)
    return child.Subject(lambda: float(one(items, go_on)[0]), raspine_network.versions())


def _loss(spec: dict[str, Any]) -> keras.losses.Loss:
    if spec["network"] == "resnet101":
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return losses.HeatmapLoss(spec["size"], spec["size"], tensors.STRIDE, tensors.SIGMA, kind="cross_entropy")


if __name__ == "__main__":
    child.serve(prepare)
