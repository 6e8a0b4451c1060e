"""Keras layers whose TensorFlow kernels are faster than those of Keras's own layers, with the same values.

All take and give channels-last maps, `[batch, height, width, channel]`, and compute in the layer's dtype
policy. Their weights carry the names, shapes and float32 dtype of `BatchNormalization` and `Conv2D`, so
weights move between the two.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from raspine.models import winograd

_PACKAGE = "raspine"
NORMALIZATIONS = ("fused", "synchronized", "keras")


@keras.saving.register_keras_serializable(package=_PACKAGE)
class FusedBatchNormalization(keras.layers.Layer):
    """Batch normalisation over all but the last axis through TensorFlow's fused kernel.

    Keras 3's own layer builds a dozen element-wise operations forward and back; this one is a single
    `FusedBatchNormV3` each way. Values, gradients and moving averages equal Keras's: the moving variance
    takes the *biased* batch variance, as Keras does and PyTorch does not (they differ by 1 / (batch * height
    * width - 1), and the kernel itself returns the unbiased one, which is scaled back here). With
    `trainable=False` the layer runs on its moving averages, as in Keras.

    The batch is a replica's own: for statistics over all replicas use `batch_normalization("synchronized")`.

    Args:
      momentum: the weight of the old moving average; Keras's convention, so PyTorch's 0.1 is 0.9 here.
      epsilon: added to the variance.
      activation: None or "relu", applied to the result.
      gamma_initializer: initialiser of the scale.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        activation: str | None = None,
        gamma_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if activation not in (None, "relu"):
            raise ValueError(f"activation must be None or 'relu'. Received: {activation!r}.")
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.activation = activation
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the four vectors of one value per channel."""
        shape = (_channels(input_shape),)
        self.gamma = self.add_weight(shape=shape, initializer=self.gamma_initializer, name="gamma", autocast=False)
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta", autocast=False)
        # Replicas see different batches: their updates are averaged, which keeps the copies equal.
        moving = {"shape": shape, "trainable": False, "autocast": False, "aggregation": "mean"}
        self.moving_mean = self.add_weight(initializer="zeros", name="moving_mean", **moving)
        self.moving_variance = self.add_weight(initializer="ones", name="moving_variance", **moving)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalises.

        Args:
          inputs: float32, bfloat16, float16 or (slowly, without the kernel) float64 [batch, height, width, channel].
          training: whether to use the batch's statistics and to move the averages.

        Returns:
          A tensor of the inputs' shape in the compute dtype.
        """
        if training and self.trainable:
            outputs = self._normalize_by_batch(inputs)
        else:
            outputs = self._normalize(inputs, self.moving_mean.value, self.moving_variance.value, False)[0]
        return tf.nn.relu(outputs) if self.activation else outputs

    def _normalize_by_batch(self, inputs: tf.Tensor) -> tf.Tensor:
        if inputs.dtype == tf.float64:
            mean, variance = tf.nn.moments(inputs, [0, 1, 2])
            outputs = self._normalize(inputs, mean, variance, False)[0]
        else:
            # The kernel wants a mean and a variance even where it computes its own: they may be empty.
            empty = tf.zeros([0])
            outputs, mean, unbiased = self._normalize(inputs, empty, empty, True)
            variance = unbiased * (1.0 - self.gamma.shape[0] / tf.cast(tf.size(inputs), tf.float32))
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance)
        return outputs

    def _normalize(
        self, inputs: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        if inputs.dtype == tf.float64:  # for which there is no fused kernel
            scaled = tf.nn.batch_normalization(inputs, mean, variance, self.beta.value, self.gamma.value, self.epsilon)
            return scaled, mean, variance
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=training,
        )[:3]

    def _move(self, average: keras.Variable, value: tf.Tensor) -> None:
        old = average.value
        average.assign(old + (value - old) * (1.0 - self.momentum))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the inputs' shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "activation": self.activation,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }


