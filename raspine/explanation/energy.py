"""How much of the maps' energy lies at the known sign, in a trained network and in ones that learnt nothing.

Where asked for, the area under the precision-recall curve of the maps against the sign too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import risk, study_records
from raspine.explanation import explained, gradcam, localisation, masks, sanity

ANY = 0  # stands for all labels of a mask together
Shares = dict[tuple[str, int], list[float]]
Labels = NDArray[np.uint8]


class Meter:
    """Collects the shares of one study after the other; keeps numbers alone.

    Args:
      model: how records become inputs.
      trained: explains the trained network.
      randomised: explain networks with freshly drawn weights.
      methods: of `methods.METHODS`.
      sign: 1 or -1.
      dilate_mm: how far around the mask counts as inside, within the slices.
      precision: whether `located` is asked for.
    """

    def __init__(
        self,
        model: risk.RiskModel,
        trained: gradcam.Explainer,
        randomised: Sequence[gradcam.Explainer],
        methods: Sequence[str],
        sign: int,
        dilate_mm: float,
        precision: bool = False,
    ) -> None:
        self._precision = precision
        self._patients: list[str] = []
        self._areas: Shares = {(method, which): [] for method in methods for which in range(1 + len(randomised))}
        self._model, self._explainers = model, (trained, *randomised)
        self._methods, self._sign, self._dilate_mm = tuple(methods), sign, dilate_mm
        self._shares: dict[int, Shares] = {}
        self._uniform: dict[int, list[float]] = {}

    def add(self, records: Sequence[study_records.StudyRecord], signs: Sequence[Labels]) -> None:
        """Measures a batch.

        Args:
          records: the studies.
          signs: uint8 [slice, row, column] of each, the labels of its signs in what the network sees; 0 elsewhere.
        """
        inputs = explained.network_inputs(self._model, records)
        found = {
            (method, which): explained.maps(explainer, inputs, method, self._sign)
            for method in self._methods
            for which, explainer in enumerate(self._explainers)
        }
        for label in sorted({int(label) for mask in signs for label in np.unique(mask)} | {ANY}):
            chosen = [number for number, mask in enumerate(signs) if (mask == label if label else mask).any()]
            if chosen:
                self._add(label, chosen, records, signs, found)

    def _add(
        self,
        label: int,
        chosen: Sequence[int],
        records: Sequence[study_records.StudyRecord],
        signs: Sequence[Labels],
        found: Mapping[tuple[str, int], NDArray[np.float32]],
    ) -> None:
        masks_ = [signs[number] == label if label else signs[number] > 0 for number in chosen]
        inside = np.stack([self._dilated(records[number], mask) for number, mask in zip(chosen, masks_, strict=True)])
        shares = self._shares.setdefault(label, {key: [] for key in found})
        for key, maps in found.items():
            shares[key] += sanity.energy_inside(maps[chosen], inside).tolist()
        if label == ANY and self._precision:
            self._patients += [records[number].patient for number in chosen]
            for key, maps in found.items():
                self._areas[key] += sanity.average_precision(maps[chosen], inside).tolist()
        shape = inside.shape if self._model.settings.per_slice else (len(inside), *inside.shape[2:])
        self._uniform.setdefault(label, []).extend(sanity.energy_inside(np.ones(shape), inside).tolist())

    def figures(self) -> dict[str, Any]:
        """Returns the means and ratios, ready for JSON; None where no study has a map with energy.

        With several labels in the masks, `by_label` has the same for each, over the studies that have it.
        """
        labels = sorted(self._shares.keys() - {ANY})
        figures = {"dilate_mm": self._dilate_mm, **self._of(ANY)}
        return figures if len(labels) < 2 else {**figures, "by_label": {str(one): self._of(one) for one in labels}}

    def located(self, method: str) -> localisation.Located:
        """Returns a method's figures of each study whose mask has a voxel, all labels together."""
        draws, shares = range(1, len(self._explainers)), self._shares.get(ANY, {})
        return localisation.Located(
            tuple(self._patients),
            np.array(shares.get((method, 0), [])),
            np.array([shares.get((method, which), []) for which in draws]).T,
            np.array(self._areas[method, 0]),
            np.array([self._areas[method, which] for which in draws]).T,
            np.array(self._uniform.get(ANY, [])),
        )

    def _of(self, label: int) -> dict[str, Any]:
        draws = range(1, len(self._explainers))
        shares, uniform = self._shares.get(label, {}), self._uniform.get(label, [])
        figures: dict[str, Any] = {"n": len(uniform), "uniform": _mean(uniform)}
        for method in self._methods:
            trained = shares.get((method, 0), [])
            drawn = [shares.get((method, which), []) for which in draws]
            pooled = [share for part in drawn for share in part]
            own, chance = _mean(trained), _mean(pooled)
            figures[method] = {
                "trained": own,
                "trained_n_empty": _empty(trained),
                "randomised": chance,
                "randomised_n_empty": _empty(pooled),
                "randomised_by_draw": [_mean(part) for part in drawn],
                "ratio": own / chance if own is not None and chance else None,
            }
        return figures

    def _dilated(self, record: study_records.StudyRecord, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return sanity.dilated(mask, round(self._dilate_mm / min(record.spacing_mm)))


def with_masks(
    model: risk.RiskModel, records: Iterable[study_records.StudyRecord], files: Mapping[str, Any]
) -> Iterable[tuple[study_records.StudyRecord, Labels]]:
    """Yields records whose mask has a voxel in what the network sees, with its labels on their slices.

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
