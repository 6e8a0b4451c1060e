"""The client and raw requests against the contract server: good answers, and every kind of bad request.

After each bad request the server has to answer a good one as before.
"""

import ast
import base64
import concurrent.futures
import http.client
import json
import pathlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import conftest
import cv2
import grpc
import numpy as np
import pytest
import served_models
import study_models
import study_shards
import tensorflow as tf
from served_models import FILMS, LABEL, STUDIES
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from raspine import records, risk, study_records
from raspine.serving import answers, client

TRANSPORTS = ("grpc", "rest")
SIDE = study_shards.SIDE
PIXELS = conftest.smooth(90, 70, 1)
PNG = records.encode_image(PIXELS)
SPACING = np.array([[0.2, 0.3]], np.float32)


def texts(*values: bytes) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found


GOOD = {"png": texts(PNG), "pixel_spacing": SPACING}


@pytest.fixture(scope="module")
def server() -> Any:
    return served_models.served()


@pytest.fixture(scope="module")
def predict(server: Any) -> Iterator[prediction_service_pb2_grpc.PredictionServiceStub]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def expected(predict: Any) -> np.ndarray:
    return answer_of(predict)


def answer_of(predict: Any) -> np.ndarray:
    answer = predict.Predict(request(GOOD), timeout=30)
    return tf.make_ndarray(answer.outputs["points_px"])


@pytest.fixture
def alive(server: Any, predict: Any, expected: np.ndarray) -> Iterator[None]:
    """Asks for the same good answer behind the test, by both routes."""
    yield
    np.testing.assert_array_equal(answer_of(predict), expected)
    status, answer = post(server, body({"png": b64(PNG), "pixel_spacing": SPACING[0].tolist()}))
    assert status == 200
    np.testing.assert_array_equal(np.array([answer["predictions"][0]["points_px"]], np.float32), expected)
    assert server.process.poll() is None


def address(server: Any, transport: str, model: str = FILMS) -> str:
    return server.grpc(model) if transport == "grpc" else server.rest(model)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_remote_landmarker_finds_what_the_local_one_finds(server: Any, model: Any, transport: str) -> None:
    films = [(PIXELS, (0.2, 0.3)), (conftest.smooth(64, 80, 2), None), (conftest.smooth(71, 64, 3), (0.4, 0.4))]
    with client.connect(f"{address(server, transport)}/labels/{LABEL}") as endpoint:
        remote = client.landmarker(endpoint)
        points, confidence = remote.locate(films)
        nothing = remote.locate([])
    local = model.locate(films)
    np.testing.assert_allclose(points, local[0], atol=1e-3)
    np.testing.assert_allclose(confidence, local[1], atol=1e-5)
    assert (points.dtype, confidence.dtype) == (np.float32, np.float32)
    assert [len(part) for part in nothing] == [0, 0]
    assert (remote.schema, remote.card) == (model.schema, model.card)
    assert (remote.identity.name, remote.identity.version, remote.identity.variant) == (FILMS, "1", "folded")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_remote_risk_model_says_what_the_local_one_says(server: Any, transport: str) -> None:
    pixels = np.stack([[conftest.smooth(SIDE, SIDE, 6 * study + one) for one in range(6)] for study in range(2)])
    values = np.full((2, 6), np.nan, np.float32)
    values[0, :2] = 61.5, 1
    local = risk.load(served_models.directory(STUDIES))
    with client.connect(address(server, transport, STUDIES)) as endpoint:
        remote = client.risk_model(endpoint)
        risks, unknown, maps = remote.risk(pixels, values), remote.risk(pixels), remote.gradcam(pixels, values)
        assert remote.risk(pixels[:0]).shape == (0,)
        assert remote.gradcam(pixels[:0]).shape == (0, 6, 32, 32)
    np.testing.assert_allclose(risks, local.risk(pixels, values), atol=1e-5)
    np.testing.assert_allclose(unknown, local.risk(pixels), atol=1e-5)
    assert (maps.shape, maps.dtype) == ((2, 6, 32, 32), np.float32)
    assert 0 <= maps.min() < maps.max()
    assert (remote.settings, remote.threshold) == (local.settings, study_models.THRESHOLD)
    np.testing.assert_array_equal(remote.cut(pixels), pixels[..., 4:36, 4:36])


