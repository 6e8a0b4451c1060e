"""Work between steps over all replicas: every batch whole, the last one included, its answers in their order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


class Spread:
    """Runs a function of a batch on all replicas of all processes, each on its part, and joins the answers.

    All processes must call it with the same batch; all get all answers. A batch that does not divide by the replicas
    is filled up with its first items, whose answers are dropped.

    Args:
      function: graph ops; takes tensors and returns tensors, all with the items along the first axis.
      place: of the replicas; None for none.
    """

    def __init__(self, function: Callable[..., Any], place: tf.distribute.Strategy | None = None):
        self._place = place or tf.distribute.get_strategy()
        self._function = function
        self._run = tf.function(self._spread, reduce_retracing=True)

    def __call__(self, *batch: tf.Tensor) -> Any:
        """Returns the function's answers for a batch, in its order; the same structure, tensors on the host."""
        count = int(batch[0].shape[0])
        replicas = self._place.num_replicas_in_sync
        if replicas == 1:
            return self._run(*batch)
        part = -(-count // replicas)
        filled = [tf.gather(values, np.arange(part * replicas) % count) for values in batch]
        local = [self._deal(values, part) for values in filled]
        return tf.nest.map_structure(lambda answer: answer[:count], self._run(*local))

    def _deal(self, values: tf.Tensor, part: int) -> Any:
        def mine(context: tf.distribute.ReplicaContext) -> tf.Tensor:
            start = context.replica_id_in_sync_group * part
            return values[start : start + part]

        return self._place.experimental_distribute_values_from_function(mine)

    def _spread(self, *batch: Any) -> Any:
        answers = self._place.run(self._function, args=batch)
        if self._place.num_replicas_in_sync == 1:
            return answers
        return tf.nest.map_structure(lambda answer: self._place.gather(answer, axis=0), answers)


class Agreement:
    """What the processes of a strategy hold, asked of all of them; they all must ask at the same time."""

    def __init__(self, place: tf.distribute.Strategy):
        self._place = place
        self._gather = tf.function(lambda own: place.gather(place.run(tf.identity, args=(own,)), axis=0))

    def same(self, number: int) -> bool:
        """Returns whether all processes hold the same number."""
        found = self._numbers(number)
        return bool(np.all(found == found[0]))

    def any_of(self, wish: bool) -> bool:
        """Returns whether any process wishes it."""
        return bool(np.any(self._numbers(int(wish))))

    def _numbers(self, number: int) -> np.ndarray:
        """Returns int64 [replica]: what the process of each replica holds."""
        if self._place.num_replicas_in_sync == 1:
            return np.array([number])
        return self._gather(tf.constant([number], tf.int64)).numpy()
