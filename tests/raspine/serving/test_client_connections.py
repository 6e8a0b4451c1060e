"""How the client behaves towards servers of every temper: slow, busy, mad, and not who they say they are."""

import concurrent.futures
import json
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import fake_servers
import grpc
import numpy as np
import pytest
import tensorflow as tf
from fake_servers import Certificates, Fake
from tensorflow_serving.apis import predict_pb2

from raspine import landmarks
from raspine.serving import answers, client, signatures

REQUEST = {"x": np.zeros((1, 2), np.float32)}
WANTED = {"y": answers.Output(answers.FLOAT, (1,))}
GOOD = {"y": np.array([2.5], np.float32)}
CARD = {
    "format": 2, "name": "films", "version": 7, "variant": "folded", "task": "landmarks", "digest": "ab",
    "schema": landmarks.ATLANTOAXIAL.to_dict(), "card": {"data_hash": "0123"},
}  # fmt: skip
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
QUICK = client.Options(deadline=20.0, retries=3)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls") / "good")


def ask(address: str, options: client.Options = QUICK) -> np.ndarray:
    with client.connect(address, options) as endpoint:
        return endpoint.predict("signature", REQUEST, WANTED)["y"]


def busy_grpc(times: int, code: grpc.StatusCode, metadata: tuple = ()) -> Callable[[Any, Any], fake_servers.Answer]:
    left = [code] * times

    def answer(_: Any, context: Any) -> fake_servers.Answer:
        if left:
            context.set_trailing_metadata(metadata)
            context.abort(left.pop(), "not now")
        return GOOD

    return answer


def busy_http(times: int, status: int, **headers: str) -> Callable[[Any, Any], tuple[int, Any, bytes]]:
    left = [status] * times

    def answer(*_: Any) -> tuple[int, Any, bytes]:
        if left:
            return (
                left.pop(),
                {name.replace("_", "-"): value for name, value in headers.items()},
                b'{"error": "not now"}',
            )
        return 200, {}, fake_servers.rows(GOOD)

    return answer


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_grpc_is_asked_again_under_the_same_id(code: grpc.StatusCode) -> None:
    with fake_servers.over_grpc(busy_grpc(2, code)) as fake:
        assert ask(f"grpc://127.0.0.1:{fake.port}/films/labels/stable").tolist() == [2.5]
    ids = {metadata["x-request-id"] for _, metadata in fake.seen}
    assert (len(fake.seen), len(ids)) == (3, 1)
    request = fake.seen[0][0]
    spec = request.model_spec
    assert (spec.name, spec.version_label, spec.signature_name) == ("films", "stable", "signature")
    assert tf.make_ndarray(request.inputs["x"]).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("status", [429, 502, 503])
