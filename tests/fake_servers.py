"""Servers in the test's own process that answer whatever a test wants, over gRPC or HTTP, with TLS if wanted."""

import concurrent.futures
import contextlib
import dataclasses
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@dataclasses.dataclass
class Certificates:
    """PEM files of an authority, a server's certificate for 127.0.0.1, and a client's."""

    folder: pathlib.Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                  "-subj", "/CN=authority", "-keyout", self.key("ca"), "-out", self.certificate("ca"))  # fmt: skip
        for name in ("server", "client"):
            request, extension = self.folder / "request", self.folder / "extension"
            extension.write_text("subjectAltName=IP:127.0.0.1\n")
            self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", str(request))  # fmt: skip
            self._run("x509", "-req", "-days", "2", "-in", str(request), "-CA", self.certificate("ca"),
                      "-CAkey", self.key("ca"), "-CAcreateserial", "-extfile", str(extension),
                      "-out", self.certificate(name))  # fmt: skip

    def key(self, name: str) -> str:
        return str(self.folder / f"{name}.key")

    def certificate(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


@dataclasses.dataclass
class Fake:
    """A server that runs, and what it was sent."""

    port: int
    seen: list[Any]


Answer = Mapping[str, Any]  # arrays by name


@contextlib.contextmanager
def over_grpc(answer: Callable[[Any, Any], Answer], tls: Certificates | None = None, ask: bool = False) -> Iterator:
    """Yields a fake PredictionService; `answer` takes request and context, whose `abort` refuses.

    Args:
      answer: what comes back.
      tls: of the server; None for none.
      ask: whether it wants the client's certificate.
    """
    fake = Fake(0, [])

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            fake.seen.append((request, dict(context.invocation_metadata())))
            given = answer(request, context)
            if isinstance(given, predict_pb2.PredictResponse):
                return given
            response = predict_pb2.PredictResponse()
            for name, value in given.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    if tls is None:
        fake.port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = tuple(pathlib.Path(path).read_bytes() for path in (tls.key("server"), tls.certificate("server")))
        authority = pathlib.Path(tls.certificate("ca")).read_bytes() if ask else None
        fake.port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair], authority, ask))
    server.start()
    try:
        yield fake
    finally:
        server.stop(0)


@contextlib.contextmanager
def over_http(
    answer: Callable[[Any, Mapping[str, str]], tuple[int, Mapping[str, str], bytes]],
    tls: Certificates | None = None,
    ask: bool = False,
) -> Iterator:
    """Yields a fake REST server; `answer` takes the JSON and the headers, and gives status, headers and body."""
    fake = Fake(0, [])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.seen.append((self.path, body, dict(self.headers)))
            status, headers, content = answer(body, self.headers)
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.handle_error = True, lambda *_: None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate("server"), tls.key("server"))
        if ask:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(tls.certificate("ca"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    fake.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


def rows(answer: Answer) -> bytes:
    """Returns the body of a REST answer."""
    columns = {name: np.asarray(value).tolist() for name, value in answer.items()}
    named = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return json.dumps({"predictions": named}).encode()
