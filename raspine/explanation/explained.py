"""A study record as a network sees it, with the network's map over it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import risk, study_records
from raspine.explanation import gradcam, methods
from raspine.inputs import studies

Maps = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """The part of a study's slices that the network takes.

    Attributes:
      slices: uint16 [slice, row, column], cut from the middle of the stored slices.
      affine: float64 [4, 4], (column, row, slice, 1) of the cut slices to LPS mm.
    """

    slices: NDArray[np.uint16]
    affine: NDArray[np.float64]


def seen(model: risk.RiskModel, record: study_records.StudyRecord) -> Seen:
    """Returns what a model takes of a record's slices, as `inputs.studies.cut` cuts them."""
    height, width = model.settings.height, model.settings.width
    down, right = ((whole - part) // 2 for whole, part in zip(record.slices.shape[1:], (height, width), strict=True))
    shift = np.eye(4)
    shift[:2, 3] = right, down
    return Seen(record.slices[:, down : down + height, right : right + width], record.affine @ shift)


def network_inputs(model: risk.RiskModel, records: Sequence[study_records.StudyRecord]) -> Any:
    """Returns what a model's network takes of records: standardised slices, with clinical values if it has them."""
    images = model.framed(np.stack([record.slices for record in records]))
    values = tf.constant(np.stack([record.clinical for record in records]), tf.float32)
    return model.inputs(images, values)


def maps(
    explainer: gradcam.Explainer, inputs: Any, method: str = methods.METHODS[0], sign: int = 1, seed: int = 0
) -> Maps:
    """Returns the maps of a batch, see `gradcam.Explainer`.

    Args:
      explainer: of the network.
      inputs: from `network_inputs`.
      method: of `methods.METHODS`.
      sign: 1 for what speaks for the finding, -1 for what speaks against it.
      seed: of the noise that SmoothGrad adds.
    """
    images, clinical = parts(inputs)
    return explainer(images, clinical, method, sign, seed)


def parts(inputs: Any) -> tuple[Any, Any]:
    """Returns the images and the clinical values of a network's inputs; None for those that it does not take."""
    return (inputs[studies.IMAGE], inputs[studies.CLINICAL]) if isinstance(inputs, dict) else (inputs, None)


def peak(one: Maps, affine: NDArray[np.float64], count: int) -> dict[str, Any] | None:
    """Returns where a study's map is largest, None when it is empty.

    Args:
      one: float32 [slice, height, width], or [height, width] for a map of all slices.
      affine: float64 [4, 4], (column, row, slice, 1) to LPS mm.
      count: of the slices.

    Returns:
      `slice` (from 0; None for a map of all slices), `row`, `column`, and `lps_mm`, the place in the patient; for a
      map of all slices it lies in the middle of them.
    """
    if one.max() <= 0:
        return None
    *number, row, column = (int(index) for index in np.unravel_index(int(np.argmax(one)), one.shape))
    depth = number[0] if number else (count - 1) / 2
    place = affine @ (column, row, depth, 1)
    return {
        "slice": number[0] if number else None,
        "row": row,
        "column": column,
        "lps_mm": [round(float(value), 2) for value in place[:3]],
    }


def likeness(one: Maps, other: Maps) -> float | None:
    """Returns the correlation of two maps of a study, -1..1; None when one of them is the same everywhere."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
