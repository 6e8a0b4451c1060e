"""A whole set of phantom patients on disk: films, labels and truth."""

import multiprocessing
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import raspine
from data_prep.phantom.acquisition import Acquisition, sample_acquisition
from data_prep.phantom.dicom_writer import Identity, stored_landmarks, write_film
from data_prep.phantom.film import Film, make_film
from data_prep.phantom.patient import Patient, Position, sample_patient
from raspine import atomic
from raspine.landmarks import ATLANTOAXIAL

LABEL_FIELDS = (
    "image", "annotator", "patient_id", "position", "spacing_row_mm", "spacing_column_mm",
    *(f"{name}_{axis}" for name in ATLANTOAXIAL.landmarks for axis in "xy"),
)  # fmt: skip
EXACT_ANNOTATOR = "exact"
READER_BIAS_MM = 0.25
READER_SPREAD_MM = 0.6

Facts = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """What to make: one patient of a set.

    Attributes:
        seed: of the whole set; a patient does not depend on how many others there are.
        patient: number from 1.
        detector_plane_fraction: share of films with an uncorrected spacing.
        folder: where the patient's folder goes.
    """

    seed: int
    patient: int
    detector_plane_fraction: float
    folder: str


def make_patient(order: Order) -> list[Facts]:
    """Writes a patient's neutral, flexion and extension films and returns the truth about each."""
    cv2.setNumThreads(1)
    patient = sample_patient(np.random.default_rng([order.seed, order.patient]))
    return [_make_film(order, patient, position, number) for number, position in enumerate(Position, start=1)]


def _make_film(order: Order, patient: Patient, position: Position, number: int) -> Facts:
    generator = np.random.default_rng([order.seed, order.patient, number])
    acquisition = sample_acquisition(generator, order.detector_plane_fraction)
    film = make_film(patient, position, generator)
    identity = Identity(order.seed, order.patient, number, position.value)
    image = f"{identity.patient_id.lower()}/{position.value}.dcm"
    path = pathlib.Path(order.folder) / image
    path.parent.mkdir(parents=True, exist_ok=True)
    write_film(path, film, acquisition, identity)
    return {
        "image": image,
        "patient_id": identity.patient_id,
        "position": position.value,
        **_anatomy_facts(film, acquisition),
        **_storage_facts(film, acquisition),
    }


def _anatomy_facts(film: Film, acquisition: Acquisition) -> Facts:
    points = stored_landmarks(film, acquisition)
    return {
        "landmarks_px": _by_name(points),
        "landmarks_mm": _by_name(points * np.asarray(film.spacing)[::-1]),
        "adi_mm": round(film.adi, 6),
        "sac_mm": round(film.sac, 6),
        "spacing_mm": list(film.spacing),
    }


def _storage_facts(film: Film, acquisition: Acquisition) -> Facts:
    return {
        "spacing_source": acquisition.spacing_source,
        "magnification": acquisition.magnification,
        "rows": film.pixels.shape[0],
        "columns": film.pixels.shape[1],
        "photometric_interpretation": acquisition.photometric,
        "bits_stored": acquisition.bits,
        "voi": acquisition.voi,
        "transfer_syntax_uid": str(acquisition.transfer_syntax),
        "transfer_syntax": acquisition.transfer_syntax.name,
        "sop_class_uid": str(acquisition.sop_class),
        "mirrored": acquisition.mirrored,
    }


def make_patients(orders: Sequence[Order], workers: int) -> Iterator[list[Facts]]:
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


def write_labels(path: str | os.PathLike[str], films: Sequence[Facts], annotators: int, seed: int) -> None:
    """Writes labels.csv: exact points of one annotator, or those of `annotators` erring readers."""
    rows: list[Mapping[str, Any]] = []
    for number, film in enumerate(films):
        for name, points in _readings(film, number, annotators, seed):
            rows.append({**_label_start(film, name), **points})
    atomic.write_csv(path, rows, LABEL_FIELDS)


def write_truth(path: str | os.PathLike[str], films: Sequence[Facts], seed: int) -> None:
    """Writes truth.json."""
    atomic.write_json(path, {
        "kind": "radiographs",
        "synthetic": True,
        "seed": seed,
        "version": raspine.__version__,
        "schema": ATLANTOAXIAL.name,
        "points": "(x, y) in stored pixels, origin at the top-left pixel's centre; mm in the patient's plane",
        "films": list(films),
    })  # fmt: skip


def _by_name(points: NDArray[np.float64]) -> dict[str, list[float]]:
    return {
        name: [round(float(value), 6) for value in point]
        for name, point in zip(ATLANTOAXIAL.landmarks, points, strict=True)
    }


def _label_start(film: Facts, annotator: str) -> dict[str, Any]:
    """The columns before the points; a film that is not calibrated has no spacing to tell its readers."""
    row, column = film["spacing_mm"]
    if film["spacing_source"] == "detector_plane":
        row = column = None
    return {
        "image": film["image"],
        "annotator": annotator,
        "patient_id": film["patient_id"],
        "position": film["position"],
        "spacing_row_mm": row,
        "spacing_column_mm": column,
    }


def _readings(film: Facts, number: int, annotators: int, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    exact = np.array(list(film["landmarks_px"].values()))
    if annotators == 1:
        yield EXACT_ANNOTATOR, _columns(exact)
        return
    pixels_per_mm = 1 / np.asarray(film["spacing_mm"])[::-1]
    for reader in range(1, annotators + 1):
        habit = np.random.default_rng([seed, 0, reader]).normal(0, READER_BIAS_MM, exact.shape)
        slip = np.random.default_rng([seed, 0, reader, number]).normal(0, READER_SPREAD_MM, exact.shape)
        if film["mirrored"]:
            habit = habit * [-1, 1]
        yield f"reader{reader}", _columns(exact + (habit + slip) * pixels_per_mm)


def _columns(points: NDArray[np.float64]) -> dict[str, float]:
    return {
        f"{name}_{axis}": round(float(value), 6)
        for name, point in zip(ATLANTOAXIAL.landmarks, points, strict=True)
        for axis, value in zip("xy", point, strict=True)
    }
