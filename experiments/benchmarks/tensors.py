"""The tensors that every contestant gets, from numpy and a fixed seed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LANDMARKS = 4
STRIDE = 4  # input pixels a heatmap cell
SIGMA = 2.0  # of the target, heatmap cells
LEARNING_RATE = 1e-4
_SEED = 20


def images(spec: Mapping[str, Any]) -> NDArray[np.float32]:
    """Returns float32 [batch, height, width, channel], standard normal."""
    shape = (spec["batch"], spec["size"], spec["size"], spec["channels"])
    return np.random.default_rng(_SEED).standard_normal(shape, np.float32)


def outcomes(spec: Mapping[str, Any]) -> NDArray[np.float32]:
    """Returns float32 [batch, 1]: 0, 1, 0, 1 and so on."""
    return (np.arange(spec["batch"]) % 2).astype(np.float32)[:, None]


def points(spec: Mapping[str, Any]) -> NDArray[np.float32]:
    """Returns float32 [batch, landmark, 2], network pixels (x, y), inside the film."""
    shape = (spec["batch"], LANDMARKS, 2)
    return np.random.default_rng(_SEED + 1).uniform(0, spec["size"] - 1, shape).astype(np.float32)
