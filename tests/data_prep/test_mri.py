import csv
import hashlib
import json
import pathlib
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from data_prep import mri
from raspine import patient_groups, program, study_records

ROWS, COLUMNS, PITCH, SPACING = 20, 16, 4.0, 1.5
SAGITTAL, AXIAL = (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 1, 0)
T2: dict[str, Any] = {
    "EchoTime": 100,
    "RepetitionTime": 3500,
    "ScanningSequence": "SE",
    "SeriesDescription": "Secret T2 of Smith",
}
T1: dict[str, Any] = {"EchoTime": 10, "RepetitionTime": 500, "ScanningSequence": "SE", "SeriesDescription": "T1 SAG"}
ALL_TRAIN = ("--split_fractions=1,0,0",)
Run = Callable[..., tuple[int, str, str]]


def uid(*names: object) -> str:
    return str(generate_uid(entropy_srcs=[repr(names)]))


def plane(seed: int, index: int) -> np.ndarray:
    return np.random.default_rng((seed, index)).integers(0, 900, (ROWS, COLUMNS)).astype(np.uint16)


def instance(study: str, name: str, series: int, index: int, way: Sequence[float], tags: dict[str, Any]) -> Any:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = uid(study, series, name)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, uid(study, series)
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", series, index + 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns, dataset.PixelSpacing = ROWS, COLUMNS, [SPACING, SPACING]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.ImageOrientationPatient = list(way)
    normal = np.cross(way[:3], way[3:])
    dataset.ImagePositionPatient = list(np.round((index - 3.5) * PITCH * np.abs(normal) + (0, -12, 15), 3))
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


