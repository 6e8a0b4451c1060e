"""One visit of a patient to a scanner: its plan, and each series' voxels as they are stored."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.phantom.mri import scanner
from data_prep.phantom.mri.canvas import Affine, Image
from data_prep.phantom.mri.patient import Patient
from data_prep.phantom.mri.render import render

BASELINE, FOLLOWUP = "baseline", "followup"
_NUMBERS = {BASELINE: 1, FOLLOWUP: 2}
_SERIES = {"localizer": 1, "t2": 2, "t1": 3, "axial": 4, "stir": 5}


@dataclass(frozen=True, eq=False)
class StoredStack:
    """A stack as stored.

    Attributes:
        stored: uint16 [slice, row, column].
        affine: float64 [4, 4], (column, row, slice, 1) to LPS mm.
        mask: uint8 of the same shape, labels of the signs.
        values: float32 of the same shape, stored values after the scanner's rescale.
    """

    stored: NDArray[np.uint16]
    affine: Affine
    mask: NDArray[np.uint8]
    values: Image


def plan(seed: int, number: int, patient: Patient, visit: str) -> scanner.Session:
    """The session of a visit; both visits of a patient may be on different scanners."""
    return scanner.plan(patient.anatomy, np.random.default_rng([seed, number, 200 + _NUMBERS[visit]]))


def acquire(
    seed: int, number: int, patient: Patient, visit: str, key: str, matrix: int = 0, spoiled: bool = True
) -> list[StoredStack]:
    """Renders a series of a visit.

    Args:
        seed: of the set.
        number: of the patient.
        patient: as `sample_patient(seed, number)` gave it.
        visit: baseline or followup.
        key: the protocol: localizer, t2, t1, axial or stir.
        matrix: rows and columns instead of the scanner's own; 0 keeps those.
        spoiled: whether ghosts and noise are added.

    Returns:
        One stack, or the localizer's three.
    """
    session = plan(seed, number, patient, visit)
    protocol = session.scanner.protocol(key)
    findings = patient.baseline if visit == BASELINE else patient.followup
    generator = np.random.default_rng([seed, number, 10 * _NUMBERS[visit] + _SERIES[key]])
    stacks = []
    for grid in scanner.grids(session, protocol, matrix):
        drawn = render(patient.anatomy, findings, grid, protocol.contrast, session.scanner, generator, spoiled)
        stored = _stored(drawn.signal, session)
        values = stored * np.float32(session.scanner.slope or 1) + np.float32(session.scanner.intercept or 0)
        stacks.append(StoredStack(stored, grid.affine, drawn.mask, values))
    return stacks


def _stored(signal: Image, session: scanner.Session) -> NDArray[np.uint16]:
    machine = session.scanner
    values = signal * np.float32(machine.white * session.gain / (machine.slope or 1))
    return np.clip(np.rint(values), 0, 2**machine.bits - 1).astype(np.uint16)
