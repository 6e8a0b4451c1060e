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
from pydicom.pixels import apply_voi_lut
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from data_prep.phantom import demography, study
from data_prep.phantom.acquisition import (
    SPACING_SOURCES,
    TRANSFER_SYNTAXES,
    Acquisition,
    SpacingSource,
    Voi,
    sample_acquisition,
)
from data_prep.phantom.dicom_writer import Identity, film_dataset, stored_landmarks, stored_pixels, write_film
from data_prep.phantom.film import Film, make_film
from data_prep.phantom.patient import Position, sample_patient
from raspine import patient_groups
from raspine.dicom import subject
from raspine.landmarks import ATLANTOAXIAL

PLAIN = Acquisition(
    sop_class=DigitalXRayImageStorageForPresentation,
    transfer_syntax=ExplicitVRLittleEndian,
    photometric="MONOCHROME2",
    bits=12,
    voi="linear",
    mirrored=False,
    spacing_source="geometry",
    magnification=1.15,
    padded=False,
)
WHO = Identity(seed=1, patient=2, film=1, position="neutral")


@pytest.fixture(scope="module")
def film() -> Film:
    generator = np.random.default_rng(3)
    return make_film(sample_patient(generator), Position.NEUTRAL, generator, (0.5, 0.4))


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "data_prep.phantom", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _digest(folder: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _displayed(path: pathlib.Path) -> np.ndarray:
    """What PS3.4 N.2 displays, as 0..1: VOI transform, then MONOCHROME1's inversion."""
    dataset = pydicom.dcmread(path)
    top = 2**dataset.BitsStored - 1
    values = apply_voi_lut(dataset.pixel_array, dataset).astype(np.float64)
    grey = values / (65535 if "VOILUTSequence" in dataset else top)
    return 1 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path: pathlib.Path) -> None:
    for name, seed, patients, workers in (("one", 4, 2, 1), ("two", 4, 2, 2), ("other", 5, 1, 1)):
        flags = (f"--patients={patients}", f"--seed={seed}", f"--workers={workers}")
        done = _run(*flags, f"--output_dir={tmp_path / name}")
        assert done.returncode == 0, done.stderr
        assert str(tmp_path / name) in done.stdout.splitlines()[-1]
    assert _digest(tmp_path / "one") == _digest(tmp_path / "two")
    first = pathlib.Path("dicom/phantom-0001")
    assert _digest(tmp_path / "one" / first) != _digest(tmp_path / "other" / first)
    _check_set(tmp_path / "one")


