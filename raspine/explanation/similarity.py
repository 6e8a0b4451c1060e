"""How much two maps of a study are alike."""

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray


def rank_correlations(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Returns Spearman's rank correlation of each study's two maps, float64 [study]; NaN where a map is constant.

    Adebayo et al., NeurIPS 2018, compare maps by it.

    Args:
      one: float [study, ...].
      other: float of the same shape.

    Raises:
      ValueError: the shapes differ.
    """
    maps = [np.asarray(map_, np.float64) for map_ in (one, other)]
    if maps[0].shape != maps[1].shape:
        raise ValueError(f"maps must have the same shape. Received: {maps[0].shape} and {maps[1].shape}.")
    first, second = (_centred_ranks(map_) for map_ in maps)
    sizes = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    shared = (first * second).sum(1)
    return np.divide(shared, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)


def between_studies(maps: ArrayLike) -> NDArray[np.float64]:
    """Returns the rank correlation of each study's map and the next study's, float64 [study].

    What maps of one network have in common whatever they explain: a floor for what similarity means (Arun et al.,
    Radiology: Artificial Intelligence 2021).

    Args:
      maps: float [study, ...], two or more.
    """
    values = np.asarray(maps)
    return rank_correlations(values, np.roll(values, 1, 0)) if len(values) > 1 else np.full(len(values), np.nan)


def _centred_ranks(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = scipy.stats.rankdata(maps.reshape(len(maps), -1), axis=1)
    return ranks - ranks.mean(1, keepdims=True)
