"""Insertion and deletion: whether a model's answer depends on the pixels that a map names first.

Petsiuk et al., RISE, BMVC 2018. Deletion blurs the pixels of a study in the map's order: the sooner the probability
falls, the more the model depends on them. Insertion begins with the blurred study and brings its pixels back in the
same order: the sooner the probability rises, the better.
"""

import dataclasses
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS = 12
REPLACEMENTS = ("blur", "mean")
_BLUR = 0.1  # the blur's deviation over the image's shorter side
_VALUES = 4_000_000  # of the images that are made together
Images = NDArray[np.float32]
Score = Callable[[Images], ArrayLike]


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """A study's probabilities while its pixels go and come.

    Attributes:
      deletion: float64 [step], the share i / (steps - 1) of the pixels is replaced at step i.
      insertion: float64 [step], the same share of them is back.
    """

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]


def order(one: ArrayLike, seed: int = 0) -> NDArray[np.int64]:
    """Returns each pixel's place, 0 for the largest value of a map; pixels of one value are in random order.

    Args:
      one: float [...], a study's map.
      seed: of the order of ties; a map of zeros gives a random order.
    """
    values = np.asarray(one)
    ties = np.random.default_rng(seed).random(values.size)
    places = np.empty(values.size, np.int64)
    places[np.lexsort((ties, -values.ravel()))] = np.arange(values.size)
    return places.reshape(values.shape)


def replaced(image: Images, replacement: str = REPLACEMENTS[0]) -> Images:
    """Returns what stands for pixels that are gone, float32 [height, width, slice].

    Args:
      image: float32 [height, width, slice].
      replacement: `blur`, by a Gaussian of a tenth of the shorter side, slice by slice; or `mean`, that of each slice.

    Raises:
      ValueError: for another replacement.
    """
    if replacement not in REPLACEMENTS:
        raise ValueError(f"replacement must be one of {REPLACEMENTS}. Received: {replacement!r}.")
    if replacement == "mean":
        return np.broadcast_to(image.mean((0, 1)), image.shape).astype(np.float32)
    sigma = _BLUR * min(image.shape[:2])
    planes = [cv2.GaussianBlur(np.ascontiguousarray(plane), (0, 0), sigma) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, -1)


def curves(
    score: Score, image: Images, places: NDArray[np.int64], steps: int = STEPS, replacement: str = REPLACEMENTS[0]
) -> Curves:
    """Returns a study's curves at 0, 1 / steps, ... 1 of its pixels.

    Args:
      score: float32 [batch, height, width, slice] to float [batch], probabilities.
      image: float32 [height, width, slice], as the network takes it.
      places: int [height, width], or [slice, height, width] for a map of each slice, from `order`.
      steps: parts into which the pixels are divided.
      replacement: see `replaced`.

    Raises:
      ValueError: the places do not belong to the image.
    """
    ranks = np.moveaxis(places, 0, -1) if places.ndim == 3 else places[..., None]
    if ranks.shape[:2] != image.shape[:2] or ranks.shape[2] not in (1, image.shape[2]):
        raise ValueError(f"places must belong to the image. Received: {places.shape} and {image.shape}.")
    other = replaced(image, replacement)
    firsts = [ranks < round(places.size * step / steps) for step in range(steps + 1)]
    pairs = [(first, image, other) for first in firsts] + [(first, other, image) for first in firsts]
    together = max(1, _VALUES // image.size)
    parts = [
        score(np.stack([np.where(first, new, old) for first, old, new in pairs[start : start + together]]))
        for start in range(0, len(pairs), together)
    ]
    values = np.concatenate([np.asarray(part, np.float64) for part in parts])
    return Curves(values[: steps + 1], values[steps + 1 :])


def area(curve: ArrayLike) -> float:
    """Returns the area under a curve over shares 0..1, by trapezoids."""
    values = np.asarray(curve, np.float64)
    return float(np.trapezoid(values, np.linspace(0, 1, len(values))))


def areas(found: Sequence[Curves | None]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the areas under deletion and insertion, float64 [study] each; NaN where a study has no curves."""
    rows = [(np.nan, np.nan) if one is None else (area(one.deletion), area(one.insertion)) for one in found]
    table = np.array(rows, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
