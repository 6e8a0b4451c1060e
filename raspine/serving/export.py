"""A SavedModel that needs no raspine: from grey values and spacing to points, millimetres and a verdict."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import atomic, landmarks
from raspine.landmarker import Landmarker, Stage
from raspine.models import float32

SIGNATURE = "serving_default"
CARD = "model.json"
VERDICTS = {1: "positive", 0: "negative", -1: "none"}
TOLERANCE_PX = 1e-3
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

# Runs in a process of its own that imports nothing of raspine, as a server would.
_RUN = """
import sys
import numpy as np, tensorflow as tf
answer = tf.saved_model.load(sys.argv[1]).signatures[sys.argv[2]]
given = np.load(sys.argv[3])
result = answer(image=tf.constant(given["image"]), pixel_spacing=tf.constant(given["pixel_spacing"]))
np.savez(sys.argv[4], **{name: value.numpy() for name, value in result.items()})
"""


class ExportError(ValueError):
    """The exported model does not do what the model does."""


def write(model: Landmarker, folder: str | os.PathLike[str], name: str = "landmarks") -> pathlib.Path:
    """Writes the next version of a model as a SavedModel and returns its folder, `folder/name/version`.

    Its signature takes `image`, uint16 [batch, height, width], canonical grey values as displayed (white is 65535),
    and `pixel_spacing`, float32 [batch, 2], (row, column) mm, NaN NaN where unknown. It gives
      points_px: float32 [batch, landmark, 2], pixels of that image (x, y), the origin at the centre of its first one;
      confidence: float32 [batch, landmark], 0..1;
      NAME_mm: float32 [batch], for each distance;
      verdict: int32 [batch], 1 positive, 0 negative, -1 none.
    `model.json` beside it names the landmarks and rules. The folder appears only when the exported model, run by
    another process, agrees with `model`.

    Raises:
      ExportError: the exported model fails or gives other points.
      ValueError: the name is no plain word.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"A model's name is letters, digits, '_' and '-'. Received: '{name}'.")
    final = pathlib.Path(folder) / name / str(next_version(pathlib.Path(folder) / name))
    try:
        with atomic.atomic_directory(final) as aside:
            _archive(model).write_out(str(aside), verbose=False)
            (aside / CARD).write_text(json.dumps(_card(model, name, int(final.name)), indent=2), encoding="utf-8")
            check(model, aside)
    except ExportError:
        with contextlib.suppress(OSError):  # it holds earlier versions
            final.parent.rmdir()
        raise
    return final


def next_version(folder: pathlib.Path) -> int:
    """Returns the number after the highest version in a model's folder, 1 without any."""
    taken = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]
    return max(taken, default=0) + 1


