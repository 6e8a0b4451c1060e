"""Whether maps point at a known sign: more than chance would, and more than networks that learnt nothing."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from raspine.explanation import over_patients, trust

Floats = NDArray[np.float64]
_UNTRAINED = "randomised networks"


@dataclasses.dataclass(frozen=True, eq=False)
class Located:
    """A method's figures at the masks; NaN for a study whose map is empty.

    Attributes:
      patients: each study's.
      energy: float64 [study], share of the map's energy inside the mask.
      energy_randomised: float64 [study, network], the same of randomised networks.
      precision: float64 [study], area under the precision-recall curve (average precision).
      precision_randomised: float64 [study, network].
      prevalence: float64 [study], the mask's share of the pixels: what either would be by chance.
    """

    patients: tuple[str, ...]
    energy: Floats
    energy_randomised: Floats
    precision: Floats
    precision_randomised: Floats
    prevalence: Floats


def checks(found: Located) -> tuple[trust.Check, trust.Check]:
    """Returns the checks `energy` and `auprc`: ratios of means over studies to randomised networks and to chance."""
    note = _note(found)
    return (
        trust.Check("energy", _ratios(found, found.energy, found.energy_randomised), note),
        trust.Check("auprc", _ratios(found, found.precision, found.precision_randomised), note),
    )


def _ratios(found: Located, own: Floats, randomised: Floats) -> tuple[trust.Comparison, ...]:
    # By chance: of the studies that have a value themselves.
    chance = np.where(np.isnan(own), np.nan, found.prevalence)
    return tuple(
        trust.Comparison(over_patients.ratio(own, other, found.patients), "above", 1.0, against)
        for other, against in ((randomised, _UNTRAINED), (chance, "chance"))
    )


def _note(found: Located) -> str:
    empty = int(np.isnan(found.energy).sum())
    untrained = int(np.isnan(found.energy_randomised).sum())
    return (
        f"{len(found.energy)} studies with a mask, {empty} with an empty map and left out; "
        f"of randomised networks {untrained} of {found.energy_randomised.size} maps are empty."
    )
