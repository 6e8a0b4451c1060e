"""A whole set of phantom patients on disk: studies, masks, outcomes and truth."""

import datetime
import multiprocessing
import os
import pathlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import SimpleITK
from numpy.typing import NDArray

import raspine
from data_prep.phantom.mri import bayes, dicom_writer
from data_prep.phantom.mri import visit as visits
from data_prep.phantom.mri.canvas import Affine, Image
from data_prep.phantom.mri.patient import Clinic, Patient, sample_patient
from raspine import atomic

OUTCOME_FIELDS = (
    "patient_id", "study_uid", "rater1", "rater2", "consensus",
    "age", "sex", "disease_duration", "rf", "anti_ccp", "biologic",
)  # fmt: skip
CONTENTS = ("full", "baseline_t2")
SIGNS = {
    "retro_odontoid": "mask label 1: grade 0..1 of a signal behind the dens",
    "subaxial": "mask label 2: grade 0..1 of one worn disc from C3 to C7: dark, narrow, bulging, with bright endplates",
}
_FIRST_DATE = datetime.date(2008, 1, 1)
_CALENDAR = 300

Facts = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What to make: one patient of a set.

    Attributes:
        seed: of the whole set; a patient does not depend on how many others there are.
        patient: number from 1.
        folder: where dicom/ and masks/ stand.
        content: full, or baseline_t2 for the baseline's sagittal T2 alone.
        prevalence: share of outcome 1 in the population.
        doubtful: share of doubtful consensus.
        matrix: rows and columns of every image; 0 is the scanners' own.
    """

    seed: int
    patient: int
    folder: str
    content: str = "full"
    prevalence: float = 0.35
    doubtful: float = 0.05
    matrix: int = 0


def baseline_volume(
    seed: int, patient: int, matrix: int = 0, prevalence: float = 0.35, doubtful: float = 0.05
) -> tuple[Image, Affine, int, float, NDArray[np.uint8]]:
    """The baseline T2 stack of a patient without DICOM, with the values that its files would hold.

    Args:
        seed: of the set.
        patient: number from 1.
        matrix: rows and columns; 0 is the scanner's own.
        prevalence: share of outcome 1 in the population.
        doubtful: share of doubtful consensus.

    Returns:
        float32 [slice, row, column] in canonical sagittal order; float64 [4, 4] affine of (column, row, slice, 1)
        to LPS mm; the outcome 0 or 1; the Bayes score; uint8 mask of the signs (1 retro-odontoid, 2 subaxial).
    """
    drawn = sample_patient(seed, patient, prevalence, doubtful)
    stack = visits.acquire(seed, patient, drawn, visits.BASELINE, "t2", matrix)[0]
    return stack.values, stack.affine, drawn.outcome, drawn.bayes_score, stack.mask


def make_patient(order: Order) -> tuple[Facts, Facts]:
    """Writes a patient's studies and mask, and returns the row of outcomes.csv and the entry of truth.json."""
    cv2.setNumThreads(1)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    patient = sample_patient(order.seed, order.patient, order.prevalence, order.doubtful)
    t2 = _write_visit(order, patient, visits.BASELINE)
    if order.content == "full":
        _write_visit(order, patient, visits.FOLLOWUP)
    identity = _identity(order, patient, visits.BASELINE)
    mask = f"masks/{identity.patient_id.lower()}.nii.gz"
    write_mask(pathlib.Path(order.folder) / mask, t2.mask, t2.affine)
    return _outcome_row(identity, patient), _truth(order, identity, patient, mask)


def _identity(order: Order, patient: Patient, visit: str) -> dicom_writer.Identity:
    generator = np.random.default_rng([order.seed, order.patient, _CALENDAR])
    days, years = int(generator.integers(0, 2500)), 0
    if visit == visits.FOLLOWUP:
        days, years = days + patient.interval_days, round(patient.interval_days / 365.25)
    date = (_FIRST_DATE + datetime.timedelta(days=days)).strftime("%Y%m%d")
    clinic = patient.clinic
    return dicom_writer.Identity(order.seed, order.patient, visit, date, clinic.age + years, clinic.female)


