"""A model's answers on the records of a split, beside the truth."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from raspine import features, records
from raspine.evaluation import keypoints
from raspine.inputs import films, framing
from raspine.landmarker import Landmarker

_ID = [feature for feature in records.FILM_FEATURES if feature.key == records.ID]
_KEPT = (records.ID, records.PATIENT, records.POSITION, records.POINTS, records.SPACING, records.NATIVE_SIZE)


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
    columns: dict[str, list[NDArray[np.generic]]] = {}
    with tqdm(total=total, desc="locating landmarks", unit="film") as progress:
        films_left = films.stored(files, len(model.schema.landmarks)).as_numpy_iterator()
        while some := list(itertools.islice(films_left, batch)):
            found, confidence = _locate(model, some)
            for key in _KEPT:
                columns.setdefault(key, []).append(np.stack([film[key] for film in some]))
            columns.setdefault("found", []).append(found)
            columns.setdefault("confidence", []).append(confidence)
            progress.update(len(some))
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


def _locate(model: Landmarker, some: Sequence[dict[str, Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns native points and confidence of stored films, whose pixels may be larger than native ones."""
    pairs = []
    for film in some:
        scale = np.diag(film[records.STORED_TO_NATIVE])[::-1]  # native rows and columns a stored one
        spacing = film[records.SPACING] * scale
        known = bool(np.isfinite(spacing).all())
        pairs.append((film[films.IMAGE], (float(spacing[0]), float(spacing[1])) if known else None))
    points, confidence = model.locate(pairs)
    to_native = np.stack([film[records.STORED_TO_NATIVE] for film in some])
    return framing.apply(to_native, points).numpy(), confidence


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
        film = features.parse(_ID, serialized)[records.ID].numpy().decode()
        annotators, points = records.parse_annotators(serialized, num_landmarks)
        for name, places in zip(_texts(annotators.numpy()), points.numpy(), strict=True):
            result.setdefault(name, np.full((len(names), num_landmarks, 2), np.nan))[row[film]] = places
    return result


def _texts(values: NDArray[np.generic]) -> tuple[str, ...]:
    return tuple(value.decode("utf-8", "replace") for value in values)