def test_rest_is_asked_again_under_the_same_id(status: int) -> None:
    with fake_servers.over_http(busy_http(2, status)) as fake:
        assert ask(f"http://127.0.0.1:{fake.port}/v1/models/films/versions/4").tolist() == [2.5]
    assert [path for path, *_ in fake.seen] == ["/v1/models/films/versions/4:predict"] * 3
    assert len({headers["x-request-id"] for *_, headers in fake.seen}) == 1
    assert fake.seen[0][1] == {"signature_name": "signature", "instances": [{"x": [0.0, 0.0]}]}


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("-3", None)]
)
def test_rest_says_when_to_come_again(text: str, seconds: float | None) -> None:
    with (
        fake_servers.over_http(busy_http(1, 503, Retry_After=text)) as fake,
        pytest.raises(client.EndpointError) as caught,
    ):
        ask(place("rest", fake), client.Options(retries=0))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("name", "text", "seconds"),
    [("grpc-retry-pushback-ms", "900", 0.9), ("retry-after", "7", 7.0), ("grpc-retry-pushback-ms", "-1", None)],
)
def test_grpc_says_when_to_come_again(name: str, text: str, seconds: float | None) -> None:
    busy = busy_grpc(1, grpc.StatusCode.UNAVAILABLE, ((name, text),))
    with fake_servers.over_grpc(busy) as fake, pytest.raises(client.EndpointError) as caught:
        ask(place("grpc", fake), client.Options(retries=0))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INVALID_ARGUMENT", client.RefusedError), (401, "UNAUTHENTICATED", client.EndpointError),
        (403, "PERMISSION_DENIED", client.EndpointError), (404, "NOT_FOUND", client.EndpointError),
        (413, "TOO_LARGE", client.RefusedError), (418, "UNKNOWN", client.EndpointError),
        (500, "INTERNAL", client.EndpointError), (504, "DEADLINE_EXCEEDED", client.EndpointError),
    ],
)  # fmt: skip
def test_rest_is_not_asked_again_when_that_cannot_help(status: int, code: str, kind: type) -> None:
    with fake_servers.over_http(busy_http(9, status)) as fake, pytest.raises(client.EndpointError) as caught:
        ask(f"http://127.0.0.1:{fake.port}/v1/models/films")
    assert (caught.value.code, type(caught.value), len(fake.seen)) == (code, kind, 1)
    [(_, _, headers)] = fake.seen
    assert f"not now (HTTP {status}). Asked: http://127.0.0.1:{fake.port}/v1/models/films for" in str(caught.value)
    assert caught.value.request_id == headers["x-request-id"]
    assert caught.value.request_id in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", client.RefusedError), ("NOT_FOUND", client.EndpointError),
        ("UNAUTHENTICATED", client.EndpointError), ("INTERNAL", client.EndpointError),
        ("DEADLINE_EXCEEDED", client.EndpointError), ("FAILED_PRECONDITION", client.EndpointError),
    ],
)  # fmt: skip
def test_grpc_is_not_asked_again_when_that_cannot_help(code: str, kind: type) -> None:
    with (
        fake_servers.over_grpc(busy_grpc(9, grpc.StatusCode[code])) as fake,
        pytest.raises(client.EndpointError) as caught,
    ):
        ask(f"grpc://127.0.0.1:{fake.port}/films")
    assert (caught.value.code, type(caught.value), len(fake.seen)) == (code, kind, 1)
    assert f"{code}: not now. Asked: grpc://127.0.0.1:{fake.port}/films for 'signature'" in str(caught.value)


