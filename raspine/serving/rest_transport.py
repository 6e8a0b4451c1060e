"""Predictions over TensorFlow Serving's REST route, `POST .../v1/models/NAME:predict`, a row per item."""

import base64
import datetime
import email.utils
import http.client
import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine.serving import errors
from raspine.serving.address import Address
from raspine.serving.options import Options

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: errors.TOO_LARGE,
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CHUNK = 1 << 16


class RestTransport:
    """Connections to a server that are kept for the next request; may be used by several threads.

    Proxies, certificates and passwords of the environment are not used, redirections not followed: the pictures go to
    the address that was given, or nowhere.

    Args:
      address: of the model.
      options: of the endpoint.
    """

    def __init__(self, address: Address, options: Options) -> None:
        try:
            import requests
            import urllib3
        except ImportError as error:
            raise errors.wrong_settings(f"REST needs raspine's extra 'serving': {error.name} is missing.") from error
        self._options, self._requests, self._urllib3 = options, requests, urllib3
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = options.ca_file or True
        if options.certificate_file:
            self._session.cert = (options.certificate_file, options.key_file)
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=options.concurrency, max_retries=0)
        self._session.mount(f"{address.scheme}://", adapter)

    def predict(
        self,
        address: Address,
        signature: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: tuple[str, ...],
        timeout: float,
        request_id: str,
    ) -> dict[str, Any]:
        """Returns nested lists by the name of each output; see `endpoint.Transport`."""
        ends = time.monotonic() + timeout
        headers = {"Content-Type": "application/json", "x-request-id": request_id, "Accept-Encoding": "identity"}
        if token := self._options.token():
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps({"signature_name": signature, "instances": _rows(inputs)}).encode()
        seconds: Any = self._urllib3.Timeout(total=timeout, connect=min(self._options.connect_timeout, timeout))
        url = f"{address.url}:predict"
        try:
            with self._session.post(
                url, data=body, headers=headers, timeout=seconds, stream=True, allow_redirects=False
            ) as response:
                content = self._content(response, ends)
        except (self._requests.RequestException, self._urllib3.exceptions.HTTPError, OSError) as error:
            raise self._translated(error) from error
        if response.status_code != 200:
            raise _refused(response, content)
        return _columns(content, outputs)

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def _content(self, response: Any, ends: float) -> bytes:
        """Returns the body of a response, if it is not too large and comes in time."""
        found: list[bytes] = []
        room = self._options.max_response
        while (left := ends - time.monotonic()) > 0:
            if socket := getattr(response.raw.connection, "sock", None):
                socket.settimeout(left)
            if not (chunk := response.raw.read1(_CHUNK)):
                return b"".join(found)
            found.append(chunk)
            room -= len(chunk)
            if room < 0:
                raise errors.of_code(
                    errors.TOO_LARGE, f"the answer has more than the {self._options.max_response} bytes allowed"
                )
        raise errors.of_code("DEADLINE_EXCEEDED", "the answer came too slowly")

    def _translated(self, error: Exception) -> errors.EndpointError:
        kinds, below = self._requests.exceptions, self._urllib3.exceptions
        if isinstance(error, kinds.SSLError | below.SSLError):
            return errors.of_handshake(_cause(error))
        if isinstance(error, kinds.ConnectTimeout):
            return errors.of_code("UNAVAILABLE", f"no connection within {self._options.connect_timeout:g} s")
        if isinstance(error, kinds.Timeout | below.TimeoutError | TimeoutError) or "timed out" in str(error):
            return errors.of_code("DEADLINE_EXCEEDED", "no answer in time")
        if isinstance(error, kinds.ConnectionError | kinds.ChunkedEncodingError | below.ProtocolError | OSError):
            return errors.of_code("UNAVAILABLE", _cause(error))
        return errors.of_code("UNKNOWN", _cause(error))


def _rows(inputs: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    columns = {name: _listed(value) for name, value in inputs.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _listed(value: NDArray[Any]) -> list[Any]:
    if value.dtype != object:
        return value.tolist()
    encoded = np.empty(value.shape, object)
    for place, one in np.ndenumerate(value):
        encoded[place] = {"b64": base64.b64encode(one).decode()}
    return encoded.tolist()


def _columns(content: bytes, outputs: tuple[str, ...]) -> dict[str, Any]:
    """Returns lists by name out of a body's rows; rows of a single output have no names."""
    try:
        rows = json.loads(content)["predictions"]
        if not isinstance(rows, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise errors.bad_answer(f"no JSON with 'predictions': {content[:80]!r}") from None
    if len(outputs) == 1 and not any(isinstance(row, dict) and outputs[0] in row for row in rows):
        return {outputs[0]: rows}
    if not all(isinstance(row, dict) and set(outputs) <= set(row) for row in rows):
        raise errors.bad_answer(f"not every row of the answer has {', '.join(outputs)}")
    return {name: [row[name] for row in rows] for name in outputs}


def _refused(response: Any, content: bytes) -> errors.EndpointError:
    status = response.status_code
    if 300 <= status < 400:
        return errors.of_code("UNIMPLEMENTED", "the server sends requests elsewhere, which is not followed")
    code = _CODES.get(status, "INTERNAL" if status >= 500 else "UNKNOWN")
    try:
        what = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        what = response.reason or "no message"
    return errors.of_code(code, f"{errors.readable(what)} (HTTP {status})", retry_after=_retry_after(response.headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds in Retry-After, which has a number or a date (RFC 9110, section 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
        return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _cause(error: BaseException) -> str:
    """Returns the words of the innermost error that has some, without the library's around them."""
    words, inner = type(error).__name__, error
    seen: list[BaseException] = []
    while inner is not None and inner not in seen:
        seen.append(inner)
        if isinstance(inner, OSError) and inner.strerror:
            words = inner.strerror
        elif isinstance(inner, http.client.RemoteDisconnected):
            words = "the server closed the connection without an answer"
        elif isinstance(inner, http.client.BadStatusLine):
            words = "the server's answer is no HTTP"
        inner = inner.__cause__ or inner.__context__ or _reason(inner)
    return words


def _reason(error: BaseException) -> Any:
    held = getattr(error, "reason", None) or next((one for one in error.args if isinstance(one, BaseException)), None)
    return held if isinstance(held, BaseException) else None
