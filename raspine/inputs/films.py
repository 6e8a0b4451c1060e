"""Films from TFRecords to batches: decode once, frame once, keep, then augment batch by batch."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import records
from raspine.inputs import augmentation, framing

IMAGE = "image"
POINTS = "points"
TO_NATIVE = "to_native"
_SHUFFLE_WIDTH = 1024  # films; shards mix patients already


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """What every split of a run shares.

    Attributes:
      num_landmarks: of the schema.
      height: of the network's input, pixels.
      width: of the network's input, pixels.
      batch: films a step, over all replicas.
      cache: `memory` keeps framed films as half floats, `none` reads the shards anew each epoch.
      reach: 0 frames whole films; above it, the region around the landmarks (see `framing.region`).
    """

    num_landmarks: int
    height: int
    width: int
    batch: int
    cache: str = "memory"
    reach: float = 0.0


def shards(folder: str | pathlib.Path, split: str) -> list[str]:
    """Returns the shards of a split in order.

    Raises:
      FileNotFoundError: there is none.
    """
    found = sorted(str(path) for path in pathlib.Path(folder).glob(f"{split}-*-of-*.tfrecord"))
    if not found:
        raise FileNotFoundError(f"'{folder}' holds no {split}-*.tfrecord: write it with data_prep.radiographs.")
    return found


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
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Returns endless shuffled, augmented batches (images, points).

    Each epoch is a function of the seed and its number alone, so a run that starts at `first_epoch` sees what an
    undisturbed one sees from there.

    Args:
      files: the shards.
      pipeline: sizes and batch.
      settings: of the augmentation.
      seed: of order and augmentation.
      films: in the shards.
      first_epoch: where to begin.

    Returns:
      images: float32 [batch, height, width, 1], standardised; points: float32 [batch, landmark, 2], network pixels.
      An epoch has `steps(films, batch)` of them; films that fill no batch wait for another epoch's order.
    """
    number = steps(films, pipeline.batch)
    order = _kept(files, pipeline, films) if pipeline.cache == "memory" else _streamed(files, pipeline, films)

    def epoch(index: tf.Tensor) -> tf.data.Dataset:
        return order(seed + index).take(number)

    batches = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch)
    counted = tf.data.Dataset.zip(tf.data.Dataset.counter(first_epoch * number), batches)

    def prepare(step: tf.Tensor, film: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        images, points = augmentation.augment(
            tf.cast(film[0], tf.float32), film[1], tf.stack([tf.cast(seed, tf.int64), step]), settings
        )
        return framing.standardise(images), points

    # Replicas share each batch; by default TensorFlow would deal out the shards.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return counted.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2).with_options(options)


def steps(films: int, batch: int) -> int:
    """Returns the number of whole batches in an epoch, at least one."""
    return max(1, films // batch)


def _kept(files: Sequence[str], pipeline: Pipeline, films: int) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns how a shuffle seed orders films that stay in memory."""
    images = np.empty((films, pipeline.height, pipeline.width, 1), np.float16)
    points = np.empty((films, pipeline.num_landmarks, 2), np.float32)
    count = 0
    for count, film in enumerate(framed(files, pipeline).prefetch(2).as_numpy_iterator(), 1):
        images[count - 1], points[count - 1] = film[IMAGE], film[POINTS]
    if count != films:
        raise ValueError(f"The shards hold {count} films, dataset.json says {films}: write them again.")
    with tf.device("/CPU:0"):  # a data set is larger than a GPU's memory
        kept = tf.convert_to_tensor(images), tf.convert_to_tensor(points)

    def order(seed: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(films), tf.stack([seed, 0]))
        indices = tf.data.Dataset.from_tensor_slices(shuffled).repeat()
        return indices.batch(pipeline.batch).map(lambda index: tuple(tf.gather(values, index) for values in kept))

    return order


def _streamed(files: Sequence[str], pipeline: Pipeline, films: int) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns how a shuffle seed orders films that are read anew."""

    def order(seed: tf.Tensor) -> tf.data.Dataset:
        dataset = framed(files, pipeline).map(lambda film: (film[IMAGE], film[POINTS]))
        width = min(films, _SHUFFLE_WIDTH)
        return dataset.shuffle(width, seed, reshuffle_each_iteration=False).repeat().batch(pipeline.batch)

    return order


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
