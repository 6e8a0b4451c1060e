"""Whether maps change when the network's weights are replaced (Adebayo et al., NeurIPS 2018)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine.explanation import over_patients, trust

Floats = NDArray[np.float64]


def check(correlations: Floats, patients: Sequence[str]) -> trust.Check:
    """Returns the check `randomisation`: the mean correlation with networks all of whose weights are freshly drawn.

    Args:
      correlations: float64 [study, network], rank correlations with the trained network's maps; NaN where one is empty.
      patients: each study's patient.
    """
    found = over_patients.mean(correlations, patients, bounds=(-1, 1))
    empty = int(np.isnan(correlations).sum())
    means = ", ".join("none" if value is None else f"{value:.2f}" for value in by_network(correlations))
    note = f"{correlations.shape[1]} randomised networks (each: {means})"
    note += f"; {empty} of {correlations.size} pairs have an empty map." if empty else "."
    limit = f"the limit {trust.ALIKE:g}"
    return trust.Check("randomisation", (trust.Comparison(found, "below", trust.ALIKE, limit),), note)


def by_network(correlations: Floats) -> list[float | None]:
    """Returns each network's mean correlation; None where no pair of maps has one."""
    columns = (column[~np.isnan(column)] for column in correlations.T)
    return [float(column.mean()) if len(column) else None for column in columns]


def course(by_stage: Mapping[str, Floats], patients: Sequence[str]) -> list[dict[str, Any]]:
    """Returns, for each stage down to which weights were replaced, `stage` and the mean correlation, ready for JSON.

    Args:
      by_stage: float64 [study] or [study, network] by stage, from the logit downwards.
      patients: each study's patient.
    """
    return [
        {"stage": stage, **over_patients.mean(values, patients, bounds=(-1, 1)).to_dict()}
        for stage, values in by_stage.items()
    ]
