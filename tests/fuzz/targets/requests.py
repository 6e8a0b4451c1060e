"""What comes over the network: requests to a served model, answers to its client, objects sent by C-STORE."""

import functools
import json
import pathlib
import random
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import conftest
import numpy as np
import study_models
from pydicom.dataset import FileMetaDataset
from tiny_films import build_film, picture, to_bytes

from fuzz import ROOT
from fuzz.mutation import dicom, documents, numbers, pictures
from fuzz.targets import Target
from raspine import records
from raspine.pacs import incoming
from raspine.serving import answers, errors, export, rest_transport, signatures

sys.path.insert(0, str(ROOT / "tests" / "contract_server"))

import grpc_service
import json_tensors
import tensorflow as tf
from admission import Admission
from refusal import Refusal
from served import Models
from tensorflow_serving.apis import predict_pb2

_MAX_BODY = 1 << 26
_SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


@functools.cache
def _models() -> Models:
    """Exports a tiny model of each road and serves them."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-served-"))
    export.write(conftest.tiny_landmarker(), place, "films")
    export.write(study_models.model(columns=("age",)), place, "studies")
    return Models(place, {"films": {"stable": 1}}, Admission(1, 8))


def _png(bits: int = 16) -> bytes:
    return records.encode_image(picture(80, 72, bits) * (257 if bits == 8 else 1))


def _rest_seeds() -> dict[str, bytes]:
    _models()  # before anything is timed
    encoded = {"b64": json_tensors.base64.b64encode(_png()).decode()}
    row = {signatures.PICTURE: encoded, signatures.SPACING: [0.2, float("nan")]}
    slices = {
        signatures.PICTURE: [encoded] * 6,
        signatures.SPACING: [1.0, 1.0],
        signatures.CLINICAL: [50.0] + [0.0] * 5,
    }
    bodies = {
        "rows": {"model": "films", "signature_name": signatures.PNG, "instances": [row, row]},
        "columns": {
            "model": "films",
            "signature_name": signatures.PNG,
            "inputs": {signatures.PICTURE: [encoded], signatures.SPACING: [[0.2, 0.3]]},
        },
        "describe": {"model": "films", "signature_name": signatures.DESCRIBE, "instances": ["x"]},
        "slices": {"model": "studies", "signature_name": signatures.PNG, "instances": [slices]},
        "map": {"model": "studies", "signature_name": signatures.GRADCAM_PNG, "instances": [slices]},
    }
    return {name: json.dumps(body).encode() for name, body in bodies.items()}


def _rest(data: bytes) -> object:
    """Does what the contract server does with a body; the model's name stands in the body here, not in the path."""
    request = json_tensors.parse(data)
    version = _models()[str(request.get("model"))].version(None, "")
    signature = json_tensors.signature_name(request)
    arrays, as_rows = json_tensors.arrays(request, version.inputs(signature))
    json.loads(json_tensors.body(version.predict(signature, arrays), as_rows))
    return ()


def _spoiled_rest(data: bytes, rng: random.Random) -> bytes:
    """Spoils the JSON, or a picture inside it."""
    if rng.random() < 0.5:
        return documents.json_text(data, rng)
    request = json.loads(data)
    for holder, key in documents.places(request):
        if key == "b64" and rng.random() < 0.6:
            spoiled = pictures.mutate(json_tensors.base64.b64decode(holder[key]), rng)
            holder[key] = json_tensors.base64.b64encode(spoiled).decode()
    return json.dumps(request).encode()


def _grpc_seeds() -> dict[str, bytes]:
    _models()
    films = {signatures.IMAGE: picture(70, 60, 16)[None], signatures.SPACING: np.full((1, 2), 0.2, np.float32)}
    drawn = {signatures.PICTURE: np.array([_png()], object), signatures.SPACING: np.full((1, 2), 0.2, np.float32)}
    studies = {
        signatures.IMAGE: np.zeros((1, 6, 40, 40), np.uint16),
        signatures.SPACING: np.ones((1, 2), np.float32),
        signatures.CLINICAL: np.zeros((1, 6), np.float32),
    }
    return {
        "films": _request("films", signatures.DEFAULT, films),
        "png": _request("films", signatures.PNG, drawn),
        "studies": _request("studies", signatures.DEFAULT, studies),
        "map": _request("studies", signatures.GRADCAM, studies),
        "example": _request("films", signatures.EXAMPLE, {signatures.EXAMPLES: np.array([_record()], object)}),
    }


