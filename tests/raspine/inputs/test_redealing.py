import hashlib
import json
import pathlib
from typing import Any

import film_shards
import numpy as np
import pytest
import study_shards
import tensorflow as tf

from raspine import landmarks, patient_groups, records, study_records
from raspine.inputs import redealing, shards

COUNTS = {"train": 9, "validation": 4, "test": 3}


def manifest_of(folder: pathlib.Path) -> dict[str, Any]:
    return dict(json.loads((folder / "dataset.json").read_text()))


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> redealing.Contents:
    folder = study_shards.write(tmp_path_factory.mktemp("studies"), COUNTS, shards=2)
    return redealing.contents(folder, manifest_of(folder))


def serialized(folder: pathlib.Path, split: str) -> dict[str, bytes]:
    found = {}
    for file in sorted(folder.glob(f"{split}-*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            found[study_records.from_serialized(record).study] = record
    return found


def test_the_records_are_listed_with_patient_and_outcome(studies: redealing.Contents) -> None:
    assert len(studies.records) == 16
    assert studies.per_shard == 5
    for record in studies.records:
        assert record.patient == f"P{record.name}"
        assert record.outcome == int(record.name[-2:]) % 2
    only = redealing.contents(studies.folder, studies.manifest, ("train", "test"))
    assert {record.name for record in studies.records if not record.name.startswith("validation")} == {
        record.name for record in only.records
    }


def test_records_are_dealt_byte_for_byte(studies: redealing.Contents, tmp_path: pathlib.Path) -> None:
    patients = sorted(studies.by_patient())
    parts = dict(zip(patients, ["train"] * 8 + ["validation"] * 4 + ["test"] * 3 + ["left out"], strict=True))
    digest = redealing.write(tmp_path / "fold", studies, parts, {"rule": "cross-validation"}, seed=4)
    before: dict[str, bytes] = {}
    for split in redealing.PARTS:
        before |= serialized(studies.folder, split)
    stored = manifest_of(tmp_path / "fold")
    for split in redealing.PARTS:
        there = serialized(tmp_path / "fold", split)
        assert {f"P{name}" for name in there} == {name for name, part in parts.items() if part == split}
        assert all(before[name] == record for name, record in there.items())
        outcomes = [study_records.from_serialized(record).outcome for record in there.values()]
        assert stored["counts"][split] == {
            "studies": len(there), "patients": len(there), "positive": sum(outcomes),
            "negative": len(there) - sum(outcomes), "shards": -(-len(there) // 5),
        }  # fmt: skip
    for shard in stored["shards"]:
        path = tmp_path / "fold" / shard["file"]
        assert shard["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert shard["records"] == len(shards.places(str(path)))
    lines = "\n".join(f"{shard['file']} {shard['sha256']}" for shard in stored["shards"])
    assert stored["data_hash"] == digest == hashlib.sha256(lines.encode()).hexdigest()
    assert (stored["task"], stored["split"]) == ("deformity", {"rule": "cross-validation"})
    assert stored["choice"] == studies.manifest["choice"]
    again = redealing.write(tmp_path / "again", studies, parts, {}, seed=4)
    assert again == digest
    assert redealing.write(tmp_path / "other", studies, parts, {}, seed=5) != digest


def test_a_split_without_shards_and_records_of_unknown_outcome(tmp_path: pathlib.Path) -> None:
    folder = study_shards.write(tmp_path, {"train": 6})
    unknown = study_records.build(study_shards.study("other", -1, np.random.default_rng(0)))
    with tf.io.TFRecordWriter(str(folder / "test-00000-of-00001.tfrecord")) as writer:
        writer.write(unknown)
    found = redealing.contents(folder, manifest_of(folder))
    assert len(found.records) == 7
    assert len(found.without_unknown().records) == 6
    assert "Pother" not in found.without_unknown().by_patient()


def test_records_csv_follows_with_its_new_split(tmp_path: pathlib.Path) -> None:
    folder = study_shards.write(tmp_path, {"train": 4, "test": 2})
    names = ("train00", "train01", "test00", "test01")
    rows = [patient_groups.Row(name, f"P{name}", name[:-2], age=60 + n, sex="F") for n, name in enumerate(names)]
    sha256 = patient_groups.write(folder / "records.csv", rows)
    manifest = {**manifest_of(folder), "records_csv": sha256, "synthetic": True}
    source = redealing.contents(folder, manifest)
    parts = {"Ptrain00": "test", "Ptest00": "train", "Ptest01": "train"}
    redealing.write(tmp_path / "fold", source, parts, {}, 0)
    stored = manifest_of(tmp_path / "fold")
    assert stored["synthetic"] is True
    found = patient_groups.read(tmp_path / "fold", stored["records_csv"])
    assert {name: (row.split, row.age) for name, row in found.items()} == {
        "train00": ("test", 60), "test00": ("train", 62), "test01": ("train", 63)
    }  # fmt: skip
    with pytest.raises(ValueError, match="was changed"):
        redealing.contents(folder, {**manifest, "records_csv": "0"})


def test_the_verdict_of_films_is_by_their_true_landmarks(data_set: pathlib.Path, tmp_path: pathlib.Path) -> None:
    found = redealing.contents(data_set, {**manifest_of(data_set), "task": "subluxation"})
    expected = {}
    for file in sorted(data_set.glob("*.tfrecord")):
        for film in records.read(file):
            if film.spacing_mm is None:
                expected[film.film] = -1
                continue
            distance = landmarks.ATLANTOAXIAL.measure(film.landmarks, film.spacing_mm)
            expected[film.film] = int(distance["adi"] > 3 or distance["sac"] <= 13)
    assert {record.name: record.outcome for record in found.records} == expected
    assert {len(codes) for codes in found.by_patient().values()} == {2}
    redealing.write(tmp_path / "fold", found, {"P0": "train", "P1": "validation", "P2": "test"}, {}, 0)
    stored = manifest_of(tmp_path / "fold")
    assert stored["counts"]["train"] == {"films": 2, "patients": 1, "shards": 1}
    assert stored["schema"] == landmarks.ATLANTOAXIAL.to_dict()


def test_damage_is_named(tmp_path: pathlib.Path) -> None:
    folder = study_shards.write(tmp_path, {"train": 4})
    path = folder / "train-00000-of-00001.tfrecord"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(shards.ShardError, match=r"train-00000-of-00001\.tfrecord"):
        redealing.contents(folder, manifest_of(folder))


def test_records_that_stand_there_twice_are_refused(tmp_path: pathlib.Path) -> None:
    folder = film_shards.write(tmp_path, {"train": 4})
    path = folder / "train-00000-of-00001.tfrecord"
    (folder / "test-00000-of-00001.tfrecord").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="record train0 stands there twice"):
        redealing.contents(folder, manifest_of(folder))
