"""smoke.py against a model server of a few lines with one fault at a time, and against the contract server."""

import ast
import base64
import contextlib
import hashlib
import http.server
import json
import math
import pathlib
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import pytest
import tensorflow as tf

from experiments.serving import smoke
from raspine import landmarks
from raspine.landmarker import Landmarker
from raspine.serving import film_graph, signatures

SCHEMA = landmarks.ATLANTOAXIAL.to_dict()
FILMS = {"name": "aas", "version": 1, "task": "landmarks", "variant": "float32", "digest": "ab", "schema": SCHEMA}
STUDIES = {
    **{**FILMS, "name": "deformity", "task": "deformity"},
    "schema": None,
    "threshold": 0.5,
    "settings": {"choice": {"kind": "native_middle", "count": 3, "pixel_mm": 0.5}, "height": 32, "width": 32},
}
Row = dict[str, Any]


class Refused(Exception):  # noqa: N818 - it names an outcome
    """What a request is answered with."""


class Server:
    """Answers as TensorFlow Serving would; what tests change is an attribute or a method."""

    def __init__(self, card: Row) -> None:
        self.card = card
        self.described = self.says_metadata = True
        self.state = "AVAILABLE"
        self.change: Callable[[Row], Row] = lambda answer: answer
        self.order = 1
        self.refusal = 400
        self.accepts: tuple[str, ...] = ()

    def names(self) -> list[str]:
        all_of = signatures.OF_FILMS if self.card["task"] == "landmarks" else signatures.OF_STUDIES
        return [name for name in all_of if self.described or name != signatures.DESCRIBE]

    def predict(self, text: bytes) -> Row:
        try:
            body = json.loads(text)
        except ValueError:
            raise Refused("JSON parse error") from None
        name, rows = body.get("signature_name", signatures.DEFAULT), body.get("instances")
        columns = body.get("inputs")
        if name not in self.names():
            raise Refused(f'Serving signature name: "{name}" not found in signature def')
        if columns is not None:
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if not rows:
            raise Refused("no values")
        if name == signatures.DESCRIBE:
            return {"predictions": [json.dumps(self.card)] * len(rows)}
        answers = [self.answer(name, row) for row in rows][:: self.order]
        return (
            {"predictions": answers}
            if columns is None
            else {"outputs": {k: [a[k] for a in answers] for k in answers[0]}}
        )

    def answer(self, name: str, row: Row) -> Row:
        if "image" in row and "image" not in self.accepts:
            raise Refused("Conversion of JSON Value to type: uint16")
        if set(row) != {signatures.PICTURE, signatures.SPACING}:
            raise Refused("keys mismatch")
        good = all(isinstance(v, float) and (v > 0 or math.isnan(v)) for v in row["pixel_spacing"])
        if not good and "spacing" not in self.accepts:
            raise Refused("raspine: pixel_spacing is two positive numbers")
        pngs = row["png"] if isinstance(row["png"], list) else [row["png"]]
        data = [base64.b64decode(one["b64"]) for one in pngs]
        for one in data:
            if (
                not one.startswith(smoke.PNG_BEGIN)
                or b"IEND" not in one[-12:]
                or struct.unpack(">I", one[16:20])[0] > 20000
            ):
                raise Refused("Invalid PNG data")
        mapped = {"gradcam": [[0.0, 1.0]]} if name.startswith("gradcam") else {}
        made = self.film(data[0], row["pixel_spacing"]) if self.card["task"] == "landmarks" else self.study(data[0])
        return self.change({**made, **mapped})

    def film(self, data: bytes, spacing: list[float]) -> Row:
        places = hashlib.sha256(data).digest()
        points = [[places[i] / 2, places[i + 4] / 2] for i in range(4)]
        row, column = spacing
        mm = [math.hypot(column * (b[0] - a[0]), row * (b[1] - a[1])) for a, b in (points[:2], points[2:])]
        known = not math.isnan(row)
        verdict = int(mm[0] > 3 or mm[1] <= 13) if known else -1
        return {"points_px": points, "confidence": [0.9] * 4, "adi_mm": mm[0], "sac_mm": mm[1], "verdict": verdict}

    def study(self, data: bytes) -> Row:
        logit = hashlib.sha256(data).digest()[0] / 100 - 1
        risk = 1 / (1 + math.exp(-logit))
        return {"risk": risk, "logit": logit, "verdict": int(risk >= 0.5)}

    def get(self, path: str) -> Row:
        if path.endswith("/metadata") and self.says_metadata:
            outputs = {"points_px": {}} if self.card["task"] == "landmarks" else {"risk": {}}
            said = {name: {"inputs": {}, "outputs": outputs} for name in self.names()}
            return {"model_spec": {"version": "1"}, "metadata": {"signature_def": {"signature_def": said}}}
        if path in ("/v1/models/aas", "/v1/models/aas/labels/stable", "/v1/models/deformity"):
            return {"model_version_status": [{"version": "1", "state": self.state}]}
        raise Refused("Not found")


