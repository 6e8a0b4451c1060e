"""Spreadsheets: labels, outcomes, clinical values, the groups of a data folder's records."""

import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Iterator

from data_prep import labels, outcomes
from experiments import clinical_table
from fuzz.mutation import documents
from fuzz.targets import Target
from raspine import landmarks, patient_groups, program

_POINTS = ",".join(f"{name}_{axis}" for name in landmarks.ATLANTOAXIAL.landmarks for axis in "xy")
_NUMBERS = "1,2.5,3,4,5,6,7,8"
_LABELS = (
    f"image,annotator,patient_id,position,spacing_row_mm,spacing_column_mm,age,sex,{_POINTS}\n"
    f"a/SECRET1.dcm,ann,SECRET-1,neutral,0.2,0.3,61,F,{_NUMBERS}\n"
    f"a/SECRET1.dcm,bob,SECRET-1,,0.2,0.3,61,f,{_NUMBERS}\n"
    f"SECRET2.png,ann,SECRET-2,flexion,,,,,1,2,,,5,6,7,8\n"
)
_OUTCOMES = (
    "patient_id,study_uid,file,series_uid,rater1,rater2,consensus,age,sex,disease_duration,rf,anti_ccp,biologic\n"
    "SECRET-1,1.2.SECRET,,,0,1,doubtful,50,F,3.5,yes,no,0\n"
    "SECRET-2,,SECRET/a.nii.gz,,1,1,,61,male,-2,,,\n"
)
_CLINICAL = "study_uid,patient_id,age,sex,rf\n1.2.SECRET,SECRET-1,50,F,yes\n1.3.SECRET,SECRET-2,,M,\n"
_GROUPS = patient_groups


def _seed(text: str) -> Callable[[], dict[str, bytes]]:
    return lambda: {"commas": text.encode(), "semicolons": text.replace(",", ";").replace(".", ",").encode("utf-8-sig")}


@contextlib.contextmanager
def _file(data: bytes, name: str = "table.csv") -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / name
        path.write_bytes(data)
        yield path


def _labels(data: bytes) -> object:
    with _file(data) as path:
        table = labels.read(path, landmarks.ATLANTOAXIAL)
    said = [one.reason for one in table.refused]
    for image in table.images:
        rows = [row for row in table.rows if row.image == image]
        if not rows:
            continue
        try:
            labels.consensus(labels.merge(rows).points)
        except labels.RowError as error:
            said.append(str(error))
    return said


def _outcomes(data: bytes) -> object:
    with _file(data) as path:
        table = outcomes.read(path)
    outcomes.agreement(table.rows)
    return [one.reason for one in table.refused]


def _clinical(data: bytes) -> object:
    with _file(data) as path:
        clinical_table.read(str(path))
    return ()


def _groups(data: bytes) -> object:
    with _file(data, patient_groups.FILE) as path:
        patient_groups.read(path.parent)
    return ()


def _records_csv() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / patient_groups.FILE
        rows = [patient_groups.Row(f"F{n}", f"P{n}", "train", "neutral", 60 + n, "F", "other") for n in range(3)]
        patient_groups.write(path, rows)
        return {"three": path.read_bytes()}


TARGETS = {
    "labels": Target(_labels, (labels.LabelsError,), _seed(_LABELS), documents.csv),
    "outcomes": Target(_outcomes, (outcomes.OutcomesError,), _seed(_OUTCOMES), documents.csv),
    "clinical": Target(_clinical, (program.UsageError,), _seed(_CLINICAL), documents.csv),
    "records_csv": Target(_groups, (patient_groups.PatientGroupsError,), _records_csv, documents.csv),
}
