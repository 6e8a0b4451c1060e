"""How much of the maps' energy lies at the known sign, in a trained network and in ones that learnt nothing."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import risk, study_records
from raspine.explanation import explained, gradcam, masks, sanity

Shares = dict[tuple[str, int], list[float]]


class Meter:
    """Collects the shares of one study after the other; keeps numbers alone.

    Args:
      model: how records become inputs.
      trained: explains the trained network.
      randomised: explain networks with freshly drawn weights.
      methods: of `gradcam.METHODS`.
      sign: 1 or -1.
      dilate_mm: how far around the mask counts as inside, within the slices.
    """

    def __init__(
        self,
        model: risk.RiskModel,
        trained: gradcam.Explainer,
        randomised: Sequence[gradcam.Explainer],
        methods: Sequence[str],
        sign: int,
        dilate_mm: float,
    ) -> None:
        self._model, self._explainers = model, (trained, *randomised)
        self._methods, self._sign, self._dilate_mm = tuple(methods), sign, dilate_mm
        self._shares: Shares = {(method, which): [] for method in methods for which in range(len(self._explainers))}
        self._uniform: list[float] = []

    def add(self, records: Sequence[study_records.StudyRecord], signs: Sequence[NDArray[np.bool_]]) -> None:
        """Measures a batch.

        Args:
          records: the studies.
          signs: bool [slice, row, column] of each, where its sign is in what the network sees.
        """
        inside = np.stack([self._dilated(record, mask) for record, mask in zip(records, signs, strict=True)])
        inputs = explained.network_inputs(self._model, records)
        for method, which in self._shares:
            found = explained.maps(self._explainers[which], inputs, method, self._sign)
            self._shares[method, which] += sanity.energy_inside(found, inside).tolist()
        shape = inside.shape if self._model.settings.per_slice else (len(inside), *inside.shape[2:])
        self._uniform += sanity.energy_inside(np.ones(shape), inside).tolist()

    def figures(self) -> dict[str, Any]:
        """Returns the means and ratios, ready for JSON; None where no study has a map with energy."""
        draws = range(1, len(self._explainers))
        figures: dict[str, Any] = {
            "n": len(self._uniform),
            "dilate_mm": self._dilate_mm,
            "uniform": _mean(self._uniform),
        }
        for method in self._methods:
            trained = self._shares[method, 0]
            drawn = [self._shares[method, which] for which in draws]
            pooled = [share for shares in drawn for share in shares]
            own, chance = _mean(trained), _mean(pooled)
            figures[method] = {
                "trained": own,
                "trained_n_empty": _empty(trained),
                "randomised": chance,
                "randomised_n_empty": _empty(pooled),
                "randomised_by_draw": [_mean(shares) for shares in drawn],
                "ratio": own / chance if own is not None and chance else None,
            }
        return figures

    def _dilated(self, record: study_records.StudyRecord, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return sanity.dilated(mask, round(self._dilate_mm / min(record.spacing_mm)))


def with_masks(
    model: risk.RiskModel, records: Iterable[study_records.StudyRecord], files: Mapping[str, Any]
) -> Iterable[tuple[study_records.StudyRecord, NDArray[np.bool_]]]:
    """Yields records whose mask has a voxel in what the network sees, with that mask on their slices.

    Args:
      model: what is seen.
      records: the studies.
      files: of `masks.find`, by study.

    Raises:
      MaskError: a mask cannot be read.
    """
    for record in records:
        view = explained.seen(model, record)
        depth, height, width = view.slices.shape
        mask = masks.on_slices(files[record.study], view.affine, (depth, height, width))
        if mask.any():
            yield record, mask


def _mean(shares: Sequence[float]) -> float | None:
    known = [share for share in shares if not math.isnan(share)]
    return float(np.mean(known)) if known else None


def _empty(shares: Sequence[float]) -> int:
    return sum(math.isnan(share) for share in shares)
