import hashlib
import math
import pathlib

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
