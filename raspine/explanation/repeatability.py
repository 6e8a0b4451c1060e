"""Whether a map is the same once more: by networks of other training seeds, or after a change that means nothing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raspine.explanation import over_patients, trust

NOISE = 0.1  # deviation, over that of the study's values
Images = NDArray[np.float32]
Floats = NDArray[np.float64]


def noisy(images: Images, seed: int) -> Images:
    """Returns studies with a little Gaussian noise, as another measurement of the same patient would have.

    Args:
      images: float32 [study, height, width, slice].
      seed: of the noise.
    """
    spread = images.std((1, 2, 3), keepdims=True)
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    return np.asarray(images + NOISE * spread * noise, np.float32)


def check(correlations: Floats, between: Floats, patients: Sequence[str], how: str) -> trust.Check:
    """Returns the check `repeatability`.

    Args:
      correlations: float64 [study, repeat], rank correlations of the map and its repeats; NaN where one is empty.
      between: float64 [study], rank correlations of different studies' maps, for comparison.
      patients: each study's patient.
      how: what was repeated, in words.
    """
    found = over_patients.mean(correlations, patients, bounds=(-1, 1))
    floor = between[~np.isnan(between)]
    note = f"Repeated {how}."
    note += f" Maps of different studies correlate by {floor.mean():.2f}." if len(floor) else ""
    beyond = over_patients.mean(correlations - between[:, None], patients)
    comparisons = (
        trust.Comparison(found, "above", trust.ALIKE, f"the limit {trust.ALIKE:g}"),
        trust.Comparison(beyond, "above", 0.0, "that of different studies' maps"),
    )
    return trust.Check("repeatability", comparisons, note)
