"""One step of training on every replica: loss, gradients, update, and the average that follows the weights."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from raspine.training import averaging

Items = tuple[Any, ...]


def gradients(
    network: keras.Model, loss: keras.losses.Loss, optimizer: keras.optimizers.Optimizer, items: Items, share: float
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns a part's share of the global batch's loss, and its gradients.

    Args:
      network: what is trained.
      loss: the mean over the items it is given; within a replica of several, Keras divides it by their number.
      optimizer: scales the loss where it must; the gradients stay scaled.
      items: inputs, truth and, where there are any, weights of the items.
      share: items of the part over items of the replica.
    """
    inputs, truth, *weights = items
    with tf.GradientTape() as tape:
        prediction = network(inputs, training=True)
        value = loss(truth, prediction, *weights) * share
        scaled = optimizer.scale_loss(value)
    return value, tape.gradient(scaled, network.trainable_variables)


def accumulated(
    compute: Callable[[Items], Any], items: Items, parts: int, zeros: Any | None
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns the sums of loss and gradients over consecutive parts of some items, one part in memory at a time.

    Args:
      compute: loss and gradients of a part.
      items: tensors with the items along the first axis, which divides by `parts`.
      parts: how many.
      zeros: a loss and gradients of zero for a loop of the graph, which traces one part only; None where variables that
        replicas share are updated, which is not possible within such a loop: the parts are then traced one by one.
    """
    if parts == 1:
        return compute(items)
    divided = tf.nest.map_structure(lambda values: tf.reshape(values, (parts, -1, *values.shape[1:])), items)

    def part(number: Any) -> Any:
        return compute(tf.nest.map_structure(lambda values: values[number], divided))

    return _unrolled(part, parts) if zeros is None else _looped(part, parts, zeros)


def _unrolled(part: Callable[[int], Any], parts: int) -> Any:
    total = part(0)
    for number in range(1, parts):
        # Without this order the parts would be computed side by side, each with its activations in memory.
        with tf.control_dependencies(tf.nest.flatten(total)):
            total = tf.nest.map_structure(tf.add, total, part(number))
    return total


def _looped(part: Callable[[tf.Tensor], Any], parts: int, zeros: Any) -> Any:
    def body(number: tf.Tensor, total: Any) -> Any:
        return number + 1, tf.nest.map_structure(tf.add, total, part(number))

    start = (tf.constant(0), zeros)
    return tf.while_loop(lambda number, _: number < parts, body, start, parallel_iterations=1)[1]


class Step:
    """The compiled step, over all replicas of a strategy.

    Args:
      network: compiled with loss and optimizer, made within the strategy's scope.
      place: of the replicas.
      accumulate: parts of a replica's items that go through the network one after the other.
      average: follows the weights, or None.
      xla: whether XLA compiles the step of a replica.
    """

    def __init__(
        self,
        network: keras.Model,
        place: tf.distribute.Strategy,
        accumulate: int = 1,
        average: averaging.WeightAverage | None = None,
        xla: bool = False,
    ):
        self._network, self._place, self._parts, self._average = network, place, accumulate, average
        self._loss, self._optimizer = network.loss, network.optimizer
        self._is_shared = place.num_replicas_in_sync > 1
        self._replica = tf.function(self._on_replica, jit_compile=True) if xla else self._on_replica
        self.one = tf.function(self._one, reduce_retracing=True)
        self.several = tf.function(self._several, reduce_retracing=True)

    def _on_replica(self, items: Items, stop: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def compute(part: Items) -> tuple[tf.Tensor, list[tf.Tensor]]:
            return gradients(self._network, self._loss, self._optimizer, part, 1.0 / self._parts)

        value, found = accumulated(compute, items, self._parts, None if self._is_shared else self._zeros())
        self._optimizer.apply_gradients(zip(found, self._network.trainable_variables, strict=True))
        return value, tf.identity(stop)  # the same tensor from all replicas would not count as theirs

    def _zeros(self) -> Any:
        variables = self._network.trainable_variables
        return tf.zeros((), keras.config.floatx()), [tf.zeros(one.shape, one.dtype) for one in variables]

    def _one(self, items: Any, stop: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Does a step; returns the global batch's loss and how many processes asked to stop."""
        values, stops = self._place.run(self._replica, args=(items, stop))
        if self._average is not None:
            self._average.move(self._optimizer.iterations)
        add = tf.distribute.ReduceOp.SUM
        return self._place.reduce(add, values, axis=None), self._place.reduce(add, stops, axis=None)

    def _several(self, iterator: Any, count: tf.Tensor, stop: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Does some steps without coming back to Python; returns the mean of their losses, and as `one`."""
        total, stops = self._one(next(iterator), stop)
        for _ in tf.range(count - 1):
            value, stops = self._one(next(iterator), stop)
            total += value
        return total / tf.cast(count, total.dtype), stops
