"""A model's answers on the records of a split, beside the truth."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from raspine import records
from raspine.evaluation import keypoints
from raspine.inputs import films, framing
from raspine.landmarker import Landmarker


def located(model: Landmarker, files: Sequence[str], batch: int, total: int | None = None) -> keypoints.Films:
    """Returns truth and found landmarks of all films in some shards, in native canonical pixels.

    Args:
      model: finds the landmarks.
      files: the shards.
      batch: films that go through the network together.
      total: how many films there are, for the progress bar.

    Raises:
      ValueError: the shards hold no film.
    """
    settings = model.settings
    pipeline = films.Pipeline(len(model.schema.landmarks), settings.height, settings.width, batch, cache="none")
    columns: dict[str, list[NDArray[np.generic]]] = {}
    keys = (records.ID, records.PATIENT, records.POSITION, records.POINTS, records.SPACING, records.NATIVE_SIZE)
    with tqdm(total=total, desc="locating landmarks", unit="film") as progress:
        for element in films.evaluation(files, pipeline):
            points, confidence = model.locate_framed(element[films.IMAGE])
            found = framing.apply(element[films.TO_NATIVE], points)
            for key in keys:
                columns.setdefault(key, []).append(element[key].numpy())
            columns.setdefault("found", []).append(found.numpy())
            columns.setdefault("confidence", []).append(confidence.numpy())
            progress.update(len(points))
    if not columns:
        raise ValueError("the shards hold no film.")
    joined = {key: np.concatenate(parts) for key, parts in columns.items()}
    return keypoints.Films(
        names=_texts(joined[records.ID]),
        patients=_texts(joined[records.PATIENT]),
        positions=_texts(joined[records.POSITION]),
        truth=joined[records.POINTS].astype(np.float64),
        found=joined["found"].astype(np.float64),
        confidence=joined["confidence"].astype(np.float64),
        spacing=joined[records.SPACING].astype(np.float64),
        size=joined[records.NATIVE_SIZE].astype(np.float64),
    )


def annotated(files: Sequence[str], names: Sequence[str], num_landmarks: int) -> dict[str, keypoints.Array]:
    """Returns each annotator's points, float64 [film, landmark, 2] native canonical pixels; NaN where none was set.

    Args:
      files: the shards.
      names: the films, in the order of the answer.
      num_landmarks: of the schema.
    """
    row = {name: number for number, name in enumerate(names)}
    result: dict[str, keypoints.Array] = {}
    for serialized in tf.data.TFRecordDataset(list(files)):
        feature = {records.ID: tf.io.FixedLenFeature((), tf.string)}
        film = tf.io.parse_single_example(serialized, feature)[records.ID].numpy().decode()
        annotators, points = records.parse_annotators(serialized, num_landmarks)
        for name, places in zip(_texts(annotators.numpy()), points.numpy(), strict=True):
            result.setdefault(name, np.full((len(names), num_landmarks, 2), np.nan))[row[film]] = places
    return result


def _texts(values: NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(value.decode("utf-8", "replace") for value in values)