class Archive:
    """A folder of studies, their outcomes, and the program's arguments."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.studies, self.output = folder, folder / "studies", folder / "out"
        self.studies.mkdir()
        self.rows: list[dict[str, Any]] = []

    def series(
        self,
        name: str,
        number: int = 1,
        indices: Sequence[int] = range(8),
        way: Sequence[float] = SAGITTAL,
        seed: int | None = None,
        **tags: Any,
    ) -> list[pathlib.Path]:
        """Writes a series of the study `name` and returns its files."""
        paths = []
        person = {"PatientID": f"id-{name}", "PatientName": f"Smith^{name}", "StudyDate": "20200101"}
        key = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) if seed is None else seed
        for place, index in enumerate(indices):
            dataset = instance(uid(name), f"{place}", number, index, way, {**T2, **person, **tags})
            dataset.PixelData = plane(key, index).tobytes()
            path = self.studies / name / f"{number}-{place:02}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            dataset.save_as(path, enforce_file_format=True)
            paths.append(path)
        return paths

    def outcome(self, name: str, consensus: object = 1, **rest: Any) -> None:
        self.rows.append({"patient_id": f"id-{name}", "study_uid": uid(name), "consensus": consensus, **rest})

    def add(self, name: str, consensus: object = 1, **tags: Any) -> list[pathlib.Path]:
        """Writes a study of one sagittal T2 series with its outcome."""
        self.outcome(name, consensus)
        return self.series(name, **tags)

    def command(self, *arguments: str) -> list[str]:
        fields = list(dict.fromkeys(key for row in self.rows for key in row)) or ["patient_id", "consensus"]
        with (self.folder / "outcomes.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fields, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        given = {argument.partition("=")[0] for argument in arguments}
        usual = {
            "--studies": self.studies,
            "--outcomes": self.folder / "outcomes.csv",
            "--output_dir": self.output,
            "--size": "24,20",
            "--pixel_mm": "1.5",
        }
        return [f"{flag}={value}" for flag, value in usual.items() if flag not in given] + list(arguments)

    def dataset(self) -> dict[str, Any]:
        return json.loads((self.output / "dataset.json").read_text())

    def records(self, part: str = "*") -> list[study_records.StudyRecord]:
        files = sorted(self.output.glob(f"{part}-*.tfrecord"))
        return sorted((one for file in files for one in study_records.read(file)), key=lambda one: one.study)

    def table(self, name: str = "refused.csv") -> list[dict[str, str]]:
        with (self.output / name).open() as stream:
            return list(csv.DictReader(stream))

    def refused(self) -> dict[str, str]:
        return {line["pseudonym"]: line["reason"] for line in self.table()}

    def pseudonyms(self, *names: str) -> dict[str, str]:
        """Returns the study pseudonyms that running numbers over the sorted UIDs must give."""
        return {name: f"S{place:05}" for place, name in enumerate(sorted(names, key=uid), 1)}

    def leftovers(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"studies", "outcomes.csv"}


@pytest.fixture
def archive(tmp_path: pathlib.Path) -> Archive:
    return Archive(tmp_path)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    def start(arguments: Sequence[str]) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mri", *arguments])
        monkeypatch.setattr(program.signal, "signal", lambda *_: None)
        with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
            mri.run()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    with flagsaver.flagsaver():
        yield start
    flags.FLAGS.unparse_flags()


def test_studies_end_to_end(archive: Archive, run: Run) -> None:
    names = [f"p{number}" for number in range(6)]
    for number, name in enumerate(names):
        archive.outcome(name, "", rater1=number % 2, rater2=number % 2, age=50 + number, biologic="yes")
        archive.series(name)
        archive.series(name, 2, way=AXIAL)
        archive.series(name, 3, **T1)
    archive.series("extra")
    status, out, _ = run(archive.command("--split_counts=2,2,2", "--stratify"))
    assert status == 0
    assert archive.leftovers() == {"out"}
    assert {path.name for path in archive.output.iterdir()} == {
        "dataset.json", "records.csv", "refused.csv", "series.csv", "train-00000-of-00001.tfrecord",
        "validation-00000-of-00001.tfrecord", "test-00000-of-00001.tfrecord",
    }  # fmt: skip
    described = archive.dataset()
    each = {"studies": 2, "patients": 2, "positive": 1, "negative": 1, "shards": 1}
    assert described["counts"] == dict.fromkeys(("train", "validation", "test"), each)
    assert described["split"] == {"rule": "counts", "counts": [2, 2, 2], "by": "patient", "seed": 0, "stratified": True}
    assert (described["task"], described["doubtful"]) == ("deformity", "exclude")
    assert described["clinical"] == ["age", "biologic"]
    assert described["choice"]["size"] == [24, 20]
    assert described["raters"]["agree"] == 6
    assert described["outcomes"] == {"negative": 3, "positive": 3}
    pseudonyms = archive.pseudonyms(*names, "extra")
    assert described["studies_without_outcome"] == [pseudonyms["extra"]]
    assert archive.refused() == {}
    for shard in described["shards"]:
        content = (archive.output / shard["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]
    record = next(one for one in archive.records() if one.study == pseudonyms["p3"])
    assert (record.patient, record.outcome, record.rater1, record.consensus) == ("P0004", 1, "1", "1")
    np.testing.assert_array_equal(record.clinical, [53, np.nan, np.nan, np.nan, np.nan, 1])
    assert record.slices.shape == (6, 24, 20)
    assert record.spacing_mm == (1.5, 1.5)
    np.testing.assert_allclose(record.positions_mm, (np.arange(1, 7) - 3.5) * PITCH)
    np.testing.assert_allclose(record.affine[:3, :3], [[0, 0, PITCH], [SPACING, 0, 0], [0, -SPACING, 0]], atol=1e-5)
    assert "sagittal (1.00)" in record.series_reason
    taken = [line for line in archive.table("series.csv") if line["pseudonym"] == pseudonyms["p3"]]
    assert (taken[0]["series_number"], taken[0]["accepted"]) == ("1", "1")
    assert {line["series_number"]: line["taken"] for line in taken} == {"1": "1", "2": "0", "3": "0"}
    assert f"studies without outcome (1):\n  {pseudonyms['extra']}" in out
    tables = ("dataset.json", "records.csv", "refused.csv", "series.csv")
    texts = [(archive.output / name).read_text() for name in tables]
    shards = [path.read_bytes().decode("latin-1") for path in archive.output.glob("*.tfrecord")]
    everything = "".join([out, *texts, *shards])
    assert not any(secret in everything for secret in ("Smith", "id-p", uid("p0"), uid("extra"), "20200101"))


def test_slices_are_the_scanners_own_pixels(archive: Archive, run: Run) -> None:
    archive.add("a", indices=[5, 2, 7, 0, 1, 6, 3, 4], seed=7)
    assert run(archive.command(*ALL_TRAIN, "--size=20,16"))[0] == 0
    (record,) = archive.records()
    volume = np.stack([plane(7, index) for index in range(8)]).astype(np.float64)
    low, high = np.percentile(volume, (0.5, 99.5))
    expected = np.rint(np.clip((volume[1:7] - low) / (high - low), 0, 1) * 65535)
    np.testing.assert_allclose(record.slices, expected, atol=2)


@pytest.mark.parametrize(
    ("arguments", "spacing", "places"),
    [
        (["--slices=paper_literal", "--pixel_mm=1"], (1.0, 1.0), np.arange(-3, 3)),
        (["--slices=slab", "--slab_mm=12", "--count=3"], (1.5, 1.5), [-4, 0, 4]),
    ],
)
def test_other_choices(
    archive: Archive, run: Run, arguments: list[str], spacing: tuple[float, float], places: Sequence[float]
) -> None:
    archive.add("a")
    assert run(archive.command(*ALL_TRAIN, *arguments))[0] == 0
    (record,) = archive.records()
    assert record.spacing_mm == spacing
    assert record.choice == archive.dataset()["choice"]
    np.testing.assert_allclose(np.diff(record.positions_mm), np.diff(places), atol=1e-6)
    assert abs(np.mean(record.positions_mm) - np.mean(places)) <= 0.5


def test_bad_input_is_refused_by_name_and_the_rest_converted(archive: Archive, run: Run) -> None:
    archive.add("good-1", 0)
    archive.add("good-2", 1)
    archive.add("missing-slice", indices=[0, 1, 2, 4, 5, 6, 7])
    archive.add("duplicate", indices=[0, 1, 2, 3, 3, 4, 5, 6, 7])
    archive.outcome("two-stacks")
    for path in archive.series("two-stacks", seed=2):
        dataset = pydicom.dcmread(path)
        dataset.AcquisitionNumber, dataset.SOPInstanceUID = 2, uid("second", path.name)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.EchoTime = 60
        dataset.save_as(path.with_name(f"second-{path.name}"))
    archive.series("two-stacks", seed=1)
    archive.add("thin", indices=range(4))
    archive.add("axial-only", way=AXIAL)
    archive.add("t1-only", **T1)
    truncated = archive.add("truncated")[3]
    truncated.write_bytes(truncated.read_bytes()[:-200])
    headless = archive.add("headless")[7]
    headless.write_bytes(headless.read_bytes()[:500])
    for path in archive.add("no-orientation"):
        dataset = pydicom.dcmread(path)
        del dataset.ImageOrientationPatient
        dataset.save_as(path)
    for path in archive.add("ruined"):
        path.write_bytes(path.read_bytes()[:-200])
    for path in archive.add("half-ruined"):
        path.write_bytes(path.read_bytes()[:-200])
    archive.series("half-ruined", 2, **T1)
    archive.outcome("absent")
    archive.series("unasked")
    archive.outcome("doubted", "doubtful")
    archive.series("doubted")
    archive.outcome("argued", "", rater1=0, rater2=1)
    archive.series("argued")
    archive.add("twice")
    archive.outcome("twice", 0)
    archive.add("shared")
    archive.rows.append({"patient_id": "id-other", "study_uid": uid("shared"), "consensus": 1})
    archive.rows.append({"patient_id": "id-nobody", "consensus": 1})
    (archive.studies / "good-1" / "report.txt").write_text("nothing to see")
    names = [path.name for path in archive.studies.iterdir()]
    name = archive.pseudonyms(*names, "absent")
    status, out, _ = run(archive.command(*ALL_TRAIN))
    assert status == 0
    assert archive.leftovers() == {"out"}
    refused = archive.refused()
    expected = {
        "missing-slice": "missing",
        "thin": "6 slices are needed. Received: a volume of 4.",
        "axial-only": "no sagittal T2 series. Refused: series 1: axial",
        "t1-only": "no sagittal T2 series. Refused: series 1: TE 10 ms",
        "truncated": "a file of the series taken cannot be read, so a slice may be missing:",
        "ruined": "no file of this study can be read:",
        "half-ruined": "Files of this study or beside it that cannot be read: 8.",
        "no-orientation": "no Image Orientation (0020,0037)",
        "absent": "no such study in the studies folder.",
        "doubted": "the outcome is doubtful and --doubtful is exclude.",
        "argued": "the raters disagree and there is no consensus.",
        "twice": "more than one row for this study: keep one.",
        "shared": "one study under two patients.",
    }
    lost = f"row-{len(archive.rows) + 1}"
    assert set(refused) == {*(name[key] for key in expected), lost}
    for key, part in expected.items():
        assert part in refused[name[key]], key
    assert "no such study: no MR study has this PatientID" in refused[lost]
    flagged = {record.study: record.flags for record in archive.records()}
    assert flagged == {
        name["good-1"]: (),
        name["good-2"]: (),
        name["duplicate"]: ("duplicate_slices_dropped",),
        name["two-stacks"]: ("several_stacks: 2",),
        name["headless"]: ("unreadable_files: 1",),
    }
    stacks = [line for line in archive.table("series.csv") if line["pseudonym"] == name["two-stacks"]]
    assert [(line["images"], line["taken"]) for line in stacks] == [("8", "1"), ("8", "0")]
    assert archive.dataset()["studies_without_outcome"] == [name["unasked"]]
    assert f"refused ({len(refused)}):" in out
    assert archive.dataset()["refused"] == {"doubtful": 1, "no such study": 2, "outcomes": 3, "study": 8}


def test_gaps_can_be_interpolated_and_doubts_decided(archive: Archive, run: Run) -> None:
    archive.add("gap", "doubtful", indices=[0, 1, 2, 4, 5, 6, 7])
    assert run(archive.command(*ALL_TRAIN, "--gaps=interpolate", "--doubtful=positive"))[0] == 0
    (record,) = archive.records()
    assert (record.outcome, record.consensus, record.flags) == (1, "doubtful", ("gap_interpolated",))
    assert archive.dataset()["doubtful"] == "positive"


def test_the_earliest_study_is_the_baseline(archive: Archive, run: Run) -> None:
    archive.series("late", StudyDate="20210303", PatientID="p")
    archive.series("early", StudyDate="20190303", PatientID="p")
    archive.series("one", StudyDate="", PatientID="q", IssuerOfPatientID="clinic")
    archive.series("tied-1", PatientID="r")
    archive.series("tied-2", PatientID="r")
    archive.series("undated", PatientID="s", StudyDate="")
    archive.series("dated", PatientID="s")
    archive.rows += [{"patient_id": patient, "study_uid": "", "consensus": 0} for patient in "pqrs"]
    name = archive.pseudonyms(*(path.name for path in archive.studies.iterdir()))
    assert run(archive.command(*ALL_TRAIN))[0] == 0
    assert {one.study: one.flags for one in archive.records()} == {
        name["early"]: ("baseline_by_date",),
        name["one"]: ("baseline_by_date",),
    }
    assert "two of this patient's studies are of the earliest date" in archive.refused()["row-4"]
    assert "has no Study Date (0008,0020)" in archive.refused()["row-5"]


def test_a_named_series_is_taken_and_an_unknown_one_refused(archive: Archive, run: Run) -> None:
    for study, wished in (("a", uid(uid("a"), 2)), ("b", uid("nowhere"))):
        archive.outcome(study, series_uid=wished)
        archive.series(study)
        archive.series(study, 2, **T1)
    name = archive.pseudonyms("a", "b")
    assert run(archive.command(*ALL_TRAIN))[0] == 0
    (record,) = archive.records()
    assert record.study == name["a"]
    taken = {line["series_number"]: line["taken"] for line in archive.table("series.csv") if line["taken"] == "1"}
    assert taken == {"2": "1"}
    reason = archive.refused()[name["b"]]
    assert "Series Instance UID in column series_uid" in reason
    assert uid("nowhere") not in reason


def test_equal_series_are_refused_when_strict(archive: Archive, run: Run) -> None:
    archive.add("a")
    archive.series("a", 2, seed=5)
    archive.add("b")
    name = archive.pseudonyms("a", "b")
    assert run(archive.command(*ALL_TRAIN, "--strict"))[0] == 0
    assert "series 1 and series 2 are equally good" in archive.refused()[name["a"]]
    archive.output = archive.folder / "lenient"
    assert run(archive.command(*ALL_TRAIN))[0] == 0
    assert {one.study for one in archive.records()} == set(name.values())
    assert "Smith" not in "".join(path.read_bytes().decode("latin-1") for path in archive.output.iterdir())


def test_equal_stacks_of_one_series_are_refused_when_strict_and_flagged_else(archive: Archive, run: Run) -> None:
    for path in archive.add("a", seed=2):
        dataset = pydicom.dcmread(path)
        dataset.AcquisitionNumber, dataset.SOPInstanceUID = 2, uid("second", path.name)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber += 50
        dataset.save_as(path.with_name(f"0-second-{path.name}"))
    archive.series("a", seed=1)
    archive.add("b")
    name = archive.pseudonyms("a", "b")
    assert run(archive.command(*ALL_TRAIN, "--strict"))[0] == 0
    reason = archive.refused()[name["a"]]
    assert reason.startswith("no single sagittal T2: series 1 holds 2 equally good stacks, which its Series Instance")
    assert "Smith" not in reason
    archive.output = archive.folder / "lenient"
    assert run(archive.command(*ALL_TRAIN, "--size=20,16"))[0] == 0
    record = next(one for one in archive.records() if one.study == name["a"])
    assert record.flags == ("several_stacks: 2",)
    volume = np.stack([plane(1, index) for index in range(8)]).astype(np.float64)
    low, high = np.percentile(volume, (0.5, 99.5))
    np.testing.assert_allclose(
        record.slices, np.rint(np.clip((volume[1:7] - low) / (high - low), 0, 1) * 65535), atol=2
    )


def test_a_nifti_file_in_place_of_a_study(archive: Archive, run: Run) -> None:
    image = SimpleITK.GetImageFromArray(np.stack([plane(3, index) for index in range(7)]))
    image.SetSpacing((SPACING, SPACING, PITCH))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
    (archive.studies / "n").mkdir()
    for name in ("n/a.nii.gz", "n/b.nii"):
        SimpleITK.WriteImage(image, str(archive.studies / name))
    archive.rows.append({"patient_id": "p", "file": "n\\a.nii.gz", "consensus": 1})
    archive.rows.append({"patient_id": "q", "file": "n/c.nii.gz", "consensus": 1})
    assert run(archive.command(*ALL_TRAIN))[0] == 0
    (record,) = archive.records()
    assert (record.study, record.patient, record.outcome) == ("S00001", "P0001", 1)
    assert record.slices.shape == (6, 24, 20)
    assert archive.refused() == {"S00003": "outcomes row 3: no such file in the studies folder."}
    assert archive.dataset()["studies_without_outcome"] == ["S00002"]


def test_groups_of_studies_by_the_outcomes_then_the_header(archive: Archive, run: Run) -> None:
    archive.outcome("a", 1, age=91, sex="male")
    archive.series("a", PatientAge="045Y", PatientSex="F", Manufacturer="Philips", MagneticFieldStrength=2.8936)
    archive.outcome("b", 0)
    archive.series("b", PatientAge="045Y", PatientSex="O", Manufacturer="SECRET^NAME", MagneticFieldStrength=1.494)
    archive.series("b", 2, **T1, Manufacturer="Siemens")
    archive.outcome("c", 0)
    archive.series("c", PatientAge="-12Y", PatientBirthDate="20301231", Manufacturer="", MagneticFieldStrength=15000)
    image = SimpleITK.GetImageFromArray(np.stack([plane(3, index) for index in range(7)]))
    image.SetSpacing((SPACING, SPACING, PITCH))
    image.SetDirection((0, 0, 1, 1, 0, 0, 0, -1, 0))
    SimpleITK.WriteImage(image, str(archive.studies / "d.nii"))
    archive.rows.append({"patient_id": "d", "file": "d.nii", "consensus": 1, "age": 30, "sex": "f"})
    assert run(archive.command("--split_counts=2,1,1"))[0] == 0
    rows = patient_groups.read(archive.output, archive.dataset()["records_csv"])
    found = {(row.age, row.sex, row.scanner) for row in rows.values()}
    assert found == {(90, "M", "Philips 2.9 T"), (45, "O", "other 1.5 T"), (None, "", ""), (30, "F", "")}
    written = {one.study: (part, one) for part in ("train", "validation", "test") for one in archive.records(part)}
    assert written.keys() == rows.keys()
    for key, (part, one) in written.items():
        assert (rows[key].split, rows[key].patient, rows[key].flags) == (part, one.patient, one.flags)
    assert (patient_groups.leaks(rows.values()), archive.dataset()["synthetic"]) == ([], False)
    assert b"SECRET" not in b"".join(path.read_bytes() for path in archive.output.iterdir())


def test_headers_that_contradict_the_patient_are_refused(archive: Archive, run: Run) -> None:
    archive.add("a")
    archive.add("b", PatientID="id-a")
    archive.add("c")
    archive.series("d", PatientID="id-d", PatientBirthDate="19500101")
    archive.rows.append({"patient_id": "id-c", "study_uid": uid("d"), "consensus": 0})
    archive.add("e")
    name = archive.pseudonyms(*"abcde")
    assert run(archive.command(*ALL_TRAIN))[0] == 0
    refused = archive.refused()
    assert set(refused) == {name[key] for key in "abcd"}
    assert "one DICOM PatientID (0010,0020) stands under two values" in refused[name["a"]]
    assert "studies of one patient differ in PatientID (0010,0020)" in refused[name["c"]]
    archive.output = archive.folder / "trusting"
    assert run(archive.command(*ALL_TRAIN, "--nocheck_patients"))[0] == 0
    assert len(archive.records()) == 5


def test_a_study_of_two_people_is_refused(archive: Archive, run: Run) -> None:
    archive.add("a")
    archive.series("a", 2, PatientID="id-b", PatientName="Jones^B", **T1)
    archive.add("c")
    assert run(archive.command(*ALL_TRAIN))[0] == 0
    (reason,) = archive.refused().values()
    assert "two patients share an ID" in reason


def split_file(archive: Archive, *lines: str) -> str:
    path = archive.folder / "studies" / "split.csv"
    path.write_text("\n".join(lines) + "\n")
    return f"--split_file={path}"


def test_a_split_file(archive: Archive, run: Run) -> None:
    for study in "abc":
        archive.add(study)
    flag = split_file(archive, "study,split", f"{uid('a')},train", f"{uid('c')},test", "1.2.3,test")
    status, out, _ = run(archive.command(flag))
    assert status == 0
    name = archive.pseudonyms(*"abc")
    assert [one.study for one in archive.records("test")] == [name["c"]]
    assert archive.refused() == {name["b"]: "--split_file does not name it."}
    assert "warning: 1 rows of --split_file belong to no usable study." in out


@pytest.mark.parametrize("by", ["patient", "study"])
def test_a_patient_in_two_splits_is_a_leak(archive: Archive, run: Run, by: str) -> None:
    archive.add("a")
    archive.series("b", PatientID="id-a")
    archive.rows.append({"patient_id": "id-a", "study_uid": uid("b"), "consensus": 0})
    names = ("id-a", "id-a") if by == "patient" else (uid("a"), uid("b"))
    status, _, err = run(archive.command(split_file(archive, f"{by},split", f"{names[0]},train", f"{names[1]},test")))
    assert status == 1
    assert "Nothing was written." in err
    assert ("is in 'train' and" in err, "id-a" in err) == (True, False)
    assert archive.leftovers() == set()


def test_one_picture_under_two_patients_is_a_leak(archive: Archive, run: Run) -> None:
    archive.add("a", seed=1)
    archive.add("b", seed=1)
    status, out, err = run(archive.command("--split_counts=1,0,1"))
    assert status == 1
    assert "leak: studies S00001 and S00002 are the same picture under two patients" in err
    assert "studies: 2 usable" in out
    assert archive.leftovers() == set()


def test_the_same_input_gives_the_same_bytes(archive: Archive, run: Run) -> None:
    for number in range(5):
        archive.add(f"p{number}", number % 2)
    hashes = []
    for name, extra in (("one", "--workers=1"), ("two", "--workers=3"), ("three", "--split_seed=5")):
        archive.output = archive.folder / name
        assert run(archive.command("--split_fractions=0.6,0.2,0.2", "--per_shard=2", extra))[0] == 0
        hashes.append(archive.dataset()["data_hash"])
    assert hashes[0] == hashes[1] != hashes[2]
    counts = archive.dataset()["counts"]
    assert {part: counts[part]["shards"] for part in counts} == {"train": 2, "validation": 1, "test": 1}


def test_tf_data_reads_the_shards(archive: Archive, run: Run) -> None:
    for name in "ab":
        archive.add(name)
    assert run(archive.command(*ALL_TRAIN))[0] == 0
    data = tf.data.TFRecordDataset(str(archive.output / "train-00000-of-00001.tfrecord"))
    (batch,) = data.map(lambda one: study_records.decode_slices(study_records.parse(one)[study_records.SLICES])).batch(
        4
    )
    assert tuple(batch.shape) == (2, 24, 20, 6)


def test_a_dry_run_writes_only_the_private_log(archive: Archive, run: Run) -> None:
    archive.add("a")
    archive.add("b", way=AXIAL)
    log = archive.folder / "who.csv"
    status, out, _ = run(archive.command("--dry_run", "--output_dir=", f"--private_log={log}"))
    assert status == 0
    name = archive.pseudonyms("a", "b")
    assert f"series taken (1):\n  {name['a']}: sagittal (1.00)" in out
    assert f"refused (1):\n  {name['b']}: no sagittal T2 series" in out
    assert "no data set was written; add a split flag" in out
    assert archive.leftovers() == {"who.csv"}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert f"{name['a']},study,{uid('a')}" in log.read_text()
    assert "P0001,patient,id-a" in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "exactly one of --split_counts, --split_fractions and --split_file"),
        (["--split_counts=1,1,1"], "at most 1 have studies with an outcome: make the counts sum to 1"),
        (["--split_fractions=1,0,0", "--studies=nowhere"], "--studies is not a folder"),
        (["--split_fractions=1,0,0", "--outcomes=nowhere.csv"], "the outcomes file cannot be read"),
        (["--split_fractions=1,0,0", "--output_dir="], "--output_dir is needed"),
        (["--split_fractions=1,0,0", "--studies="], "--studies must be given. Try --help."),
        (["--split_fractions=1,0,0", "--size=512"], "--size is ROWS,COLUMNS in pixels. Received: 512."),
        (["--split_fractions=1,0,0", "--size=0,5"], "size must be (rows, columns)"),
        (["--split_fractions=1,0,0", "--slices=slab"], "--slab_mm and --slices=slab go together"),
        (["--split_fractions=1,0,0", "--slab_mm=9"], "--slab_mm and --slices=slab go together"),
        (["--split_fractions=1,0,0", "--slices=paper_literal"], "leave --pixel_mm away"),
        (["--split_fractions=1,0,0", "--slices=all"], "--slices"),
        (["--split_file=missing.csv", "--stratify"], "--split_file cannot be read"),
        (["--split_fractions=1,0,0", "extra"], "unexpected argument"),
    ],
)
def test_wrong_flags(archive: Archive, run: Run, arguments: list[str], message: str) -> None:
    archive.add("a")
    status, _, err = run(archive.command(*arguments))
    assert (status, message in err, err.count("\n") <= 2) == (2, True, True), err
    assert archive.leftovers() == set()


def test_stratify_does_not_go_with_a_file(archive: Archive, run: Run) -> None:
    archive.add("a")
    flag = split_file(archive, "study,split", f"{uid('a')},train")
    assert "--stratify goes with" in run(archive.command(flag, "--stratify"))[2]


def test_nothing_usable_is_status_1(archive: Archive, run: Run) -> None:
    archive.add("a", way=AXIAL)
    status, out, err = run(archive.command(*ALL_TRAIN))
    assert (status, "no study can be used" in err, "refused (1)" in out) == (1, True, True)
    assert archive.leftovers() == set()


def test_as_a_command(archive: Archive) -> None:
    archive.add("a")
    command = [sys.executable, "-m", "data_prep.mri", *archive.command(*ALL_TRAIN)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "results:" in done.stdout
    assert len(archive.records()) == 1