@contextlib.contextmanager
def serving(server: Server, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yields the address of the server's model."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(lambda: server.get(self.path), 404)

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            known = "/versions/" not in self.path or "versions" in server.accepts
            self.answer(lambda: server.predict(text), server.refusal if known else 404, known)

        def answer(self, give: Callable[[], Row], refusal: int, known: bool = True) -> None:
            try:
                if not known:
                    raise Refused("Servable not found")
                status, body = 200, give()
            except Refused as error:
                status, body = (501 if "Conversion" in str(error) else refusal), {"error": str(error)}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        if context:
            web.socket = context.wrap_socket(web.socket, server_side=True)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http{'s' if context else ''}://localhost:{web.server_port}/v1/models/{server.card['name']}"
        web.shutdown()


def examine(server: Server, capsys: pytest.CaptureFixture[str], *arguments: str, place: str = "") -> tuple[int, Row]:
    with serving(server) as url:
        status = smoke.main([url + place, "--json", "--repeats=2", *arguments])
    found = json.loads(capsys.readouterr().out)
    return status, {**found, "results": {one["check"]: one["result"] for one in found["checks"]}}


def failed(found: Row) -> list[str]:
    return [name for name, result in found["results"].items() if result == smoke.FAILED]


@pytest.mark.parametrize("card", [FILMS, STUDIES], ids=["films", "studies"])
def test_a_sound_server_passes(card: Row, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = examine(Server(card), capsys)
    assert (status, failed(found), found["passed"]) == (0, [], True)
    assert found["card"]["digest"] == "ab"
    assert found["results"]["PNG"] == found["results"]["columnar form"] == smoke.OK
    assert found["results"]["array"] == smoke.ABSENT  # TensorFlow Serving's REST interface takes no uint16
    assert set(found["latency_ms"]) == {"median", "worst"}
    if card is STUDIES:
        assert found["results"]["Grad-CAM"] == smoke.OK
    else:
        assert found["results"]["label stable"] == smoke.OK
    refused = [name for name in found["results"] if name.startswith("refused")]
    assert len(refused) >= 14


@pytest.mark.parametrize(("card", "metadata"), [(FILMS, True), (STUDIES, False)], ids=["films", "studies"])
def test_a_model_that_says_nothing_of_itself_is_recognised(
    card: Row, metadata: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(card)
    server.described, server.says_metadata = False, metadata
    status, found = examine(server, capsys)
    assert (status, failed(found)) == (0, [])
    assert found["results"]["card"] == smoke.ABSENT
    assert ("Grad-CAM" in found["results"]) == (card is STUDIES)


FAULTS: dict[str, tuple[Row, Callable[[Server], Any], str]] = {
    "distance": (FILMS, lambda s: setattr(s, "change", lambda a: {**a, "adi_mm": a["adi_mm"] + 0.1}), "PNG"),
    "verdict": (FILMS, lambda s: setattr(s, "change", lambda a: {**a, "verdict": 1 - a["verdict"]}), "PNG"),
    "confidence": (FILMS, lambda s: setattr(s, "change", lambda a: {**a, "confidence": [2.0] * 4}), "PNG"),
    "point far away": (FILMS, lambda s: setattr(s, "change", lambda a: {**a, "points_px": [[9e3, 1]] * 4}), "PNG"),
    "output missing": (FILMS, lambda s: setattr(s, "change", lambda a: {"points_px": a["points_px"]}), "PNG"),
    "rows in another order": (FILMS, lambda s: setattr(s, "predict", rotated(s)), "batch of three PNGs, two sizes"),
    "not loaded": (FILMS, lambda s: setattr(s, "state", "LOADING"), "status"),
    "spacing 0 accepted": (FILMS, lambda s: setattr(s, "accepts", ("spacing",)), "refused: spacing 0"),
    "any version answered": (FILMS, lambda s: setattr(s, "accepts", ("versions",)), "refused: unknown version"),
    "server error": (FILMS, lambda s: setattr(s, "refusal", 500), "refused: PNG cut short"),
    "risk": (STUDIES, lambda s: setattr(s, "change", lambda a: {**a, "risk": a["risk"] / 2}), "PNG"),
    "threshold": (STUDIES, lambda s: setattr(s, "change", lambda a: {**a, "verdict": 1 - a["verdict"]}), "PNG"),
    "negative map": (STUDIES, lambda s: setattr(s, "change", lambda a: {**a, "gradcam": [[-1.0]]}), "Grad-CAM"),
}


def rotated(server: Server) -> Callable[[bytes], Row]:
    predict = type(server).predict

    def turned(text: bytes) -> Row:
        answer = predict(server, text)
        rows = answer.get("predictions", [])
        return {**answer, "predictions": rows[1:] + rows[:1]} if len(rows) > 1 else answer

    return turned


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_ends_with_1(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    card, spoil, check = FAULTS[name]
    server = Server(card)
    spoil(server)
    status, found = examine(server, capsys)
    assert (status, found["passed"]) == (1, False)
    assert check in failed(found)


def test_a_picture_of_ones_own_is_sent_too(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "film.png"
    data = smoke.png(smoke.made_picture(150, 140, 3))
    path.write_bytes(data)
    sent = []
    server = Server(FILMS)
    film = server.film
    server.film = lambda png, spacing: sent.append((png, spacing)) or film(png, spacing)  # type: ignore[method-assign,func-returns-value]
    status, _ = examine(server, capsys, f"--png={path}", "--spacing=0.15,0.25", place="/labels/stable")
    assert status == 0
    assert (data, [0.15, 0.25]) in sent


def test_pictures_are_what_tensorflow_reads() -> None:
    picture = smoke.made_picture(20, 30)
    decoded = tf.io.decode_png(smoke.png(picture), dtype=tf.uint16)
    assert decoded[..., 0].numpy().tolist() == picture
    assert 0 <= min(map(min, picture)) < max(map(max, picture)) <= 65535


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke.main(["http://127.0.0.1:9/v1/models/aas"]) == 1
    assert "reached  FAILED" in capsys.readouterr().out


def test_a_port_that_speaks_grpc_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    class Other(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            self.request.sendall(b"\0\0\x18\4\0\0\0\0\0")  # HTTP/2: a frame of settings

    with socketserver.TCPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert smoke.main([f"http://127.0.0.1:{server.server_address[1]}/v1/models/aas"]) == 1
        server.shutdown()
    assert "reached  FAILED  no whole HTTP answer" in capsys.readouterr().out


ODD: dict[str, tuple[Row, Callable[[Server], Any]]] = {
    "a card that is a list": (FILMS, lambda s: setattr(s, "predict", lambda _: {"predictions": ["[1]"]})),
    "metadata that are a list": (FILMS, lambda s: setattr(s, "get", lambda _: {"metadata": []})),
    "versions that are words": (FILMS, lambda s: setattr(s, "get", lambda _: {"model_version_status": ["x"]})),
    "a logit beyond all": (STUDIES, lambda s: setattr(s, "change", lambda a: {**a, "logit": -1e9})),
}


@pytest.mark.parametrize("name", ODD)
def test_an_answer_of_another_form_is_a_fault_and_no_traceback(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    card, spoil = ODD[name]
    server = Server(card)
    spoil(server)
    status, found = examine(server, capsys)
    assert (status, found["passed"]) == (1, False)
    assert failed(found)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://a/v1/models/b"], ["http://a/v1/models/b", "--spacing=0,1"], ["http://a/v1/models/b", "--png=none.png"],
        ["http://a:rest/v1/models/b"], ["http://a b/v1/models/b"], ["http://a/v1/models/b c"], ["http://a/v1/models/\u00e4"],
    ],
)  # fmt: skip
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        smoke.main(arguments)
    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_file_of_tls_that_is_none_is_named(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = tmp_path / "words.pem"
    words.write_text("no certificate")
    expected = {"--key=none.pem": "--key: no such file: 'none.pem'", f"--ca={words}": "--ca, --cert and --key are PEM"}
    for argument, message in expected.items():
        with pytest.raises(SystemExit):
            smoke.main(["https://a/v1/models/b", argument])
        assert message in capsys.readouterr().err


def test_the_one_file_needs_python_3_9_alone(tmp_path: pathlib.Path) -> None:
    source = pathlib.Path(smoke.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 9))
    modules = {n.name.split(".")[0] for i in ast.walk(tree) if isinstance(i, ast.Import) for n in i.names}
    modules |= {str(i.module).split(".")[0] for i in ast.walk(tree) if isinstance(i, ast.ImportFrom)}
    assert modules <= sys.stdlib_module_names | {"__future__"}
    (tmp_path / "copied.py").write_text(source)
    with serving(Server(FILMS)) as url:
        command = [sys.executable, "-I", "-S", "copied.py", url]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith("everything asked for is as it has to be")
    assert "Traceback" not in done.stderr


def test_names_are_those_of_the_contract() -> None:
    assert set(smoke.SIGNATURES) == set(signatures.OF_STUDIES)
    assert set(smoke.COMPARISONS) == set(landmarks.COMPARISONS)


def test_an_unknown_authority_is_refused(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-days", "2"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(Server(FILMS), context) as url:
        assert smoke.main([url, f"--ca={certificate}", "--repeats=1"]) == 0
        capsys.readouterr()
        assert smoke.main([url]) == 1
    assert "certificate verify failed" in capsys.readouterr().out


@pytest.fixture(scope="module")
def exported(model: Landmarker, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A landmark model's graphs as a SavedModel, without the checks of an export."""
    folder = tmp_path_factory.mktemp("models")
    archive = keras.export.ExportArchive()
    archive.track(model.stages[0].network)
    for name, (function, specification) in film_graph.endpoints(model).items():
        archive.add_endpoint(name, function, input_signature=specification)
    request = tf.TensorSpec((None,), tf.string, name=signatures.REQUEST)
    card = json.dumps(FILMS)
    described = lambda request: {signatures.CARD: tf.fill(tf.shape(request), card)}  # noqa: E731
    archive.add_endpoint(signatures.DESCRIBE, described, input_signature=[request])
    archive.write_out(str(folder / "aas" / "1"), verbose=False)
    return folder


def test_it_runs_against_the_contract_server(exported: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    from contract_server.running import running

    with running(exported, "--label=aas:stable=1") as server:
        status = smoke.main([server.rest("aas") + "/labels/stable", "--json", "--repeats=2"])
    found = json.loads(capsys.readouterr().out)
    results = {one["check"]: one["result"] for one in found["checks"]}
    assert (status, [name for name, result in results.items() if result == smoke.FAILED]) == (0, [])
    present = {"status", "metadata", "card", "PNG", "columnar form", "spacing unknown", "label stable"}
    assert {results[name] for name in present} == {smoke.OK}


@pytest.mark.parametrize("root", ["http://a", "https://[::1]:8501", "https://hospital.example:8443/ai/serving"])
def test_a_proxy_may_have_a_path_of_its_own(root: str) -> None:
    endpoint = smoke.Endpoint(f"{root}/v1/models/aas/labels/stable:predict", ssl.create_default_context(), 1.0)
    assert (endpoint.root, endpoint.model, endpoint.place) == (root, "/v1/models/aas", "/labels/stable")