def _write_visit(order: Order, patient: Patient, visit: str) -> visits.StoredStack:
    """Writes a visit's series into one folder, files in mixed order, and returns its sagittal T2."""
    session = visits.plan(order.seed, order.patient, patient, visit)
    identity = _identity(order, patient, visit)
    datasets = []
    for number, protocol in enumerate(session.scanner.protocols, start=1):
        if order.content != "full" and protocol.key != "t2":
            continue
        stacks = visits.acquire(order.seed, order.patient, patient, visit, protocol.key, order.matrix)
        images = dicom_writer.planes(stacks, session.scanner)
        datasets += list(dicom_writer.series_datasets(identity, session, protocol, number, images))
        if protocol.key == "t2":
            t2 = stacks[0]
    folder = pathlib.Path(order.folder) / _folder(identity)
    folder.mkdir(parents=True)
    names = np.random.default_rng([order.seed, order.patient, _CALENDAR, len(datasets)]).permutation(len(datasets))
    for name, dataset in zip(names, datasets, strict=True):
        dicom_writer.write(folder / f"{name:05d}", dataset)
    return t2


def _folder(identity: dicom_writer.Identity) -> str:
    return f"dicom/{identity.patient_id}/{identity.visit}"


def write_mask(path: pathlib.Path, mask: NDArray[np.uint8], affine: Affine) -> None:
    """Writes a mask as NIfTI on the stack's own grid.

    Args:
        path: ends in .nii.gz.
        mask: uint8 [slice, row, column].
        affine: float64 [4, 4], (column, row, slice, 1) to LPS mm.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = SimpleITK.GetImageFromArray(mask)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=True)


def _outcome_row(identity: dicom_writer.Identity, patient: Patient) -> Facts:
    return {
        "patient_id": identity.patient_id,
        "study_uid": identity.uid("study"),
        "rater1": patient.ratings[0],
        "rater2": patient.ratings[1],
        "consensus": patient.consensus,
        **_clinical_columns(patient.clinic),
    }


def _clinical_columns(clinic: Clinic) -> Facts:
    return {
        "age": clinic.age,
        "sex": "F" if clinic.female else "M",
        "disease_duration": clinic.disease_duration,
        "rf": "yes" if clinic.rf else "no",
        "anti_ccp": "yes" if clinic.anti_ccp else "no",
        "biologic": "yes" if clinic.biologic else "no",
    }


def _truth(order: Order, identity: dicom_writer.Identity, patient: Patient, mask: str) -> Facts:
    session = visits.plan(order.seed, order.patient, patient, visits.BASELINE)
    grades = {"retro_odontoid": patient.baseline.retro_odontoid, "subaxial": patient.baseline.subaxial}
    facts = {
        "patient_id": identity.patient_id,
        "study_uid": identity.uid("study"),
        "series_uid": identity.uid("series", "t2"),
        "folder": _folder(identity),
        "scanner": session.scanner.name,
        "enhanced": session.enhanced,
        "outcome": patient.outcome,
        "bayes_score": round(patient.bayes_score, 6),
        "signs": {name: round(grade, 6) for name, grade in grades.items()},
        "mask": mask,
    }
    if order.content == "full":
        followup = _identity(order, patient, visits.FOLLOWUP)
        facts["followup"] = {
            "study_uid": followup.uid("study"),
            "folder": _folder(followup),
            "days": patient.interval_days,
            "findings": {name: round(grade, 6) for name, grade in asdict(patient.followup).items()},
        }
    return facts


def make_patients(orders: Sequence[Order], workers: int) -> Iterator[tuple[Facts, Facts]]:
    """Runs `make_patient` over the orders, in their order whatever the number of workers."""
    if workers == 1:
        yield from map(make_patient, orders)
        return
    # Spawned workers see no threads and no state of the parent, so they cannot differ from it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(orders)), mp_context=context) as pool:
        try:
            yield from pool.map(make_patient, orders)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def write_outcomes(path: str | os.PathLike[str], rows: Sequence[Facts]) -> None:
    """Writes outcomes.csv, a row for each baseline study."""
    atomic.write_csv(path, rows, OUTCOME_FIELDS)


def write_truth(path: str | os.PathLike[str], studies: Sequence[Facts], seed: int, prevalence: float) -> None:
    """Writes truth.json."""
    atomic.write_json(path, {
        "kind": "mri",
        "synthetic": True,
        "seed": seed,
        "version": raspine.__version__,
        "prevalence": prevalence,
        "bayes_auc": round(bayes.bayes_auc(prevalence), 6),
        "bayes_score": "logit of P(outcome = 1) given both grades; no reader of the baseline images can do better",
        "signs": SIGNS,
        "studies": list(studies),
    })  # fmt: skip
