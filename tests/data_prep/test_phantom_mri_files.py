import csv
import dataclasses
import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from data_prep.phantom.mri import bayes, dicom_writer, study
from data_prep.phantom.mri import visit as visits
from data_prep.phantom.mri.patient import sample_patient
from raspine.dicom import mr_object, subject

MATRIX = 48


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "data_prep.phantom", "--kind=mri", f"--matrix={MATRIX}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _bytes(folder: pathlib.Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Three patients with everything, made by two processes."""
    folder = tmp_path_factory.mktemp("mri") / "set"
    done = _run("--patients=3", "--seed=1", "--workers=2", f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert f"6 synthetic studies of 3 patients: {folder}/dicom" in done.stdout
    return folder


def _truth(folder: pathlib.Path) -> dict:
    return json.loads((folder / "truth.json").read_text())


def _stack(folder: pathlib.Path, series_uid: str) -> tuple[np.ndarray, np.ndarray]:
    """The voxels [slice, row, column] and affine of a series, read by the rules of DICOM PS3.3 C.7.6.2."""
    planes = []
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        if dataset.SeriesInstanceUID == series_uid:
            planes += _frames(dataset)
    planes.sort(key=lambda plane: plane[0][0])
    positions = np.array([plane[0] for plane in planes])
    _, cosines, spacing, _ = planes[0]
    affine = np.eye(4)
    affine[:3, 0] = cosines[:3] * spacing[1]
    affine[:3, 1] = cosines[3:] * spacing[0]
    affine[:3, 2] = (positions[-1] - positions[0]) / (len(positions) - 1)
    affine[:3, 3] = positions[0]
    return np.stack([plane[3] for plane in planes]), affine


def _frames(dataset: pydicom.Dataset) -> list[tuple[np.ndarray, ...]]:
    if dataset.SOPClassUID == MRImageStorage:
        slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
        values = dataset.pixel_array * float(slope) + float(intercept)
        return [tuple(np.array(v, float) for v in (
            dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing, values
        ))]  # fmt: skip
    shared = dataset.SharedFunctionalGroupsSequence[0]
    rescale = shared.PixelValueTransformationSequence[0]
    values = dataset.pixel_array * float(rescale.RescaleSlope) + float(rescale.RescaleIntercept)
    spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    return [
        (
            np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float),
            np.array(frame.PlaneOrientationSequence[0].ImageOrientationPatient, float),
            spacing,
            image,
        )
        for frame, image in zip(dataset.PerFrameFunctionalGroupsSequence, values, strict=True)
    ]


def test_bytes_depend_on_seed_and_patient_alone(made: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = _run("--patients=1", "--seed=1", "--workers=1", f"--output_dir={tmp_path / 'alone'}")
    assert done.returncode == 0, done.stderr
    alone, all_three = _bytes(tmp_path / "alone"), _bytes(made)
    images = {name for name in alone if name.startswith(("dicom/", "masks/"))}
    assert images == {name for name in all_three if "phantom-0001" in name.casefold()}
    assert all(alone[name] == all_three[name] for name in images)
    assert (tmp_path / "alone" / "outcomes.csv").read_text() == "".join(
        (made / "outcomes.csv").read_text().splitlines(keepends=True)[:2]
    )
    assert _truth(tmp_path / "alone")["studies"] == _truth(made)["studies"][:1]
    assert _truth(tmp_path / "alone")["bayes_auc"] == _truth(made)["bayes_auc"]
    study.make_patient(study.Order(2, 1, str(tmp_path / "other"), content="baseline_t2", matrix=MATRIX))
    assert not set(_bytes(tmp_path / "other").values()) & set(alone.values())


def test_the_baseline_alone_is_the_same_stack(made: pathlib.Path, tmp_path: pathlib.Path) -> None:
    study.make_patient(study.Order(1, 2, str(tmp_path), content="baseline_t2", matrix=MATRIX))
    facts = _truth(made)["studies"][1]
    assert [path.name for path in (tmp_path / "dicom" / "PHANTOM-0002").iterdir()] == ["baseline"]
    few, affine = _stack(tmp_path / facts["folder"], facts["series_uid"])
    many, same = _stack(made / facts["folder"], facts["series_uid"])
    np.testing.assert_array_equal(few, many)
    np.testing.assert_array_equal(affine, same)


def test_truth_and_outcomes_have_their_keys(made: pathlib.Path) -> None:
    truth = _truth(made)
    assert truth["kind"] == "mri"
    assert truth["synthetic"] is True
    assert (truth["seed"], truth["bayes_auc"]) == (1, pytest.approx(bayes.bayes_auc(0.35), abs=1e-6))
    with (made / "outcomes.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [
        "patient_id", "study_uid", "rater1", "rater2", "consensus",
        "age", "sex", "disease_duration", "rf", "anti_ccp", "biologic",
    ]  # fmt: skip
    for number, (facts, row) in enumerate(zip(truth["studies"], rows, strict=True), start=1):
        patient = sample_patient(1, number)
        assert facts["patient_id"] == row["patient_id"] == f"PHANTOM-{number:04d}"
        assert facts["study_uid"] == row["study_uid"]
        assert facts["outcome"] == patient.outcome
        assert facts["bayes_score"] == pytest.approx(patient.bayes_score, abs=1e-6)
        assert facts["signs"]["retro_odontoid"] == pytest.approx(patient.baseline.retro_odontoid, abs=1e-6)
        assert row["consensus"] in {str(patient.outcome), "doubtful"}
        assert {row["rater1"], row["rater2"]} <= {"0", "1", "doubtful"}
        assert facts["scanner"] in {"A", "B"}


def test_the_mask_lies_on_the_stack_and_the_files_hold_the_voxels(made: pathlib.Path) -> None:
    for number, facts in enumerate(_truth(made)["studies"], start=1):
        voxels, affine = _stack(made / facts["folder"], facts["series_uid"])
        expected, exact, _, _, signs = study.baseline_volume(1, number, MATRIX)
        np.testing.assert_allclose(voxels, expected, rtol=1e-6)
        np.testing.assert_allclose(affine, exact, atol=1e-6)
        image = SimpleITK.ReadImage(str(made / facts["mask"]))
        mask = SimpleITK.GetArrayFromImage(image)
        assert mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, signs)
        present = {label for label, name in ((1, "retro_odontoid"), (2, "subaxial")) if facts["signs"][name] > 0.05}
        assert set(np.unique(mask)) - {0} == present
        for corner in ((0, 0, 0), (MATRIX - 1, 0, 0), (0, MATRIX - 1, 0), (0, 0, len(mask) - 1)):
            place = image.TransformIndexToPhysicalPoint(corner)
            np.testing.assert_allclose(place, (affine @ [*corner, 1])[:3], atol=1e-3)