def _check_set(folder: pathlib.Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    assert [(film["patient_id"], film["position"]) for film in truth["films"]] == [
        (f"PHANTOM-{patient:04d}", position.value) for patient in (1, 2) for position in Position
    ]
    with (folder / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == study.LABEL_FIELDS
    for film, row in zip(truth["films"], rows, strict=True):
        dataset = pydicom.dcmread(folder / "dicom" / film["image"])
        assert dataset.pixel_array.shape == (film["rows"], film["columns"])
        assert dataset.PatientID == film["patient_id"]
        assert film["position"] in dataset.SeriesDescription
        assert "synthetic" in dataset.ImageComments
        assert dataset.BurnedInAnnotation == "NO"
        assert dataset.SyntheticData == "YES"
        points = np.array([[row[f"{name}_{axis}"] for axis in "xy"] for name in ATLANTOAXIAL.landmarks], float)
        spacing = (float(row["spacing_row_mm"]), float(row["spacing_column_mm"]))
        measured = ATLANTOAXIAL.measure(points, spacing)
        assert measured["adi"] == pytest.approx(film["adi_mm"], abs=1e-5)
        assert measured["sac"] == pytest.approx(film["sac_mm"], abs=1e-5)


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_every_transfer_syntax_gives_the_pixels_back(
    film: Film, tmp_path: pathlib.Path, syntax: pydicom.uid.UID, bits: int
) -> None:
    acquisition = dataclasses.replace(PLAIN, transfer_syntax=syntax, bits=bits)
    write_film(tmp_path / "film.dcm", film, acquisition, WHO)
    dataset = pydicom.dcmread(tmp_path / "film.dcm")
    assert dataset.file_meta.TransferSyntaxUID == syntax
    assert dataset.BitsStored == bits
    np.testing.assert_array_equal(dataset.pixel_array, stored_pixels(film, acquisition))


@pytest.mark.parametrize("voi", ["none", "linear", "linear_exact", "sigmoid", "lut"])
@pytest.mark.parametrize("padded", [False, True])
def test_both_photometric_interpretations_look_alike_and_as_drawn(
    film: Film, tmp_path: pathlib.Path, voi: Voi, padded: bool
) -> None:
    normal = dataclasses.replace(PLAIN, voi=voi, padded=padded)
    inverted = dataclasses.replace(normal, photometric="MONOCHROME1")
    write_film(tmp_path / "normal.dcm", film, normal, WHO)
    write_film(tmp_path / "inverted.dcm", film, inverted, WHO)
    shown = _displayed(tmp_path / "normal.dcm")
    np.testing.assert_allclose(shown, _displayed(tmp_path / "inverted.dcm"), atol=1e-3)
    reach = 0.025 if voi == "sigmoid" else 0.002
    np.testing.assert_allclose(shown, np.clip(film.pixels, 0, 1), atol=reach)
    raw = [pydicom.dcmread(tmp_path / name).pixel_array for name in ("normal.dcm", "inverted.dcm")]
    np.testing.assert_array_equal(raw[0], 4095 - raw[1].astype(int))


def test_padding_marks_the_black_shutter_alone(film: Film) -> None:
    shutter = np.zeros_like(film.shutter)
    shutter[:20] = True
    hidden = dataclasses.replace(
        film, shutter=shutter, shutter_is_black=True, pixels=np.where(shutter, np.float32(0), film.pixels)
    )
    stored = stored_pixels(hidden, dataclasses.replace(PLAIN, voi="none", padded=True))
    np.testing.assert_array_equal(stored == 0, shutter)


def test_a_mirrored_film_faces_right_and_its_landmarks_follow(film: Film, tmp_path: pathlib.Path) -> None:
    mirrored = dataclasses.replace(PLAIN, mirrored=True)
    write_film(tmp_path / "film.dcm", film, mirrored, WHO)
    dataset = pydicom.dcmread(tmp_path / "film.dcm")
    assert list(dataset.PatientOrientation) == ["A", "F"]
    np.testing.assert_array_equal(dataset.pixel_array[:, ::-1], stored_pixels(film, PLAIN))
    points = stored_landmarks(film, mirrored)
    np.testing.assert_allclose(points[:, 0] + film.landmarks[:, 0], film.pixels.shape[1] - 1)
    np.testing.assert_allclose(points[:, 1], film.landmarks[:, 1])


@pytest.mark.parametrize("source", SPACING_SOURCES)
def test_the_header_leads_to_the_true_millimetres(film: Film, tmp_path: pathlib.Path, source: SpacingSource) -> None:
    acquisition = dataclasses.replace(PLAIN, spacing_source=source)
    write_film(tmp_path / "film.dcm", film, acquisition, WHO)
    header = pydicom.dcmread(tmp_path / "film.dcm", stop_before_pixels=True)
    if source in ("geometry", "fiducial"):
        assert header.PixelSpacingCalibrationType == source.upper()
        assert list(header.PixelSpacing) == [0.5, 0.4]
        return
    assert "PixelSpacing" not in header
    factor = 1.15 if source == "detector_plane" else 1.0
    if source == "magnification":
        factor = 1 / float(header.EstimatedRadiographicMagnificationFactor)
    if source == "distances":
        factor = header.DistanceSourceToPatient / header.DistanceSourceToDetector
    expected = [0.575, 0.46] if source == "detector_plane" else [0.5, 0.4]
    seen = np.array(header.ImagerPixelSpacing, float) * (factor if source != "detector_plane" else 1)
    np.testing.assert_allclose(seen, expected, rtol=1e-7)


def test_a_set_shows_the_variety_of_an_archive() -> None:
    drawn = [sample_acquisition(np.random.default_rng(seed)) for seed in range(400)]
    assert {item.transfer_syntax for item in drawn} == set(TRANSFER_SYNTAXES)
    assert {item.photometric for item in drawn} == {"MONOCHROME1", "MONOCHROME2"}
    assert {item.bits for item in drawn} == {8, 10, 12, 14, 16}
    assert {item.spacing_source for item in drawn} == set(SPACING_SOURCES) - {"detector_plane"}
    assert 0.1 < np.mean([item.mirrored for item in drawn]) < 0.3
    uncorrected = [sample_acquisition(np.random.default_rng(seed), 1.0) for seed in range(20)]
    assert {item.spacing_source for item in uncorrected} == {"detector_plane"}


def test_age_sex_and_machine_vary_and_hang_on_the_patient_alone() -> None:
    drawn = [demography.sample(1, patient) for patient in range(1, 301)]
    assert drawn == [demography.sample(1, patient) for patient in range(1, 301)]
    assert {one.machine for one in drawn} == set(demography.MACHINES)
    assert 0.7 < np.mean([one.female for one in drawn]) < 0.86
    assert len({patient_groups.age_band(one.age) for one in drawn}) == len(patient_groups.AGE_BANDS)
    acquisition = dataclasses.replace(PLAIN, bits=8)
    film = make_film(sample_patient(np.random.default_rng(0)), Position.NEUTRAL, np.random.default_rng(0), (0.9, 0.9))
    for number in (1, 2, 3):
        header = film_dataset(film, acquisition, Identity(1, 5, number, "neutral"))
        found, expected = subject.of(header), demography.sample(1, 5)
        assert (found.age, found.sex) == (expected.age, "F" if expected.female else "M")
        assert (found.maker, found.synthetic) == (f"phantom {expected.machine}", True)


def test_two_readers_err_by_about_half_a_millimetre(tmp_path: pathlib.Path) -> None:
    points = {name: [100.0 + 40 * order, 200.0] for order, name in enumerate(ATLANTOAXIAL.landmarks)}
    facts = {
        "image": "a.dcm",
        "patient_id": "P",
        "position": "neutral",
        "spacing_mm": [0.2, 0.1],
        "mirrored": False,
        "landmarks_px": points,
        "spacing_source": "detector_plane",
    }
    study.write_labels(tmp_path / "labels.csv", [facts] * 100, annotators=2, seed=0)
    with (tmp_path / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["annotator"] for row in rows[:2]] == ["reader1", "reader2"]
    assert len(rows) == 200
    assert rows[0]["spacing_row_mm"] == ""
    errors = np.array([float(row["dens_anterior_x"]) - 140 for row in rows]) * 0.1
    assert 0.4 < errors.std() < 0.9


def test_a_folder_with_content_is_refused_in_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    done = _run("--patients=1", f"--output_dir={tmp_path}")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


@pytest.mark.parametrize("flag", ["--kind=ct", "--patients=0", "--patients=x", "--seed=-1"])
def test_wrong_flags_end_with_status_two(tmp_path: pathlib.Path, flag: str) -> None:
    done = _run(flag, f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


def test_the_hardness_command_prints_both_shortcuts() -> None:
    command = [
        sys.executable,
        "-m",
        "data_prep.phantom.hardness",
        "--hardness_patients=3",
        "--hardness_seed=1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mean place: MRE" in done.stdout
    assert "template, radius 8 mm: MRE" in done.stdout
