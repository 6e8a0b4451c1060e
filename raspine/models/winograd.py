"""3 x 3 convolutions by Winograd's minimal filtering F(4 x 4, 3 x 3): a quarter of the multiplications.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016. Overlapping tiles of 6 x 6 pixels are
transformed, multiplied by the transformed kernel (36 matrix products over the channels), and transformed back to 4 x 4
pixels each. In float32 it is exact to some 1e-5 of the largest value; lower precisions would lose digits.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_LEAST_CHANNELS, _LEAST_PRODUCTS = 64, 2**27
TILE, _REACH = 4, 6  # pixels that a tile gives, and that it reads, along each axis
_TO_TILE = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
_TO_KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], np.float64) / 24
_TO_PIXELS = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float64)


def kernel(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns float32 [36, in, out], the transform of a kernel [3, 3, in, out]."""
    transformed = np.kron(_TO_KERNEL, _TO_KERNEL) @ values.reshape(9, -1)
    return transformed.reshape(_REACH**2, *values.shape[2:]).astype(np.float32)


def pays(shape: Sequence[int | None], channels: int, filters: int) -> bool:
    """Returns whether a training step's convolution, with both gradients, is faster this way on a CPU.

    By measurement with two threads: the products must be many, the channels enough for the transforms, and the tiles
    enough for the 36 transformed kernels.

    Args:
      shape: (batch, height, width, ...) of the maps.
      channels: of the maps.
      filters: of the result.
    """
    batch, height, width = shape[:3]
    if not (batch and height and width) or min(channels, filters) < _LEAST_CHANNELS:
        return False
    tiles = batch * -(-height // TILE) * -(-width // TILE)
    products = batch * height * width * 9 * channels * filters
    return products >= _LEAST_PRODUCTS and tiles * 8 >= max(channels, filters)


@tf.autograph.experimental.do_not_convert
@tf.custom_gradient
def convolution(
    maps: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Convolves maps, zeros beyond their borders, at stride 1; both gradients are minimal filterings too.

    Args:
      maps: float32 [batch, height, width, in]; all sizes known to the graph.
      kernel: float32 [3, 3, in, out].

    Returns:
      float32 [batch, height, width, out].
    """

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Otherwise the graph would transform the tiles once and keep them until here.
        again, own = _after(upstream, maps), _after(upstream, kernel)
        turned = tf.transpose(own[::-1, ::-1], [0, 1, 3, 2])
        return convolve(upstream, _transformed(turned)), _kernel_gradient(again, upstream)

    # Otherwise all kernels of a network would be transformed when a step begins, and wait in memory for their turn.
    return convolve(maps, _transformed(_after(maps, kernel))), gradients


def _after(other: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns `values`, but not before `other` is there."""
    with tf.control_dependencies([other]):
        return tf.identity(values)


def _transformed(values: tf.Tensor) -> tf.Tensor:
    """Returns float32 [36, in, out]; `kernel` as graph ops."""
    flat = tf.matmul(_squared(_TO_KERNEL), tf.reshape(values, [9, -1]))
    return tf.reshape(flat, [_REACH**2, *values.shape[2:]])


def _kernel_gradient(maps: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """Returns float32 [3, 3, in, out]: the transposes of the three transforms, in turn."""
    channels, filters = maps.shape[-1], upstream.shape[-1]
    products = tf.matmul(_squared(_TO_PIXELS), _dealt(upstream), transpose_a=True)
    inner = tf.matmul(_tiles(maps), tf.reshape(products, [_REACH**2, -1, filters]), transpose_a=True)
    flat = tf.matmul(_squared(_TO_KERNEL), tf.reshape(inner, [_REACH**2, -1]), transpose_a=True)
    return tf.reshape(flat, [3, 3, channels, filters])


def _dealt(maps: tf.Tensor) -> tf.Tensor:
    """Returns [16, batch * tile * channel]: the pixels by their place in their tile, zeros beyond the map."""
    height, width, channels = maps.shape[1:]
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = tf.pad(maps, [[0, 0], [0, rows * TILE - height], [0, columns * TILE - width], [0, 0]])
    parted = tf.reshape(padded, [-1, rows, TILE, columns, TILE, channels])
    return tf.reshape(tf.transpose(parted, [2, 4, 0, 1, 3, 5]), [TILE**2, -1])


def convolve(maps: tf.Tensor, transformed: tf.Tensor) -> tf.Tensor:
    """Convolves maps, zeros beyond their borders, at stride 1.

    Args:
      maps: float32 [batch, height, width, in]; height and width known to the graph.
      transformed: float32 [36, in, out], from `kernel`.

    Returns:
      float32 [batch, height, width, out].
    """
    height, width = maps.shape[1:3]
    filters = transformed.shape[-1]
    batch = tf.shape(maps)[0]
    rows, columns = -(-height // TILE), -(-width // TILE)
    products = tf.matmul(_tiles(maps), transformed)
    pixels = tf.matmul(_squared(_TO_PIXELS), tf.reshape(products, [_REACH**2, -1]))
    places, tile = _pixel_places(height, width, columns)
    wanted = tf.constant(places) * (batch * rows * columns) + (tf.range(batch) * rows * columns)[:, None] + tile
    found = tf.gather(tf.reshape(pixels, [-1, filters]), tf.reshape(wanted, [-1]))
    return tf.ensure_shape(tf.reshape(found, [batch, height, width, filters]), [None, height, width, filters])


def _tiles(maps: tf.Tensor) -> tf.Tensor:
    """Returns [36, batch * tile, channel]: the transforms of the overlapping tiles."""
    height, width, channels = maps.shape[1:]
    batch = tf.shape(maps)[0]
    rows, columns = -(-height // TILE), -(-width // TILE)
    size = (rows * TILE + 2, columns * TILE + 2)
    padded = tf.pad(maps, [[0, 0], [1, size[0] - height - 1], [1, size[1] - width - 1], [0, 0]])
    read = tf.constant(_tile_pixels(rows, columns, size[1]))[:, None] + (tf.range(batch) * size[0] * size[1])[:, None]
    tiles = tf.reshape(tf.gather(tf.reshape(padded, [-1, channels]), tf.reshape(read, [-1])), [_REACH**2, -1])
    return tf.reshape(tf.matmul(_squared(_TO_TILE), tiles), [_REACH**2, -1, channels])


def _squared(matrix: NDArray[np.float64]) -> tf.Tensor:
    """Returns float32 [m * m, n * n]: a matrix [m, n] along rows and along columns."""
    return tf.constant(np.kron(matrix, matrix), tf.float32)


def _tile_pixels(rows: int, columns: int, width: int) -> NDArray[np.int32]:
    """Returns [36, tile]: the pixel of a padded map of some width at each place of each tile."""
    down = np.arange(_REACH)[:, None] + TILE * np.arange(rows)
    right = np.arange(_REACH)[:, None] + TILE * np.arange(columns)
    pixels = down[:, None, :, None] * width + right[None, :, None, :]
    return pixels.reshape(_REACH**2, rows * columns).astype(np.int32)


def _pixel_places(height: int, width: int, columns: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Returns [pixel] twice: which of a tile's 16 places a pixel is, and which tile holds it."""
    row, column = (axis.ravel() for axis in np.indices((height, width), np.int32))
    places = (row % TILE) * TILE + column % TILE
    return places.astype(np.int32), (row // TILE * columns + column // TILE).astype(np.int32)
