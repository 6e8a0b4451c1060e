"""The twin of a network for inference: normalisations folded into the convolutions before them.

A convolution and the normalisation after it are one affine map: the scale gamma / sqrt(variance + epsilon) goes into
the kernel, the rest into a bias. TensorFlow then runs a convolution with its bias, ReLU and the sum of a residual block
as one kernel. Such a twin does not follow the network when that is trained further.

Its weights are tensors that graphs capture, not constants inside them: constants would save a layout change of some
hundredths of a second a batch, and cost a second copy of everything and seconds at the first call.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine.models import layers, winograd

Array = NDArray[np.float64]
_CONVOLUTIONS = (layers.SymmetricConvolution, layers.PointwiseConvolution)
_NORMALIZATIONS = (layers.FusedBatchNormalization, keras.layers.BatchNormalization)
# What stands between convolutions and may compute in a lower precision.
_OF_MAPS = (
    *_CONVOLUTIONS,
    *_NORMALIZATIONS,
    layers.NearestUpsampling,
    keras.layers.Add,
    keras.layers.MaxPooling2D,
    keras.layers.ReLU,
    keras.layers.ZeroPadding2D,
)
_WIDE, _LARGE = 128, 8  # channels, and pixels of a map's sides, from which minimal filtering is the faster one


def folded(network: keras.Model, dtype: str = "float32") -> keras.Model:
    """Returns a twin that gives a network's values, for inference only; it cannot be saved by Keras.

    Args:
      network: functional, of the layers of `hrnet` and `resnet`; of any dtype policy but float64.
      dtype: "float32" or "bfloat16"; of the maps between convolutions. Pooled features and outputs are float32.

    Returns:
      The twin; the network itself where it computes in float64 or has weights that this module does not know.
    """
    normalizations = _normalizations(network)
    behind = {layer.name for layer in normalizations.values()}
    if not all(_is_known(layer, behind) for layer in network.layers):
        return network
    given = {id(tensor) for tensor in network.outputs}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.InputLayer):
            return layer.from_config(layer.get_config())
        is_inside = isinstance(layer, _OF_MAPS) and id(layer.output) not in given
        settings = {"dtype": dtype if is_inside else "float32", "name": layer.name}
        if isinstance(layer, _CONVOLUTIONS):
            return _convolution(layer, normalizations.get(layer.name), settings)
        if isinstance(layer, _NORMALIZATIONS):
            return keras.layers.Activation(getattr(layer, "activation", None), **settings)
        if isinstance(layer, keras.layers.Dense):
            return FixedDense(*_affine(layer), layer.activation, **settings)
        return layer.from_config(layer.get_config() | settings)

    # Keras hands its own normalisation a mask, which the twin's layers do not take.
    return keras.models.clone_model(network, clone_function=clone, call_function=lambda one, *given, **_: one(*given))


class FixedConvolution(keras.layers.Layer):
    """A convolution with bias, padded by half the kernel's size, that is not trained.

    Args:
      kernel: [height, width, in, out].
      bias: [out].
      strides: step in pixels.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, kernel: Array, bias: Array, strides: tuple[int, int] = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernel, self._bias = (tf.constant(values, self.compute_dtype) for values in (kernel, bias))
        self._strides = strides

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves [batch, height, width, in]."""
        rows, columns = (size // 2 for size in self._kernel.shape[:2])
        padding = "SAME"
        if max(self._strides) > 1 and (rows or columns):
            # Not through conv2d's own explicit padding, see `layers.SymmetricConvolution`.
            inputs = tf.pad(inputs, [[0, 0], [rows, rows], [columns, columns], [0, 0]])
            padding = "VALID"
        return tf.nn.bias_add(tf.nn.conv2d(inputs, self._kernel, self._strides, padding), self._bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns [batch, ceil(height / stride), ceil(width / stride), out]."""
        sizes = (size and -(-size // step) for size, step in zip(input_shape[1:3], self._strides, strict=True))
        return (input_shape[0], *sizes, self._bias.shape[0])


class MinimalConvolution(keras.layers.Layer):
    """A 3 x 3 convolution with bias at stride 1 by minimal filtering that is not trained.

    Args:
      kernel: [3, 3, in, out].
      bias: [out].
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, kernel: Array, bias: Array, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernel, self._bias = tf.constant(winograd.kernel(kernel)), tf.constant(bias, tf.float32)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves [batch, height, width, in]."""
        return tf.nn.bias_add(winograd.convolve(inputs, self._kernel), self._bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns [batch, height, width, out]."""
        return (*input_shape[:-1], self._bias.shape[0])


class FixedDense(keras.layers.Layer):
    """A dense layer that is not trained.

    Args:
      kernel: [in, out].
      bias: [out].
      activation: of the result.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, kernel: Array, bias: Array, activation: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernel, self._bias = (tf.constant(values, self.compute_dtype) for values in (kernel, bias))
        self._activation = activation

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps [..., in] to [..., out]."""
        return self._activation(tf.tensordot(inputs, self._kernel, 1) + self._bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns [..., out]."""
        return (*input_shape[:-1], self._bias.shape[0])


def _normalizations(network: keras.Model) -> dict[str, keras.layers.Layer]:
    """Returns by a convolution's name the normalisation that alone reads what it gives."""
    readers: dict[int, list[keras.layers.Layer]] = {}
    for layer in network.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            for tensor in keras.tree.flatten(layer.input):
                readers.setdefault(id(tensor), []).append(layer)
    given = {id(tensor) for tensor in network.outputs}
    found = {}
    for layer in network.layers:
        after = readers.get(id(layer.output), [])
        is_read_once = len(after) == 1 and id(layer.output) not in given
        if isinstance(layer, _CONVOLUTIONS) and is_read_once and isinstance(after[0], _NORMALIZATIONS):
            found[layer.name] = after[0]
    return found


def _is_known(layer: keras.layers.Layer, behind: set[str]) -> bool:
    """Returns whether a layer has a twin.

    Args:
      layer: of the network.
      behind: the names of the normalisations that stand behind a convolution.
    """
    if layer.compute_dtype == "float64":
        return False
    if isinstance(layer, _NORMALIZATIONS):
        return layer.name in behind
    if isinstance(layer, layers.SymmetricConvolution):
        return layer.activation is keras.activations.linear and layer.groups == 1 and max(layer.dilation_rate) == 1
    return not layer.weights or isinstance(layer, layers.PointwiseConvolution | keras.layers.Dense)


def _convolution(
    layer: keras.layers.Layer, normalization: keras.layers.Layer | None, settings: dict[str, Any]
) -> keras.layers.Layer:
    kernel, bias = _affine(layer)
    if normalization is not None:
        mean, variance = _values(normalization.moving_mean), _values(normalization.moving_variance)
        scale = 1 / np.sqrt(variance + normalization.epsilon)
        if normalization.gamma is not None:
            scale = scale * _values(normalization.gamma)
        kernel, bias = kernel * scale, (bias - mean) * scale
        if normalization.beta is not None:
            bias = bias + _values(normalization.beta)
    strides = (layer.strides,) * 2 if isinstance(layer.strides, int) else tuple(layer.strides)
    if settings["dtype"] == "float32" and strides == (1, 1) and _gains(kernel, layer.output.shape):
        return MinimalConvolution(kernel, bias, **settings)
    return FixedConvolution(kernel, bias, strides, **settings)


def _gains(kernel: Array, shape: tuple[int | None, ...]) -> bool:
    """Returns whether minimal filtering is the faster way: where products over channels outweigh the transforms."""
    is_wide = kernel.shape[:2] == (3, 3) and min(kernel.shape[2:]) >= _WIDE
    return is_wide and all(size is not None and size >= _LARGE for size in shape[1:3])


def _affine(layer: keras.layers.Layer) -> tuple[Array, Array]:
    kernel = _values(layer.kernel)
    return kernel, np.zeros(kernel.shape[-1]) if layer.bias is None else _values(layer.bias)


def _values(variable: keras.Variable) -> Array:
    return keras.ops.convert_to_numpy(variable).astype(np.float64)
