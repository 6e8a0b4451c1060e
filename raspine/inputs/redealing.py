"""A data folder dealt anew: its records, copied byte for byte, into other splits, without decoding a pixel."""

import collections
import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from raspine import atomic, features, landmarks, measurement, patient_groups, records, study_records
from raspine.inputs import shards
from raspine.inputs.folds import PARTS

MANIFEST = "dataset.json"
# What a manifest says whatever the split is; tallies by split would no longer hold.
KEPT = (
    "format_version", "record_version", "task", "schema", "choice", "doubtful", "clinical", "synthetic", "versions",
    "options",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Record:
    """Where a record stands, and what dealing must know of it.

    Attributes:
      name: pseudonym of the film or study.
      patient: pseudonym of the patient.
      outcome: 1, 0, or -1 where it is not known; of a film the verdict by its true landmarks.
      file: the shard.
      start: byte at which it begins there, its header included.
      size: bytes, header and checksum included.
    """

    name: str
    patient: str
    outcome: int
    file: str
    start: int
    size: int


@dataclasses.dataclass(frozen=True)
class Contents:
    """The records of a data folder.

    Attributes:
      folder: of the data.
      manifest: what its dataset.json says.
      records: those of the wanted splits, in the order of patient and name.
      per_shard: the most records that a shard of it holds.
      groups: rows of its records.csv by name; empty where it has none.
    """

    folder: pathlib.Path
    manifest: Mapping[str, Any]
    records: tuple[Record, ...]
    per_shard: int
    groups: Mapping[str, patient_groups.Row] = dataclasses.field(default_factory=dict)

    @property
    def is_studies(self) -> bool:
        """Whether the records are studies, not films."""
        return bool(self.manifest.get("task") == "deformity")

    def by_patient(self) -> dict[str, list[bool]]:
        """Returns whether each record of a patient is positive, by patient."""
        found: dict[str, list[bool]] = {}
        for record in self.records:
            found.setdefault(record.patient, []).append(record.outcome == 1)
        return found

    def without_unknown(self) -> "Contents":
        """Returns the contents without records of unknown outcome."""
        known = tuple(record for record in self.records if record.outcome != study_records.UNKNOWN)
        return dataclasses.replace(self, records=known)


def contents(folder: pathlib.Path, manifest: Mapping[str, Any], splits: Sequence[str] = PARTS) -> Contents:
    """Returns the records of some splits of a data folder; a split without shards has none.

    Args:
      folder: of data_prep.radiographs or data_prep.mri.
      manifest: its dataset.json.
      splits: which of train, validation and test.

    Raises:
      ShardError: a shard is damaged.
      ValueError: a record is not what the manifest says, a name stands there twice, or records.csv was changed.
    """
    files = [str(path) for split in splits for path in sorted(folder.glob(f"{split}-*-of-*.tfrecord"))]
    found, largest = list[Record](), 1
    for file in files:
        here = list(_of_file(file, manifest))
        largest = max(largest, len(here))
        found += here
    names = collections.Counter(record.name for record in found)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"'{folder}': record {twice[0]} stands there twice.")
    found.sort(key=lambda record: (record.patient, record.name))
    return Contents(folder, manifest, tuple(found), largest, patient_groups.read(folder, manifest.get("records_csv")))


def write(place: pathlib.Path, source: Contents, parts: Mapping[str, str], rule: Mapping[str, Any], seed: int) -> str:
    """Writes a data folder with the records of some patients in other splits, and returns its hash.

    The same arguments give the same bytes. `place` appears whole or not at all.

    Args:
      place: the folder to make.
      source: where the records are.
      parts: split of each patient; those that it does not name are left out.
      rule: how it was split, for dataset.json.
      seed: of the order within a split, so that each shard mixes patients.

    Raises:
      FileExistsError: there is something at `place`.
    """
    dealt = {part: [record for record in source.records if parts.get(record.patient) == part] for part in PARTS}
    with atomic.atomic_directory(place) as aside:
        written = []
        for part, some in dealt.items():
            order = np.random.default_rng(seed).permutation(len(some))
            written += _write(aside, part, [some[index] for index in order], source.per_shard)
        digest = shards.data_hash((shard["file"], shard["sha256"]) for shard in written)
        count = collections.Counter(shard["split"] for shard in written)
        counts = {part: {**_counts(some, source.is_studies), "shards": count[part]} for part, some in dealt.items()}
        kept = {key: source.manifest[key] for key in KEPT if key in source.manifest}
        manifest = {**kept, "counts": counts, "split": dict(rule), "shards": written, "data_hash": digest}
        atomic.write_json(aside / MANIFEST, manifest | _write_groups(aside, source, dealt))
    return digest


