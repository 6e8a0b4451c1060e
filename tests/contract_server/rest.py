"""TensorFlow Serving's REST route on the standard library's server: predict, model status, metadata."""

import http.server
import json
import re
import socket
import threading
import urllib.parse
from typing import Any

import json_tensors
from google.protobuf import json_format
from refusal import Refusal, invalid
from served import Models
from tensorflow_serving.apis import get_model_metadata_pb2

_PREDICT = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d{1,18})|/labels/([^/:]+))?:predict")
_STATUS = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d{1,18})|/labels/([^/:]+))?(/metadata)?")
_IDLE_SECONDS = 30.0


class Server(http.server.ThreadingHTTPServer):
    """A thread a connection, and at most so many connections.

    Args:
      models: what is served.
      port: on the loopback interface; 0 for a free one.
      max_body: bytes.
      connections: at once; those beyond are closed.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, models: Models, port: int, max_body: int, connections: int) -> None:
        self.models, self.max_body = models, max_body
        self._free = threading.BoundedSemaphore(connections)
        super().__init__(("127.0.0.1", port), Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Returns whether there is room for one more connection."""
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a connection that broke."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "contract", ""
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        """Answers a prediction."""
        self._answer(self._predict)

    def do_GET(self) -> None:
        """Answers a model's status or metadata."""
        self._answer(self._status)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuses what the standard library cannot read, as JSON."""
        self.close_connection = True
        status = 405 if code == 501 else code  # it says 501 to methods without a do_METHOD
        self._send(status, json.dumps({"error": f"malformed request: {(message or 'not HTTP')[:80]}"}).encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        """Logs nothing."""

    def _answer(self, work: Any) -> None:
        try:
            self._send(200, work(urllib.parse.unquote(self.path)))
        except Refusal as refusal:
            self._send(refusal.http_status, json.dumps({"error": refusal.message}).encode())
        except (TimeoutError, ConnectionError):
            self.close_connection = True
        except Exception as error:  # one request must not end the server
            self._send(500, json.dumps({"error": f"internal: {type(error).__name__}"}).encode())

    def _predict(self, path: str) -> bytes:
        body = self._body()
        found = _PREDICT.fullmatch(path)
        if not found:
            raise self._unknown(path)
        name, number, label = found.groups()
        version = self.server.models[name].version(int(number) if number else None, label or "")
        request = json_tensors.parse(body)
        signature = json_tensors.signature_name(request)
        inputs = version.inputs(signature, "INVALID_ARGUMENT")
        arrays, as_rows = json_tensors.arrays(request, inputs)
        return json_tensors.body(version.predict(signature, arrays), as_rows)

    def _status(self, path: str) -> bytes:
        found = _STATUS.fullmatch(path)
        if not found:
            raise self._unknown(path)
        name, number, label, metadata = found.groups()
        model = self.server.models[name]
        version = model.version(int(number) if number else None, label or "")
        if metadata:
            return json.dumps(_metadata(name, version.number, version.signature_defs)).encode()
        shown = [version.number] if number or label else sorted(model.versions, reverse=True)
        return json.dumps({"model_version_status": [_available(one) for one in shown]}).encode()

    def _unknown(self, path: str) -> Refusal:
        shown = path[:80]
        if not path.startswith("/v1/"):
            return Refusal("NOT_FOUND", f"no such path: {shown}")
        return invalid(f"malformed request: {self.command} {shown}")

    def _body(self) -> bytes:
        """Returns the whole body; a connection whose body is not read to its end is closed."""
        self.close_connection = True
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            raise Refusal("UNIMPLEMENTED", "a body comes with Content-Length, not in chunks.")
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,15}", length):
            raise invalid("a request has its body's size in Content-Length.")
        if int(length) > self.server.max_body:
            raise _TooLarge("OUT_OF_RANGE", f"a body has at most {self.server.max_body} bytes. Received: {length}.")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError
        self.close_connection = self.headers.get("Connection", "").lower() == "close"
        return body

    def _send(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            if status == 405:
                self.send_header("Allow", "GET, POST")
            self.end_headers()
            self.wfile.write(body)
            if self.close_connection:
                self._drain()
        except (OSError, ValueError):
            self.close_connection = True

    def _drain(self) -> None:
        """Reads a little of what still comes, so that the answer is not lost to a reset."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1.0)
        for _ in range(64):
            if not self.connection.recv(1 << 20):
                return


class _TooLarge(Refusal):
    http_status = 413


def _available(number: int) -> dict[str, Any]:
    return {
        "version": str(number),
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }


def _metadata(name: str, number: int, signature_defs: Any) -> dict[str, Any]:
    found = get_model_metadata_pb2.SignatureDefMap()
    for key, definition in signature_defs.items():
        found.signature_def[key].CopyFrom(definition)
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(number)},
        "metadata": {"signature_def": json_format.MessageToDict(found, preserving_proto_field_name=True)},
    }
