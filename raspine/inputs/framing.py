"""A film into the network's frame and back: one affine, applied by an antialiased resampling op in the graph."""

import tensorflow as tf

MAX_ASPECT = 16.0
_SCALES = (1 / 65536, 65536.0)
_FARTHEST = 1e7  # pixels
_LEAST_SPREAD, _UNKNOWN_SPREAD = 0.01, 0.1  # of a film's longer side


def fit(native_size: tf.Tensor, spacing: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Returns the affine that fits whole films into the network's input: centred, the anatomy never stretched.

    Non-square pixels become square on the way. Edges map onto edges; pixel j covers j - 1/2 to j + 1/2.

    Args:
      native_size: int [..., 2], (height, width) of the films in native pixels.
      spacing: float32 [..., 2], (row, column) mm, of which only the ratio counts; NaN means square pixels.
      height: of the network's input, pixels.
      width: of the network's input, pixels.

    Returns:
      float32 [..., 2, 3], native pixels (x, y, 1) to network pixels.
    """
    size = tf.cast(native_size, tf.float32)
    ratio = _aspect(spacing)
    target = tf.constant([height, width], tf.float32)
    scale = ratio * tf.reduce_min(target / (size * ratio), -1, keepdims=True)
    return _about(scale, (size - 1) / 2, height, width)


def region(
    points: tf.Tensor, native_size: tf.Tensor, spacing: tf.Tensor, height: int, width: int, reach: float
) -> tf.Tensor:
    """Returns the affine that fits the surroundings of some points into the network's input, without stretching.

    The region is centred on the points' mean and reaches `reach` times their spread (root mean square distance from
    the mean) to the nearer side, so it needs no millimetres. Points that are NaN count nothing; without any, the region
    is the middle of the film, and with fewer than two it is a wide one.

    Args:
      points: float32 [..., landmark, 2], native pixels (x, y).
      native_size: int [..., 2], (height, width) of the films in native pixels.
      spacing: float32 [..., 2], (row, column) mm, of which only the ratio counts; NaN means square pixels.
      height: of the network's input, pixels.
      width: of the network's input, pixels.
      reach: half the region's shorter side over the spread.

    Returns:
      float32 [..., 2, 3], native pixels (x, y, 1) to network pixels.
    """
    size, ratio = tf.cast(native_size, tf.float32), _aspect(spacing)
    known = tf.reduce_all(tf.math.is_finite(points), -1, keepdims=True)
    count = tf.reduce_sum(tf.cast(known, tf.float32), -2)
    places = tf.where(known, points, 0.0)[..., ::-1]
    middle = tf.where(count > 0, tf.reduce_sum(places, -2) / tf.maximum(count, 1.0), (size - 1) / 2)
    offsets = tf.where(known, (places - middle[..., None, :]) * ratio[..., None, :], 0.0)
    spread = tf.sqrt(tf.reduce_sum(offsets**2, (-2, -1))[..., None] / tf.maximum(count, 1.0))
    longer = tf.reduce_max(size * ratio, -1, keepdims=True)
    # A spread of nothing would magnify without end, and one point alone has none.
    spread = tf.where(count >= 2, tf.maximum(spread, _LEAST_SPREAD * longer), _UNKNOWN_SPREAD * longer)
    return _about(ratio * (min(height, width) / 2) / (reach * spread), middle, height, width)


def _aspect(spacing: tf.Tensor) -> tf.Tensor:
    """Returns float32 [..., 2]: (row, column) spacing over the larger of the two; ones when unknown.

    Beyond MAX_ASPECT pixels are taken as that oblong: no film has such ones, and a header may say anything.
    """
    known = tf.reduce_all(tf.math.is_finite(spacing) & (spacing > 0), -1, keepdims=True)
    ratio = tf.math.divide_no_nan(spacing, tf.reduce_max(spacing, -1, keepdims=True))
    return tf.where(known, tf.maximum(ratio, 1 / MAX_ASPECT), tf.ones_like(spacing))


def _about(scale: tf.Tensor, middle: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Returns the affine of a (y, x) scale that brings the (y, x) native place `middle` to the middle of the frame."""
    shift = (tf.constant([height, width], tf.float32) - 1) / 2 - scale * middle
    zero = tf.zeros_like(scale[..., 0])
    x_row = tf.stack([scale[..., 1], zero, shift[..., 1]], -1)
    y_row = tf.stack([zero, scale[..., 0], shift[..., 0]], -1)
    return tf.stack([x_row, y_row], -2)


def resample(image: tf.Tensor, matrix: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Returns a film in the network's frame, antialiased; what lies outside the film is 0.

    Args:
      image: float32 or uint16 [native height, native width, 1].
      matrix: float32 [2, 3] as `fit` returns it: a scale and a shift for each axis.
      height: of the network's input, pixels.
      width: of the network's input, pixels.

    Returns:
      float32 [height, width, 1].
    """
    scale = tf.stack([matrix[1, 1], matrix[0, 0]])
    # The op counts from the edge of the first pixel, raspine from its centre.
    translation = tf.stack([matrix[1, 2], matrix[0, 2]]) + 0.5 - 0.5 * scale
    # Other numbers, which a record may hold, make the op's own sizes overflow: that ends the process, not the call.
    scale = tf.clip_by_value(tf.where(tf.math.is_nan(scale), 1.0, scale), *_SCALES)
    translation = tf.clip_by_value(tf.where(tf.math.is_nan(translation), 0.0, translation), -_FARTHEST, _FARTHEST)
    framed = tf.raw_ops.ScaleAndTranslate(
        images=image[None],
        size=tf.constant([height, width]),
        scale=scale,
        translation=translation,
        kernel_type="triangle",
        antialias=True,
    )
    return tf.ensure_shape(framed[0], (height, width, 1))


def standardise(images: tf.Tensor) -> tf.Tensor:
    """Returns images of mean 0 and standard deviation 1 each.

    Args:
      images: float32 [..., height, width, 1], any range; a constant image gives zeros.
    """
    return standardised_by(images, *tf.nn.moments(images, (-3, -2, -1), keepdims=True))


def standardised_by(images: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """Returns images less a mean, over the root of a variance, both float32 that broadcast with the images."""
    return (images - mean) * tf.math.rsqrt(variance + 1e-6)


def apply(matrix: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Returns points [..., landmark, 2] mapped by the affine [..., 2, 3]; NaN stays NaN."""
    return tf.linalg.matmul(points, matrix[..., :2], transpose_b=True) + matrix[..., None, :, 2]


def inverse(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the affine [..., 2, 3] that undoes `matrix` [..., 2, 3]."""
    linear = tf.linalg.inv(matrix[..., :2])
    return tf.concat([linear, -tf.linalg.matmul(linear, matrix[..., 2:])], -1)


def then(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns the affine [..., 2, 3] that applies `first`, then `second`."""
    linear = tf.linalg.matmul(second[..., :2], first[..., :2])
    shift = tf.linalg.matmul(second[..., :2], first[..., 2:]) + second[..., 2:]
    return tf.concat([linear, shift], -1)