def answer(model: Landmarker, image: tf.Tensor, pixel_spacing: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the outputs that `write` describes; graph ops.

    Raises:
      tf.errors.InvalidArgumentError: a spacing is neither two positive numbers nor NaN NaN.
    """
    missing = tf.reduce_all(tf.math.is_nan(pixel_spacing), -1)
    positive = tf.reduce_all(tf.math.is_finite(pixel_spacing) & (pixel_spacing > 0), -1)
    message = "raspine: pixel_spacing is two positive numbers, (row, column) mm, or NaN NaN where unknown."
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(missing | positive), [message, pixel_spacing])]):
        spacing = tf.identity(pixel_spacing)
        points, confidence = model.answer(tf.identity(image), spacing)
    millimetres = distances(model.schema, points, spacing)
    return {
        "points_px": points,
        "confidence": confidence,
        **{f"{key}_mm": tf.cast(value, tf.float32) for key, value in millimetres.items()},
        "verdict": verdict(model.schema, millimetres, tf.shape(points)[0]),
    }


def distances(schema: landmarks.Schema, points: tf.Tensor, spacing: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns float64 [batch] mm by distance; `Schema.measure` as graph ops.

    Args:
      schema: the distances.
      points: float32 [batch, landmark, 2], native pixels (x, y).
      spacing: float32 [batch, 2], (row, column) mm.
    """
    places = tf.cast(points, tf.float64) * tf.cast(spacing, tf.float64)[:, None, ::-1]
    return {
        d.name: tf.norm(places[:, schema.index(d.end)] - places[:, schema.index(d.start)], axis=-1)
        for d in schema.distances
    }


def verdict(schema: landmarks.Schema, millimetres: dict[str, tf.Tensor], batch: tf.Tensor) -> tf.Tensor:
    """Returns int32 [batch]: 1 positive, 0 negative, -1 none; `raspine.measurement.verdict` as graph ops."""
    positive, known = tf.zeros((batch,), tf.bool), tf.ones((batch,), tf.bool)
    ruled = [distance for distance in schema.distances if distance.threshold_mm is not None]
    for distance in ruled:
        value = millimetres[distance.name]
        compare = landmarks.COMPARISONS[distance.comparison]
        positive |= compare(value, tf.constant(distance.threshold_mm, tf.float64))
        known &= tf.math.is_finite(value)
    negative = known if ruled else tf.zeros((batch,), tf.bool)
    return tf.where(positive, 1, tf.where(negative, 0, -1))


def check(model: Landmarker, folder: pathlib.Path) -> None:
    """Runs an exported model in a fresh process and compares its points with those of the networks as trained.

    A network trained in bfloat16 is exported, and compared, in float32.

    Raises:
      ExportError: it fails, finds other landmarks, or places one more than a thousandth of a pixel away.
    """
    images, spacing = _trial_films(model.settings.height, model.settings.width)
    given = [
        (image, None if np.isnan(mm).any() else (float(mm[0]), float(mm[1])))
        for image, mm in zip(images, spacing, strict=True)
    ]
    points, _ = _in_float32(model).locate(given)
    exported = run(folder, images, spacing)["points_px"]
    if (np.isnan(exported) != np.isnan(points)).any():
        raise ExportError("the exported model finds other landmarks than the model: nothing was exported.")
    apart = np.abs(exported - points)[~np.isnan(points)].max(initial=0.0)
    if apart > TOLERANCE_PX:
        raise ExportError(
            f"the exported model's points lie up to {apart:.4g} pixels from the model's: nothing was exported."
        )


def run(folder: pathlib.Path, image: NDArray[np.uint16], spacing: NDArray[np.float32]) -> dict[str, Any]:
    """Returns what an exported model answers in a process that imports TensorFlow and nothing of raspine.

    Raises:
      ExportError: the process fails; the message holds its last line.
    """
    with tempfile.TemporaryDirectory() as place:
        given, result = os.path.join(place, "given.npz"), os.path.join(place, "result.npz")
        np.savez(given, image=image, pixel_spacing=spacing)
        command = [sys.executable, "-c", _RUN, str(folder), SIGNATURE, given, result]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ExportError(f"the exported model does not run: {last}")
        with np.load(result) as answers:
            return dict(answers)


def _archive(model: Landmarker) -> keras.export.ExportArchive:
    archive, served = keras.export.ExportArchive(), model.answering(fast=True)
    archive.add_endpoint(
        SIGNATURE,
        lambda image, pixel_spacing: answer(served, image, pixel_spacing),
        input_signature=[
            tf.TensorSpec((None, None, None), tf.uint16, name="image"),
            tf.TensorSpec((None, 2), tf.float32, name="pixel_spacing"),
        ],
    )
    return archive


def _in_float32(model: Landmarker) -> Landmarker:
    """Returns the networks as trained, without the folding of what is exported, in its precision."""
    first, *rest = (Stage(float32.twin(one.network), one.settings) for one in model.stages)
    return Landmarker(first.network, first.settings, model.card, rest[0] if rest else None)


def _card(model: Landmarker, name: str, version: int) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "schema": model.schema.to_dict(),
        "verdict": {str(code): word for code, word in VERDICTS.items()},
        "card": model.card,
    }


def _trial_films(height: int, width: int) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Returns three smooth random films of odd size, with square, oblong and unknown pixels."""
    random = np.random.default_rng(0)
    size = (3, height + height // 3 + 1, width + width // 5 + 2)
    noise = tf.constant(random.random((3, size[1] // 8 + 2, size[2] // 8 + 2, 1)), tf.float32)
    smooth = tf.image.resize(noise, size[1:], "bicubic").numpy()[..., 0]
    spacing = np.array([[0.2, 0.2], [0.15, 0.25], [np.nan, np.nan]], np.float32)
    return (np.clip(smooth, 0, 1) * 65535).astype(np.uint16), spacing
