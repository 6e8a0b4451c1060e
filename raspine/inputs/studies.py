"""Studies from TFRecords to batches: decode once, keep, then augment batch by batch."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from raspine import clinical, study_records
from raspine.inputs import epochs, study_augmentation
from raspine.inputs import shards as shard_files

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
      cache: `memory` keeps decoded studies as half floats, `disk` in a folder, `none` reads the shards anew each epoch.
      columns: positions of the clinical columns that the network takes, in `clinical.COLUMNS`.
      lanes: into how many the shards are dealt, 0 for what fits; see `epochs`.
      cache_dir: folder for `disk`.
      cache_key: hash of the data, for `disk`.
    """

    stored: tuple[int, int]
    slices: int
    size: tuple[int, int]
    batch: int
    cache: str = "memory"
    columns: tuple[int, ...] = ()
    lanes: int = 0
    cache_dir: str = ""
    cache_key: str = ""

    def __post_init__(self) -> None:
        if any(part > whole for part, whole in zip(self.size, self.stored, strict=True)):
            raise ValueError(f"The network's input {self.size} is larger than the stored slices {self.stored}.")


def decoded(files: Sequence[str], pipeline: Pipeline) -> tf.data.Dataset:
    """Returns single studies in the shards' order.

    Returns:
      Elements with the entries of `study_records.parse` but the encoded slices, and
      image: float16 [stored height, stored width, slice], values 0..1.
    """
    dataset = tf.data.TFRecordDataset(list(files))
    return dataset.map(
        lambda serialized: _decode(pipeline, serialized), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


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
    """Returns the middle [batch, *size, slice] of images, as augmentation cuts it without any change.

    Args:
      images: [batch, height, width, slice]; in a graph height and width may be unknown until it runs.
      size: (height, width), pixels.
    """
    whole = tf.shape(images)
    down, right = ((whole[axis + 1] - part) // 2 for axis, part in enumerate(size))
    middle = tf.slice(images, tf.stack([0, down, right, 0]), [-1, *size, -1])
    return tf.ensure_shape(middle, (None, *size, images.shape[3]))


def training(
    files: Sequence[str],
    pipeline: Pipeline,
    settings: study_augmentation.StudyAugmentation,
    seed: int,
    studies: int,
    scale: np.ndarray | None = None,
    weights: tuple[float, float] = (1.0, 1.0),
    first_step: int = 0,
    share: epochs.Share = epochs.Share(),  # noqa: B008
) -> tf.data.Dataset:
    """Returns a worker's part of endless shuffled, augmented batches (inputs, outcomes, weights).

    Each batch is a function of the seed and its step alone, so a run that starts at `first_step` sees what an
    undisturbed one sees from there, and the workers' parts together are the batch of a single worker.

    Args:
      files: all shards.
      pipeline: sizes and batch.
      settings: of the augmentation.
      seed: of order and augmentation.
      studies: in the shards.
      scale: of the clinical columns, see `network_inputs`.
      weights: of studies with outcome 0 and 1.
      first_step: where to begin.
      share: which worker this is.

    Returns:
      inputs: see `network_inputs`; outcomes, weights: float32 [batch / workers, 1].

    Raises:
      ValueError: batch, lanes and workers do not go together.
      shards.ShardError: a shard cannot be read, or they do not hold that many studies.
    """
    plan = epochs.plan(files, pipeline, studies, share, "studies")

    def item(serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
        study = _decode(pipeline, serialized)
        return study[IMAGE], study[study_records.OUTCOME], study[study_records.CLINICAL]

    def prepare(step: tf.Tensor, study: tuple[tf.Tensor, ...]) -> tuple[Inputs | tf.Tensor, tf.Tensor, tf.Tensor]:
        place = tf.stack([tf.cast(seed, tf.int64), step])
        images = study_augmentation.augment(tf.cast(study[0], tf.float32), place, settings, pipeline.size, plan.part)
        outcome = tf.cast(study[1][:, None], tf.float32)
        weight = tf.where(outcome > 0.5, weights[1], weights[0])
        return network_inputs(images, study[2], pipeline.columns, _constant(scale)), outcome, weight

    variant = repr(("study", pipeline.stored, pipeline.slices))
    batches = epochs.batches(plan, pipeline, item, variant, seed, first_step)
    return epochs.finished(batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE))


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
    return shard_files.listed(folder, split, "data_prep.mri")


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


def _decode(pipeline: Pipeline, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    study = study_records.parse(serialized, pipeline.slices)
    pixels = study_records.decode_slices(study.pop(study_records.SLICES))
    image = tf.ensure_shape(tf.cast(pixels, tf.float32) / 65535.0, (*pipeline.stored, pipeline.slices))
    return {**study, IMAGE: tf.cast(image, tf.float16)}
