"""TLS for DIMSE, both sides with certificates (PS3.15 B.12: TLS 1.2 or newer, as BCP 195 asks)."""

import dataclasses
import pathlib
import socket
import ssl
from typing import Any


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who this worker is to its peers, and whom it believes; PEM files.

    Attributes:
      certificate: of this worker, with the chain that leads to it.
      key: of the certificate; readable by its owner alone.
      ca_file: the authorities whose certificates peers may show.
    """

    certificate: pathlib.Path
    key: pathlib.Path
    ca_file: pathlib.Path


def acceptor(identity: Identity, seconds: float) -> ssl.SSLContext:
    """Returns the context of a server that takes only peers with a certificate.

    Args:
      identity: of this worker.
      seconds: that a peer may be silent, the handshake included.

    Raises:
      ValueError: a file is missing, damaged, not of the others' kind, or a key that others can read.
    """
    context = _Acceptor(ssl.PROTOCOL_TLS_SERVER)
    context.seconds = seconds
    context.verify_mode = ssl.CERT_REQUIRED
    return _filled(context, identity)


def requestor(identity: Identity) -> ssl.SSLContext:
    """Returns the context of a client that verifies the peer's certificate and host, and shows its own; see `acceptor`.

    Raises:
      ValueError: as there.
    """
    return _filled(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)


class _Acceptor(ssl.SSLContext):
    """Leaves the handshake to the association's own thread: pynetdicom waits for it where it takes connections."""

    seconds: float

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        sock.settimeout(self.seconds)
        return super().wrap_socket(sock, *arguments, **{**options, "do_handshake_on_connect": False})


def _filled(context: ssl.SSLContext, identity: Identity) -> ssl.SSLContext:
    for path in (identity.certificate, identity.key, identity.ca_file):
        if not path.is_file():
            raise ValueError(f"no such file: '{path}'.")
    if identity.key.stat().st_mode & 0o077:
        raise ValueError(f"the key in '{identity.key}' can be read by others: give the file mode 0600.")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(identity.certificate, identity.key, password=_refuse)
    except OSError as error:
        names = f"'{identity.certificate}' and '{identity.key}'"
        raise ValueError(f"{names} are no certificate and its key in PEM ({_reason(error)}).") from error
    try:
        context.load_verify_locations(identity.ca_file)
    except OSError as error:
        raise ValueError(f"'{identity.ca_file}' holds no certificates in PEM ({_reason(error)}).") from error
    return context


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__


def _refuse() -> str:
    raise ValueError("the key has a password, which a program that starts by itself cannot be told.")
