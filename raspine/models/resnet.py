"""ResNet v1 (He et al., Deep Residual Learning for Image Recognition, CVPR 2016) with one logit.

It is built as `keras.applications` builds ResNet50, 101 and 152, and its layers carry the same names, so that
`raspine.models.imagenet` needs no table. The convolutions have no bias: the normalisation that follows each would
cancel it.

Two variants read a study of S slices, float32 [batch, height, width, S]: by default the slices are the channels of one
image; with `per_slice=True` one encoder reads the slices one by one and their features are pooled.
"""

import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from raspine.models import layers

BLOCKS = {14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
POOLS = ("attention", "mean", "mean_max")
MULTIPLE = 32  # the last stage's stride: heights and widths must be multiples of it
IMAGE, CLINICAL, LOGIT = "image", "clinical", "logit"
_EPSILON = 1.001e-5
_EXPANSION = 4  # a block's output channels over its inner ones
_ATTENTION_UNITS = 64
_CLINICAL_UNITS = 16
_PACKAGE = "raspine"
_LAST_STAGE = re.compile(r"conv5_block(\d+)_out")


def resnet(
    depth: int = 101,
    input_shape: Sequence[int | None] = (512, 512, 6),
    normalization: str = "fused",
    momentum: float = 0.9,
    zero_init: bool = False,
    initializer: str = "he_normal",
    dropout: float = 0.0,
    clinical: int = 0,
    per_slice: bool = False,
    pool: str = "attention",
    context: int = 0,
    name: str | None = None,
) -> keras.Model:
    """Builds the network as one flat functional model.

    Images are float32 [batch, height, width, slice], standardised; the output is float32 [batch, 1], a linear logit,
    whatever the dtype policy (but float64 in float64). With `clinical` the model takes the pair or
    `{"image": ..., "clinical": ...}`.

    Args:
      depth: 14 or 26 (one or two blocks a stage, for small machines), 50, 101 or 152.
      input_shape: (height, width, slices); height and width multiples of 32 pixels, or None for sizes that are known
        only when the network runs (they must still be multiples of 32).
      normalization: "fused", "keras" or "synchronized" (see `raspine.models.layers.batch_normalization`).
      momentum: of the moving averages, Keras's convention; Keras's own default is 0.99, which needs some 500 steps.
      zero_init: True starts every block as the identity (the last scale of each is 0; Goyal et al., 2017).
      initializer: of the convolutions; `keras.applications` uses "glorot_uniform".
      dropout: share of the pooled features that is dropped in training.
      clinical: number of clinical values, float32 [batch, clinical], standardised; 0 for none. They pass a small layer
        of their own and join the pooled features before the logit, so that the two contributions add up.
      per_slice: True for one encoder shared by the slices.
      pool: how the slices' features are joined when `per_slice`: "attention" (Ilse et al., ICML 2018; the weights
        are the output of the layer `attention`, [batch, slice, 1]), "mean", or "mean_max" (both, side by side).
      context: neighbouring slices on either side that the encoder sees beside a slice when `per_slice`; beyond the
        last slice the last one is repeated.
      name: the model's name, by default `resnet101` and so on, with `_per_slice`.

    Raises:
      ValueError: for an argument outside these rules.
    """
    _check(depth, input_shape, normalization, dropout, clinical, pool, context)
    parts = _Parts(normalization, momentum, zero_init, initializer)

    # === Functional model ===
    images = keras.Input(tuple(input_shape), name=IMAGE, dtype="float32")
    maps = SlicesToBatch(context, name="slices_to_batch")(images) if per_slice else images
    maps = _stem(parts, maps)
    for stage, blocks in enumerate(BLOCKS[depth], start=2):
        for block in range(1, blocks + 1):
            maps = _bottleneck(parts, maps, 2 ** (stage + 4), f"conv{stage}_block{block}", stage, block == 1)
    # float32 from here on: a mean over the map in bfloat16 would round the logit to two digits.
    features = keras.layers.GlobalAveragePooling2D(dtype=layers.wide_dtype(), name="avg_pool")(maps)
    if per_slice:
        features = BatchToSlices(int(input_shape[2] or 0), dtype=layers.wide_dtype(), name="batch_to_slices")(features)
        features = _pooled(features, pool)
    if dropout:
        features = keras.layers.Dropout(dropout, dtype=layers.wide_dtype(), name="dropout")(features)
    inputs: Any = images
    if clinical:
        values = keras.Input((clinical,), name=CLINICAL, dtype="float32")
        inputs = [images, values]
        features = _fused(features, values)
    logit = keras.layers.Dense(1, dtype=layers.wide_dtype(), name=LOGIT)(features)
    return keras.Model(inputs, logit, name=name or f"resnet{depth}" + ("_per_slice" if per_slice else ""))


def last_stage(model: keras.Model) -> str:
    """Returns the name of the layer with the last stage's features, which Grad-CAM reads.

    Raises:
      ValueError: if the model is not one of these networks.
    """
    found = [match for layer in model.layers if (match := _LAST_STAGE.fullmatch(layer.name))]
    if not found:
        raise ValueError(f"Model {model.name!r} has no layer conv5_block*_out: it is not a ResNet of raspine.")
    return max(found, key=lambda match: int(match[1]))[0]


def depth_of(model: keras.Model) -> int:
    """Returns the depth of a network, by its blocks.

    Raises:
      ValueError: if it is none of those in `BLOCKS`.
    """
    names = {layer.name for layer in model.layers}
    counts = tuple(sum(f"conv{stage}_block{block}_out" in names for block in range(1, 64)) for stage in range(2, 6))
    for depth, blocks in BLOCKS.items():
        if blocks == counts:
            return depth
    raise ValueError(f"Model {model.name!r} is not a ResNet of raspine. Received blocks: {counts}.")


def is_per_slice(model: keras.Model) -> bool:
    """Returns whether the model's encoder reads one slice at a time."""
    return any(isinstance(layer, SlicesToBatch) for layer in model.layers)


def has_clinical(model: keras.Model) -> bool:
    """Returns whether the model takes clinical values beside the images."""
    return any(tensor.name == CLINICAL for tensor in model.inputs)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class SlicesToBatch(keras.layers.Layer):
    """Moves the slices of a study to the batch axis, study by study, in their order.

    Args:
      context: neighbouring slices on either side that become channels beside the slice itself.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, context: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if context < 0:
            raise ValueError(f"context must not be negative. Received: {context}.")
        self.context = int(context)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Turns [batch, height, width, slice] into [batch * slice, height, width, 1 + 2 * context]."""
        count = inputs.shape[-1]
        shape = tf.shape(inputs)
        slices = tf.transpose(inputs, [0, 3, 1, 2])
        steps = range(-self.context, self.context + 1)
        channels = [
            tf.gather(slices, [min(max(i + step, 0), count - 1) for i in range(count)], axis=1) for step in steps
        ]
        stacked = tf.stack(channels, -1) if self.context else slices
        outputs = tf.reshape(stacked, [shape[0] * count, shape[1], shape[2], len(channels)])
        return tf.ensure_shape(outputs, [None, *inputs.shape[1:3], len(channels)])

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns [batch * slice, height, width, 1 + 2 * context]."""
        batch, height, width, count = input_shape
        return (batch and count and batch * count, height, width, 1 + 2 * self.context)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {"context": self.context}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class BatchToSlices(keras.layers.Layer):
    """Gives the features of a study's slices back an axis of their own.

    Args:
      count: slices of a study.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if count < 1:
            raise ValueError(f"count must be positive. Received: {count}.")
        self.count = int(count)
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Turns [batch * slice, feature] into [batch, slice, feature]."""
        return tf.reshape(inputs, [-1, self.count, inputs.shape[-1]])

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns [batch, slice, feature]."""
        return (input_shape[0] and input_shape[0] // self.count, self.count, input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {"count": self.count}


class _Parts:
    """Makes the layers from which the network is composed."""

    def __init__(self, normalization: str, momentum: float, zero_init: bool, initializer: str) -> None:
        self._normalization = normalization
        self._momentum = momentum
        self._zero_init = zero_init
        self._initializer = initializer

    def unit(
        self, maps: Any, filters: int, size: int, name: str, strides: int = 1, relu: bool = True, last: bool = False
    ) -> Any:
        """Convolution `name_conv`, normalisation `name_bn`, and a ReLU where asked."""
        # A config and not an object: Keras warns where one unseeded initialiser serves several layers.
        settings: dict[str, Any] = {"kernel_initializer": self._initializer, "name": f"{name}_conv"}
        if size == 1:
            maps = layers.PointwiseConvolution(filters, strides, **settings)(maps)
        else:
            maps = layers.SymmetricConvolution(filters, size, strides, **settings)(maps)
        return self._normalize(maps, name, relu, "zeros" if last and self._zero_init else "ones")

    def _normalize(self, maps: Any, name: str, relu: bool, gamma: str) -> Any:
        settings = {"momentum": self._momentum, "epsilon": _EPSILON, "gamma_initializer": gamma}
        fused = "relu" if relu and self._normalization == "fused" else None
        maps = layers.batch_normalization(self._normalization, fused, f"{name}_bn", **settings)(maps)
        return keras.layers.ReLU(name=f"{name}_relu")(maps) if relu and not fused else maps


def _stem(parts: _Parts, images: Any) -> Any:
    maps = parts.unit(images, 64, 7, "conv1", strides=2)
    # Zeros pad as well as minus infinity would: the maps have passed a ReLU.
    maps = keras.layers.ZeroPadding2D(1, name="pool1_pad")(maps)
    return keras.layers.MaxPooling2D(3, 2, name="pool1_pool")(maps)


def _bottleneck(parts: _Parts, maps: Any, filters: int, name: str, stage: int, first: bool) -> Any:
    """One block; the first of a stage halves the map (but stage 2) and projects the shortcut."""
    strides = 2 if first and stage > 2 else 1
    shortcut = maps
    if first:
        shortcut = parts.unit(maps, _EXPANSION * filters, 1, f"{name}_0", strides, relu=False)
    maps = parts.unit(maps, filters, 1, f"{name}_1", strides)
    maps = parts.unit(maps, filters, 3, f"{name}_2")
    maps = parts.unit(maps, _EXPANSION * filters, 1, f"{name}_3", relu=False, last=True)
    maps = keras.layers.Add(name=f"{name}_add")([shortcut, maps])
    return keras.layers.ReLU(name=f"{name}_out")(maps)


def _pooled(features: Any, pool: str) -> Any:
    """Joins the features of the slices, [batch, slice, feature] to [batch, feature] or twice as many."""
    mean = keras.layers.GlobalAveragePooling1D(dtype=layers.wide_dtype(), name="mean_pool")
    if pool == "mean":
        return mean(features)
    if pool == "mean_max":
        largest = keras.layers.GlobalMaxPooling1D(dtype=layers.wide_dtype(), name="max_pool")(features)
        return keras.layers.Concatenate(dtype=layers.wide_dtype(), name="mean_max_pool")([mean(features), largest])
    hidden = keras.layers.Dense(_ATTENTION_UNITS, "tanh", dtype=layers.wide_dtype(), name="attention_hidden")(features)
    scores = keras.layers.Dense(1, dtype=layers.wide_dtype(), name="attention_score")(hidden)
    weights = keras.layers.Softmax(axis=1, dtype=layers.wide_dtype(), name="attention")(scores)
    summed = keras.layers.Dot(axes=1, dtype=layers.wide_dtype(), name="attention_sum")([weights, features])
    return keras.layers.Flatten(dtype=layers.wide_dtype(), name="attention_pool")(summed)


def _fused(features: Any, values: Any) -> Any:
    hidden = keras.layers.Dense(_CLINICAL_UNITS, "relu", dtype=layers.wide_dtype(), name="clinical_hidden")(values)
    return keras.layers.Concatenate(dtype=layers.wide_dtype(), name="fusion")([features, hidden])


def _check(
    depth: int,
    input_shape: Sequence[int | None],
    normalization: str,
    dropout: float,
    clinical: int,
    pool: str,
    context: int,
) -> None:
    if depth not in BLOCKS:
        raise ValueError(f"depth must be one of {tuple(BLOCKS)}. Received: {depth}.")
    if len(input_shape) != 3 or not input_shape[2]:
        raise ValueError(f"input_shape must be (height, width, slices). Received: {tuple(input_shape)}.")
    if any(size is not None and (size < MULTIPLE or size % MULTIPLE) for size in input_shape[:2]):
        raise ValueError(f"Height and width must be multiples of {MULTIPLE} pixels. Received: {tuple(input_shape)}.")
    if normalization not in layers.NORMALIZATIONS:
        raise ValueError(f"normalization must be one of {layers.NORMALIZATIONS}. Received: {normalization!r}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1. Received: {dropout}.")
    if clinical < 0 or context < 0:
        raise ValueError(f"clinical and context must not be negative. Received: {clinical} and {context}.")
    if pool not in POOLS:
        raise ValueError(f"pool must be one of {POOLS}. Received: {pool!r}.")
