import csv
import hashlib
import json
import pathlib
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from data_prep import films, radiographs
from raspine import geometry, patient_groups, program, records

POINTS = ("anterior_arch_posterior", "dens_anterior", "dens_posterior", "posterior_arch_anterior")
HEIGHT, WIDTH = 40, 30
XY = [(3.0, 4.0), (5.5, 6.25), (10.0, 11.0), (20.0, 12.0)]
Run = Callable[..., tuple[int, str, str]]


def moved(columns: float) -> np.ndarray:
    return np.array([(x + columns, y) for x, y in XY])


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 250, (HEIGHT, WIDTH)).astype(np.uint8)


def write_png(path: pathlib.Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels(seed))


def write_dicom(path: pathlib.Path, grey: np.ndarray, **header: Any) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = grey.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.WindowCenter, dataset.WindowWidth = 128, 256
    dataset.PatientOrientation, dataset.PixelSpacing = ["P", "F"], [0.2, 0.1]
    dataset.PixelSpacingCalibrationType = "GEOMETRY"
    dataset.PixelData = grey.tobytes()
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def row(image: str, annotator: str = "anna", points: Sequence[tuple[float, float]] = XY, **rest: Any) -> dict[str, Any]:
    cells = {
        f"{name}_{axis}": value
        for name, xy in zip(POINTS, points, strict=True)
        for axis, value in zip("xy", xy, strict=True)
    }
    return {"image": image, "annotator": annotator, **cells, **rest}