@pytest.mark.parametrize("form", ["grpc://127.0.0.1:{port}/films", "http://127.0.0.1:{port}/v1/models/films"])
def test_nobody_there_is_said_after_the_retries(form: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        address = form.format(port=taken.getsockname()[1])
        with pytest.raises(client.EndpointError, match=r"Connection refused.* Asked after 2 attempts") as caught:
            ask(address, client.Options(retries=1))
    assert str(caught.value).endswith("Is the server running, and ready at this address?")


def test_a_host_is_no_scheme_of_grpc(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("8500")  # where gRPC's own `unix:8500` leads
        listener.listen()
        with pytest.raises(client.EndpointError):
            ask("grpc://unix:8500/films", client.Options(deadline=2, retries=0))
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_nobody_waits_for_a_server_beyond_the_deadline(transport: str) -> None:
    late = threading.Event()

    def slow(*_: Any) -> Any:
        late.wait(30)
        return GOOD if transport == "grpc" else (200, {}, fake_servers.rows(GOOD))

    server = fake_servers.over_grpc if transport == "grpc" else fake_servers.over_http
    with server(slow) as fake:
        with pytest.raises(client.EndpointError, match="DEADLINE_EXCEEDED: ") as caught:
            ask(place(transport, fake), client.Options(deadline=0.5))
        late.set()
    assert (caught.value.attempts, len(fake.seen)) == (1, 1)


def test_a_body_that_drips_ends_with_the_deadline() -> None:
    with dripping() as port, pytest.raises(client.EndpointError, match="DEADLINE_EXCEEDED: "):
        ask(f"http://127.0.0.1:{port}/v1/models/films", client.Options(deadline=0.6))


def test_a_body_that_stops_ends_with_the_deadline() -> None:
    with garbage(HEAD, silent=True) as port, pytest.raises(client.EndpointError, match="DEADLINE_EXCEEDED: "):
        ask(f"http://127.0.0.1:{port}/v1/models/films", client.Options(deadline=0.6))


def test_a_body_that_is_cut_short_is_asked_for_again() -> None:
    with garbage(HEAD + b"{}") as port, pytest.raises(client.EndpointError, match=r"UNAVAILABLE: .* 2 attempts"):
        ask(f"http://127.0.0.1:{port}/v1/models/films", client.Options(retries=1))


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_only_so_many_requests_are_under_way(transport: str) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def counted(*_: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        with lock:
            inside[0] -= 1
        return GOOD if transport == "grpc" else (200, {}, fake_servers.rows(GOOD))

    server = fake_servers.over_grpc if transport == "grpc" else fake_servers.over_http
    with server(counted) as fake, client.connect(place(transport, fake), client.Options(concurrency=3)) as endpoint:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            waiting = [pool.submit(endpoint.predict, "signature", REQUEST, WANTED) for _ in range(12)]
            many = endpoint.predict_many("signature", [REQUEST] * 6, WANTED)
            assert all(one.result()["y"].tolist() == [2.5] for one in waiting)
        assert [one["y"].tolist() for one in many] == [[2.5]] * 6
    assert most[0] == 3


def test_a_call_that_gets_no_turn_says_so() -> None:
    gate = threading.Event()

    def held(*_: Any) -> Any:
        gate.wait(10)
        return GOOD

    options = client.Options(deadline=0.4, concurrency=1)
    with (
        fake_servers.over_grpc(held) as fake,
        client.connect(place("grpc", fake), options) as endpoint,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        both = [pool.submit(endpoint.predict, "signature", REQUEST, WANTED) for _ in range(2)]
        assert [one.exception().code for one in both] == ["DEADLINE_EXCEEDED"] * 2
        gate.set()


def test_the_first_failure_of_many_keeps_the_others_unsent() -> None:
    def refuse(request: Any, context: Any) -> Any:
        if tf.make_ndarray(request.inputs["x"])[0, 0] == 0:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "zero")
        time.sleep(0.05)
        return GOOD

    requests = [{"x": np.full((1, 2), number, np.float32)} for number in range(20)]
    with fake_servers.over_grpc(refuse) as fake:
        endpoint = client.connect(place("grpc", fake), client.Options(concurrency=2))
        with endpoint, pytest.raises(client.RefusedError, match="zero"):
            endpoint.predict_many("signature", requests, WANTED)
        assert len(fake.seen) < 10


def test_a_token_is_sent_from_its_file_and_in_no_message(tmp_path: pathlib.Path) -> None:
    token = tmp_path / "token"
    token.write_text("hush-hush\n")
    options = client.Options(token_file=str(token))
    with fake_servers.over_http(busy_http(9, 401)) as web, fake_servers.over_grpc(lambda *_: GOOD) as fake:
        with pytest.raises(client.EndpointError, match="Give the server's token") as caught:
            ask(place("rest", web), options)
        ask(place("grpc", fake), options)
        assert "hush" not in str(caught.value)
    assert web.seen[0][2]["Authorization"] == fake.seen[0][1]["authorization"] == "Bearer hush-hush"


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_tls_with_an_authority_of_one_s_own(transport: str, certificates: Certificates, tmp_path: pathlib.Path) -> None:
    other = Certificates(tmp_path / "other")
    with tls_server(transport, certificates, ask=False) as fake:
        address = place(transport, fake, tls=True)
        trusting = client.Options(ca_file=certificates.certificate("ca"))
        assert ask(address, trusting).tolist() == [2.5]
        for options in (client.Options(), client.Options(ca_file=other.certificate("ca"))):
            with pytest.raises(client.EndpointError, match=r"UNTRUSTED: .*authority's file") as caught:
                ask(address, options)
            assert caught.value.attempts == 1
    assert len(fake.seen) == 1


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_client_s_certificate(transport: str, certificates: Certificates) -> None:
    authority = certificates.certificate("ca")
    named = client.Options(
        ca_file=authority,
        certificate_file=certificates.certificate("client"),
        key_file=certificates.key("client"),
        retries=0,
    )
    with tls_server(transport, certificates, ask=True) as fake:
        address = place(transport, fake, tls=True)
        assert ask(address, named).tolist() == [2.5]
        with pytest.raises(client.EndpointError):
            ask(address, client.Options(ca_file=authority, retries=0))
    assert len(fake.seen) == 1


def test_a_server_of_another_name_is_refused(certificates: Certificates) -> None:
    options = client.Options(ca_file=certificates.certificate("ca"), retries=0)
    with tls_server("grpc", certificates, ask=False) as fake, pytest.raises(client.EndpointError, match="UNTRUSTED"):
        ask(f"grpcs://localhost:{fake.port}/films", options)
    with tls_server("rest", certificates, ask=False) as fake, pytest.raises(client.EndpointError, match="UNTRUSTED"):
        ask(f"https://localhost:{fake.port}/v1/models/films", options)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_server_without_tls_is_told_so_and_nothing_of_certificates(transport: str) -> None:
    over = fake_servers.over_grpc if transport == "grpc" else fake_servers.over_http
    with over(lambda *_: GOOD) as fake, pytest.raises(client.EndpointError, match="does not speak TLS") as caught:
        ask(place(transport, fake, tls=True), client.Options(retries=0))
    assert caught.value.code == "UNAVAILABLE"
    assert "certificate" not in str(caught.value)


def test_an_answer_beyond_the_limit_is_refused() -> None:
    large = {"y": np.zeros(50_000, np.float32)}
    options = client.Options(max_response=100_000)
    with fake_servers.over_grpc(lambda *_: large) as fake, pytest.raises(client.RefusedError, match="TOO_LARGE"):
        ask(place("grpc", fake), options)
    body = fake_servers.rows(large)
    with fake_servers.over_http(lambda *_: (200, {}, body)) as fake, pytest.raises(client.RefusedError, match="100000"):
        ask(place("rest", fake), options)


def test_a_redirection_is_not_followed() -> None:
    moved = busy_http(1, 307, Location="http://127.0.0.1:9/v1/models/films:predict")
    with fake_servers.over_http(moved) as fake, pytest.raises(client.EndpointError, match="sends requests elsewhere"):
        ask(place("rest", fake))


def huge() -> predict_pb2.PredictResponse:
    response = predict_pb2.PredictResponse()
    response.outputs["y"].dtype = 1
    for _ in range(4):
        response.outputs["y"].tensor_shape.dim.add().size = 1 << 20
    response.outputs["y"].float_val.append(1.0)
    return response


def torn() -> predict_pb2.PredictResponse:
    response = predict_pb2.PredictResponse()
    response.outputs["y"].CopyFrom(tf.make_tensor_proto(np.zeros(3, np.float32)))
    response.outputs["y"].tensor_content = b"\0" * 5
    return response


MAD_GRPC = {
    "the answer has no 'y', only z": {"z": np.zeros(1, np.float32)},
    "'y' is float64, not float32": {"y": np.zeros(1)},
    "'y' has the shape (2,), not (1,)": {"y": np.zeros(2, np.float32)},
    "'y' holds NaN": {"y": np.array([np.nan], np.float32)},
    "'y' holds infinity": {"y": np.array([np.inf], np.float32)},
    "'y' claims the shape": huge(),
    "'y' is a tensor that contradicts itself": torn(),
}


@pytest.mark.parametrize("message", MAD_GRPC)
def test_nonsense_over_grpc_is_named(message: str) -> None:
    with fake_servers.over_grpc(lambda *_: MAD_GRPC[message]) as fake, pytest.raises(client.AnswerError) as caught:
        ask(place("grpc", fake))
    assert str(caught.value).startswith(f"BAD_ANSWER: {message}")
    assert "Asked: grpc://" in str(caught.value)
    assert len(fake.seen) == 1


MAD_HTTP = {
    "no JSON with 'predictions': b'<html>": b"<html>hello</html>",
    "no JSON with 'predictions': b''": b"",
    "no JSON with 'predictions': b'{\"outputs\"": b'{"outputs": [1]}',
    "no JSON with 'predictions': b'[[[[": b"[" * 100_000,
    "'y' has the shape (0,)": b'{"predictions": []}',
    "'y' has the shape (2,)": b'{"predictions": [1.5, 2]}',
    "'y' does not hold numbers": b'{"predictions": ["1.5"]}',
    "'y' holds NaN": b'{"predictions": [{"y": NaN}]}',
    "'y' holds infinity": b'{"predictions": [1e999]}',
    "'y' holds infinity.": b'{"predictions": [1e300]}',
}


@pytest.mark.parametrize("message", MAD_HTTP)
def test_nonsense_over_rest_is_named(message: str) -> None:
    body = MAD_HTTP[message]
    with fake_servers.over_http(lambda *_: (200, {}, body)) as fake, pytest.raises(client.AnswerError) as caught:
        ask(place("rest", fake))
    assert message in str(caught.value)
    assert "Asked: http://" in str(caught.value)


def test_something_that_is_no_server_at_all() -> None:
    with garbage(b"SSH-2.0-OpenSSH\r\n") as port, pytest.raises(client.EndpointError, match="answer is no HTTP"):
        ask(f"http://127.0.0.1:{port}/v1/models/films", client.Options(retries=0))
    with garbage(b"SSH-2.0-OpenSSH\r\n") as port:
        for address in (f"grpc://127.0.0.1:{port}/films", f"http://127.0.0.1:{port}/v1/models/films"):
            with pytest.raises(client.EndpointError, match="UNAVAILABLE: "):
                ask(address, client.Options(retries=1, deadline=5.0))


def test_all_answers_are_of_the_version_that_described_itself() -> None:
    points = np.array([[[1, 1], [4, 5], [9, 9], [12, 13]]], np.float32)
    answer = {
        "points_px": points, "confidence": np.full((1, 4), 0.5, np.float32), "adi_mm": np.array([5.0], np.float32),
        "sac_mm": np.array([5.0], np.float32), "verdict": np.array([1], np.int32),
    }  # fmt: skip
    with fake_servers.over_grpc(model_of(answer)) as fake, client.connect(place("grpc", fake)) as endpoint:
        model = client.landmarker(endpoint)
        found, confidence = model.locate([(np.zeros((20, 20), np.uint16), (1.0, 1.0))])
    assert [request.model_spec.version.value for request, _ in fake.seen] == [0, 7]
    np.testing.assert_array_equal(found, points)
    assert (model.identity.name, model.identity.version, model.identity.digest) == ("films", "7", "ab")
    assert (model.card, model.task) == ({"data_hash": "0123"}, "landmarks")
    assert confidence.tolist() == [[0.5] * 4]


DISAGREE = {
    "adi is 5.100 mm there and 5.000 mm here": {"adi_mm": np.array([5.1], np.float32)},
    "sac is nan mm there and 5.000 mm here": {"sac_mm": np.array([np.nan], np.float32)},
    "the verdict is 'negative' there": {"verdict": np.array([0], np.int32)},
    "a point has one coordinate": {"points_px": np.array([[[1, np.nan]] * 4], np.float32)},
}


@pytest.mark.parametrize("message", DISAGREE)
def test_server_and_client_that_disagree_say_so(message: str) -> None:
    points = np.array([[[1, 1], [4, 5], [9, 9], [12, 13]]], np.float32)
    answer = {
        "points_px": points, "confidence": np.full((1, 4), 0.5, np.float32), "adi_mm": np.array([5.0], np.float32),
        "sac_mm": np.array([5.0], np.float32), "verdict": np.array([1], np.int32), **DISAGREE[message],
    }  # fmt: skip
    with fake_servers.over_grpc(model_of(answer)) as fake, client.connect(place("grpc", fake)) as endpoint:
        model = client.landmarker(endpoint)
        with pytest.raises(client.AnswerError) as caught:
            model.locate([(np.zeros((20, 20), np.uint16), (1.0, 1.0))])
    assert message in str(caught.value)


def test_what_float32_rounds_of_a_distance_is_no_disagreement() -> None:
    points = np.array([[[0, 0], [3000, 4000], [0, 0], [3000, 4000]]], np.float32)
    far = np.array([5000 * 987.65432], np.float32)
    answer = {
        "points_px": points, "confidence": np.full((1, 4), 0.5, np.float32), "adi_mm": far, "sac_mm": far,
        "verdict": np.array([1], np.int32),
    }  # fmt: skip
    assert abs(float(far[0]) - 5000 * 987.65432) > 0.01
    with fake_servers.over_grpc(model_of(answer)) as fake, client.connect(place("grpc", fake)) as endpoint:
        found, _ = client.landmarker(endpoint).locate([(np.zeros((20, 20), np.uint16), (987.65432, 987.65432))])
    np.testing.assert_array_equal(found, points)


CARDS = {
    "is no JSON": b"{",
    "is of format 1, not 2: experiments.export writes those": json.dumps({**CARD, "format": 1}).encode(),
    "has no 'digest'": json.dumps({key: value for key, value in CARD.items() if key != "digest"}).encode(),
    "has no schema": json.dumps({**CARD, "schema": {}}).encode(),
    "is for 'poetry', not landmarks or deformity": json.dumps({**CARD, "task": "poetry"}).encode(),
    "is of version 'new', which is no number": json.dumps({**CARD, "version": "new"}).encode(),
    "has no settings": json.dumps({**CARD, "task": "deformity"}).encode(),
    "is of format None": b"[1]",
}


@pytest.mark.parametrize("message", CARDS)
def test_a_card_that_is_none_is_named(message: str, tmp_path: pathlib.Path) -> None:
    def answer(*_: Any) -> fake_servers.Answer:
        return {signatures.CARD: np.array([CARDS[message]], object)}

    with fake_servers.over_grpc(answer) as fake, client.connect(place("grpc", fake)) as endpoint:
        with pytest.raises(client.AnswerError) as caught:
            client.load(endpoint)
        assert message in str(caught.value)


def test_a_card_from_a_file_stands_in_for_the_server_s(tmp_path: pathlib.Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(CARD))
    (tmp_path / "old.json").write_text("{}")
    with client.connect("grpc://127.0.0.1:1/films/labels/stable") as endpoint:
        model = client.landmarker(endpoint, tmp_path / "model.json")
        assert str(model.address) == "grpc://127.0.0.1:1/films/labels/stable"
        with pytest.raises(client.SettingsError, match="gives landmarks, not the risk"):
            client.risk_model(endpoint, tmp_path / "model.json")
        for name, message in (("none.json", "cannot be read: No such file"), ("old.json", "is of format None, not 2")):
            with pytest.raises(client.SettingsError, match=message):
                client.load(endpoint, tmp_path / name)


def test_other_thresholds_are_another_identity(tmp_path: pathlib.Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(CARD))
    with client.connect("grpc://127.0.0.1:1/films") as endpoint:
        model = client.landmarker(endpoint, tmp_path / "model.json")
        other = model.with_schema(model.schema.with_thresholds({"adi": 2.5}))
        assert other.schema.distances[0].threshold_mm == 2.5
        assert other.identity.digest not in ("ab", model.with_schema(model.schema).identity.digest)
        assert model.with_schema(model.schema).identity == model.identity
        with pytest.raises(ValueError, match="another schema"):
            model.with_schema(landmarks.Schema("two", ("a", "b")))


def place(transport: str, fake: Fake, tls: bool = False) -> str:
    if transport == "grpc":
        return f"grpc{'s' * tls}://127.0.0.1:{fake.port}/films"
    return f"http{'s' * tls}://127.0.0.1:{fake.port}/v1/models/films"


def tls_server(transport: str, certificates: Certificates, ask: bool) -> Any:
    if transport == "grpc":
        return fake_servers.over_grpc(lambda *_: GOOD, certificates, ask)
    return fake_servers.over_http(lambda *_: (200, {}, fake_servers.rows(GOOD)), certificates, ask)


def model_of(answer: fake_servers.Answer) -> Callable[[Any, Any], fake_servers.Answer]:
    card = {signatures.CARD: np.array([json.dumps(CARD).encode()], object)}
    return lambda request, _: card if request.model_spec.signature_name == signatures.DESCRIBE else answer


def dripping() -> Any:
    return garbage(HEAD, drip=True)


class garbage:  # noqa: N801 - used as a function
    """A server that sends the same bytes to everybody, and then perhaps a letter at a time."""

    def __init__(self, content: bytes, drip: bool = False, silent: bool = False) -> None:
        self._content, self._drip, self._socket = content, drip, socket.create_server(("127.0.0.1", 0))
        self._silent, self._kept = silent, list[socket.socket]()

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return self._socket.getsockname()[1]

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> Iterator[None] | None:
        while True:
            try:
                taken, _ = self._socket.accept()
                taken.sendall(self._content)
                for _ in range(20 if self._drip else 0):
                    taken.sendall(b" ")
                    time.sleep(0.1)
                if self._silent:
                    self._kept.append(taken)
                elif not self._drip:
                    taken.recv(1 << 16)
                    taken.close()
            except OSError:
                if self._socket.fileno() < 0:
                    return None