def test_a_model_of_the_other_task_is_refused(server: Any) -> None:
    told = "gives the risk of deformity, not landmarks"
    with client.connect(server.grpc(STUDIES)) as endpoint, pytest.raises(client.SettingsError, match=told):
        client.landmarker(endpoint)


def test_the_server_imports_nothing_of_raspine() -> None:
    folder = pathlib.Path(served_models.running.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not any(name.split(".")[0] in ("raspine", "experiments", "data_prep") for name in names), path


def test_status_and_metadata_by_both_routes(server: Any, predict: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = FILMS
        found = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status, timeout=10)
    assert [(one.version, one.state, one.status.error_code) for one in found.model_version_status] == [(1, 30, 0)]
    assert get(server, f"/v1/models/{FILMS}/labels/{LABEL}") == get(server, f"/v1/models/{FILMS}")
    assert get(server, f"/v1/models/{FILMS}")[1]["model_version_status"][0]["state"] == "AVAILABLE"
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = FILMS
    signatures = get_model_metadata_pb2.SignatureDefMap()
    predict.GetModelMetadata(asked, timeout=10).metadata["signature_def"].Unpack(signatures)
    listed = get(server, f"/v1/models/{FILMS}/metadata")[1]["metadata"]["signature_def"]["signature_def"]
    assert set(listed) == set(signatures.signature_def) == {"serving_default", "serve_png", "serve_example", "describe"}
    assert signatures.signature_def["serve_png"].inputs["png"].dtype == tf.string.as_datatype_enum


def test_rows_and_columns_say_the_same(server: Any) -> None:
    row = {"png": b64(PNG), "pixel_spacing": [float("nan")] * 2}
    _, rows = post(server, body(row))
    _, columns = post(server, json.dumps({"signature_name": "serve_png", "inputs": {k: [v] for k, v in row.items()}}))
    [one] = rows["predictions"]
    assert set(one) == set(columns["outputs"]) == {"points_px", "confidence", "adi_mm", "sac_mm", "verdict"}
    assert np.isnan(one["adi_mm"])
    assert columns["outputs"]["points_px"] == [one["points_px"]]
    _, card = post(server, json.dumps({"signature_name": "describe", "inputs": "x"}))
    assert "error" in card  # a scalar has no batch
    _, card = post(server, json.dumps({"signature_name": "describe", "instances": ["x"]}))
    assert json.loads(card["predictions"][0])["name"] == FILMS


def request(
    inputs: Mapping[str, Any], signature: str = "serve_png", model: str = FILMS, **spec: Any
) -> predict_pb2.PredictRequest:
    made = predict_pb2.PredictRequest()
    made.model_spec.name, made.model_spec.signature_name = model, signature
    if "version" in spec:
        made.model_spec.version.value = spec["version"]
    if "label" in spec:
        made.model_spec.version_label = spec["label"]
    for name, value in inputs.items():
        proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        made.inputs[name].CopyFrom(proto)
    return made


def proto(dtype: tf.DType, shape: tuple[int, ...], **values: Any) -> Any:
    made = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, **values)
    for side in shape:
        made.tensor_shape.dim.add().size = side
    return made


def spaced(*values: float) -> dict[str, Any]:
    return {**GOOD, "pixel_spacing": np.array([values], np.float32)}


def pictured(*pngs: bytes) -> dict[str, Any]:
    return {"png": texts(*pngs), "pixel_spacing": np.resize(SPACING, (len(pngs), 2))}


def claiming(width: int, height: int) -> bytes:
    """Returns the PNG with another size in its header, and the checksum that goes with it."""
    import struct
    import zlib

    head = b"IHDR" + struct.pack(">II", width, height) + PNG[24:29]
    return PNG[:12] + head + struct.pack(">I", zlib.crc32(head)) + PNG[33:]


