"""Where a model is served: `grpc://host:port/NAME`, `http://host:port/v1/models/NAME`, and the same over TLS."""

import dataclasses
import ipaddress
import re
import urllib.parse

from raspine.serving import errors

GRPC_PORT, REST_PORTS = 8500, {"http": 80, "https": 443}
_SCHEMES = ("grpc", "grpcs", "http", "https")
_MODELS = "/v1/models/"
_MODEL = r"(?P<model>[A-Za-z0-9._-]+)(?:/versions/(?P<version>\d{1,18})|/labels/(?P<label>[A-Za-z0-9._-]+))?/?"
_GRPC_PATH = re.compile(rf"(?P<prefix>/){_MODEL}")
_REST_PATH = re.compile(rf"(?P<prefix>(?:/[A-Za-z0-9._~-]+)*?{_MODELS}){_MODEL}")
_HOST = re.compile(r"[\w.-]+|[\da-f]*:[\da-f:.]+(%[\w.-]+)?")  # a name or an IPv4 address, or an IPv6 one
_FORMS = (
    "grpc://HOST:PORT/NAME, grpcs://HOST:PORT/NAME, http://HOST:PORT/v1/models/NAME or https://..., each with "
    "/versions/N or /labels/L behind it if wanted"
)


@dataclasses.dataclass(frozen=True)
class Address:
    """A served model.

    Attributes:
      scheme: `grpc`, `grpcs`, `http` or `https`.
      host: a name or an IP address.
      port: of the host.
      model: the name that the server knows the model by.
      version: the version's number; None for the label's, or else the server's choice, the latest.
      label: a version's label; empty without.
      prefix: what stands before the model in a URL's path; `/v1/models/` behind a proxy's own path, if any.
    """

    scheme: str
    host: str
    port: int
    model: str
    version: int | None = None
    label: str = ""
    prefix: str = _MODELS

    @property
    def is_rest(self) -> bool:
        """Whether it is asked by REST, not gRPC."""
        return self.scheme in REST_PORTS

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is over TLS."""
        return self.scheme.endswith("s")

    @property
    def is_loopback(self) -> bool:
        """Whether the connection stays on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def target(self) -> str:
        """`host:port`, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The model's address for REST, without `:predict`."""
        return f"{self.scheme}://{self.target}{self.prefix}{self._path}"

    @property
    def _path(self) -> str:
        if self.label:
            return f"{self.model}/labels/{self.label}"
        return self.model if self.version is None else f"{self.model}/versions/{self.version}"

    def __str__(self) -> str:
        return self.url if self.is_rest else f"{self.scheme}://{self.target}/{self._path}"

    def at_version(self, version: int) -> "Address":
        """Returns the address of one version of the model."""
        return dataclasses.replace(self, version=version, label="")


def parse(text: str) -> Address:
    """Returns the address in a text; the module says its forms. Without a port, gRPC's is 8500 and HTTP's the usual.

    Raises:
      SettingsError: it is none.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong(text) from None
    if parts.username or parts.password:
        raise errors.wrong_settings("an endpoint's address holds no user or password: give a token's file.")
    if parts.scheme not in _SCHEMES or not _HOST.fullmatch(host) or parts.query or parts.fragment or port == 0:
        raise _wrong(text)
    found = (_REST_PATH if parts.scheme in REST_PORTS else _GRPC_PATH).fullmatch(parts.path)
    if not found:
        raise _wrong(text)
    version = int(found["version"]) if found["version"] else None
    return Address(
        scheme=parts.scheme,
        host=host,
        port=port or REST_PORTS.get(parts.scheme, GRPC_PORT),
        model=found["model"],
        version=version,
        label=found["label"] or "",
        prefix=found["prefix"],
    )


def _wrong(text: str) -> errors.SettingsError:
    shown = text if "@" not in text else "an address with '@'"  # what stands before it may be a password
    return errors.wrong_settings(f"an endpoint is {_FORMS}. Received: '{shown}'.")
