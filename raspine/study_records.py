"""The record contract of a deformity study: every key, dtype, shape, unit and origin of its tf.Example.

Slices run from the patient's right to left, rows from superior to inferior, columns from anterior to posterior, as
far as the scanner's oblique axes allow. Places are in the patient's frame, DICOM's LPS, in mm.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import clinical as clinical_columns
from raspine import features, geometry, outside_json, quoting, records
from raspine.features import Feature

VERSION = 1
KIND_STUDY = "study"
UNKNOWN = -1
GRADES = ("0", "1", "doubtful")

RECORD_VERSION = records.RECORD_VERSION
RECORD_KIND = records.RECORD_KIND
ID = records.ID
PATIENT = records.PATIENT
FLAGS = records.FLAGS
SLICES = "slices/encoded"
SLICE_SIZE = "slices/size"
POSITIONS = "slices/positions_mm"
CHOICE = "slices/choice"
AFFINE = "affine/slices_to_patient"
SPACING = records.SPACING
SERIES_REASON = "series/reason"
OUTCOME = "outcome"
RATER1 = "outcome/rater1"
RATER2 = "outcome/rater2"
CONSENSUS = "outcome/consensus"
CLINICAL = "clinical"

_COUNT = -1  # stands for the number of slices in a shape
_GRADE = "0, 1, doubtful or empty"

STUDY_FEATURES = (
    Feature(RECORD_VERSION, "int64", (), "version of this table", "raspine"),
    Feature(RECORD_KIND, "string", (), "always `study`", "raspine"),
    Feature(ID, "string", (), "pseudonym of the study", "data_prep"),
    Feature(PATIENT, "string", (), "pseudonym of the patient", "data_prep"),
    Feature(FLAGS, "string", None, "names of what is doubtful about the study", "the study's reader, data_prep"),
    Feature(SLICES, "string", (_COUNT,), "a lossless grey PNG per slice, right to left; white is 65535", "the volume"),
    Feature(SLICE_SIZE, "int64", (2,), "pixels of a slice (rows, columns)", "--size"),
    Feature(POSITIONS, "float32", (_COUNT,), "mm of the slice centres along the stack's normal", "the volume"),
    Feature(CHOICE, "string", (), "JSON of raspine.inputs.slices.Choice", "--slices and its flags"),
    Feature(AFFINE, "float32", (4, 4), "(column, row, slice, 1) to LPS mm", "the volume"),
    Feature(SPACING, "float32", (2,), "mm of a pixel (row, column)", "--pixel_mm"),
    Feature(SERIES_REASON, "string", (), "why this series was taken", "raspine.dicom.series"),
    Feature(OUTCOME, "int64", (), "1 deformity, 0 none, -1 not known", "the consensus and --doubtful"),
    Feature(RATER1, "string", (), _GRADE, "outcomes"),
    Feature(RATER2, "string", (), _GRADE, "outcomes"),
    Feature(CONSENSUS, "string", (), _GRADE, "outcomes"),
    Feature(CLINICAL, "float32", (len(clinical_columns.COLUMNS),), "raspine.clinical.COLUMNS; NaN unknown", "outcomes"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class StudyRecord:
    """One study with its outcome, as it stands in a shard.

    Attributes:
      study: pseudonym of the study.
      patient: pseudonym of the patient.
      slices: uint16 [slice, row, column], grey values after normalisation, right to left.
      affine: float64 [4, 4], (column, row, slice, 1) to LPS mm.
      positions_mm: float64 [slice], mm of the slice centres along the stack's normal.
      spacing_mm: (row, column) mm of a pixel.
      choice: how the slices were taken, see raspine.inputs.slices.Choice.
      outcome: 1, 0 or -1 where it is not known.
      rater1: `0`, `1`, `doubtful` or empty.
      rater2: the same.
      consensus: the same.
      clinical: float32 [6], the columns of raspine.clinical; NaN where unknown; None when all are.
      series_reason: why this series was taken.
      flags: what is doubtful about the study.
    """

    study: str
    patient: str
    slices: NDArray[np.uint16]
    affine: NDArray[np.float64]
    positions_mm: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    choice: Mapping[str, Any]
    outcome: int = UNKNOWN
    rater1: str = ""
    rater2: str = ""
    consensus: str = ""
    clinical: NDArray[np.float32] = None  # type: ignore[assignment]
    series_reason: str = ""
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.slices.dtype != np.uint16 or self.slices.ndim != 3 or not self.slices.size:
            raise ValueError(
                f"slices are uint16 [slice, row, column]. Received: {self.slices.dtype} {self.slices.shape}."
            )
        count = len(clinical_columns.COLUMNS)
        self._set("affine", _finite("affine", self.affine, (4, 4)))
        self._set("positions_mm", _finite("positions_mm", self.positions_mm, (len(self.slices),)))
        given = np.full(count, np.nan) if self.clinical is None else self.clinical
        self._set("clinical", np.asarray(given, np.float32))
        if self.clinical.shape != (count,):
            raise ValueError(f"clinical has shape ({count},). Received: {self.clinical.shape}.")
        if not geometry.is_spacing(self.spacing_mm):
            raise ValueError(f"A spacing is two positive numbers in mm. Received: {self.spacing_mm}.")
        self._check_names()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_names(self) -> None:
        if not self.study or not self.patient:
            raise ValueError("A study record needs a study and a patient. Received: an empty one.")
        if self.outcome not in (0, 1, UNKNOWN):
            raise ValueError(f"An outcome is 0, 1 or {UNKNOWN} (unknown). Received: {self.outcome}.")
        for grade in (self.rater1, self.rater2, self.consensus):
            if grade not in ("", *GRADES):
                raise ValueError(f"A grade is {_GRADE}. Received: {quoting.received(grade, 20)}.")
        if any("," in flag or not flag for flag in self.flags):
            raise ValueError(f"A flag is a word without commas. Received: {quoting.received(list(self.flags))}.")


def build(record: StudyRecord) -> bytes:
    """Returns the record as a serialized tf.Example; the same record always gives the same bytes."""
    values: dict[str, Any] = {
        RECORD_VERSION: VERSION,
        RECORD_KIND: KIND_STUDY,
        ID: record.study,
        PATIENT: record.patient,
        FLAGS: record.flags,
        SLICES: [records.encode_image(pixels) for pixels in record.slices],
        SLICE_SIZE: record.slices.shape[1:],
        POSITIONS: record.positions_mm,
        CHOICE: json.dumps(record.choice, sort_keys=True),
        AFFINE: record.affine,
        SPACING: record.spacing_mm,
        SERIES_REASON: record.series_reason,
        OUTCOME: record.outcome,
        RATER1: record.rater1,
        RATER2: record.rater2,
        CONSENSUS: record.consensus,
        CLINICAL: record.clinical,
    }
    return features.serialize(STUDY_FEATURES, values)


def parse(serialized: tf.Tensor, count: int = 6) -> dict[str, tf.Tensor]:
    """Returns every entry of STUDY_FEATURES by key, all of fixed shape; works eagerly and in a graph.

    The slices stay encoded: see `decode_slices`. The flags come as one string, joined with commas.

    Args:
      serialized: string [], a tf.Example from `build`.
      count: how many slices a study has.

    Raises:
      tf.errors.InvalidArgumentError: a feature is missing, of another version or number of slices.
      tf.errors.DataLossError: it is no tf.Example.
    """
    parsed = features.parse(STUDY_FEATURES, serialized, count)
    parsed[FLAGS] = tf.strings.reduce_join(parsed[FLAGS].values, separator=",")
    message = f"This raspine reads study records of version {VERSION}; write them again with data_prep.mri."
    with tf.control_dependencies([tf.debugging.assert_equal(parsed[RECORD_VERSION], np.int64(VERSION), message)]):
        parsed[RECORD_VERSION] = tf.identity(parsed[RECORD_VERSION])
        parsed[SLICES] = tf.identity(parsed[SLICES])
    return parsed


def decode_slices(encoded: tf.Tensor) -> tf.Tensor:
    """Returns uint16 [row, column, slice]; works eagerly and in a graph, where rows and columns stay unknown.

    Args:
      encoded: string [slice], the PNGs from a record; their number must be static.
    """
    pictures = [tf.io.decode_png(encoded[index], channels=1, dtype=tf.uint16) for index in range(encoded.shape[0])]
    return tf.concat(pictures, -1)


def from_serialized(serialized: bytes) -> StudyRecord:
    """Returns the study record in a serialized tf.Example (places with float32's precision).

    Raises:
      ValueError: it is no study record, or one of another version.
    """
    stored = features.values_of(STUDY_FEATURES, serialized)
    pictures: Sequence[bytes] = stored.pop(SLICES)
    stored = {key: features.texts(values) for key, values in stored.items()}
    if stored[RECORD_KIND] != [KIND_STUDY] or stored[RECORD_VERSION] != [VERSION]:
        received = quoting.line(f"{stored[RECORD_KIND]}, version {stored[RECORD_VERSION]}", 80)
        raise ValueError(f"A record here is a '{KIND_STUDY}' of version {VERSION}. Received: {received}.")
    features.check_counts(STUDY_FEATURES, {**stored, SLICES: pictures})
    spacing = stored[SPACING]
    return StudyRecord(
        study=stored[ID][0],
        patient=stored[PATIENT][0],
        slices=_stacked(pictures),
        affine=np.reshape(stored[AFFINE], (4, 4)),
        positions_mm=np.array(stored[POSITIONS]),
        spacing_mm=(spacing[0], spacing[1]),
        choice=_choice(stored[CHOICE][0]),
        outcome=stored[OUTCOME][0],
        rater1=stored[RATER1][0],
        rater2=stored[RATER2][0],
        consensus=stored[CONSENSUS][0],
        clinical=np.array(stored[CLINICAL], np.float32),
        series_reason=stored[SERIES_REASON][0],
        flags=tuple(stored[FLAGS]),
    )


def read(path: str | os.PathLike[str]) -> Iterator[StudyRecord]:
    """Yields the study records of one shard."""
    for serialized in tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator():
        yield from_serialized(serialized)


def _stacked(pictures: Sequence[bytes]) -> NDArray[np.uint16]:
    if not pictures or len({records.png_size(picture) for picture in pictures}) > 1:
        raise ValueError(f"A study's slices are pictures of one size. Received: {len(pictures)} pictures.")
    return np.stack([records.decode_pixels(picture) for picture in pictures])


def _choice(text: str) -> dict[str, Any]:
    found = outside_json.parse(text)
    if not isinstance(found, dict):
        raise ValueError(f"A study's choice of slices is a JSON object. Received: {quoting.received(text)}.")
    return found


def _finite(name: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.array(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(
            f"{name} is finite numbers of shape {shape}. Received: shape {array.shape}, {quoting.line(array, 80)}."
        )
    return array