class Study:
    """A folder of films, its labels, and the program started on them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.images, self.output = folder, folder / "images", folder / "out"
        self.images.mkdir()
        self.rows: list[Mapping[str, Any]] = []

    def png(self, name: str, seed: int, **rest: Any) -> None:
        write_png(self.images / name, seed)
        self.rows.append(row(name, **rest))

    def dicom(self, name: str, seed: int, label: Mapping[str, Any] | None = None, **header: Any) -> None:
        write_dicom(self.images / name, pixels(seed), **header)
        self.rows.append(row(name, **(label or {})))

    def command(self, *arguments: str) -> list[str]:
        fields = list(dict.fromkeys(key for one in self.rows for key in one)) or list(row("x"))
        with (self.folder / "labels.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fields, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        given = {argument.partition("=")[0] for argument in arguments}
        usual = {"--images": self.images, "--labels": self.folder / "labels.csv", "--output_dir": self.output}
        return [f"{flag}={value}" for flag, value in usual.items() if flag not in given] + list(arguments)

    def dataset(self) -> dict[str, Any]:
        return json.loads((self.output / "dataset.json").read_text())

    def records(self, part: str = "train") -> list[records.FilmRecord]:
        files = sorted(self.output.glob(f"{part}-*.tfrecord"))
        return sorted((r for file in files for r in records.read(file)), key=lambda r: r.film)

    def refused(self) -> dict[str, str]:
        with (self.output / "refused.csv").open() as stream:
            return {line["pseudonym"]: line["reason"] for line in csv.DictReader(stream)}

    def leftovers(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"images", "labels.csv"}


@pytest.fixture
def study(tmp_path: pathlib.Path) -> Study:
    return Study(tmp_path)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    def start(arguments: Sequence[str]) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["radiographs", *arguments])
        monkeypatch.setattr(program.signal, "signal", lambda *_: None)
        with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
            radiographs.run()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    with flagsaver.flagsaver():
        yield start
    flags.FLAGS.unparse_flags()


ALL_TRAIN = "--split_fractions=1,0,0"


def test_pngs_end_to_end(study: Study, run: Run) -> None:
    for number in range(6):
        study.png(f"a/{number}.png", number, patient_id=f"p{number // 2}", position="flexion")
        study.rows.append(row(f"a/{number}.png", "ben", [(x + 2, y) for x, y in XY], patient_id=f"p{number // 2}"))
    write_png(study.images / "extra.png", 99)
    status, out, _ = run(study.command("--split_counts=1,1,1", "--spacing_mm=0.2,0.1"))
    assert status == 0
    assert study.leftovers() == {"out"}
    assert {path.name for path in study.output.iterdir()} == {
        "dataset.json", "records.csv", "refused.csv", "train-00000-of-00001.tfrecord",
        "validation-00000-of-00001.tfrecord", "test-00000-of-00001.tfrecord",
    }  # fmt: skip
    described = study.dataset()
    assert described["counts"] == {
        part: {"films": 2, "patients": 1, "shards": 1} for part in ("train", "validation", "test")
    }
    assert described["split"] == {"rule": "counts", "counts": [1, 1, 1], "by": "patient", "seed": 0}
    assert described["schema"]["name"] == "atlantoaxial"
    assert described["images_without_labels"] == ["F00007"]
    assert described["spacing_sources"] == {"given": 6}
    assert study.refused() == {}
    for shard in described["shards"]:
        content = (study.output / shard["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]
    order = np.random.default_rng(0).permutation(3)
    for part, patient in zip(("train", "validation", "test"), order, strict=True):
        films_there = study.records(part)
        assert [film.film for film in films_there] == [f"F{2 * patient + 1:05}", f"F{2 * patient + 2:05}"]
        assert {film.patient for film in films_there} == {f"P{patient + 1:04}"}
    film = study.records("train")[0]
    np.testing.assert_array_equal(film.pixels() // 257, pixels(2 * order[0]))
    np.testing.assert_allclose(film.landmarks, moved(1))
    np.testing.assert_allclose(film.annotator_points, [XY, moved(2)])
    assert film.annotators == ("anna", "ben")
    assert film.spacing_mm == pytest.approx((0.2, 0.1))
    assert (film.position, film.spacing_source, film.native_size) == ("flexion", "given", (HEIGHT, WIDTH))
    np.testing.assert_array_equal(film.to_native.matrix, np.eye(2, 3))
    mean = described["landmarks"]["train"][POINTS[0]]
    assert mean == {"visible": 2, "mean_xy_fraction": [0.15, 0.1125]}
    assert "images without labels (1):\n  F00007" in out
    everything = out + (study.output / "dataset.json").read_text() + (study.output / "refused.csv").read_text()
    assert not any(name in everything for name in ("a/", ".png", "p0", "p1", "p2"))


@pytest.mark.parametrize(
    ("way", "to_canonical"),
    [
        (["P", "F"], lambda x, y: (x, y)),
        (["A", "F"], lambda x, y: (WIDTH - 1 - x, y)),
        (["P", "H"], lambda x, y: (x, HEIGHT - 1 - y)),
        (["F", "P"], lambda x, y: (y, x)),
    ],
)
def test_labels_follow_a_declared_orientation(
    study: Study, run: Run, way: list[str], to_canonical: Callable[..., Any]
) -> None:
    points = [(3.0, 4.0), (5.0, 6.0), (10.0, 11.0), (20.0, 12.0)]
    grey = pixels(0) // 4
    for index, (x, y) in enumerate(points):
        grey[int(y), int(x)] = 200 + index
    write_dicom(study.images / "x.dcm", grey, PatientOrientation=way)
    study.rows.append(row("x.dcm", points=points))
    assert run(study.command(ALL_TRAIN))[0] == 0
    (film,) = study.records()
    np.testing.assert_allclose(film.landmarks, [to_canonical(x, y) for x, y in points])
    np.testing.assert_allclose(film.to_file.apply(film.landmarks), points, atol=1e-5)
    x, y = film.landmarks.astype(int).T
    np.testing.assert_array_equal(film.pixels()[y, x] // 257, [200, 201, 202, 203])
    assert film.spacing_source == "geometry"
    turned = way == ["F", "P"]
    assert film.spacing_mm == pytest.approx((0.1, 0.2) if turned else (0.2, 0.1))
    lengths = geometry.distance_mm(film.landmarks[0], film.landmarks[1], film.spacing_mm)
    assert lengths == pytest.approx(np.hypot(2 * 0.1, 2 * 0.2))


def test_spacing_flag_is_for_pictures_and_columns_are_for_all(study: Study, run: Run) -> None:
    study.dicom("a.dcm", 1)
    study.dicom("b.dcm", 2, {"spacing_row_mm": 0.3, "spacing_column_mm": 0.4})
    study.png("c.png", 3)
    study.png("d.png", 4, spacing_row_mm=0.5, spacing_column_mm=0.6)
    assert run(study.command(ALL_TRAIN, "--spacing_mm=0.7,0.8"))[0] == 0
    assert [film.spacing_mm for film in study.records()] == [
        pytest.approx(pair) for pair in ((0.2, 0.1), (0.3, 0.4), (0.7, 0.8), (0.5, 0.6))
    ]


def test_a_column_that_repeats_the_header_is_no_calibration(study: Study, run: Run) -> None:
    detector = {"PixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "", "ImagerPixelSpacing": [0.2, 0.1]}
    study.dicom("a.dcm", 1, {"spacing_row_mm": 0.2, "spacing_column_mm": 0.1}, **detector)
    study.dicom("b.dcm", 2, {"spacing_row_mm": 0.18, "spacing_column_mm": 0.09}, **detector)
    assert run(study.command(ALL_TRAIN))[0] == 0
    first, second = study.records()
    assert (first.spacing_source, "detector_plane_uncorrected" in first.flags) == ("detector_plane", True)
    assert (second.spacing_source, second.spacing_mm) == ("given", pytest.approx((0.18, 0.09)))


def test_a_picture_without_spacing_has_none(study: Study, run: Run) -> None:
    study.png("a.png", 1)
    assert run(study.command(ALL_TRAIN))[0] == 0
    (film,) = study.records()
    assert (film.spacing_mm, film.spacing_source) == (None, "none")
    assert "no_spacing" in film.flags
    assert study.dataset()["spacing_sources"] == {"none": 1}


def test_a_capped_film_keeps_native_landmarks(study: Study, run: Run) -> None:
    study.png("a.png", 1)
    assert run(study.command(ALL_TRAIN, "--max_side=20"))[0] == 0
    (film,) = study.records()
    assert (film.stored_size, film.native_size) == ((20, 15), (HEIGHT, WIDTH))
    np.testing.assert_allclose(film.landmarks, XY)
    np.testing.assert_allclose(film.to_native.apply([[-0.5, -0.5], [14.5, 19.5]]), [[-0.5, -0.5], [29.5, 39.5]])
    blocks = pixels(1).reshape(20, 2, 15, 2).mean((1, 3))
    assert np.abs(film.pixels() / 257 - blocks).max() <= 0.5


def test_the_same_input_gives_the_same_bytes(study: Study, run: Run) -> None:
    for number in range(5):
        study.png(f"{number}.png", number)
    hashes = []
    for name, extra in (("one", []), ("two", ["--workers=1"]), ("three", ["--split_seed=5"])):
        study.output = study.folder / name
        assert run(study.command("--split_fractions=0.6,0.2,0.2", "--films_per_shard=2", *extra))[0] == 0
        hashes.append(study.dataset()["data_hash"])
    assert hashes[0] == hashes[1] != hashes[2]
    counts = study.dataset()["counts"]
    assert {part: counts[part]["shards"] for part in counts} == {"train": 2, "validation": 1, "test": 1}
    assert sorted(path.name for path in study.output.glob("train*")) == [
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
    ]


def test_shards_mix_patients(study: Study, run: Run) -> None:
    for number in range(12):
        study.png(f"{number:02}.png", number, patient_id=f"p{number // 6}")
    assert run(study.command(ALL_TRAIN, "--films_per_shard=6"))[0] == 0
    for file in study.output.glob("train-*"):
        assert {film.patient for film in records.read(file)} == {"P0001", "P0002"}


def test_tf_data_reads_the_shards(study: Study, run: Run) -> None:
    for number in range(3):
        study.png(f"{number}.png", number)
    assert run(study.command(ALL_TRAIN))[0] == 0
    data = tf.data.TFRecordDataset(str(study.output / "train-00000-of-00001.tfrecord"))
    (batch,) = data.map(lambda serialized: records.parse(serialized, 4)).batch(8)
    np.testing.assert_allclose(batch[records.POINTS], np.broadcast_to(XY, (3, 4, 2)))


def test_unseen_points_stay_unseen(study: Study, run: Run) -> None:
    study.rows.append(row("a.png", points=[("", ""), *XY[1:]]))  # type: ignore[list-item]
    write_png(study.images / "a.png", 0)
    assert run(study.command(ALL_TRAIN))[0] == 0
    np.testing.assert_array_equal(study.records()[0].visible, [False, True, True, True])


def test_some_annotators_and_the_median(study: Study, run: Run) -> None:
    study.png("a.png", 1)
    for name, shift in (("ben", 1), ("cleo", 5), ("dora", 9)):
        study.rows.append(row("a.png", name, [(x + shift, y) for x, y in XY]))
    assert run(study.command(ALL_TRAIN, "--annotators=anna,ben,cleo", "--consensus=median"))[0] == 0
    (film,) = study.records()
    assert film.annotators == ("anna", "ben", "cleo")
    np.testing.assert_allclose(film.landmarks, moved(1))


def test_bad_films_and_labels_are_refused_with_their_reason(study: Study, run: Run) -> None:
    study.png("a-good.png", 1)
    study.png("b-outside.png", 2, points=[*XY[:3], (29.6, 12.0)])
    study.png("c-edge.png", 3, points=[*XY[:3], (29.5, 39.5)])
    study.rows.append(row("d-missing.png"))
    study.png("e-Case.PNG", 5)
    study.rows.append(row("e-case.png"))
    study.png("f-number.png", 6, points=[*XY[:3], ("1O", 4)])
    study.png("g-half.png", 7, points=[*XY[:3], (5, "")])
    study.png("h-twice.png", 8)
    study.rows.append(row("h-twice.png"))
    (study.images / "i-broken.png").write_bytes((study.images / "a-good.png").read_bytes()[:60])
    study.rows.append(row("i-broken.png"))
    study.dicom("j-frames.dcm", 10, NumberOfFrames=2)
    study.dicom("k-nopixels.dcm", 11)
    dataset = pydicom.dcmread(study.images / "k-nopixels.dcm")
    del dataset.PixelData
    dataset.save_as(study.images / "k-nopixels.dcm")
    (study.images / "l-text.txt").write_text("no film")
    study.rows.append(row("l-text.txt"))
    study.rows.append(row("../labels.csv"))
    study.png("m-blank.png", 12, points=[("", "")] * 4)
    status, out, _ = run(study.command(ALL_TRAIN, "--spacing_mm=0.2,0.2"))
    assert status == 0
    assert [film.film for film in study.records()] == ["F00001", "F00003", "F00005"]
    expected = {
        "F00002": "landmark 'posterior_arch_anterior' at (29.6, 12) lies outside the film of 30 x 40 pixels",
        "F00004": "labels row 5: no such file in the images folder.",
        "F00006": "no such file in the images folder. Film F00005 differs from it only in case",
        "F00007": "labels row 8: column 'posterior_arch_anterior_x' is not a number. Received: '1O'.",
        "F00008": "labels row 9: landmark 'posterior_arch_anterior' has only one of x and y",
        "F00009": "labels rows 10, 11: an annotator has more than one row",
        "F00010": "damaged or truncated",
        "F00011": "Number of Frames",
        "F00012": "Pixel",
        "F00013": "not a DICOM, PNG or JPEG file",
        "F00014": "labels row 17: no landmark is given on this image.",
        "row-16": "labels row 16: column 'image' must be a path inside the images folder",
    }
    refused = study.refused()
    assert refused.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in refused[name]
        assert "\n" not in refused[name]
        assert f"  {name}: {refused[name]}" in out
    assert study.dataset()["refused"] == {"film": 5, "image not there": 2, "labels": 5}
    assert not any(word in out for word in ("a-good", "missing.png", "../", "labels.csv"))


def test_a_wrong_row_of_one_annotator_refuses_the_film_unless_it_is_left_out(study: Study, run: Run) -> None:
    study.png("a.png", 1)
    study.rows.append(row("a.png", "ben", [*XY[:3], ("x", 1)]))  # type: ignore[list-item]
    study.png("b.png", 2)
    assert run(study.command(ALL_TRAIN))[0] == 0
    assert study.refused().keys() == {"F00001"}
    study.output = study.folder / "second"
    assert run(study.command(ALL_TRAIN, "--annotators=anna"))[0] == 0
    assert study.refused() == {}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (
            {"PatientID": "1", "PatientBirthDate": "19500101"},
            {"PatientBirthDate": "19600101"},
            "PatientBirthDate",
        ),
        ({"PatientID": "1", "PatientSex": "F"}, {"PatientSex": "M"}, "PatientSex"),
        ({"PatientID": "1", "PatientName": "DOE^JANE"}, {"PatientName": "ROE^ANN"}, "PatientName"),
    ],
)
def test_two_patients_sharing_an_id_are_refused(
    study: Study, run: Run, first: dict[str, str], second: dict[str, str], reason: str
) -> None:
    study.dicom("a.dcm", 1, **first)
    study.dicom("b.dcm", 2, **{**first, **second})
    study.dicom("c.dcm", 3, PatientID="2")
    status, out, _ = run(study.command(ALL_TRAIN))
    assert status == 0
    assert [film.film for film in study.records()] == ["F00003"]
    assert study.refused().keys() == {"F00001", "F00002"}
    assert all(
        f"two patients share an ID: films of one patient differ in {reason}" in text
        for text in study.refused().values()
    )
    assert not any(value in out for value in ("DOE", "19500101"))


def test_a_married_name_is_one_patient(study: Study, run: Run) -> None:
    study.dicom("a.dcm", 1, PatientID="1", PatientName="DOE^JANE")
    study.dicom("b.dcm", 2, PatientID="1", PatientName="Roe^Jane")
    assert run(study.command(ALL_TRAIN))[0] == 0
    assert {film.patient for film in study.records()} == {"P0001"}


def test_labels_and_headers_that_disagree_on_the_patient(study: Study, run: Run) -> None:
    study.dicom("a.dcm", 1, {"patient_id": "x"}, PatientID="1")
    study.dicom("b.dcm", 2, {"patient_id": "x"}, PatientID="2")
    study.dicom("c.dcm", 3, {"patient_id": "y"}, PatientID="3")
    study.dicom("d.dcm", 4, {"patient_id": "z"}, PatientID="3")
    study.dicom("e.dcm", 5, {"patient_id": "w"}, PatientID="")
    assert run(study.command(ALL_TRAIN))[0] == 0
    refused = study.refused()
    assert refused.keys() == {"F00001", "F00002", "F00003", "F00004"}
    assert "differ in PatientID" in refused["F00001"]
    assert "stands under two values of patient_id" in refused["F00003"]
    study.output = study.folder / "trusting"
    assert run(study.command(ALL_TRAIN, "--nocheck_patients"))[0] == 0
    assert study.refused() == {}
    assert study.dataset()["counts"]["train"]["patients"] == 4


def test_one_number_of_two_hospitals_is_two_patients(study: Study, run: Run) -> None:
    study.dicom("a.dcm", 1, PatientID="1", IssuerOfPatientID="A", PatientSex="F")
    study.dicom("b.dcm", 2, PatientID="1", IssuerOfPatientID="B", PatientSex="M")
    assert run(study.command(ALL_TRAIN))[0] == 0
    assert study.dataset()["counts"]["train"]["patients"] == 2


def test_patients_from_headers_are_counted(study: Study, run: Run) -> None:
    study.dicom("a.dcm", 1, PatientID="1")
    study.dicom("b.dcm", 2, PatientID="1")
    study.png("c.png", 3)
    status, out, _ = run(study.command(ALL_TRAIN))
    assert status == 0
    assert study.dataset()["patients_from"] == {"DICOM PatientID": 2, "each image its own patient": 1}
    assert "1 x each image its own patient" in out
    assert study.dataset()["counts"]["train"] == {"films": 3, "patients": 2, "shards": 1}


def split_file(study: Study, *lines: str) -> str:
    (study.folder / "labels.csv").touch()
    (study.images / "split.csv").write_text("\n".join(lines))
    return f"--split_file={study.images / 'split.csv'}"


def test_a_split_file(study: Study, run: Run) -> None:
    for number in range(4):
        study.png(f"{number}.png", number)
    flag = split_file(study, "image;split", "0.png;train", ".\\1.png;test", "2.png;train", "7.png;test")
    status, out, _ = run(study.command(flag))
    assert status == 0
    assert [film.film for film in study.records("test")] == ["F00002"]
    assert study.refused() == {"F00004": "--split_file does not name it."}
    assert "validation: 0 films of 0 patients, so no shard" in out
    assert "warning: 1 rows of --split_file belong to no usable film." in out
    assert study.dataset()["counts"]["validation"] == {"films": 0, "patients": 0, "shards": 0}
    assert not list(study.output.glob("validation*"))


@pytest.mark.parametrize("dry", [False, True])
def test_a_patient_in_two_splits_fails_the_run(study: Study, run: Run, dry: bool) -> None:
    for number in range(3):
        study.png(f"{number}.png", number, patient_id="same" if number else "other")
    flag = split_file(study, "image,split", "0.png,train", "1.png,train", "2.png,test")
    status, _, err = run(study.command(flag, *(["--dry_run"] if dry else [])))
    assert status == 1
    assert "leak: patient P0002 is in 'train' and in 'test' (film F00003)." in err
    assert study.leftovers() == set()


def test_one_picture_under_two_patients_fails_the_run(study: Study, run: Run) -> None:
    for name, patient in (("a.png", "p"), ("b.png", "q"), ("c.png", "r")):
        study.png(name, 7 if name != "b.png" else 8, patient_id=patient)
    status, _, err = run(study.command("--split_counts=1,1,1"))
    assert status == 1
    assert "leak: films F00001 and F00003 are the same picture under two patients, P0001 and P0003" in err
    assert study.leftovers() == set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "exactly one of --split_counts, --split_fractions and --split_file"),
        ([ALL_TRAIN, "--split_counts=1,0,0"], "exactly one of"),
        (["--split_counts=3,1,0"], "sum to 4 patients, but at most 2 have films with labels"),
        (["--split_counts=1,0,0"], "--split_counts 1 + 0 + 0 = 1, but 2 patients have usable films"),
        (["--split_counts=1,1"], "three counts"),
        (["--split_file=missing.csv"], "--split_file cannot be read"),
        ([ALL_TRAIN, "--schema=knee"], "No schema 'knee'"),
        ([ALL_TRAIN, "--schema=missing.json"], "Cannot read the schema file"),
        ([ALL_TRAIN, "--schema=cephalometric19"], "lacks the columns sella_x"),
        ([ALL_TRAIN, "--labels=missing.csv"], "the labels file cannot be read"),
        ([ALL_TRAIN, "--images=missing"], "--images is not a folder"),
        ([ALL_TRAIN, "--spacing_mm=0.2"], "--spacing_mm is ROW,COLUMN"),
        ([ALL_TRAIN, "--spacing_mm=0.2,-1"], "--spacing_mm is ROW,COLUMN"),
        ([ALL_TRAIN, "--spacing_mm=a,b"], "--spacing_mm is ROW,COLUMN"),
        ([ALL_TRAIN, "--annotators=zoe"], "--annotators: no usable row by zoe, only by: anna"),
        ([ALL_TRAIN, "--output_dir="], "--output_dir is needed"),
        ([ALL_TRAIN, "--max_side=-1"], "max_side"),
        ([ALL_TRAIN, "--consensus=mode"], "consensus"),
        ([ALL_TRAIN, "stray"], "unexpected argument 'stray'"),
        ([ALL_TRAIN, "--no_such_flag"], "no_such_flag"),
    ],
)
def test_wrong_flags_end_with_2_and_leave_nothing(study: Study, run: Run, arguments: list[str], message: str) -> None:
    study.png("a.png", 1)
    study.png("b.png", 2)
    status, _, err = run(study.command(*arguments))
    assert status == 2
    assert message in err
    assert "Traceback" not in err
    assert study.leftovers() == set()


def test_an_output_folder_with_content_is_left_alone(study: Study, run: Run) -> None:
    study.png("a.png", 1)
    study.output.mkdir()
    (study.output / "precious").write_text("1")
    status, _, err = run(study.command(ALL_TRAIN))
    assert (status, "exists and is not empty" in err) == (2, True)
    assert [path.name for path in study.output.iterdir()] == ["precious"]
    (study.output / "precious").unlink()
    assert run(study.command(ALL_TRAIN))[0] == 0


def test_an_empty_folder_ends_with_1(study: Study, run: Run) -> None:
    study.rows.append(row("a.png"))
    status, out, err = run(study.command(ALL_TRAIN))
    assert status == 1
    assert "F00001: labels row 2: no such file" in out
    assert "no film can be used: nothing was written." in err
    assert study.leftovers() == set()


def test_labels_without_rows_end_with_1(study: Study, run: Run) -> None:
    write_png(study.images / "a.png", 1)
    status, out, _ = run(study.command(ALL_TRAIN))
    assert status == 1
    assert "images without labels (1)" in out
    assert study.leftovers() == set()


def test_a_dry_run_writes_nothing_and_lists_all(study: Study, run: Run) -> None:
    study.png("good.png", 0)
    for number in range(30):
        study.rows.append(row(f"missing{number:02}.png"))
    status, out, _ = run(study.command("--dry_run"))
    assert status == 0
    assert out.count("no such file") == 30
    assert "dry run: no data set was written; add a split flag to see the split." in out
    assert study.leftovers() == set()
    status, out, _ = run(study.command("--dry_run", ALL_TRAIN))
    assert "train: 1 films of 1 patients" in out
    (study.images / "good.png").unlink()
    assert run(study.command("--dry_run"))[0] == 1
    assert study.leftovers() == set()


def test_the_private_log_maps_back(study: Study, run: Run) -> None:
    study.png("b.png", 1, patient_id="Zoe")
    study.png("a.png", 2, patient_id="Yan")
    log = study.folder / "private" / "log.csv"
    assert run(study.command(ALL_TRAIN, f"--private_log={log}"))[0] == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log.read_text() == (
        "pseudonym,kind,name\nF00001,film,a.png\nF00002,film,b.png\nP0001,patient,Yan\nP0002,patient,Zoe\n"
    )
    assert [film.patient for film in study.records()] == ["P0001", "P0002"]


@pytest.mark.parametrize(("place", "message"), [("out/log.csv", "outside --output_dir"), ("labels.csv", "exists")])
def test_a_private_log_in_a_wrong_place(study: Study, run: Run, place: str, message: str) -> None:
    study.png("a.png", 1)
    status, _, err = run(study.command(ALL_TRAIN, f"--private_log={study.folder / place}"))
    assert (status, message in err) == (2, True)
    assert study.leftovers() == set()


def test_no_identifier_reaches_any_output(study: Study, run: Run) -> None:
    person: dict[str, Any] = {"PatientID": "SECRETID", "PatientName": "SECRET^NAME", "PatientBirthDate": "19010203"}
    groups: dict[str, Any] = {"PatientAge": "SECRET", "PatientSex": "SECRET", "SyntheticData": "SECRET"}
    study.dicom("SECRETFILE.dcm", 1, **person, **groups, Manufacturer="SECRET^NAME")
    study.png("SECRETGONE.png", 2, patient_id="SECRETPATIENT")
    study.rows[0] = {**study.rows[0], "patient_id": "SECRETLABEL"}
    study.rows.append(row("SECRETMISSING.png", patient_id="SECRETOTHER"))
    status, out, err = run(study.command(ALL_TRAIN))
    assert status == 0
    written = b"".join(path.read_bytes() for path in study.output.iterdir())
    for where in (out.encode(), err.encode(), written):
        assert b"SECRET" not in where
        assert b"19010203" not in where


def test_groups_of_films_by_labels_then_header(study: Study, run: Run) -> None:
    siemens = {"Manufacturer": "SIEMENS SECRET^NAME", "PatientSex": "O", "PatientAge": "052Y"}
    study.dicom("a.dcm", 1, {"patient_id": "p"}, PatientID="1", **siemens)
    study.dicom("b.dcm", 2, {"patient_id": "q", "age": "93,5", "sex": "female"}, PatientID="2", **siemens)
    born = {"PatientBirthDate": "19500615", "StudyDate": "20200614", "PatientAge": "abc"}
    study.dicom("c.dcm", 3, {"patient_id": "r", "position": "flexion"}, PatientID="3", **born)
    study.png("d.png", 4, patient_id="s")
    study.png("e.png", 5, patient_id="t", age="41", sex="O")
    study.png("f.png", 6, patient_id="u", age="old")
    assert run(study.command("--split_counts=3,1,1"))[0] == 0
    rows = patient_groups.read(study.output, study.dataset()["records_csv"])
    assert {key: (row.age, row.sex, row.scanner) for key, row in rows.items()} == {
        "F00001": (52, "O", "Siemens"),
        "F00002": (90, "F", "Siemens"),
        "F00003": (69, "", ""),
        "F00004": (None, "", ""),
        "F00005": (41, "O", ""),
    }
    assert "column 'age' is a number of years" in study.refused()["F00006"]
    written = {film.film: (part, film) for part in ("train", "validation", "test") for film in study.records(part)}
    assert written.keys() == rows.keys()
    for key, (part, film) in written.items():
        row = rows[key]
        assert (row.split, row.patient, row.position) == (part, film.patient, film.position)
        assert (row.spacing_source, row.flags) == (film.spacing_source, film.flags)
    assert patient_groups.leaks(rows.values()) == []
    assert study.dataset()["synthetic"] is False
    assert b"SECRET" not in b"".join(path.read_bytes() for path in study.output.iterdir())


def test_a_data_set_is_synthetic_when_every_header_says_so(study: Study, run: Run) -> None:
    study.dicom("a.dcm", 1, SyntheticData="YES")
    study.dicom("b.dcm", 2, SyntheticData="YES")
    status, out, _ = run(study.command(ALL_TRAIN))
    assert (status, study.dataset()["synthetic"]) == (0, True)
    assert "all films are synthetic by Synthetic Data (0008,001C)" in out
    study.png("c.png", 3)
    study.output = study.folder / "mixed"
    status, out, _ = run(study.command(ALL_TRAIN))
    assert (status, study.dataset()["synthetic"]) == (0, False)
    assert "warning: 2 of 3 films are synthetic" in out


def test_an_unexpected_error_refuses_one_film(study: Study, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("SECRET")

    study.png("a.png", 1)
    study.dicom("b.dcm", 2)
    monkeypatch.setattr(films.identities, "of", fail)
    assert run(study.command(ALL_TRAIN))[0] == 0
    assert study.refused() == {"F00002": "the file cannot be read: unexpected KeyError."}


def test_a_schema_of_ones_own(study: Study, run: Run) -> None:
    schema = study.images / "mine.json"
    schema.write_text(json.dumps({"name": "mine", "landmarks": list(POINTS[:2])}))
    study.png("a.png", 1)
    status, out, _ = run(study.command(ALL_TRAIN, f"--schema={schema}"))
    assert status == 0
    assert "columns of the labels that mean nothing here: dens_posterior_x" in out
    assert study.records()[0].landmarks.shape == (2, 2)
    assert (study.dataset()["task"], study.dataset()["schema"]["landmarks"]) == (
        "landmarks",
        list(POINTS[:2]),
    )


def test_as_a_command(study: Study) -> None:
    study.png("a.png", 1)
    command = [sys.executable, "-m", "data_prep.radiographs", *study.command(ALL_TRAIN)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"results: {study.output} (shards, dataset.json, records.csv, refused.csv)\n")
    assert len(study.records()) == 1
