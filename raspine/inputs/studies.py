"""Studies from TFRecords to batches: decode once, keep, then augment batch by batch."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from raspine import clinical, study_records
from raspine.inputs import study_augmentation

IMAGE = "image"
CLINICAL = "clinical"
OUTCOME = "outcome"
Inputs = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """What every split of a run shares.

    Attributes:
      stored: (height, width) of the slices in the records.
      slices: how many a record has.
      size: (height, width) of the network's input, cut from the middle of the stored slices.
      batch: studies a step, over all replicas.
      cache: `memory` keeps decoded studies as half floats, `none` reads the shards anew each epoch.
      columns: positions of the clinical columns that the network takes, in `clinical.COLUMNS`.
    """

    stored: tuple[int, int]
    slices: int
    size: tuple[int, int]
    batch: int
    cache: str = "memory"
    columns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(part > whole for part, whole in zip(self.size, self.stored, strict=True)):
            raise ValueError(f"The network's input {self.size} is larger than the stored slices {self.stored}.")


def decoded(files: Sequence[str], pipeline: Pipeline) -> tf.data.Dataset:
    """Returns single studies in the shards' order.

    Returns:
      Elements with the entries of `study_records.parse` but the encoded slices, and
      image: float16 [stored height, stored width, slice], values 0..1.
    """

    def decode(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        study = study_records.parse(serialized, pipeline.slices)
        pixels = study_records.decode_slices(study.pop(study_records.SLICES))
        image = tf.ensure_shape(tf.cast(pixels, tf.float32) / 65535.0, (*pipeline.stored, pipeline.slices))
        return {**study, IMAGE: tf.cast(image, tf.float16)}

    dataset = tf.data.TFRecordDataset(list(files))
    return dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def network_inputs(
    images: tf.Tensor, clinical_values: tf.Tensor | None, columns: Sequence[int], scale: tf.Tensor | None
) -> Inputs | tf.Tensor:
    """Returns what a network takes: the slices alone, or with clinical values and marks of the missing ones.

    Args:
      images: float32 [batch, height, width, slice], standardised.
      clinical_values: float32 [batch, column] as in `clinical.COLUMNS`, NaN where missing.
      columns: which of them the network takes; none for slices alone.
      scale: float32 [2, column taken], mean and deviation over the training studies.

    Returns:
      The images, or {image, clinical}: float32 [batch, 2 x column taken], standardised values with 0
      where missing, then 1 where known.
    """
    if not columns:
        return images
    if clinical_values is None or scale is None:
        raise ValueError(f"The network takes clinical values of {[clinical.COLUMNS[place] for place in columns]}.")
    values = tf.gather(clinical_values, list(columns), axis=-1)
    known = tf.math.is_finite(values)
    scaled = tf.where(known, (values - scale[0]) / scale[1], 0.0)
    return {IMAGE: images, CLINICAL: tf.concat([scaled, tf.cast(known, tf.float32)], -1)}


def cut(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Returns the middle [batch, *size, slice] of images, as augmentation cuts it without any change."""
    down, right = ((whole - part) // 2 for whole, part in zip(images.shape[1:3], size, strict=True))
    return images[:, down : down + size[0], right : right + size[1]]


def training(
    files: Sequence[str],
    pipeline: Pipeline,
    settings: study_augmentation.StudyAugmentation,
    seed: int,
    studies: int,
    scale: np.ndarray | None = None,
    weights: tuple[float, float] = (1.0, 1.0),
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Returns endless shuffled, augmented batches (inputs, outcomes, weights).

    Each epoch is a function of the seed and its number alone, so a run that starts at `first_epoch` sees what an
    undisturbed one sees from there.

    Args:
      files: the shards.
      pipeline: sizes and batch.
      settings: of the augmentation.
      seed: of order and augmentation.
      studies: in the shards.
      scale: of the clinical columns, see `network_inputs`.
      weights: of studies with outcome 0 and 1.
      first_epoch: where to begin.

    Returns:
      inputs: see `network_inputs`; outcomes: float32 [batch, 1]; weights: float32 [batch, 1].
    """
    number = max(1, studies // pipeline.batch)
    order = _kept(files, pipeline, studies) if pipeline.cache == "memory" else _streamed(files, pipeline, studies)
    batches = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(lambda index: order(seed + index).take(number))
    counted = tf.data.Dataset.zip(tf.data.Dataset.counter(first_epoch * number), batches)

    def prepare(step: tf.Tensor, study: tuple[tf.Tensor, ...]) -> tuple[Inputs | tf.Tensor, tf.Tensor, tf.Tensor]:
        place = tf.stack([tf.cast(seed, tf.int64), step])
        images = study_augmentation.augment(tf.cast(study[0], tf.float32), place, settings, pipeline.size)
        outcome = tf.cast(study[1][:, None], tf.float32)
        weight = tf.where(outcome > 0.5, weights[1], weights[0])
        return network_inputs(images, study[2], pipeline.columns, _constant(scale)), outcome, weight

    # Replicas share each batch; by default TensorFlow would deal out the shards.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return counted.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2).with_options(options)


def evaluation(files: Sequence[str], pipeline: Pipeline) -> tf.data.Dataset:
    """Returns batches of whole elements of `decoded`, images cut to the network's size, the last batch partial."""
    dataset = decoded(files, pipeline)
    if pipeline.cache == "memory":
        dataset = dataset.cache()

    def prepare(study: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {**study, IMAGE: cut(tf.cast(study[IMAGE], tf.float32), pipeline.size)}

    return dataset.batch(pipeline.batch).map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(1)


def shards(folder: str | pathlib.Path, split: str) -> list[str]:
    """Returns the shards of a split in order.

    Raises:
      FileNotFoundError: there is none.
    """
    found = sorted(str(path) for path in pathlib.Path(folder).glob(f"{split}-*-of-*.tfrecord"))
    if not found:
        raise FileNotFoundError(f"'{folder}' holds no {split}-*.tfrecord: write it with data_prep.mri.")
    return found


def clinical_scale(files: Sequence[str], slices: int, columns: Sequence[int]) -> np.ndarray:
    """Returns float32 [2, column]: mean and deviation of the known values in some shards; 0 and 1 without any."""
    parsed = tf.data.TFRecordDataset(list(files)).map(lambda item: study_records.parse(item, slices))
    values = np.stack([study[study_records.CLINICAL] for study in parsed.as_numpy_iterator()])[:, list(columns)]
    known = np.isfinite(values)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, values, 0).sum(0) / count
    deviation = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(0) / count)
    return np.stack([mean, np.where(deviation > 1e-6, deviation, 1.0)]).astype(np.float32)


def _constant(scale: np.ndarray | None) -> tf.Tensor | None:
    return None if scale is None else tf.constant(scale, tf.float32)


def _kept(files: Sequence[str], pipeline: Pipeline, studies: int) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns how a shuffle seed orders studies that stay in memory."""
    images = np.empty((studies, *pipeline.stored, pipeline.slices), np.float16)
    outcomes = np.empty(studies, np.int64)
    values = np.empty((studies, len(clinical.COLUMNS)), np.float32)
    count = 0
    for count, study in enumerate(decoded(files, pipeline).prefetch(2).as_numpy_iterator(), 1):
        place = count - 1
        images[place], outcomes[place] = study[IMAGE], study[study_records.OUTCOME]
        values[place] = study[study_records.CLINICAL]
    if count != studies:
        raise ValueError(f"The shards hold {count} studies, dataset.json says {studies}: write them again.")
    with tf.device("/CPU:0"):  # a data set is larger than a GPU's memory
        kept = tuple(map(tf.convert_to_tensor, (images, outcomes, values)))

    def order(seed: tf.Tensor) -> tf.data.Dataset:
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(studies), tf.stack([seed, 0]))
        indices = tf.data.Dataset.from_tensor_slices(shuffled).repeat()
        return indices.batch(pipeline.batch).map(lambda index: tuple(tf.gather(part, index) for part in kept))

    return order


def _streamed(files: Sequence[str], pipeline: Pipeline, studies: int) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """Returns how a shuffle seed orders studies that are read anew."""
    keys = (IMAGE, study_records.OUTCOME, study_records.CLINICAL)

    def order(seed: tf.Tensor) -> tf.data.Dataset:
        dataset = decoded(files, pipeline).map(lambda study: tuple(study[key] for key in keys))
        width = min(studies, 256)
        return dataset.shuffle(width, seed, reshuffle_each_iteration=False).repeat().batch(pipeline.batch)

    return order
