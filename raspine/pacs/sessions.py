"""HTTP as the worker speaks it: TLS verified, answers bounded in bytes and seconds, no redirects, no hidden proxies."""

import contextlib
import dataclasses
import ipaddress
import pathlib
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, _basic_auth_str
from urllib3 import connection, connectionpool

from raspine.pacs.failures import OutageError

_CHUNK = 1 << 16


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an answer may take.

    Attributes:
      connect_seconds: until the connection stands.
      read_seconds: until the next bytes come.
      whole_seconds: until the answer is complete; as many until the request is sent and until the answer begins.
      max_bytes: of its body, decompressed.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    whole_seconds: float = 120.0
    max_bytes: int = 1 << 29


class LimitError(requests.RequestException):
    """An answer is larger, or takes longer, than it may."""


class Credentials(AuthBase):
    """What a file says who is calling: one line, `Bearer TOKEN` or `Basic USER:PASSWORD`.

    The file is read at every request, so that a token may be renewed while the worker runs.

    Raises:
      ValueError: others can read the file, or it holds neither.
    """

    def __init__(self, path: str):
        self._path = pathlib.Path(path)
        self._header()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Adds the header to a request.

        Raises:
          OutageError: the file cannot be used any more.
        """
        try:
            request.headers["Authorization"] = self._header()
        except (OSError, ValueError) as error:
            raise OutageError(f"archive: the credentials file cannot be used ({type(error).__name__}).") from error
        return request

    def _header(self) -> str:
        if self._path.stat().st_mode & 0o077:
            raise ValueError(f"the credentials in '{self._path}' can be read by others: give the file mode 0600.")
        scheme, _, value = self._path.read_text(encoding="utf-8").strip().partition(" ")
        if scheme.lower() == "bearer" and value and value.isascii() and value.isprintable():
            return f"Bearer {value}"
        if scheme.lower() == "basic" and ":" in value and "\n" not in value:
            user, _, password = value.partition(":")
            return _basic_auth_str(user, password)
        raise ValueError(f"'{self._path}' holds no credentials: one line, 'Bearer TOKEN' or 'Basic USER:PASSWORD'.")


class _Timed:
    """A connection whose requests and answers' headers end in time, however slowly the other side takes or gives them.

    A byte now and then never lets a read or write time out; an end of the socket ends it.
    """

    seconds: float
    sock: socket.socket | None

    def request(self, *args: Any, **options: Any) -> None:
        """Sends a request."""
        with self._ending():
            super().request(*args, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Returns the answer, its body unread."""
        with self._ending():
            return super().getresponse()  # type: ignore[misc]

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        until = time.monotonic() + self.seconds
        clock = threading.Timer(self.seconds, self._end)
        clock.start()
        try:
            yield
        finally:
            clock.cancel()
            if time.monotonic() >= until:  # a header that was cut off looks like a whole one
                raise TimeoutError

    def _end(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # it has ended, or never began
            self.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


class _TimedAdapter(HTTPAdapter):
    """Makes connections that end in time."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Makes the pools of connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": self._timed(connectionpool.HTTPConnectionPool, connection.HTTPConnection),
            "https": self._timed(connectionpool.HTTPSConnectionPool, connection.HTTPSConnection),
        }

    def _timed(self, pool: type, plain: type) -> type:
        timed = type("TimedConnection", (_Timed, plain), {"seconds": self._seconds})
        return type("TimedPool", (pool,), {"ConnectionCls": timed})


class BoundedSession(requests.Session):
    """A session whose every answer is read within limits before anybody sees it."""

    def __init__(self, limits: Limits, ca_file: str = "", credentials: Credentials | None = None):
        super().__init__()
        self.limits = limits
        for scheme in ("http://", "https://"):
            self.mount(scheme, _TimedAdapter(limits.whole_seconds))
        # Environment variables may name proxies, other certificates and a .netrc.
        self.trust_env = False
        self.verify = ca_file or True
        self.auth = credentials

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Sends a request and returns its answer, complete.

        Raises:
          LimitError: the answer is too large or takes too long.
          RequestException: of requests, on whatever else went wrong; a redirect is an error too.
        """
        options |= {"stream": True, "allow_redirects": False}
        options["timeout"] = (self.limits.connect_seconds, self.limits.read_seconds)
        response = super().send(request, **options)
        try:
            body = self._body(response)
        finally:
            response.close()
        # requests has no public way to hand over a body that was read in parts.
        response._content = body
        if response.is_redirect:
            raise requests.TooManyRedirects("the server redirects, which is not followed", response=response)
        return response

    def _body(self, response: requests.Response) -> bytes:
        too_late = LimitError(f"the answer takes more than {self.limits.whole_seconds:g} s")
        until = time.monotonic() + self.limits.whole_seconds
        # A server that sends a byte now and then never lets a read time out; closing the connection ends the read.
        clock = threading.Timer(self.limits.whole_seconds, response.raw.shutdown)
        clock.start()
        body = bytearray()
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > self.limits.max_bytes:
                    raise LimitError(f"the answer has more than {self.limits.max_bytes} bytes")
        except requests.RequestException as error:
            if time.monotonic() >= until:
                raise too_late from error
            raise
        finally:
            clock.cancel()
        if time.monotonic() >= until:
            raise too_late
        return bytes(body)


def check_url(url: str, allow_http: bool, has_credentials: bool = False) -> None:
    """Checks that a URL is one, and that nothing goes unencrypted over a network.

    Args:
      url: of a service.
      allow_http: whether http is allowed beyond this machine.
      has_credentials: whether credentials will be sent there, which never go unencrypted.

    Raises:
      ValueError: it is none, or not https.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"a URL is https://HOST[:PORT]/PATH without user, query and fragment. Received: '{url}'.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        if has_credentials:
            raise ValueError(f"'{url}' would send credentials unencrypted over a network: https is needed.")
        if not allow_http:
            raise ValueError(f"'{url}' would send images unencrypted over a network: https is needed.")


def is_loopback(host: str) -> bool:
    """Returns whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