def _record() -> bytes:
    points = np.full((4, 2), 20.0)
    return records.build(records.FilmRecord("F1", "P1", "atlantoaxial", _png(), (80, 72), points))


def _request(model: str, signature: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in arrays.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return bytes(request.SerializeToString())


class _Context:
    """As much of gRPC's context as a prediction asks."""

    def is_active(self) -> bool:
        return True


def _grpc(data: bytes) -> object:
    try:
        request = predict_pb2.PredictRequest.FromString(data)
    except Exception:  # gRPC itself refuses it
        return ()
    grpc_service.Prediction(_models(), _MAX_BODY)._predict(request, _Context())
    return ()


def _spoiled_grpc(data: bytes, rng: random.Random) -> bytes:
    """Spoils a tensor's type, shape or content."""
    if rng.random() < 0.2:
        return numbers.spoil(data, rng)
    request = predict_pb2.PredictRequest.FromString(data)
    if not request.inputs:
        return data
    tensor = request.inputs[rng.choice(sorted(request.inputs))]
    kind = rng.randrange(5)
    if kind == 0:
        tensor.dtype = rng.choice((0, 1, 3, 7, 9, 17, 19, 20, 21, 101))
    elif kind == 1 and tensor.tensor_shape.dim:
        side = rng.choice(tensor.tensor_shape.dim)
        side.size = max(-(1 << 63), min(rng.choice(numbers.WHOLE), (1 << 63) - 1))
    elif kind == 2:
        tensor.tensor_shape.dim.add().size = rng.choice((0, 1, 2, -1, 1 << 40))
    elif kind == 3 and tensor.string_val:
        tensor.string_val[0] = pictures.mutate(tensor.string_val[0], rng)
    else:
        tensor.tensor_content = numbers.spoil(tensor.tensor_content, rng)
    return bytes(request.SerializeToString())


_WANTED = {
    signatures.POINTS: answers.Output(answers.FLOAT, (2, 4, 2), may_miss=True),
    signatures.VERDICT: answers.Output(answers.INT, (2,), -1, 1),
    signatures.CARD: answers.Output(answers.STRING, (2,)),
}


def _answer_seed() -> dict[str, bytes]:
    row = {signatures.POINTS: [[1.5, 2.0]] * 4, signatures.VERDICT: 1, signatures.CARD: {"b64": "eA=="}}
    return {"two": json.dumps({"predictions": [row, row]}).encode()}


def _answer(data: bytes) -> object:
    answers.checked(rest_transport._columns(data, tuple(_WANTED)), _WANTED)
    return ()


def _objects() -> dict[str, bytes]:
    made = {}
    for syntax in _SYNTAXES:
        film = build_film(syntax=syntax, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", StudyID="SECRET")
        made[syntax] = to_bytes(film)
    return made


def _stored(data: bytes) -> object:
    found = dicom.split(data)
    if found is None or found[0] not in _SYNTAXES:
        return ()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = found[0]
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.4"
    incoming.identified(incoming.Received(meta, memoryview(found[1])))
    return ()


TARGETS = {
    "rest_body": Target(_rest, (Refusal,), _rest_seeds, _spoiled_rest),
    "grpc_body": Target(_grpc, (Refusal,), _grpc_seeds, _spoiled_grpc),
    "rest_answer": Target(_answer, (errors.EndpointError, answers.NonsenseError), _answer_seed, documents.json_text),
    "stored_object": Target(_stored, (incoming.UnknownError,), _objects, dicom.mutate),
}
