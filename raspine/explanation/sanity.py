"""Whether a map says something about what the network learnt.

A map that looks the same for a network with random weights shows edges in the image, not what was learnt (Adebayo et
al., Sanity Checks for Saliency Maps, NeurIPS 2018). Where the sign is known, as in synthetic studies, the share of the
map's energy inside it is compared between the two networks.
"""

import itertools
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics

from raspine.explanation import cascade
from raspine.models import float32


def randomised(model: keras.Model, seed: int, calibration: Any = None) -> keras.Model:
    """Returns a network of the same architecture with newly drawn weights.

    Scales that begin at 0, as `zero_init` asks for, begin at 1 here: otherwise all blocks would be switched off, and
    the comparison would be with a much simpler network.

    Args:
      model: functional, of layers that are registered with Keras; it stays as it is.
      seed: of the weights; the same seed gives the same weights.
      calibration: a batch of the model's inputs from which the moving means and variances are taken. Without it they
        are 0 and 1, and a network of a hundred layers then gives large values.
    """
    seeds = itertools.count(seed * 100_003)

    def change(config: dict[str, Any]) -> dict[str, Any]:
        return {name: _switched_on(name, _seeded(value, seeds)) for name, value in config.items()}

    fresh = keras.models.clone_model(model, clone_function=float32.from_config(change))
    if calibration is not None:
        cascade.calibrate(fresh, fresh.layers, calibration)
    return fresh


def energy_inside(maps: ArrayLike, mask: ArrayLike) -> NDArray[np.float64]:
    """Returns the share of each study's positive energy that lies inside its mask.

    Args:
      maps: float32 [batch, slice, height, width], or [batch, height, width] where one map stands for all slices.
      mask: bool of the same shape. For a map of all slices, [batch, slice, height, width] also: the union over the
        slices counts then.

    Returns:
      float64 [batch], 0..1; NaN for a map without positive energy.

    Raises:
      ValueError: if the shapes differ otherwise.
    """
    energy = np.maximum(np.asarray(maps, np.float64), 0)
    inside = _of_shape(mask, energy.shape)
    axes = tuple(range(1, energy.ndim))
    total = energy.sum(axes)
    within = (energy * inside).sum(axes)
    return np.divide(within, total, out=np.full(len(total), np.nan), where=total > 0)


def average_precision(maps: ArrayLike, mask: ArrayLike) -> NDArray[np.float64]:
    """Returns the area under the precision-recall curve of each study's map as a score of its mask's pixels.

    Of a map without any relation to the mask it is the mask's share of the pixels.

    Args:
      maps: as for `energy_inside`.
      mask: as for `energy_inside`.

    Returns:
      float64 [batch], 0..1; NaN for a map that is the same everywhere, and for a mask that is empty or full.

    Raises:
      ValueError: if the shapes differ otherwise.
    """
    scores = np.asarray(maps, np.float64)
    pairs = zip(scores, _of_shape(mask, scores.shape), strict=True)
    return np.array([_average_precision(one.ravel(), inside.ravel()) for one, inside in pairs], np.float64)


def _average_precision(scores: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    if np.ptp(scores) == 0 or inside.all() or not inside.any():
        return float("nan")
    return float(metrics.average_precision_score(inside, scores))


def _of_shape(mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Returns a mask of the maps' shape: for maps of all slices, the union over them."""
    inside = np.asarray(mask, bool)
    if len(shape) == 3 and inside.ndim == 4:
        inside = inside.max(1)
    if shape != inside.shape:
        raise ValueError(f"maps and mask must have the same shape. Received: {shape} and {inside.shape}.")
    return inside


def dilated(mask: ArrayLike, radius: int) -> NDArray[np.bool_]:
    """Widens masks by a disc.

    Args:
      mask: bool [..., height, width].
      radius: of the disc, pixels.
    """
    masks = np.asarray(mask, np.uint8)
    # OpenCV's own ellipse reaches beyond the radius between the axes.
    disc = (np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius).astype(np.uint8)
    planes = [cv2.dilate(plane, disc) for plane in masks.reshape(-1, *masks.shape[-2:])]
    return np.reshape(planes, masks.shape).astype(bool)


def _seeded(value: Any, seeds: "itertools.count[int]") -> Any:
    """Gives a serialised initialiser a seed of its own; other values stay."""
    inner = value.get("config") if isinstance(value, dict) else None
    if isinstance(inner, dict) and "seed" in inner:
        return value | {"config": inner | {"seed": next(seeds)}}
    return value


def _switched_on(name: str, value: Any) -> Any:
    """Turns the scale of a normalisation that begins at 0 into one that begins at 1; other values stay."""
    is_zero = isinstance(value, dict) and value.get("class_name") == "Zeros"
    return keras.initializers.serialize(keras.initializers.Ones()) if name == "gamma_initializer" and is_zero else value
