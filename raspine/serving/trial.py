"""Requests on which an exported model is tried, and what the model as trained answers to them."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import clinical, landmarks, measurement, records, study_records
from raspine.explanation import gradcam
from raspine.landmarker import Landmarker
from raspine.risk import RiskModel
from raspine.serving import signatures

Tensors = Mapping[str, NDArray[Any]]
_SEED = 0
_CODES = {word: code for code, word in signatures.VERDICTS.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """A request and its answer.

    Attributes:
      signature: which one is asked.
      inputs: by name.
      side: the longer side of its films in pixels; 1 for studies.
      expected: what the model as trained answers, by name; empty for the card.
      verdict: from an answer to the verdicts that follow from its figures, int32 [batch].
    """

    signature: str
    inputs: Tensors
    side: int
    expected: Tensors
    verdict: Callable[[Tensors], NDArray[np.int32]] = lambda answer: answer[signatures.VERDICT]


def of_films(model: Landmarker, count: int = 3, reduced: bool = True) -> list[Trial]:
    """Returns a trial of each signature on smooth random films, whose pixels are square, oblong and unknown in turn.

    Args:
      model: gives the answers that are expected.
      count: of films.
      reduced: whether the pictures of the records are half as large as the films that they are of.
    """
    height, width = model.settings.height, model.settings.width
    images = smooth((count, height + height // 3 + 1, width + width // 5 + 2))
    spacing = np.resize(np.array([[0.2, 0.2], [0.15, 0.25], [np.nan, np.nan]], np.float32), (count, 2))
    known = [None if np.isnan(mm).any() else (float(mm[0]), float(mm[1])) for mm in spacing]
    expected = _film_answer(model, *model.locate(list(zip(images, known, strict=True))), spacing)
    pngs = _texts([records.encode_image(image) for image in images])
    side, factor = max(images.shape), 2 if reduced else 1
    serialized = [_film_record(image, mm, model.schema.name, factor) for image, mm in zip(images, known, strict=True)]
    # Edges lie on edges, so that a point at the centre of the first pixel moves.
    native = {**expected, signatures.POINTS: expected[signatures.POINTS] * factor + np.float32((factor - 1) / 2)}
    verdict = functools.partial(film_verdicts, model.schema)
    return [
        Trial(signatures.DEFAULT, {signatures.IMAGE: images, signatures.SPACING: spacing}, side, expected, verdict),
        Trial(signatures.PNG, {signatures.PICTURE: pngs, signatures.SPACING: spacing}, side, expected, verdict),
        Trial(signatures.EXAMPLE, {signatures.EXAMPLES: _texts(serialized)}, side * factor, native, verdict),
        Trial(signatures.DESCRIBE, {signatures.REQUEST: _texts([b""] * count)}, 1, {}),
    ]


def of_studies(model: RiskModel, count: int = 3) -> list[Trial]:
    """Returns a trial of each signature on smooth random slices; see `of_films`.

    The risks beside maps are those of the network in float32, as the maps are.
    """
    choice = model.settings.choice
    slices = smooth((count * choice.count, *choice.size)).reshape(count, choice.count, *choice.size)
    spacing = np.full((count, 2), choice.canvas_mm, np.float32)
    values = np.full((count, len(clinical.COLUMNS)), np.nan, np.float32)
    for place, ends in enumerate(clinical.RANGES.values()):
        values[place % 2 :: 2, place] = ends[1]
    columns, plain = values if model.settings.columns else None, model.as_trained()
    expected = study_answer(model, slices, columns)
    mapped = {**study_answer(plain, slices, columns), signatures.MAP: study_maps(plain, slices, values)}
    extra: dict[str, Any] = {signatures.CLINICAL: values} if model.settings.columns else {}
    pngs = _texts([records.encode_image(one) for one in slices.reshape(-1, *choice.size)]).reshape(count, -1)
    serialized = _texts([_study_record(one, row, model) for one, row in zip(slices, values, strict=True)])
    arrays: Tensors = {signatures.IMAGE: slices, signatures.SPACING: spacing, **extra}
    pictures: Tensors = {signatures.PICTURE: pngs, signatures.SPACING: spacing, **extra}
    records_of, verdict = {signatures.EXAMPLES: serialized}, functools.partial(study_verdicts, model.threshold)
    return [
        Trial(signatures.DEFAULT, arrays, 1, expected, verdict),
        Trial(signatures.PNG, pictures, 1, expected, verdict),
        Trial(signatures.EXAMPLE, records_of, 1, expected, verdict),
        Trial(signatures.GRADCAM, arrays, 1, mapped, verdict),
        Trial(signatures.GRADCAM_PNG, pictures, 1, mapped, verdict),
        Trial(signatures.GRADCAM_EXAMPLE, records_of, 1, mapped, verdict),
        Trial(signatures.DESCRIBE, {signatures.REQUEST: _texts([b""] * count)}, 1, {}),
    ]


def study_answer(model: RiskModel, slices: NDArray[np.uint16], values: NDArray[np.float32] | None) -> Tensors:
    """Returns what a risk model says of uint16 [study, slice, row, column]."""
    logits = model.logits(model.framed(slices), values).numpy()
    risk = tf.sigmoid(logits).numpy()
    return {
        signatures.RISK: risk,
        signatures.LOGIT: logits,
        signatures.VERDICT: study_verdicts(model.threshold, {signatures.RISK: risk}),
    }


def study_verdicts(threshold: float, answer: Tensors) -> NDArray[np.int32]:
    """Returns int32 [study]: the verdicts that follow from the risks of an answer."""
    return (answer[signatures.RISK] >= np.float32(threshold)).astype(np.int32)


def film_verdicts(schema: landmarks.Schema, answer: Tensors) -> NDArray[np.int32]:
    """Returns int32 [film]: the verdicts that follow from the distances of an answer."""
    count = len(answer[signatures.POINTS])
    names = [distance.name for distance in schema.distances]
    films = ({name: float(answer[signatures.millimetres(name)][film]) for name in names} for film in range(count))
    return np.array([_CODES[measurement.verdict(schema, one)] for one in films], np.int32)


def study_maps(model: RiskModel, slices: NDArray[np.uint16], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns Grad-CAM through tf-keras-vis, not normalised."""
    inputs = model.inputs(model.framed(slices), values)
    images, columns = (inputs["image"], inputs["clinical"]) if isinstance(inputs, dict) else (inputs, None)
    return gradcam.Explainer(model.network)(images, columns)


