import hashlib
import math
import pathlib

import numpy as np
import pandas
import pytest

from raspine import patient_groups
from raspine.patient_groups import Row

FULL = Row("F00001", "P0001", "train", "flexion", 52, "F", "Siemens 1.5 T", "given", ("no_spacing", "a: 1"))
BARE = Row("F00002", "P0002", "test")


def test_rows_come_back_as_written_in_the_order_of_their_ids(tmp_path: pathlib.Path) -> None:
    digest = patient_groups.write(tmp_path / patient_groups.FILE, [BARE, FULL])
    content = (tmp_path / patient_groups.FILE).read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    assert content.decode() == (
        "id,patient,split,position,age,sex,scanner,spacing_source,flags\n"
        "F00001,P0001,train,flexion,52,F,Siemens 1.5 T,given,no_spacing; a: 1\n"
        "F00002,P0002,test,,,,,,\n"
    )
    found = patient_groups.read(tmp_path, digest)
    assert list(found.items()) == [("F00001", FULL), ("F00002", BARE)]
    assert [path.name for path in tmp_path.iterdir()] == [patient_groups.FILE]


def test_a_folder_without_the_table_has_no_rows(tmp_path: pathlib.Path) -> None:
    assert patient_groups.read(tmp_path) == {}
    assert patient_groups.read(tmp_path, "0" * 64) == {}
    assert patient_groups.read(tmp_path / "nowhere") == {}


HEAD = ",".join(patient_groups.FIELDS) + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has the columns"),
        (b"id,patient\n", "has the columns"),
        (HEAD.encode() + b"F1,P1,train\n", "row 2: 9 cells are expected"),
        (HEAD.encode() + b"F1,P1,train,,,,,,,more\n", "row 2: 9 cells are expected"),
        (HEAD.encode() + b"F1,P1,train,,old,,,,\n", "age is whole years or empty. Received: 'old'"),
        (HEAD.encode() + b"F1,P1,train,,-5,,,,\n", "age is whole years or empty"),
        (HEAD.encode() + b"F1,P1,train,,,,,,\nF1,P1,test,,,,,,\n", "names one film or study twice"),
        (HEAD.encode() + b"\xff,P1,train,,,,,,\n", "is not a CSV file in UTF-8"),
        (HEAD.encode() + b'F1,"P1\n', "is not a CSV file in UTF-8"),
    ],
)
def test_a_broken_table_is_named_in_one_line(tmp_path: pathlib.Path, content: bytes, message: str) -> None:
    (tmp_path / patient_groups.FILE).write_bytes(content)
    with pytest.raises(patient_groups.PatientGroupsError, match=message) as failed:
        patient_groups.read(tmp_path)
    assert "\n" not in str(failed.value)


def test_a_changed_table_is_noticed(tmp_path: pathlib.Path) -> None:
    digest = patient_groups.write(tmp_path / patient_groups.FILE, [FULL])
    patient_groups.write(tmp_path / patient_groups.FILE, [FULL, BARE])
    with pytest.raises(patient_groups.PatientGroupsError, match="its sha256 is not that of dataset"):
        patient_groups.read(tmp_path, digest)


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "under 40"), (39, "under 40"), (39.9, "under 40"), (40, "40-49"), (49, "40-49"), (50, "50-59"),
        (60, "60-69"), (79, "70-79"), (80, "80 and over"), (90, "80 and over"), (None, "unknown"),
        (math.nan, "unknown"),
    ],
)  # fmt: skip
def test_age_bands(age: float | None, band: str) -> None:
    assert patient_groups.age_band(age) == band


def test_groups() -> None:
    assert [patient_groups.group(FULL, by) for by in patient_groups.GROUPS] == [
        "50-59", "F", "flexion", "Siemens 1.5 T", "given",
    ]  # fmt: skip
    assert {patient_groups.group(BARE, by) for by in patient_groups.GROUPS} == {"unknown"}
    with pytest.raises(patient_groups.PatientGroupsError, match="Received: 'flags'"):
        patient_groups.group(FULL, "flags")


def test_leaks_name_patients_in_two_splits() -> None:
    clean = [Row("a", "P1", "train"), Row("b", "P1", "train"), Row("c", "P2", "test")]
    assert patient_groups.leaks(clean) == []
    assert patient_groups.leaks([*clean, Row("d", "P2", "validation"), Row("e", "P1", "test")]) == ["P1", "P2"]
    assert patient_groups.leaks([]) == []


def test_demographics_count_patients_by_age_and_sex_and_films_by_the_rest() -> None:
    rows = [
        Row("a", "P1", "train", "neutral", 50, "F", "GE", "given"),
        Row("b", "P1", "train", "flexion", 53, "", "GE", "none"),
        Row("c", "P2", "train", "", 70, "M", "", "given"),
        Row("d", "P3", "train", "neutral", None, "", "Agfa", "given"),
        Row("e", "P4", "train", "neutral", 90, "F", "Agfa", "given"),
        Row("f", "P4", "train", "neutral", 90, "M", "Agfa", "given"),
        Row("g", "P5", "test"),
    ]
    found = patient_groups.demographics(rows)
    assert list(found) == ["train", "test"]
    assert found["train"] == {
        "records": 6,
        "patients": 4,
        "age": {"known": 3, "median": 70.0, "quartiles": [60.0, 80.0], "note": ""},
        "age_bands": {"50-59": 1, "70-79": 1, "80 and over": 1, "unknown": 1},
        "sex": {"F": 1, "M": 1, "contradictory": 1, "unknown": 1},
        "positions": {"flexion": 1, "neutral": 4, "unknown": 1},
        "scanners": {"Agfa": 3, "GE": 2, "unknown": 1},
        "spacing_sources": {"given": 5, "none": 1},
    }
    assert found["test"]["age"] == {"known": 0, "median": None, "quartiles": None, "note": "no age is known."}
    assert patient_groups.demographics([]) == {}


@pytest.mark.parametrize("seed", range(60))
def test_ages_equal_those_of_pandas(seed: int) -> None:
    random = np.random.default_rng(seed)
    number = int(random.integers(1, 30))
    ages = random.integers(18, 22 + seed, number)
    patients = random.integers(0, max(1, number // 2), number)
    rows = [Row(str(i), f"P{patients[i]}", "test", age=int(ages[i])) for i in range(number)]
    expected = pandas.DataFrame({"patient": patients, "age": ages}).groupby("patient")["age"].min()
    found = patient_groups.demographics(rows)["test"]["age"]
    assert found["known"] == len(expected)
    assert found["median"] == pytest.approx(expected.median(), abs=1e-9)
    assert found["quartiles"] == pytest.approx(expected.quantile([0.25, 0.75]).tolist(), abs=1e-9)
