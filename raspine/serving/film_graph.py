"""The graphs of an exported landmark model: from films in one of three forms to points, millimetres and verdict."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from raspine import features, landmarks, records
from raspine.landmarker import TOGETHER, Landmarker, Pictures
from raspine.serving import graph_checks, signatures

Answer = dict[str, tf.Tensor]
Endpoint = tuple[Callable[..., Answer], list[tf.TensorSpec]]

# What an answer needs of a film's record; so records without landmarks are answered too.
_NEEDED = (
    records.RECORD_VERSION,
    records.RECORD_KIND,
    records.IMAGE,
    records.NATIVE_SIZE,
    records.STORED_TO_NATIVE,
    records.SPACING,
)
_FEATURES = [feature for feature in records.FILM_FEATURES if feature.key in _NEEDED]
_SPACING = tf.TensorSpec((None, 2), tf.float32, name=signatures.SPACING)


def endpoints(model: Landmarker) -> dict[str, Endpoint]:
    """Returns each signature's function with the specification of its inputs; see `signatures`.

    Every function raises tf.errors.InvalidArgumentError, with a message that begins with `raspine:`, when its inputs
    are not what they have to be.
    """
    image = tf.TensorSpec((None, None, None), tf.uint16, name=signatures.IMAGE)
    png = tf.TensorSpec((None,), tf.string, name=signatures.PICTURE)
    examples = tf.TensorSpec((None,), tf.string, name=signatures.EXAMPLES)

    def of_arrays(image: tf.Tensor, pixel_spacing: tf.Tensor) -> Answer:
        return arrays(model, image, pixel_spacing)

    def of_pngs(png: tf.Tensor, pixel_spacing: tf.Tensor) -> Answer:
        return pngs(model, png, pixel_spacing)

    def of_examples(examples: tf.Tensor) -> Answer:
        return of_records(model, examples)

    return {
        signatures.DEFAULT: (of_arrays, [image, _SPACING]),
        signatures.PNG: (of_pngs, [png, _SPACING]),
        signatures.EXAMPLE: (of_examples, [examples]),
    }


def arrays(model: Landmarker, image: tf.Tensor, spacing: tf.Tensor) -> Answer:
    """Returns the answer to uint16 [film, height, width] and their spacing, float32 [film, 2] (row, column) mm."""
    checks = [
        *graph_checks.same_batch(**{signatures.IMAGE: image, signatures.SPACING: spacing}),
        graph_checks.spacing(spacing, signatures.SPACING),
        graph_checks.sides(image, signatures.IMAGE),
    ]
    with tf.control_dependencies(checks):
        images, known = tf.identity(image), tf.identity(spacing)
    return _answer(model, Pictures(lambda film: images[film], known))


def pngs(model: Landmarker, png: tf.Tensor, spacing: tf.Tensor) -> Answer:
    """Returns the answer to string [film] of grey PNG, whose sizes may differ, and their spacing; see `arrays`."""
    checks = [
        *graph_checks.same_batch(**{signatures.PICTURE: png, signatures.SPACING: spacing}),
        graph_checks.spacing(spacing, signatures.SPACING),
    ]
    with tf.control_dependencies(checks):
        pictures, known = decoded(tf.identity(png)), tf.identity(spacing)
    return _answer(model, Pictures(pictures.read, known))


def of_records(model: Landmarker, examples: tf.Tensor) -> Answer:
    """Returns the answer to string [film]: serialized tf.Example of `raspine.records`, labelled or not."""
    with tf.control_dependencies(graph_checks.same_batch(**{signatures.EXAMPLES: examples})):
        found = features.parse(_FEATURES, examples)
    kind, version = found[records.RECORD_KIND], found[records.RECORD_VERSION]
    size = found[records.NATIVE_SIZE]
    checks = [
        graph_checks.required(kind == records.KIND_FILM, "a record here is of a film.", kind),
        graph_checks.required(version == records.VERSION, f"a film's record is of version {records.VERSION}.", version),
        graph_checks.spacing(found[records.SPACING], records.SPACING),
        graph_checks.required(size > 0, f"{records.NATIVE_SIZE} is above 0.", size),
    ]
    with tf.control_dependencies(checks):
        pictures = decoded(tf.identity(found[records.IMAGE]))
    native = (tf.cast(size, tf.int32), found[records.STORED_TO_NATIVE])
    return _answer(model, Pictures(pictures.read, found[records.SPACING], native))


def decoded(png: tf.Tensor) -> tf.TensorArray:
    """Returns uint16 [height, width] each of string [film]: decoded once, and read by each look of the model."""
    checked = graph_checks.grey_pngs(png)
    count = tf.shape(checked)[0]
    empty = tf.TensorArray(tf.uint16, count, element_shape=(None, None), infer_shape=False, clear_after_read=False)

    def step(film: tf.Tensor, pictures: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        return film + 1, pictures.write(film, records.decode_image(checked[film], tf.uint16)[..., 0])

    return tf.while_loop(lambda film, _: film < count, step, (0, empty), parallel_iterations=TOGETHER)[1]


def distances(schema: landmarks.Schema, points: tf.Tensor, spacing: tf.Tensor) -> Answer:
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


def verdict(schema: landmarks.Schema, millimetres: Answer, batch: tf.Tensor) -> tf.Tensor:
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


def _answer(model: Landmarker, films: Pictures) -> Answer:
    points, confidence = model.answer_films(films)
    values = distances(model.schema, points, films.spacing)
    measured: dict[str, Any] = {signatures.millimetres(key): tf.cast(mm, tf.float32) for key, mm in values.items()}
    return {
        signatures.POINTS: points,
        signatures.CONFIDENCE: confidence,
        **measured,
        signatures.VERDICT: verdict(model.schema, values, films.count),
    }
