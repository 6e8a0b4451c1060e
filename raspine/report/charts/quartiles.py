"""The middle half of a row of points."""

import math

import numpy as np
from numpy.typing import NDArray


def quartiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Returns median, lower and upper quartile; NaN without values.

    Args:
      values: float64 [point], finite.
    """
    if not values.size:
        return math.nan, math.nan, math.nan
    lower, middle, upper = map(float, np.quantile(values, (0.25, 0.5, 0.75)))
    return middle, lower, upper