def test_every_visit_has_its_series_in_one_place_and_order(made: pathlib.Path) -> None:
    for facts in _truth(made)["studies"]:
        dates = []
        for folder, uid in (
            (facts["folder"], facts["study_uid"]),
            (facts["followup"]["folder"], facts["followup"]["study_uid"]),
        ):
            datasets = [pydicom.dcmread(path) for path in sorted((made / folder).iterdir())]
            assert {dataset.StudyInstanceUID for dataset in datasets} == {uid}
            assert {dataset.PatientID for dataset in datasets} == {facts["patient_id"]}
            assert {dataset.BodyPartExamined for dataset in datasets} == {"CSPINE"}
            assert len({dataset.FrameOfReferenceUID for dataset in datasets}) == 1
            assert len({dataset.SOPInstanceUID for dataset in datasets}) == len(datasets)
            names = {dataset.SeriesDescription for dataset in datasets}
            assert len(names) == (4 if datasets[0].DeviceSerialNumber == "phantom-A" else 5)
            assert not any(path.suffix for path in (made / folder).iterdir())
            dates.append(np.datetime64(f"{(d := datasets[0].StudyDate)[:4]}-{d[4:6]}-{d[6:]}"))
        assert (dates[1] - dates[0]).astype(int) == facts["followup"]["days"] >= 1000


@pytest.mark.parametrize("enhanced", [False, True])
@pytest.mark.parametrize("key", ["t2", "t1", "stir", "axial", "localizer"])
def test_a_series_says_what_it_is(key: str, enhanced: bool, tmp_path: pathlib.Path) -> None:
    number = next(n for n in range(1, 30) if _session(n).scanner.name == "B")
    session = dataclasses.replace(_session(number), enhanced=enhanced, derived=True)
    patient = sample_patient(1, number)
    protocol = session.scanner.protocol(key)
    stacks = visits.acquire(1, number, patient, visits.BASELINE, key, 32)
    images = dicom_writer.planes(stacks, session.scanner)
    identity = dicom_writer.Identity(1, number, "baseline", "20100101", 50, True)
    datasets = list(dicom_writer.series_datasets(identity, session, protocol, 3, images))
    assert len(datasets) == (1 if enhanced else sum(len(stack.stored) for stack in stacks))
    dicom_writer.write(tmp_path / "image", datasets[0])
    read = pydicom.dcmread(tmp_path / "image")
    assert read.SOPClassUID == (EnhancedMRImageStorage if enhanced else MRImageStorage)
    found = mr_object.read(tmp_path / "image").series
    assert found.subject == subject.Subject(50, "F", "phantom B", True)
    assert found.field_strength == 3.0
    assert list(read.ImageType[:2]) == (["DERIVED", "SECONDARY"] if key == "t2" else ["ORIGINAL", "PRIMARY"])
    if enhanced:
        shared = read.SharedFunctionalGroupsSequence[0]
        echo, repetition = (
            shared.MREchoSequence[0].EffectiveEchoTime,
            shared.MRTimingAndRelatedParametersSequence[0].RepetitionTime,
        )
        assert (shared.MRModifierSequence[0].InversionRecovery == "YES") == (key == "stir")
        assert read.NumberOfFrames == len(read.PerFrameFunctionalGroupsSequence) == len(images)
        measures = shared.PixelMeasuresSequence[0]
    else:
        echo, repetition, measures = read.EchoTime, read.RepetitionTime, read
        assert ("IR" in read.ScanningSequence) == ("InversionTime" in read) == (key == "stir")
        assert ("GR" in read.ScanningSequence) == (key == "localizer")
    assert (float(echo) >= 70 and float(repetition) >= 2000) == (key in {"t2", "axial", "stir"})
    assert float(measures.SliceThickness) < float(measures.SpacingBetweenSlices)
    np.testing.assert_array_equal(read.pixel_array if enhanced else read.pixel_array[None], [
        image.pixels for image in (images if enhanced else images[:1])
    ])  # fmt: skip


def _session(number: int) -> visits.scanner.Session:
    return visits.plan(1, number, sample_patient(1, number), visits.BASELINE)


def test_wrong_flags_are_refused(tmp_path: pathlib.Path) -> None:
    done = _run("--patients=1", "--matrix=16", f"--output_dir={tmp_path / 'none'}")
    assert done.returncode == 2
    assert "--matrix must be 0 or at least 32. Received: 16" in done.stderr
    assert not (tmp_path / "none").exists()