def smooth(shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """Returns smooth random pictures over the full range, uint16 [picture, height, width]."""
    count, height, width = shape
    noise = np.random.default_rng(_SEED).random((count, height // 8 + 2, width // 8 + 2, 1))
    large = tf.image.resize(tf.constant(noise, tf.float32), (height, width), "bicubic").numpy()[..., 0]
    return (np.clip(large, 0, 1) * 65535).astype(np.uint16)


def _film_answer(
    model: Landmarker, points: NDArray[np.float32], confidence: NDArray[np.float32], spacing: NDArray[np.float32]
) -> Tensors:
    distances = model.schema.measure(points, spacing)
    answer = {
        signatures.POINTS: points,
        signatures.CONFIDENCE: confidence,
        **{signatures.millimetres(name): values.astype(np.float32) for name, values in distances.items()},
    }
    return {**answer, signatures.VERDICT: film_verdicts(model.schema, answer)}


def _film_record(image: NDArray[np.uint16], spacing: tuple[float, float] | None, schema: str, factor: int) -> bytes:
    """Returns the record of a film that is `factor` times as large as its picture, with as much smaller pixels."""
    record = records.FilmRecord(
        film="trial",
        patient="trial",
        schema=schema,
        image=records.encode_image(image),
        native_size=(factor * image.shape[0], factor * image.shape[1]),
        landmarks=np.zeros((1, 2)),
        spacing_mm=(spacing[0] / factor, spacing[1] / factor) if spacing else None,
        spacing_source="given" if spacing else "none",
    )
    return records.build(record)


def _study_record(slices: NDArray[np.uint16], values: NDArray[np.float32], model: RiskModel) -> bytes:
    choice = model.settings.choice
    record = study_records.StudyRecord(
        study="trial",
        patient="trial",
        slices=slices,
        affine=np.eye(4),
        positions_mm=np.arange(len(slices), dtype=np.float64),
        spacing_mm=(choice.canvas_mm, choice.canvas_mm),
        choice=choice.to_dict(),
        clinical=values,
    )
    return study_records.build(record)


def _texts(values: list[bytes]) -> NDArray[np.object_]:
    texts = np.empty(len(values), object)
    texts[:] = values
    return texts
