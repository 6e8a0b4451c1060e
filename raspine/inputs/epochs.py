"""Which items make which batch: endless epochs over shards, the same whatever the number of workers and the cache.

Shards are dealt to lanes, and every global batch takes equally many items of each lane, lane after lane. A lane's order
in an epoch is a permutation made of (seed, epoch, lane) alone. So any step's batch is known without the steps before
it, and a worker opens the shards of its own lanes only.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine.inputs import prepared, shards
from raspine.inputs.shards import ShardError

MOST_LANES = 8
Item = tuple[tf.Tensor, ...]
Prepare = Callable[[tf.Tensor], Item]


class Pipeline(Protocol):
    """What films and studies say alike about their batches."""

    @property
    def batch(self) -> int:
        """Items a step, over all replicas."""

    @property
    def cache(self) -> str:
        """`memory` keeps prepared items in memory, `disk` in a folder, `none` reads the shards anew each epoch."""

    @property
    def lanes(self) -> int:
        """Into how many the shards are dealt; 0 for the largest power of two up to 8 that divides batch and shards."""

    @property
    def cache_dir(self) -> str:
        """Folder for `disk`."""

    @property
    def cache_key(self) -> str:
        """Hash of the data, so that a folder never serves items of other data."""


@dataclasses.dataclass(frozen=True)
class Part:
    """The items begin .. end - 1 of a global batch of `whole`."""

    begin: int
    end: int
    whole: int


@dataclasses.dataclass(frozen=True)
class Share:
    """Which part of every global batch this process feeds.

    Attributes:
      pipeline: number of the worker, from 0.
      pipelines: how many workers there are.
    """

    pipeline: int = 0
    pipelines: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.pipeline < self.pipelines:
            raise ValueError(f"A worker's number is 0 .. workers - 1. Received: {self.pipeline} of {self.pipelines}.")

    def part(self, batch: int) -> Part:
        """Returns this worker's items of a global batch.

        Raises:
          ValueError: the batch does not divide by the workers.
        """
        if batch < 1 or batch % self.pipelines:
            raise ValueError(f"A batch divides by the number of workers. Received: {batch} items, {self.pipelines}.")
        size = batch // self.pipelines
        return Part(self.pipeline * size, (self.pipeline + 1) * size, batch)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """What a worker reads and how its part of each batch is taken from it.

    Attributes:
      files: shards of the lanes that the worker's part touches, lane after lane.
      places: of the records in `files`, by file.
      lanes: (number, items) of those lanes.
      steps: batches an epoch.
      per_lane: items that a batch takes of a lane.
      part: the worker's part of each batch.
    """

    files: tuple[str, ...]
    places: tuple[NDArray[np.int64], ...]
    lanes: tuple[tuple[int, int], ...]
    steps: int
    per_lane: int
    part: Part

    @property
    def items(self) -> int:
        """Number of items in `files`."""
        return sum(count for _, count in self.lanes)


def steps(items: int, batch: int) -> int:
    """Returns the number of whole batches in an epoch, at least one."""
    return max(1, items // batch)


def lanes(files: int, batch: int, wanted: int = 0) -> int:
    """Returns into how many lanes shards are dealt.

    Args:
      files: number of shards.
      batch: items a step, over all replicas.
      wanted: 0 for the largest power of two up to 8 that divides both the batch and the number of files, so that all
        lanes hold about equally many items.

    Raises:
      ValueError: `wanted` does not divide the batch or exceeds the shards.
    """
    if not wanted:
        return max(number for number in (1, 2, 4, MOST_LANES) if not (files % number or batch % number))
    if wanted < 0 or batch % wanted or wanted > files:
        raise ValueError(f"lanes must divide the batch of {batch} and not exceed {files} shards. Received: {wanted}.")
    return wanted


def plan(files: Sequence[str], pipeline: Pipeline, items: int, share: Share, unit: str = "items") -> Plan:
    """Returns what a worker reads of some shards, having counted its records.

    Args:
      files: all shards, in order.
      pipeline: batch and lanes.
      items: in all the shards, as `dataset.json` says.
      share: which worker.
      unit: name of the items, plural.

    Raises:
      ValueError: batch, lanes and workers do not go together.
      ShardError: a shard is missing or damaged, a lane is empty, or the shards do not hold `items`.
    """
    part, number = share.part(pipeline.batch), lanes(len(files), pipeline.batch, pipeline.lanes)
    per_lane = pipeline.batch // number
    mine = range(part.begin // per_lane, math.ceil(part.end / per_lane))
    dealt = {lane: tuple(files[lane::number]) for lane in mine}
    places = {file: shards.places(file) for lane in mine for file in dealt[lane]}
    counts = {lane: sum(len(places[file]) for file in dealt[lane]) for lane in mine}
    found = sum(counts.values())
    if len(mine) == number and found != items:
        raise ShardError(f"The shards hold {found} {unit}, dataset.json says {items}: write them again.")
    for lane, count in counts.items():
        if not count:
            raise ShardError(f"'{dealt[lane][0]}' and the shards dealt with it hold no {unit}: take fewer lanes.")
    chosen = tuple(file for lane in mine for file in dealt[lane])
    return Plan(
        files=chosen,
        places=tuple(places[file] for file in chosen),
        lanes=tuple(counts.items()),
        steps=steps(items, pipeline.batch),
        per_lane=per_lane,
        part=part,
    )


def order(chosen: Plan, seed: int, first_step: int = 0) -> tf.data.Dataset:
    """Returns the endless order of items.

    Args:
      chosen: what the worker reads.
      seed: of the order.
      first_step: global step to begin with.

    Returns:
      (step, indices): int64 [] from `first_step` on, and int32 [item of the worker's part], numbers of items in the
      plan's files.
    """
    first_epoch, done = divmod(first_step, chosen.steps)

    def epoch(index: tf.Tensor) -> tf.data.Dataset:
        skipped = tf.where(index == first_epoch, np.int64(done), np.int64(0))
        return tf.data.Dataset.from_tensor_slices(_epoch(chosen, seed + index)).skip(skipped)

    indices = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch)
    return tf.data.Dataset.zip(tf.data.Dataset.counter(first_step), indices)


def _epoch(chosen: Plan, seed: tf.Tensor) -> tf.Tensor:
    """Returns int32 [step, item of the worker's part]; a short lane begins again, a long one leaves items out."""
    columns, before = [], 0
    for lane, count in chosen.lanes:
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(count), tf.stack([seed, lane]))
        taken = tf.gather(shuffled, tf.range(chosen.steps * chosen.per_lane) % count)
        columns.append(before + tf.reshape(taken, (chosen.steps, chosen.per_lane)))
        before += count
    begin = chosen.part.begin - chosen.lanes[0][0] * chosen.per_lane
    return tf.concat(columns, 1)[:, begin : begin + chosen.part.end - chosen.part.begin]


def batches(
    chosen: Plan, pipeline: Pipeline, prepare: Prepare, variant: str, seed: int, first_step: int = 0
) -> tf.data.Dataset:
    """Returns the worker's endless part of each batch.

    Args:
      chosen: what the worker reads.
      pipeline: how items are kept.
      prepare: makes an item, tensors of fixed shape, of a serialized record.
      variant: says everything that `prepare` depends on beside the record; names items on disk.
      seed: of the order.
      first_step: global step to begin with.

    Returns:
      (step, items): int64 [], and what `prepare` returns with a leading axis for the worker's items.

    Raises:
      ValueError: the cache is unknown, or one on disk has no folder or key.
      ShardError: a record cannot be read.
    """
    numbered = order(chosen, seed, first_step)
    if pipeline.cache == "memory":
        kept = _kept(chosen, prepare)

        def taken(step: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, Item]:
            return step, tuple(tf.gather(part, index) for part in kept)

        return numbered.map(taken, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    if pipeline.cache == "disk":
        places, prepare = prepared.write(chosen.files, prepare, pipeline.cache_dir, pipeline.cache_key, variant)
        source = shards.reader(list(places), list(places.values()))
    elif pipeline.cache == "none":
        source = shards.reader(chosen.files, chosen.places)
    else:
        raise ValueError(f"A cache is memory, disk or none. Received: '{pipeline.cache}'.")
    # Records are taken one by one, so that all cores prepare them also when batches are small.
    single = numbered.map(lambda _, index: index).unbatch()
    single = single.map(lambda index: prepare(source(index)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    size = chosen.part.end - chosen.part.begin
    grouped = single.batch(size, drop_remainder=True, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return tf.data.Dataset.zip(tf.data.Dataset.counter(first_step), grouped)


def _kept(chosen: Plan, prepare: Prepare) -> Item:
    """Returns all of a plan's items in memory, stacked."""
    dataset = tf.data.TFRecordDataset(list(chosen.files))
    dataset = dataset.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)
    specs = dataset.element_spec
    parts = tuple(np.empty((chosen.items, *spec.shape), spec.dtype.as_numpy_dtype) for spec in specs)
    with shards.named_errors(chosen.files):
        for number, item in enumerate(dataset.as_numpy_iterator()):
            for part, value in zip(parts, item, strict=True):
                part[number] = value
    with tf.device("/CPU:0"):  # a data set is larger than a GPU's memory
        return tuple(map(tf.convert_to_tensor, parts))


def finished(batched: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches made ahead of their use, in a fixed order, and not dealt out a second time by tf.distribute."""
    options = tf.data.Options()
    options.deterministic = True
    options.threading.max_intra_op_parallelism = 1  # batches are made side by side, and sums do not depend on cores
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batched.prefetch(tf.data.AUTOTUNE).with_options(options)


def per_replica(batches: tf.data.Dataset, replicas: int) -> tf.data.Dataset:
    """Returns each batch split along its first axis into consecutive elements, one a replica.

    Args:
      batches: any nest of tensors with a leading item axis.
      replicas: by which the items of a batch divide.

    Raises:
      ValueError: they do not divide.
    """
    if replicas == 1:
        return batches

    def split(values: tf.Tensor) -> tf.Tensor:
        items = values.shape[0]
        if items is None or items % replicas:
            raise ValueError(f"A worker's items divide by its replicas. Received: {items} items, {replicas} replicas.")
        return tf.reshape(values, (replicas, items // replicas, *tf.unstack(tf.shape(values)[1:])))

    def split_all(*parts: tf.Tensor) -> tf.Tensor:
        nest = parts[0] if len(parts) == 1 else parts
        return tf.nest.map_structure(split, nest)

    return batches.map(split_all).unbatch().prefetch(replicas)
