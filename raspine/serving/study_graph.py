"""The graphs of an exported risk model: from slices in one of three forms to a risk, and to the map behind it."""

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from raspine import clinical, features, study_records
from raspine.explanation import gradcam
from raspine.inputs import studies
from raspine.landmarker import TOGETHER
from raspine.models import float32, resnet
from raspine.records import decode_image
from raspine.risk import RiskModel
from raspine.serving import graph_checks, signatures
from raspine.serving.film_graph import Answer, Endpoint

SPACING_TOLERANCE = 0.02  # of the pixel size that the network was trained on

_NEEDED = (
    study_records.RECORD_VERSION,
    study_records.RECORD_KIND,
    study_records.SLICES,
    study_records.SPACING,
    study_records.CLINICAL,
)
_FEATURES = [feature for feature in study_records.STUDY_FEATURES if feature.key in _NEEDED]
Answerer = Callable[[studies.Inputs | tf.Tensor], Answer]


def endpoints(model: RiskModel) -> dict[str, Endpoint]:
    """Returns each signature's function with the specification of its inputs; see `signatures`.

    Every function raises tf.errors.InvalidArgumentError, with a message that begins with `raspine:`, when its inputs
    are not what they have to be. Risks come the way that the model answers, maps from its network in float32.
    """
    mapped = tf.function(Mapped(model).answer, reduce_retracing=True)
    return {
        **_three(model, functools.partial(risks, model), signatures.DEFAULT, signatures.PNG, signatures.EXAMPLE),
        **_three(model, mapped, signatures.GRADCAM, signatures.GRADCAM_PNG, signatures.GRADCAM_EXAMPLE),
    }


def risks(model: RiskModel, inputs: studies.Inputs | tf.Tensor) -> Answer:
    """Returns risk, logit and verdict of what `RiskModel.inputs` returns."""
    return _judged(model, model.logits_of(inputs))


