import dataclasses
import json
import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import forked
import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from raspine import atomic, landmarker, landmarks, records
from raspine.models import layers

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE = 64

# The files that take longest, begun first so that no worker is left alone with one of them at the end.
LONGEST = (
    "test_strategies.py", "test_deformity_road.py", "test_landmarks_training.py", "test_deformity_training.py",
    "test_pacs_worker.py", "test_exported_answers.py", "test_evaluate_studies.py", "test_explain.py",
    "test_cross_validate.py", "test_survival.py", "test_pacs_survival.py", "test_predict_endpoint.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def smooth(height: int, width: int, seed: int) -> NDArray[np.uint16]:
    """A film-like picture: broad random waves over the full range."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = sum(np.cos(2 * np.pi * (a * x + b * y) + c) for a, b, c in random.uniform((-4, -4, 0), (4, 4, 6), (8, 3)))
    scaled = (waves - waves.min()) / (waves.max() - waves.min())
    return np.round(scaled * 65535).astype(np.uint16)


def write_dicom(path: pathlib.Path, pixels: NDArray[np.uint16], **tags: Any) -> None:
    """Writes 16-bit grey values as an uncompressed DX film, displayed as they are."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    film.Modality, film.PatientID, film.PatientName = "DX", "SECRET-ID", "Secret^Name"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated = film.BitsStored = 16
    film.HighBit = 15
    film.WindowCenter, film.WindowWidth = 32768, 65536
    film.PatientOrientation = ["P", "F"]
    for name, value in tags.items():
        setattr(film, name, value)
    film.PixelData = pixels.tobytes()
    film.save_as(path, enforce_file_format=True)


def tiny_network(num_landmarks: int, side: int = SIDE, seed: int = 3) -> keras.Model:
    """A network of two strided convolutions, of the layers that HRNet has, with heatmaps at stride 4."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((side, side, 1), name="image")
    maps = images
    for number in range(2):
        maps = layers.SymmetricConvolution(8, 3, 2, kernel_initializer="he_normal", name=f"conv{number}")(maps)
        maps = layers.batch_normalization("fused", "relu", f"bn{number}")(maps)
    maps = layers.PointwiseConvolution(num_landmarks, kernel_initializer="he_normal", name="head")(maps)
    return keras.Model(images, maps, name="tiny")


def tiny_landmarker(schema: landmarks.Schema = landmarks.ATLANTOAXIAL) -> landmarker.Landmarker:
    """Two stages with different weights, so that a program which forgets the refiner gives other points."""
    settings = landmarker.Settings(schema, SIDE, SIDE, output="softmax")
    region = dataclasses.replace(settings, reach=3.0)
    refiner = landmarker.Stage(tiny_network(len(schema.landmarks), seed=4), region)
    return landmarker.Landmarker(tiny_network(len(schema.landmarks)), settings, {"data_hash": "0123"}, refiner)


@pytest.fixture(scope="session")
def model() -> landmarker.Landmarker:
    """An untrained landmarker: its points are arbitrary, and always the same."""
    return tiny_landmarker()


@pytest.fixture(scope="session")
def model_directory(model: landmarker.Landmarker, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("run") / "best"
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def dicom_writer() -> Callable[..., None]:
    return write_dicom


@pytest.fixture(scope="session")
def film_pixels() -> Callable[[int, int, int], NDArray[np.uint16]]:
    return smooth


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Six films of three patients in two shards, with two annotators; the last one has no spacing."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(1)
    made = []
    for number in range(6):
        height, width = 90 + 7 * number, 70 + 11 * number
        points = random.uniform(8, (width - 8, height - 8), (2, 4, 2))
        known = number != 5
        made.append(
            records.FilmRecord(
                film=f"F{number:03d}",
                patient=f"P{number // 2}",
                schema="atlantoaxial",
                image=records.encode_image(smooth(height, width, number)),
                native_size=(height, width),
                landmarks=points.mean(0),
                annotators=("ann", "bob"),
                annotator_points=points,
                spacing_mm=(0.2, 0.3) if known else None,
                spacing_source="geometry" if known else "none",
                position=("neutral", "flexion")[number % 2],
            )
        )
    import tensorflow as tf

    for shard in range(2):
        with tf.io.TFRecordWriter(str(folder / f"test-{shard:05d}-of-00002.tfrecord")) as writer:
            for record in made[3 * shard : 3 * shard + 3]:
                writer.write(records.build(record))
    facts = {
        "schema": landmarks.ATLANTOAXIAL.to_dict(),
        "data_hash": "abc",
        "counts": {"test": {"films": 6, "patients": 3}},
    }
    atomic.write_json(folder / "dataset.json", facts)
    return folder


@pytest.fixture(scope="session")
def start() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a program as a user does."""

    def run(name: str, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        return forked.run(name, list(map(str, arguments)), options.get("cwd", ROOT), options.get("env"))

    return run


@pytest.fixture(scope="session")
def start_many() -> Callable[[str, list[list[str]]], list[tuple[int, str, str]]]:
    """Runs a program with one command line after the other; returns status, output and errors of each."""

    def run(name: str, lines: list[list[str]]) -> list[tuple[int, str, str]]:
        done = forked.run(str(ROOT / "tests" / "command_lines.py"), [name, json.dumps(lines)], ROOT)
        assert done.returncode == 0, done.stderr
        return [tuple(result) for result in json.loads(done.stdout.splitlines()[-1])]

    return run
