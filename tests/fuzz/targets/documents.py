"""JSON that comes from outside: landmark schemas, the manifests of data folders, the states of checkpoints."""

import json
import pathlib
import tempfile

from fuzz.mutation import documents, folder, numbers
from fuzz.targets import Target
from raspine import landmarks
from raspine.training import checkpoints, deformity, loop
from raspine.training import landmarks as landmark_training


def _schemas() -> dict[str, bytes]:
    return {name: json.dumps(schema.to_dict()).encode() for name, schema in landmarks.SCHEMAS.items()}


def _schema(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "schema.json"
        path.write_bytes(data)
        found = landmarks.load(path)
    assert landmarks.from_dict(found.to_dict()) == found
    found.measure([[[0.0, 1.0]] * len(found.landmarks)], [0.2, 0.3])
    return ()


def _manifests() -> dict[str, bytes]:
    films = {
        "schema": landmarks.ATLANTOAXIAL.to_dict(),
        "counts": {"train": {"films": 3, "patients": 2}, "test": {"films": 1, "patients": 1}},
        "data_hash": "0" * 64,
        "synthetic": True,
    }
    studies = {
        "task": "deformity",
        "choice": {"mode": "native_middle", "count": 6, "pixel_mm": 1.0, "size": [40, 40]},
        "clinical": ["age", "sex"],
        "counts": {"train": {"studies": 4, "patients": 4, "positive": 2, "negative": 2}},
        "data_hash": "0" * 64,
    }
    return {"films": json.dumps(films).encode(), "studies": json.dumps(studies).encode()}


def _manifest(data: bytes) -> object:
    said = []
    with tempfile.TemporaryDirectory() as place:
        (pathlib.Path(place) / loop.MANIFEST).write_bytes(data)
        for opened in (landmark_training.open_data, deformity.open_data):
            try:
                opened(place)
            except loop.DataFolderError as error:
                said.append(str(error))
    return said


def _checkpoints() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        written = checkpoints.write(
            place, 7, {"loss": 0.5, "history": [1, 2]}, {"a.h5": lambda path: path.write_bytes(b"weights") and None}
        )
        return {"step": folder.pack({path.name: path.read_bytes() for path in written.iterdir()})}


def _checkpoint(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as place:
        folder.write(data, pathlib.Path(place) / "step-0000000007")
        return checkpoints.newest(place).damaged


TARGETS = {
    "schema": Target(_schema, (landmarks.SchemaError,), _schemas, documents.json_text),
    "manifest": Target(_manifest, (), _manifests, documents.json_text),
    "checkpoint": Target(
        _checkpoint, (), _checkpoints, folder.mutator({"json": documents.json_text, "h5": numbers.spoil})
    ),
}