class Mapped:
    """Risk and Grad-CAM of a model in one pass of its network in float32; graph ops.

    The map is that of `raspine.explanation.gradcam`, which goes through tf-keras-vis, not normalised.
    """

    def __init__(self, model: RiskModel) -> None:
        network = float32.twin(model.network)
        images, *values = network.inputs
        features_of = network.get_layer(resnet.last_stage(network)).output
        self._model = model
        self._encoder = keras.Model(images, features_of)
        self._head = keras.Model([features_of, *values], network.output)
        self._per_slice = resnet.is_per_slice(network)

    def answer(self, inputs: studies.Inputs | tf.Tensor) -> Answer:
        """Returns risk, logit, verdict and map of what `RiskModel.inputs` returns."""
        images, values = (
            (inputs[studies.IMAGE], [inputs[studies.CLINICAL]]) if isinstance(inputs, dict) else (inputs, [])
        )
        maps = self._encoder(images, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(maps)
            logit = self._head([maps, *values] if values else maps, training=False)[:, 0]
        weights = tf.reduce_mean(tape.gradient(logit, maps), (1, 2), keepdims=True)
        cells = tf.nn.relu(tf.reduce_sum(weights * maps, -1))
        answer = _judged(self._model, tf.cast(logit, tf.float32) + self._model.settings.logit_shift)
        return {**answer, signatures.MAP: self._enlarged(cells)}

    def _enlarged(self, cells: tf.Tensor) -> tf.Tensor:
        size = (self._model.settings.height, self._model.settings.width)
        rows, columns = (gradcam.cell_weights(side, side // resnet.MULTIPLE) for side in size)
        large = tf.einsum("hr,brc,wc->bhw", tf.constant(rows), cells, tf.constant(columns))
        return tf.reshape(large, (-1, self._model.settings.choice.count, *size)) if self._per_slice else large


def _three(model: RiskModel, answer: Answerer, array: str, png: str, example: str) -> dict[str, Endpoint]:
    """Returns the signatures of one answer for slices as arrays, as PNGs and as records."""
    count = model.settings.choice.count
    spacing = tf.TensorSpec((None, 2), tf.float32, name=signatures.SPACING)
    values = tf.TensorSpec((None, len(clinical.COLUMNS)), tf.float32, name=signatures.CLINICAL)
    columns = [values] if model.settings.columns else []

    def of_arrays(image: tf.Tensor, pixel_spacing: tf.Tensor, clinical: tf.Tensor | None = None) -> Answer:
        return answer(_inputs(model, _arrays(model, image, pixel_spacing, clinical), clinical))

    def of_pngs(png: tf.Tensor, pixel_spacing: tf.Tensor, clinical: tf.Tensor | None = None) -> Answer:
        return answer(_inputs(model, _pngs(model, png, pixel_spacing, clinical), clinical))

    def of_examples(examples: tf.Tensor) -> Answer:
        return answer(_inputs(model, *_records(model, examples)))

    image = tf.TensorSpec((None, count, None, None), tf.uint16, name=signatures.IMAGE)
    pictures = tf.TensorSpec((None, count), tf.string, name=signatures.PICTURE)
    return {
        array: (of_arrays, [image, spacing, *columns]),
        png: (of_pngs, [pictures, spacing, *columns]),
        example: (of_examples, [tf.TensorSpec((None,), tf.string, name=signatures.EXAMPLES)]),
    }


def _arrays(model: RiskModel, image: tf.Tensor, spacing: tf.Tensor, values: tf.Tensor | None) -> tf.Tensor:
    """Returns float32 [study, height, width, slice], 0..1, of checked uint16 [study, slice, row, column]."""
    checks = [
        *_batches({signatures.IMAGE: image, signatures.SPACING: spacing}, values),
        _spacing(model, spacing, signatures.SPACING),
        graph_checks.sides(image, signatures.IMAGE),
        _large_enough(model, tf.shape(image)[2:], signatures.IMAGE),
    ]
    with tf.control_dependencies(checks):
        return model.framed(tf.identity(image))


def _pngs(model: RiskModel, png: tf.Tensor, spacing: tf.Tensor, values: tf.Tensor | None) -> tf.Tensor:
    checks = [
        *_batches({signatures.PICTURE: png, signatures.SPACING: spacing}, values),
        _spacing(model, spacing, signatures.SPACING),
    ]
    with tf.control_dependencies(checks):
        return _decoded(model, tf.identity(png))


def _records(model: RiskModel, examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns slices and clinical values of string [study]: serialized tf.Example of `raspine.study_records`."""
    with tf.control_dependencies(graph_checks.same_batch(**{signatures.EXAMPLES: examples})):
        found = features.parse(_FEATURES, examples, model.settings.choice.count)
    kind, version = found[study_records.RECORD_KIND], found[study_records.RECORD_VERSION]
    told = f"a study's record is of version {study_records.VERSION}."
    checks = [
        graph_checks.required(kind == study_records.KIND_STUDY, "a record here is of a study.", kind),
        graph_checks.required(version == study_records.VERSION, told, version),
        _spacing(model, found[study_records.SPACING], study_records.SPACING),
        *graph_checks.clinical_values(found[study_records.CLINICAL]),
    ]
    with tf.control_dependencies(checks):
        return _decoded(model, tf.identity(found[study_records.SLICES])), found[study_records.CLINICAL]


def _decoded(model: RiskModel, png: tf.Tensor) -> tf.Tensor:
    """Returns float32 [study, height, width, slice], 0..1, of string [study, slice], each cut as it is decoded."""
    height, width, count = model.settings.height, model.settings.width, model.settings.choice.count

    def one(encoded: tf.Tensor) -> tf.Tensor:
        picture = decode_image(encoded, tf.uint16)[..., 0]
        with tf.control_dependencies([_large_enough(model, tf.shape(picture), signatures.PICTURE)]):
            return model.framed(tf.identity(picture)[None, None])[0, :, :, 0]

    slices = tf.map_fn(
        one,
        graph_checks.grey_pngs(tf.reshape(png, (-1,))),
        fn_output_signature=tf.TensorSpec((height, width), tf.float32),
        parallel_iterations=TOGETHER,
    )
    return tf.transpose(tf.reshape(slices, (-1, count, height, width)), (0, 2, 3, 1))


def _inputs(model: RiskModel, images: tf.Tensor, values: tf.Tensor | None) -> studies.Inputs | tf.Tensor:
    return model.inputs(images, values if model.settings.columns else None)


def _batches(inputs: dict[str, tf.Tensor], values: tf.Tensor | None) -> list[tf.Operation]:
    if values is None:
        return graph_checks.same_batch(**inputs)
    return [*graph_checks.same_batch(**inputs, **{signatures.CLINICAL: values}), *graph_checks.clinical_values(values)]


def _spacing(model: RiskModel, values: tf.Tensor, name: str) -> tf.Operation:
    """Returns a check that slices have the pixels that the network was trained on, or unknown ones."""
    wanted = model.settings.choice.canvas_mm
    unknown = tf.reduce_all(tf.math.is_nan(values), -1, keepdims=True)
    close = tf.abs(values / np.float32(wanted) - 1) <= SPACING_TOLERANCE
    message = f"{name} is {wanted:g} mm, (row, column), as the network was trained on, or NaN NaN where unknown."
    return graph_checks.required(unknown | close, message, values)


def _large_enough(model: RiskModel, size: tf.Tensor, name: str) -> tf.Operation:
    least = (model.settings.height, model.settings.width)
    return graph_checks.required(size >= least, f"'{name}' has at least {least[0]} x {least[1]} pixels.", size)


def _judged(model: RiskModel, logits: tf.Tensor) -> Answer:
    risk = tf.sigmoid(logits)
    return {
        signatures.RISK: risk,
        signatures.LOGIT: logits,
        signatures.VERDICT: tf.cast(risk >= np.float32(model.threshold), tf.int32),
    }