def _of_file(file: str, manifest: Mapping[str, Any]) -> Iterator[Record]:
    starts = shards.places(file)
    sizes = np.diff(np.append(starts, pathlib.Path(file).stat().st_size))
    describe = _study if manifest.get("task") == "deformity" else _film
    schema = landmarks.from_dict(manifest["schema"]) if "schema" in manifest else None
    with shards.named_errors([file]):
        each = tf.data.TFRecordDataset(file).as_numpy_iterator()
        for serialized, start, size in zip(each, starts.tolist(), sizes.tolist(), strict=True):
            name, patient, outcome = describe(serialized, schema)
            if not name or not patient:
                raise ValueError(f"'{file}' holds a record without name or patient: write it again with data_prep.")
            yield Record(name, patient, outcome, file, start, size)


def _study(serialized: bytes, _: landmarks.Schema | None) -> tuple[str, str, int]:
    wanted = (study_records.ID, study_records.PATIENT, study_records.OUTCOME)
    values = _values(study_records.STUDY_FEATURES, wanted, serialized)
    return _text(values[wanted[0]]), _text(values[wanted[1]]), int((values[wanted[2]] or [study_records.UNKNOWN])[0])


def _film(serialized: bytes, schema: landmarks.Schema | None) -> tuple[str, str, int]:
    wanted = (records.ID, records.PATIENT, records.POINTS, records.SPACING)
    values = _values(records.FILM_FEATURES, wanted, serialized)
    points = np.array(values[records.POINTS], np.float64).reshape(-1, 2)
    verdict = _verdict(schema, points, np.array(values[records.SPACING], np.float64)) if schema else "none"
    code = {"positive": 1, "negative": 0}.get(verdict, study_records.UNKNOWN)
    return _text(values[records.ID]), _text(values[records.PATIENT]), code


def _verdict(schema: landmarks.Schema, points: NDArray[np.float64], spacing: NDArray[np.float64]) -> str:
    if points.shape[0] != len(schema.landmarks) or spacing.shape != (2,):
        raise ValueError(f"a film has {points.shape[0]} landmarks, the schema {len(schema.landmarks)}.")
    return measurement.verdict(schema, {name: float(value) for name, value in schema.measure(points, spacing).items()})


def _values(known: Sequence[features.Feature], wanted: Sequence[str], serialized: bytes) -> dict[str, list[Any]]:
    return features.values_of([feature for feature in known if feature.key in wanted], serialized)


def _text(values: Sequence[Any]) -> str:
    return str(features.texts(values)[0]) if values else ""


def _write(folder: pathlib.Path, part: str, some: Sequence[Record], per_shard: int) -> list[dict[str, Any]]:
    """Writes the shards of one split, of even size, and returns what the manifest says of them."""
    count = -(-len(some) // per_shard)
    edges = np.linspace(0, len(some), count + 1).round().astype(int) if count else ()
    result = []
    for index in range(count):
        path = folder / f"{part}-{index:05d}-of-{count:05d}.tfrecord"
        members = some[edges[index] : edges[index + 1]]
        digest = hashlib.sha256()
        with path.open("wb") as stream:
            for frame in _frames(members):
                stream.write(frame)
                digest.update(frame)
        result.append({"split": part, "file": path.name, "records": len(members), "sha256": digest.hexdigest()})
    return result


def _frames(members: Sequence[Record]) -> Iterator[bytes]:
    """Yields records as they stand in their shards, with header and checksum."""
    streams: dict[str, BinaryIO] = {}
    try:
        for record in members:
            stream = streams.get(record.file) or streams.setdefault(record.file, open(record.file, "rb"))  # noqa: SIM115
            stream.seek(record.start)
            yield stream.read(record.size)
    finally:
        for stream in streams.values():
            stream.close()


def _counts(some: Sequence[Record], is_studies: bool) -> dict[str, int]:
    positive = sum(record.outcome == 1 for record in some)
    patients = len({record.patient for record in some})
    if not is_studies:
        return {"films": len(some), "patients": patients}
    return {"studies": len(some), "patients": patients, "positive": positive, "negative": len(some) - positive}


def _write_groups(folder: pathlib.Path, source: Contents, dealt: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """Writes records.csv with the new splits, where there is one, and returns what the manifest says of it."""
    rows = [
        dataclasses.replace(source.groups[record.name], split=part)
        for part, some in dealt.items()
        for record in some
        if record.name in source.groups
    ]
    return {"records_csv": patient_groups.write(folder / patient_groups.FILE, rows)} if rows else {}
