"""A whole set of phantom patients on disk: studies, masks, outcomes and truth."""

import numpy as np
from numpy.typing import NDArray

from data_prep.phantom.mri import visit as visits
from data_prep.phantom.mri.canvas import Affine, Image
from data_prep.phantom.mri.patient import sample_patient


def baseline_volume(
    seed: int, patient: int, matrix: int = 0, prevalence: float = 0.35, doubtful: float = 0.05
) -> tuple[Image, Affine, int, float, NDArray[np.uint8]]:
    """The baseline T2 stack of a patient without DICOM, with the values that its files would hold.

    Args:
        seed: of the set.
        patient: number from 1.
        matrix: rows and columns; 0 is the scanner's own.
        prevalence, doubtful: as for a set on disk.

    Returns:
        float32 [slice, row, column] in canonical sagittal order; float64 [4, 4] affine of (column, row, slice, 1)
        to LPS mm; the outcome 0 or 1; the Bayes score; uint8 mask of the signs (1 retro-odontoid, 2 subaxial).
    """
    drawn = sample_patient(seed, patient, prevalence, doubtful)
    stack = visits.acquire(seed, patient, drawn, visits.BASELINE, "t2", matrix)[0]
    return stack.values, stack.affine, drawn.outcome, drawn.bayes_score, stack.mask