@keras.saving.register_keras_serializable(package=_PACKAGE)
class SymmetricConvolution(keras.layers.Conv2D):
    """A convolution padded by `kernel_size // 2` on every side, as PyTorch's networks are.

    Keras's padding "same" pads a strided convolution of an even map on the bottom and right only, which
    shifts the map by a pixel.

    Args:
      filters: number of output channels.
      kernel_size: odd size of the kernel in pixels.
      strides: step in pixels.
      use_bias: whether to add a bias.
      kernel_initializer: initialiser of the kernel, stored as [height, width, in, out].
      **kwargs: of `keras.layers.Conv2D`, but not `padding`, `data_format` or `dilation_rate`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int] = 3,
        strides: int | Sequence[int] = 1,
        use_bias: bool = False,
        kernel_initializer: Any = "he_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            padding="valid",
            data_format="channels_last",
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            **kwargs,
        )
        if not all(size % 2 for size in self.kernel_size):
            raise ValueError(f"kernel_size must be odd. Received: {kernel_size}.")

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Convolves [batch, height, width, in].

        While training on a CPU, wide 3 x 3 convolutions go through minimal filtering (`raspine.models.winograd`),
        which rounds at 1e-5 of the largest value; otherwise the values are those of `keras.layers.Conv2D`.
        """
        if not (training and self._has_minimal_form and winograd.pays(inputs.shape, inputs.shape[-1], self.filters)):
            return super().call(inputs)
        return winograd.convolution(inputs, tf.convert_to_tensor(self.kernel))

    @property
    def _has_minimal_form(self) -> bool:
        plain = self.kernel_size == (3, 3) and self.strides == (1, 1) and self.dilation_rate == (1, 1)
        plain = plain and self.groups == 1 and not self.use_bias and self.activation is keras.activations.linear
        # cuDNN chooses among such forms itself, and other precisions would lose digits.
        return plain and self.compute_dtype == "float32" and not tf.config.list_physical_devices("GPU")

    def convolution_op(self, inputs: tf.Tensor, kernel: Any) -> tf.Tensor:
        """Convolves [batch, height, width, in] by [height, width, in, out]."""
        kernel = tf.convert_to_tensor(kernel)
        if max(self.strides) == 1 or max(self.kernel_size) == 1:
            return tf.nn.conv2d(inputs, kernel, self.strides, "SAME")
        # Not through conv2d's own explicit padding: oneDNN has no gradient of it, and the other one is 20
        # times slower in bfloat16 and half as fast in float32.
        rows, columns = (size // 2 for size in self.kernel_size)
        padded = tf.pad(inputs, [[0, 0], [rows, rows], [columns, columns], [0, 0]])
        return tf.nn.conv2d(padded, kernel, self.strides, "VALID")

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns [batch, ceil(height / stride), ceil(width / stride), filters]."""
        return (input_shape[0], *_strided(input_shape[1:3], self.strides), self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        for fixed in ("padding", "data_format"):
            config.pop(fixed)
        return config


@keras.saving.register_keras_serializable(package=_PACKAGE)
class PointwiseConvolution(keras.layers.Layer):
    """A 1 x 1 convolution as one matrix product, whose weight gradient is far faster than `Conv2D`'s on CPUs.

    Args:
      filters: number of output channels.
      strides: step in pixels, the same in both directions; the first pixel of each step is kept.
      use_bias: whether to add a bias.
      kernel_initializer: initialiser of the kernel, stored as [1, 1, in, out] like `Conv2D`'s.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        use_bias: bool = False,
        kernel_initializer: Any = "he_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if filters < 1 or strides < 1:
            raise ValueError(f"filters and strides must be positive. Received: filters={filters}, strides={strides}.")
        self.filters = int(filters)
        self.strides = int(strides)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the kernel [1, 1, in, out] and the bias [out]."""
        shape = (1, 1, _channels(input_shape), self.filters)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias") if self.use_bias else None

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Mixes the channels of every pixel.

        Args:
          inputs: [batch, height, width, in], in the compute dtype.

        Returns:
          [batch, ceil(height / stride), ceil(width / stride), filters].
        """
        if self.strides > 1:
            # Equals inputs[:, ::strides, ::strides], which takes 18 times as long on CPUs, and its gradient 4 times.
            inputs = tf.nn.avg_pool2d(inputs, 1, self.strides, "VALID")
        channels = self.kernel.shape[2]
        kernel = tf.reshape(tf.convert_to_tensor(self.kernel), [channels, self.filters])
        rows = tf.matmul(tf.reshape(inputs, [-1, channels]), kernel)
        if self.bias is not None:
            rows = tf.nn.bias_add(rows, tf.convert_to_tensor(self.bias))
        outputs = tf.reshape(rows, tf.concat([tf.shape(inputs)[:3], [self.filters]], 0))
        return tf.ensure_shape(outputs, [*inputs.shape[:3], self.filters])

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns [batch, ceil(height / stride), ceil(width / stride), filters]."""
        strides = (self.strides, self.strides)
        return (input_shape[0], *_strided(input_shape[1:3], strides), self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {
            "filters": self.filters,
            "strides": self.strides,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package=_PACKAGE)
class NearestUpsampling(keras.layers.Layer):
    """Repeats every pixel `size` times in both directions.

    The gradient is a sum over `size` x `size` pixels, written as an average pooling: TensorFlow's own
    gradient of a nearest-neighbour resize runs on one thread and rounds each partial sum.

    Args:
      size: how often a pixel is repeated.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if size < 1:
            raise ValueError(f"size must be positive. Received: {size}.")
        self.size = int(size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Turns [batch, height, width, channel] into [batch, size * height, size * width, channel]."""
        outputs = _repeat_pixels(inputs, self.size)
        return tf.ensure_shape(outputs, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns [batch, size * height, size * width, channel]."""
        batch, height, width, channels = input_shape
        return (batch, height and height * self.size, width and width * self.size, channels)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {"size": self.size}


def wide_dtype() -> str:
    """Returns the dtype of what must not be rounded to half precision, such as heads, pools and logits.

    float64 where the global dtype policy computes in it, else float32.
    """
    return "float64" if keras.config.dtype_policy().compute_dtype == "float64" else "float32"


def batch_normalization(
    kind: str = "fused", activation: str | None = None, name: str | None = None, **kwargs: Any
) -> keras.layers.Layer:
    """Makes a normalisation layer with PyTorch's defaults (momentum 0.9 in Keras's convention, epsilon 1e-5).

    Args:
      kind: "fused" (the fast one), "keras" (Keras's own) or "synchronized" (Keras's own, over all replicas).
      activation: None or "relu"; Keras's own layer has none, and the caller must add it.
      name: the layer's name.
      **kwargs: of the layer.

    Raises:
      ValueError: for an unknown kind, or an activation that the kind does not take.
    """
    if kind not in NORMALIZATIONS:
        raise ValueError(f"batch_normalization must be one of {NORMALIZATIONS}. Received: {kind!r}.")
    settings = {"momentum": 0.9, "epsilon": 1e-5, "name": name} | kwargs
    if kind == "fused":
        return FusedBatchNormalization(activation=activation, **settings)
    if activation is not None:
        raise ValueError(f"batch_normalization {kind!r} takes no activation. Received: {activation!r}.")
    return keras.layers.BatchNormalization(synchronized=kind == "synchronized", **settings)


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copies the weights of layers between two networks of the same layer names, of whichever kinds of layer.

    `set_weights` takes weights in the order of a model's layers, which depends on the kinds that were chosen.

    Raises:
      ValueError: if a layer with weights has no counterpart of the same shapes. The target is unchanged then.
    """
    found = {layer.name: layer for layer in source.layers if layer.weights}
    wanted = {layer.name: layer for layer in target.layers if layer.weights}
    differing = list(found.keys() ^ wanted.keys())
    for name in found.keys() & wanted.keys():
        if [w.shape for w in found[name].weights] != [w.shape for w in wanted[name].weights]:
            differing.append(name)
    if differing:
        raise ValueError(f"The networks differ in {len(differing)} layers: {', '.join(sorted(differing))}.")
    for name, layer in wanted.items():
        layer.set_weights(found[name].get_weights())


def _repeat_pixels(maps: tf.Tensor, size: int) -> tf.Tensor:
    @tf.custom_gradient
    def repeat(maps: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.nn.avg_pool2d(upstream, size, size, "VALID") * tf.cast(size * size, upstream.dtype)

        target = tf.shape(maps)[1:3] * size
        return tf.raw_ops.ResizeNearestNeighbor(images=maps, size=target), gradient

    return repeat(maps)


def _channels(input_shape: Sequence[int | None]) -> int:
    if input_shape[-1] is None:
        raise ValueError(f"The number of channels must be known. Received: input_shape={tuple(input_shape)}.")
    return int(input_shape[-1])


def _strided(sizes: Sequence[int | None], strides: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(size and -(-size // step) for size, step in zip(sizes, strides, strict=True))
