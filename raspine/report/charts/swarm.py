"""Places points of one row beside each other, so that each is seen."""

import numpy as np
from numpy.typing import NDArray


def swarm(values: NDArray[np.float64], reach: float, low: float, high: float, columns: int = 60) -> NDArray[np.float64]:
    """Returns how far each point moves off its row: 0, up, down, further up, by its column along the axis.

    Args:
      values: float64 [point], along the axis.
      reach: the furthest; crowded rows are pressed together to keep to it.
      low: start of the axis.
      high: end of the axis.
      columns: along the axis; points of one column do not stand on each other.
    """
    if not values.size:
        return np.zeros(0)
    column = np.round((values - low) / max(high - low, 1e-12) * columns).astype(int)
    order = np.lexsort((values, column))
    first = np.concatenate(([True], np.diff(column[order]) != 0))
    starts = np.maximum.accumulate(np.where(first, np.arange(order.size), 0))
    rank = np.empty(order.size, int)
    rank[order] = np.arange(order.size) - starts
    offset = np.where(rank % 2 == 1, 1, -1) * ((rank + 1) // 2)
    return np.asarray(offset * min(0.25 * reach, reach / max(1, int(np.abs(offset).max()))))
