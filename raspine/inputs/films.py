"""Films from TFRecords to batches: decode once, frame once, keep, then augment batch by batch."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import records
from raspine.inputs import augmentation, epochs, framing
from raspine.inputs import shards as shard_files

IMAGE = "image"
POINTS = "points"
TO_NATIVE = "to_native"


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """What every split of a run shares.

    Attributes:
      num_landmarks: of the schema.
      height: of the network's input, pixels.
      width: of the network's input, pixels.
      batch: films a step, over all replicas.
      cache: `memory` keeps framed films as half floats, `disk` in a folder, `none` reads the shards anew each epoch.
      reach: 0 frames whole films; above it, the region around the landmarks (see `framing.region`).
      lanes: into how many the shards are dealt, 0 for what fits; see `epochs`.
      cache_dir: folder for `disk`.
      cache_key: hash of the data, for `disk`.
    """

    num_landmarks: int
    height: int
    width: int
    batch: int
    cache: str = "memory"
    reach: float = 0.0
    lanes: int = 0
    cache_dir: str = ""
    cache_key: str = ""


def shards(folder: str | pathlib.Path, split: str) -> list[str]:
    """Returns the shards of a split in order.

    Raises:
      FileNotFoundError: there is none.
    """
    return shard_files.listed(folder, split, "data_prep.radiographs")


def framed(files: Sequence[str], pipeline: Pipeline, around: NDArray[np.float32] | None = None) -> tf.data.Dataset:
    """Returns single films in the network's frame, in the shards' order.

    Args:
      files: the shards.
      pipeline: sizes, and whether films are framed whole.
      around: float32 [film, landmark, 2], native pixels: about which regions are framed; None for the labels.

    Returns:
      Elements with the entries of `records.parse` but the encoded picture, and
      image: float16 [height, width, 1], grey values 0..1;
      points: float32 [landmark, 2], network pixels (x, y), NaN where not visible;
      to_native: float32 [2, 3], network pixels to native canonical pixels.
    """
    dataset = tf.data.TFRecordDataset(list(files))
    if around is not None:
        dataset = tf.data.Dataset.zip(dataset, tf.data.Dataset.from_tensor_slices(around))
    return dataset.map(lambda *item: _frame(pipeline, *item), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def stored(files: Sequence[str], num_landmarks: int) -> tf.data.Dataset:
    """Returns the entries of `records.parse` of each film, in the shards' order, with the picture decoded.

    `image` is uint16 [stored height, stored width], white is 65535.
    """

    def decode(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        film = records.parse(serialized, num_landmarks)
        picture = records.decode_image(film.pop(records.IMAGE), tf.uint16)
        return {**film, IMAGE: picture[..., 0]}

    dataset = tf.data.TFRecordDataset(list(files))
    return dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def training(
    files: Sequence[str],
    pipeline: Pipeline,
    settings: augmentation.Augmentation,
    seed: int,
    films: int,
    first_step: int = 0,
    share: epochs.Share = epochs.Share(),  # noqa: B008
) -> tf.data.Dataset:
    """Returns a worker's part of endless shuffled, augmented batches (images, points).

    Each batch is a function of the seed and its step alone, so a run that starts at `first_step` sees what an
    undisturbed one sees from there, and the workers' parts together are the batch of a single worker.

    Args:
      files: all shards.
      pipeline: sizes and batch.
      settings: of the augmentation.
      seed: of order and augmentation.
      films: in the shards.
      first_step: where to begin.
      share: which worker this is.

    Returns:
      images: float32 [batch / workers, height, width, 1], standardised;
      points: float32 [batch / workers, landmark, 2], network pixels.
      An epoch has `steps(films, batch)` of them; films that fill no batch wait for another epoch's order.

    Raises:
      ValueError: batch, lanes and workers do not go together.
      shards.ShardError: a shard cannot be read, or they do not hold that many films.
    """
    plan = epochs.plan(files, pipeline, films, share, "films")

    def item(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        film = _frame(pipeline, serialized)
        return film[IMAGE], film[POINTS]

    def prepare(step: tf.Tensor, film: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        place = tf.stack([tf.cast(seed, tf.int64), step])
        images, points = augmentation.augment(tf.cast(film[0], tf.float32), film[1], place, settings, plan.part)
        return augmentation.standardise(images), points

    variant = repr(("film", pipeline.num_landmarks, pipeline.height, pipeline.width, pipeline.reach))
    batches = epochs.batches(plan, pipeline, item, variant, seed, first_step)
    return epochs.finished(batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE))


def steps(films: int, batch: int) -> int:
    """Returns the number of whole batches in an epoch, at least one."""
    return epochs.steps(films, batch)


def evaluation(files: Sequence[str], pipeline: Pipeline, around: NDArray[np.float32] | None = None) -> tf.data.Dataset:
    """Returns batches of whole elements of `framed`, the image standardised as float32, the last batch partial."""
    dataset = framed(files, pipeline, around)
    if pipeline.cache == "memory":
        dataset = dataset.cache()

    def prepare(film: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {**film, IMAGE: framing.standardise(tf.cast(film[IMAGE], tf.float32))}

    return dataset.batch(pipeline.batch).map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(1)


def _frame(pipeline: Pipeline, serialized: tf.Tensor, around: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
    film = records.parse(serialized, pipeline.num_landmarks)
    picture = records.decode_image(film.pop(records.IMAGE))
    size = (pipeline.height, pipeline.width)
    if pipeline.reach:
        middle = film[records.POINTS] if around is None else around
        native = framing.region(middle, film[records.NATIVE_SIZE], film[records.SPACING], *size, pipeline.reach)
    else:
        native = framing.fit(film[records.NATIVE_SIZE], film[records.SPACING], *size)
    stored_to_network = framing.then(film[records.STORED_TO_NATIVE], native)
    return {
        **film,
        IMAGE: tf.cast(framing.resample(picture, stored_to_network, *size), tf.float16),
        POINTS: framing.apply(native[None], film[records.POINTS][None])[0],
        TO_NATIVE: framing.inverse(native),
    }
