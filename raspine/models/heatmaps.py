"""The codec between points and heatmaps, in batched TensorFlow ops that go into the SavedModel.

Network pixels have their origin at the centre of the top-left pixel. Under the `unbiased` codec, heatmap cell j at
stride s covers network pixels s*j .. s*j + s - 1, so its centre lies at s*j + (s - 1) / 2; encode and decode are
inverses without noise. The `paper` codec is HRNet's published one (rounded centre, cut at three sigma, quarter-cell
offset) with its own convention, in which cell j lies at network pixel s*j.
"""

import math

import tensorflow as tf

CODECS = ("unbiased", "paper")
# Half the side of the window, in cells, in which `decode` fits a Gaussian: seven cells hold 1.5 sigma of the default.
_RADIUS = 3


def encode(
    points: tf.Tensor, height: int, width: int, stride: int = 4, sigma: float = 2.0, codec: str = "unbiased"
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a Gaussian of peak 1 for each landmark, and which landmarks count.

    Args:
      points: float32 [batch, landmark, 2], network pixels (x, y); NaN for a landmark without label.
      height: of the network's input, network pixels.
      width: of the network's input, network pixels.
      stride: network pixels a heatmap cell.
      sigma: of the Gaussian, heatmap cells.
      codec: `unbiased` puts the centre where the point is; `paper` rounds it to a cell.

    Returns:
      heatmaps float32 [batch, height / stride, width / stride, landmark], and weights float32 [batch, landmark]: 0
      for a landmark that is NaN or outside the input (its heatmap is 0), else 1.

    Raises:
      ValueError: an unknown codec, or a size that the stride does not divide.
    """
    _check(codec)
    if height % stride or width % stride:
        raise ValueError(f"The stride must divide height and width. Received: {height} x {width}, stride {stride}.")
    points = tf.cast(points, tf.float32)
    inside = _inside(points, height, width)
    safe = tf.where(inside[..., None], points, 0.0)
    centres = _to_cells(safe, stride, codec)
    if codec == "paper":
        centres = tf.floor(centres + 0.5)
    x_profile = _profile(centres[..., 0], width // stride, sigma, codec)
    y_profile = _profile(centres[..., 1], height // stride, sigma, codec)
    weights = tf.cast(inside, tf.float32)
    return tf.einsum("blh,blw,bl->bhwl", y_profile, x_profile, weights), weights


def decode(heatmaps: tf.Tensor, stride: int = 4, codec: str = "unbiased") -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the point of each heatmap's peak and how high the peak is.

    `unbiased` fits an isotropic Gaussian to the cells around the highest one: least squares on the logarithm, weighted
    by the squared value, which is exact on an encoded point, at the border too, and averages noise (after DARK, Zhang
    et al., CVPR 2020, whose Newton step uses five cells; weighting after Guo, IEEE Signal Process. Mag. 2011).

    Args:
      heatmaps: float [batch, height, width, landmark], non-negative around a peak.
      stride: network pixels a heatmap cell.
      codec: the one the heatmaps were encoded with.

    Returns:
      points float32 [batch, landmark, 2], network pixels (x, y), and confidence float32 [batch, landmark], the highest
      value cut to 0..1. A map that holds a value that is not finite, or none above 0, gives NaN and 0.

    Raises:
      ValueError: an unknown codec.
    """
    _check(codec)
    maps = tf.transpose(tf.cast(heatmaps, tf.float32), (0, 3, 1, 2))
    shape = tf.shape(maps)
    height, width = shape[2], shape[3]
    flat = tf.reshape(maps, (shape[0], shape[1], height * width))
    usable = tf.reduce_all(tf.math.is_finite(flat), -1) & (tf.reduce_max(flat, -1) > 0)
    flat = tf.where(usable[..., None], flat, 0.0)
    peak = tf.argmax(flat, -1, output_type=tf.int32)
    row, column = peak // width, peak % width
    offset = _quarter(flat, row, column, height, width) if codec == "paper" else _fit(flat, row, column, height, width)
    cells = tf.stack([tf.cast(column, tf.float32), tf.cast(row, tf.float32)], -1) + offset
    points = _from_cells(cells, stride, codec)
    confidence = tf.clip_by_value(tf.reduce_max(flat, -1), 0.0, 1.0)
    return tf.where(usable[..., None], points, math.nan), confidence


def spatial_softmax(logits: tf.Tensor, sigma: float) -> tf.Tensor:
    """Returns heatmaps from a network trained with cross-entropy: each landmark's probability over the cells.

    Args:
      logits: float [batch, height, width, landmark].
      sigma: of the training targets, heatmap cells.

    Returns:
      float32, the same shape; scaled by 2 pi sigma^2, so that a map equal to its Gaussian target peaks at 1.
    """
    logits = tf.cast(logits, tf.float32)
    exponent = tf.exp(logits - tf.reduce_max(logits, (1, 2), keepdims=True))
    return exponent * (2 * math.pi * sigma**2) / tf.reduce_sum(exponent, (1, 2), keepdims=True)


def _check(codec: str) -> None:
    if codec not in CODECS:
        raise ValueError(f"A codec is one of {', '.join(CODECS)}. Received: '{codec}'.")


def _inside(points: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Returns bool [batch, landmark]: whether a point lies on the input; comparisons with NaN are false."""
    limits = tf.constant([width - 0.5, height - 0.5], tf.float32)
    return tf.reduce_all((points >= -0.5) & (points <= limits), -1)


def _to_cells(points: tf.Tensor, stride: int, codec: str) -> tf.Tensor:
    shift = 0.0 if codec == "paper" else (stride - 1) / 2
    return (points - shift) / stride


def _from_cells(cells: tf.Tensor, stride: int, codec: str) -> tf.Tensor:
    shift = 0.0 if codec == "paper" else (stride - 1) / 2
    return cells * stride + shift


def _profile(centre: tf.Tensor, length: int, sigma: float, codec: str) -> tf.Tensor:
    """Returns float32 [batch, landmark, length]: the Gaussian along one axis; a product of two makes the map."""
    offset = tf.range(length, dtype=tf.float32) - centre[..., None]
    value = tf.exp(-(offset**2) / (2 * sigma**2))
    return tf.where(tf.abs(offset) <= 3 * sigma, value, 0.0) if codec == "paper" else value


def _gather(flat: tf.Tensor, row: tf.Tensor, column: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Returns flat's values at cells [batch, landmark, n]; cells off the map give 0."""
    on_map = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    cell = tf.where(on_map, row * width + column, 0)
    return tf.where(on_map, tf.gather(flat, cell, batch_dims=2), 0.0)


def _fit(flat: tf.Tensor, row: tf.Tensor, column: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Returns float32 [batch, landmark, 2]: the fitted centre relative to the highest cell, (x, y) in cells.

    Solves log h = a + b x + c y + d (x^2 + y^2) for the centre -(b, c) / 2d by weighted normal equations.
    """
    span = tf.range(-_RADIUS, _RADIUS + 1)
    dy, dx = (tf.reshape(axis, (1, 1, -1)) for axis in tf.meshgrid(span, span, indexing="ij"))
    values = _gather(flat, row[..., None] + dy, column[..., None] + dx, height, width)
    ratio = values / tf.maximum(tf.reduce_max(values, -1, keepdims=True), 1e-30)
    weight = tf.where(ratio > 1e-3, ratio**2, 0.0)
    x, y = tf.cast(dx, tf.float32), tf.cast(dy, tf.float32)
    basis = tf.squeeze(tf.stack([tf.ones_like(x), x, y, x**2 + y**2], -1), (0, 1))
    normal = tf.einsum("bln,ni,nj->blij", weight, basis, basis)
    right = tf.einsum("bln,ni->bli", weight * tf.math.log(tf.maximum(ratio, 1e-3)), basis)
    # A single cell above 0 leaves the equations singular; the ridge keeps them solvable and moves nothing else.
    solution = tf.linalg.solve(normal + 1e-6 * tf.eye(4), right[..., None])[..., 0]
    curvature = solution[..., 3:]
    offset = -solution[..., 1:3] / (2 * tf.where(curvature < -1e-4, curvature, -1.0))
    bounded = tf.clip_by_value(offset, -1.0, 1.0)
    return tf.where((curvature < -1e-4) & tf.reduce_all(tf.math.is_finite(offset), -1, keepdims=True), bounded, 0.0)


def _quarter(flat: tf.Tensor, row: tf.Tensor, column: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Returns the published offset: a quarter cell towards the higher neighbour, none at the border."""
    rows = row[..., None] + tf.constant([0, 0, 1, -1])
    columns = column[..., None] + tf.constant([1, -1, 0, 0])
    values = _gather(flat, rows, columns, height, width)
    sign = tf.sign(tf.stack([values[..., 0] - values[..., 1], values[..., 2] - values[..., 3]], -1))
    interior = (column > 1) & (column < width - 1) & (row > 1) & (row < height - 1)
    return tf.where(interior[..., None], 0.25 * sign, 0.0)
