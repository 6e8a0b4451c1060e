"""Insertion and deletion over studies: a method's maps against a random order and an untrained network's maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from raspine.explanation import over_patients, perturbation, trust

Found = Sequence[perturbation.Curves | None]
_ORDER, _UNTRAINED = "a random order", "a randomised network's map"


def checks(own: Found, order: Found, untrained: Found, patients: Sequence[str]) -> tuple[trust.Check, trust.Check]:
    """Returns the checks `deletion` and `insertion`: differences of areas, study by study.

    Args:
      own: the curves of each study by its map; None where the map is empty.
      order: the same by a random order of the pixels.
      untrained: the same by the map of a randomised network; None where it is empty.
      patients: each study's patient.
    """
    ours, orders, theirs = (perturbation.areas(found) for found in (own, order, untrained))
    note = f"{sum(one is None for one in own)} of {len(own)} maps are empty and left out."
    made = []
    for place, name in enumerate(("deletion", "insertion")):
        comparisons = tuple(
            trust.Comparison(
                over_patients.mean(ours[place] - other[place], patients),
                "below" if name == "deletion" else "above",
                0.0,
                against,
            )
            for other, against in ((orders, _ORDER), (theirs, _UNTRAINED))
        )
        made.append(trust.Check(name, comparisons, note))
    return made[0], made[1]


def mean_curves(own: Found, order: Found, untrained: Found) -> dict[str, Any]:
    """Returns mean curves over the studies that have all three, ready for JSON.

    Args:
      own: see `checks`.
      order: see `checks`.
      untrained: see `checks`.

    Returns:
      `n`, `share` (of the pixels), and `deletion` and `insertion`, each with `map`, `random_order` and `randomised`;
      empty lists without such a study.
    """
    whole = [trio for trio in zip(own, order, untrained, strict=True) if None not in trio]
    made: dict[str, Any] = {"n": len(whole), "share": []}
    for name in ("deletion", "insertion"):
        table = np.array([[getattr(one, name) for one in trio] for trio in whole])
        means = table.mean(0).tolist() if len(whole) else [[], [], []]
        made[name] = dict(zip(("map", "random_order", "randomised"), means, strict=True))
        made["share"] = np.linspace(0, 1, table.shape[2]).tolist() if len(whole) else []
    return made