def encoded(ending: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(ending, pixels)[1].tobytes()


def record() -> bytes:
    return records.build(
        records.FilmRecord("F", "P", "atlantoaxial", PNG, PIXELS.shape, np.ones((4, 2)))  # type: ignore[arg-type]
    )


def study() -> bytes:
    return study_records.build(study_shards.study("S", 1, np.random.default_rng(0)))


COLOUR = encoded(".png", np.zeros((9, 9, 3), np.uint8))
INVALID = "INVALID_ARGUMENT"
LOST = "DATA_LOSS"  # which is status 500 of REST

# What each signature is given, and what it says: code and some words. Through the client these go by both routes.
ARRAYS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "spacing of float64": ("serve_png", {**GOOD, "pixel_spacing": SPACING.astype(np.float64)}, INVALID, "float32"),
    "spacing of int32": ("serve_png", {**GOOD, "pixel_spacing": np.ones((1, 2), np.int32)}, INVALID, "float32"),
    "spacing of another rank": ("serve_png", {**GOOD, "pixel_spacing": SPACING[0]}, INVALID, "shape"),
    "spacing of three": ("serve_png", spaced(1, 1, 1), INVALID, "shape"),
    "spacing of zero": ("serve_png", spaced(0, 0.2), INVALID, "two positive numbers"),
    "negative spacing": ("serve_png", spaced(0.2, -1), INVALID, "two positive numbers"),
    "one spacing unknown": ("serve_png", spaced(np.nan, 0.2), INVALID, "or NaN NaN where unknown"),
    "infinite spacing": ("serve_png", spaced(np.inf, 0.2), INVALID, "two positive numbers"),
    "a picture as numbers": ("serve_png", {**GOOD, "png": np.zeros(1, np.float32)}, INVALID, "string"),
    "pictures in a table": ("serve_png", {**GOOD, "png": texts(PNG).reshape(1, 1)}, INVALID, "shape"),
    "no bytes": ("serve_png", pictured(b""), INVALID, "a picture is a grey PNG"),
    "half a PNG": ("serve_png", pictured(PNG[: len(PNG) // 2]), INVALID, "PNG"),
    "a PNG of nothing but its header": ("serve_png", pictured(PNG[:40]), INVALID, "PNG"),
    "a JPEG": ("serve_png", pictured(encoded(".jpg", np.zeros((40, 40), np.uint8))), INVALID, "a picture is a PNG"),
    "noise": ("serve_png", pictured(bytes(range(256))), INVALID, "a picture is a PNG"),
    "a colour PNG": ("serve_png", pictured(COLOUR), INVALID, "a PNG is grey"),
    "a PNG of one bit": ("serve_png", pictured(PNG[:24] + b"\x01" + PNG[25:]), INVALID, "8 or 16 bit"),
    "a PNG that claims to be huge": ("serve_png", pictured(claiming(60_000, 60_000)), INVALID, "20000 pixels a side"),
    "a PNG that claims many pixels": ("serve_png", pictured(claiming(20_000, 20_000)), INVALID, "(width, height)"),
    "a PNG without pixels": ("serve_png", pictured(claiming(0, 90)), INVALID, "pixels a side"),
    "one good and one bad picture": ("serve_png", pictured(PNG, PNG[:-60]), INVALID, "PNG"),
    "more pictures than spacings": ("serve_png", {**pictured(PNG, PNG), "pixel_spacing": SPACING}, INVALID, "as many"),
    "an unknown input": ("serve_png", {**GOOD, "age": SPACING}, INVALID, "age"),
    "a missing input": ("serve_png", {"png": texts(PNG)}, INVALID, "pixel_spacing"),
    "the inputs of another signature": ("serve_png", {"examples": texts(record())}, INVALID, "examples"),
    "an unknown signature": ("classify", GOOD, "", "classify"),
    "half a record": ("serve_example", {"examples": texts(record()[:-50])}, LOST, "parse binary protobuf"),
    "no record": ("serve_example", {"examples": texts(b"\xff\xfe\xfd")}, LOST, "parse binary protobuf"),
    "an empty record": ("serve_example", {"examples": texts(b"")}, INVALID, "is required but could not be found"),
    "the record of a study": (
        "serve_example",
        {"examples": texts(study())},
        INVALID,
        "is required but could not be found",
    ),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_the_client_hands_on_what_the_server_refuses(server: Any, alive: None, kind: str, transport: str) -> None:
    signature, inputs, code, words = ARRAYS[kind]
    if transport == "rest" and kind in ("spacing of float64", "spacing of int32"):
        code = words = ""  # JSON's numbers are of no dtype, so these are good
    wanted = {"verdict": answers.Output(answers.INT, (1,), -1, 1)}
    with client.connect(address(server, transport)) as endpoint:
        if not words:
            assert endpoint.predict(signature, inputs, wanted)
            return
        if transport == "rest" and len({len(value) for value in inputs.values()}) > 1:
            with pytest.raises(ValueError, match="argument 2 is"):  # rows cannot even say it
                endpoint.predict(signature, inputs, wanted)
            return
        with pytest.raises(client.EndpointError) as caught:
            endpoint.predict(signature, inputs, wanted)
    by_transport = {"": {"grpc": "FAILED_PRECONDITION", "rest": INVALID}, LOST: {"grpc": LOST, "rest": "INTERNAL"}}
    assert caught.value.code == by_transport.get(code, {transport: code})[transport]
    assert words in str(caught.value)
    assert caught.value.attempts == 1
    assert "\n" not in str(caught.value)


IMAGE = PIXELS[None]
RAW: dict[str, tuple[Callable[[], predict_pb2.PredictRequest], str, str]] = {
    "grey values of float32": (
        lambda: request({"image": IMAGE.astype(np.float32), "pixel_spacing": SPACING}, "serving_default"),
        INVALID, "expected to be uint16",
    ),
    "grey values of int32": (
        lambda: request({"image": IMAGE.astype(np.int32), "pixel_spacing": SPACING}, "serving_default"),
        INVALID, "expected to be uint16",
    ),
    "an image without a batch": (
        lambda: request({"image": PIXELS, "pixel_spacing": SPACING}, ""), INVALID, "shape (None, None, None)",
    ),
    "an image without pixels": (
        lambda: request({"image": IMAGE[:, :0], "pixel_spacing": SPACING}, ""), INVALID, "pixels a side",
    ),
    "no inputs": (lambda: request({}), INVALID, "Missing but required: {pixel_spacing,png}"),
    "an empty batch": (
        lambda: request({"png": texts(), "pixel_spacing": SPACING[:0]}), INVALID, "at least one item",
    ),
    "an unknown model": (lambda: request(GOOD, model="nobody"), "NOT_FOUND", "nobody"),
    "no model": (lambda: request(GOOD, model=""), INVALID, "ModelSpec"),
    "an unknown version": (lambda: request(GOOD, version=7), "NOT_FOUND", "Specific(films, 7)"),
    "an unknown label": (lambda: request(GOOD, label="canary"), INVALID, "label: canary"),
    "an unknown output": (
        lambda: (made := request(GOOD), made.output_filter.append("age"))[0], INVALID, "alias not found",
    ),
    "a string tensor of two with one": (
        lambda: request({**GOOD, "png": proto(tf.string, (0,), string_val=[PNG, PNG, PNG])}), INVALID, "parsing error",
    ),
    "a tensor cut short": (
        lambda: request({**GOOD, "pixel_spacing": proto(tf.float32, (1, 2), tensor_content=b"\0" * 5)}),
        INVALID, "tensor parsing error: pixel_spacing",
    ),
    "a negative side": (
        lambda: request({**GOOD, "pixel_spacing": proto(tf.float32, (-1, 2), float_val=[0.1])}), INVALID, "parsing",
    ),
    "a tensor that claims to be huge": (
        lambda: request({**GOOD, "pixel_spacing": proto(tf.float32, (1 << 30, 1 << 20), float_val=[0.1])}),
        INVALID, "parsing error",
    ),
    "a dtype that is none": (
        lambda: request({**GOOD, "pixel_spacing": proto(tf.variant, (1, 2))}), INVALID, "parsing error",
    ),
    "a message beyond the limit": (
        lambda: request(pictured(PNG + b"\0" * served_models.MAX_BODY)), "RESOURCE_EXHAUSTED", "larger than max",
    ),
    "slices for films": (
        lambda: request({"png": np.full((1, 6), PNG, object), "pixel_spacing": SPACING}), INVALID, "shape",
    ),
    "five slices": (
        lambda: request({"png": np.full((1, 5), PNG, object), "pixel_spacing": SPACING}, model=STUDIES),
        INVALID, "Missing but required: {clinical}",
    ),
    "slices of another pixel size": (
        lambda: request(slices(pixel_spacing=SPACING), model=STUDIES), INVALID, "pixel_spacing is 1 mm",
    ),
    "slices that are too small": (
        lambda: request(slices(png=np.full((1, 6), encoded(".png", PIXELS[:9, :9]), object)), model=STUDIES),
        INVALID, "at least 32 x 32 pixels",
    ),
    "five clinical values": (
        lambda: request(slices(clinical=np.zeros((1, 5), np.float32)), model=STUDIES), INVALID, "shape (None, 6)",
    ),
    "a map of films": (lambda: request(GOOD, "gradcam_png"), "FAILED_PRECONDITION", '"gradcam_png" not found'),
    "a film's record for studies": (
        lambda: request({"examples": texts(record())}, "gradcam_example", STUDIES), INVALID, "is required but",
    ),
}  # fmt: skip


def slices(**changed: Any) -> dict[str, Any]:
    pictures = np.full((1, 6), records.encode_image(conftest.smooth(SIDE, SIDE, 1)), object)
    good = {"png": pictures, "pixel_spacing": np.ones((1, 2), np.float32), "clinical": np.zeros((1, 6), np.float32)}
    return {**good, **changed}


def test_the_slices_are_good(predict: Any) -> None:
    assert set(predict.Predict(request(slices(), model=STUDIES), timeout=30).outputs) == {"risk", "logit", "verdict"}


@pytest.mark.parametrize("kind", RAW)
def test_a_bad_grpc_request(predict: Any, alive: None, kind: str) -> None:
    make, code, words = RAW[kind]
    with pytest.raises(grpc.RpcError) as caught:
        predict.Predict(make(), timeout=30)
    assert caught.value.code().name == code
    assert words in caught.value.details()


def test_grpc_that_is_none(server: Any, alive: None) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        for method, content, code in (
            ("/tensorflow.serving.PredictionService/Guess", b"", "UNIMPLEMENTED"),
            ("/tensorflow.serving.PredictionService/Predict", b"\xff" * 40, "INTERNAL"),
            ("/tensorflow.serving.PredictionService/Classify", b"", "UNIMPLEMENTED"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(content, timeout=10)
            assert caught.value.code().name == code
    assert b"HTTP/1.1 200" not in raw(server.grpc_port, b"GET / HTTP/1.1\r\n\r\n" + b"\0" * 5000)


def b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def body(*instances: Any, **more: Any) -> str:
    return json.dumps({"signature_name": "serve_png", "instances": list(instances), **more})


ROW = {"png": b64(PNG), "pixel_spacing": [0.2, 0.3]}
BODIES: dict[str, tuple[Any, int, str]] = {
    "nothing": ("", 400, "document is empty"),
    "no JSON": ("films please", 400, "JSON parse error"),
    "half of it": (body(ROW)[:-10], 400, "JSON parse error"),
    "a list": ("[1]", 400, "not an object"),
    "other letters": (b"\xff\xfe\x00{", 400, "JSON parse error"),
    "much too deep": ('{"instances": ' + "[" * 200_000, 400, "nested too deep"),
    "too deep and whole": ('{"instances": ' + "[" * 50_000 + "]" * 50_000 + "}", 400, "nested too deep"),
    "deep numbers": (body({**ROW, "pixel_spacing": json.loads("[" * 60 + "]" * 60)}), 400, "pixel_spacing"),
    "neither rows nor columns": ("{}", 400, "exactly one of"),
    "rows and columns": (body(ROW, inputs={}), 400, "exactly one of"),
    "rows that are none": ('{"instances": 3}', 400, "must be a list"),
    "no rows": (body(), 400, "no values"),
    "rows without names": (body([1, 2]), 400, "plain value"),
    "columns without names": ('{"inputs": [1, 2]}', 400, "plain value"),
    "a row short of a key": (body({"png": b64(PNG)}), 400, "the keys must be"),
    "a row with a key too many": (body({**ROW, "age": 50}), 400, "Received: age, pixel_spacing, png"),
    "rows of two kinds": (body(ROW, {"png": b64(PNG)}), 400, "element 1"),
    "broken base64": (body({**ROW, "png": {"b64": "!!!"}}), 400, "unable to base64 decode"),
    "base64 cut short": (body({**ROW, "png": {"b64": "abc"}}), 400, "unable to base64 decode"),
    "base64 that is a number": (body({**ROW, "png": {"b64": 3}}), 400, "expected type string"),
    "a number for a picture": (body({**ROW, "png": 3}), 400, "expected type string"),
    "text for a picture": (body({**ROW, "png": "picture"}), 400, "a picture is a grey PNG"),
    "half a picture": (body({**ROW, "png": b64(PNG[:200])}), 400, "PNG"),
    "text for a number": (body({**ROW, "pixel_spacing": ["0.2", "0.3"]}), 400, "expected type float32"),
    "truth for a number": (body({**ROW, "pixel_spacing": [True, True]}), 400, "expected type float32"),
    "null for a number": (body({**ROW, "pixel_spacing": [0.2, None]}), 400, "pixel_spacing"),
    "lists of two lengths": (body({**ROW, "pixel_spacing": [[0.2], [0.3, 0.4]]}), 400, "no regular array"),
    "rows of two shapes": (body(ROW, {**ROW, "pixel_spacing": [0.2]}), 400, "no regular array"),
    "one unknown spacing": (body({**ROW, "pixel_spacing": [float("nan"), 0.2]}), 400, "or NaN NaN where unknown"),
    "spacing without end": (body({**ROW, "pixel_spacing": [0.2, 0.3]}).replace("0.3", "1e999"), 400, "two positive"),
    "a number of 5,000 digits": (body(ROW).replace("0.3", "3" * 5000), 400, "JSON parse error"),
    "columns of two sizes": (
        json.dumps({"signature_name": "serve_png", "inputs": {"png": [b64(PNG)] * 2, "pixel_spacing": [[1, 1]]}}),
        400, "as many items",
    ),
    "a signature that is no name": (body(ROW, signature_name=3), 400, "must be a string"),
    "an unknown signature": (body(ROW, signature_name="guess"), 400, '"guess" not found'),
    "grey values as numbers": (
        json.dumps({"instances": [{"image": [[0]], "pixel_spacing": [1, 1]}]}), 501, "JSON values to uint16",
    ),
    "a body beyond the limit": (b" " * (served_models.MAX_BODY + 1), 413, "at most 2097152 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_a_bad_body(server: Any, alive: None, kind: str) -> None:
    content, status, words = BODIES[kind]
    found, answer = post(server, content)
    assert (found, words in answer["error"]) == (status, True), answer


PATHS = {
    "an unknown model": ("POST", "/v1/models/nobody:predict", 404, "nobody"),
    "an unknown version": ("POST", "/v1/models/films/versions/7:predict", 404, "Specific(films, 7)"),
    "an unknown label": ("POST", "/v1/models/films/labels/canary:predict", 400, "label: canary"),
    "a version that is no number": ("POST", "/v1/models/films/versions/new:predict", 400, "malformed request"),
    "a version beyond numbers": ("POST", f"/v1/models/films/versions/{'9' * 30}:predict", 400, "malformed request"),
    "another method of the model": ("POST", "/v1/models/films:guess", 400, "malformed request"),
    "a path of another kind": ("POST", "/v2/models/films", 404, "no such path"),
    "up and away": ("GET", "/v1/models/../../etc/passwd", 400, "malformed request"),
    "reading where one posts": ("GET", "/v1/models/films:predict", 400, "malformed request"),
    "posting where one reads": ("POST", "/v1/models/films", 400, "malformed request"),
    "the status of nobody": ("GET", "/v1/models/nobody", 404, "nobody"),
    "the metadata of no version": ("GET", "/v1/models/films/versions/7/metadata", 404, "Specific"),
    "putting": ("PUT", "/v1/models/films:predict", 405, "malformed"),
    "deleting": ("DELETE", "/v1/models/films", 405, "malformed"),
    "a word of one's own": ("DANCE", "/v1/models/films", 405, "malformed"),
}


@pytest.mark.parametrize("kind", PATHS)
def test_a_bad_path(server: Any, alive: None, kind: str) -> None:
    method, path, status, words = PATHS[kind]
    found, answer = post(server, body(ROW) if method == "POST" else None, path, method)
    assert (found, words in answer["error"]) == (status, True), answer


POST = b"POST /v1/models/films:predict HTTP/1.1\r\nHost: x\r\n"
HTTP = {
    "no length": (POST + b"\r\n", b" 400 ", b"Content-Length"),
    "a negative length": (POST + b"Content-Length: -5\r\n\r\n", b" 400 ", b"Content-Length"),
    "a length that is none": (POST + b"Content-Length: many\r\n\r\n", b" 400 ", b"Content-Length"),
    "a length of terabytes": (POST + b"Content-Length: 99999999999999\r\n\r\n", b" 413 ", b"at most"),
    "a length without end": (POST + b"Content-Length: " + b"9" * 60 + b"\r\n\r\n", b" 400 ", b"Content-Length"),
    "a length beyond the body": (POST + b"Content-Length: 500\r\n\r\n{}", b"", b""),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b" 501 ", b"chunks"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00" * 40 + b"\r\n\r\n", b"", b"malformed request"),
    "a line without end": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b" 414 ", b"malformed"),
    "a header without end": (POST + b"X: " + b"a" * 70_000 + b"\r\n\r\n", b" 431 ", b"malformed"),
    "headers without end": (POST + b"X: a\r\n" * 200 + b"\r\n", b" 431 ", b"malformed"),
    "HTTP of tomorrow": (b"GET / HTTP/9.9\r\n\r\n", b"", b"Invalid HTTP version"),
    "a word alone": (b"HELLO\r\n\r\n", b"", b"malformed request"),
}


@pytest.mark.parametrize("kind", HTTP)
def test_bad_http(server: Any, alive: None, kind: str) -> None:
    content, status, words = HTTP[kind]
    answer = raw(server.rest_port, content)
    assert status in answer
    assert words in answer


def test_at_least_forty_kinds_of_bad_request() -> None:
    assert len({*ARRAYS, *RAW}) >= 40
    assert len({*BODIES, *PATHS, *HTTP}) >= 40


def test_more_than_the_server_takes_on_is_told_to_come_again(server: Any, predict: Any, alive: None) -> None:
    """Two run and six wait; of 60 at once the others are refused, and the client's retries get every answer."""
    many = [PNG] * 40
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(predict.Predict, request(pictured(*many)), timeout=60) for _ in range(60)]
        codes = [one.exception().code().name for one in waiting if one.exception()]
        content = body(*[ROW] * 40)
        statuses = set(pool.map(lambda _: post(server, content)[0], range(60)))
    assert set(codes) == {"RESOURCE_EXHAUSTED"}
    assert statuses == {200, 429}
    films = [(PIXELS, (0.2, 0.3))] * 24
    for transport in TRANSPORTS:
        with client.connect(address(server, transport), client.Options(concurrency=24, retries=20)) as endpoint:
            points, _ = client.landmarker(endpoint).locate(films)
        assert (points == points[0]).all()


def get(server: Any, path: str) -> tuple[int, Any]:
    return post(server, None, path, "GET")


def post(
    server: Any, content: str | bytes | None, path: str = f"/v1/models/{FILMS}:predict", method: str = "POST"
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=30)
    try:
        connection.request(method, path, content)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def raw(port: int, content: bytes) -> bytes:
    """Returns what comes back for bytes after which nothing more is sent."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                found += part
        except ConnectionError:
            pass
    return found
