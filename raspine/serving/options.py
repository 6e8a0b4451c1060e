"""How an endpoint is asked: how long, how often, how much at once, and by whom."""

import dataclasses
import math
import pathlib
import re

from raspine.serving import errors
from raspine.serving.address import Address

_MEGABYTE = 1 << 20
_TOKEN = re.compile(r"[\x21-\x7e]+")  # RFC 6750, section 2.1: no spaces, nothing that could end a header
_FILES = ("ca_file", "certificate_file", "key_file", "token_file")


@dataclasses.dataclass(frozen=True)
class Options:
    """How an endpoint is asked. Servers' certificates are always verified.

    Attributes:
      deadline: seconds for a call in all: the wait for its turn, every attempt, and the waits between them.
      connect_timeout: seconds for a connection.
      retries: how often a request is sent again after an error that may pass by itself.
      concurrency: requests at once.
      max_response: bytes of an answer.
      ca_file: PEM file of the authorities that may have signed the server's certificate; empty for the usual ones.
      certificate_file: PEM file of the client's certificate, for servers that ask for one.
      key_file: PEM file of its key.
      token_file: file with the bearer token that the server asks for; read anew for each attempt.
    """

    deadline: float = 60.0
    connect_timeout: float = 5.0
    retries: int = 4
    concurrency: int = 4
    max_response: int = 64 * _MEGABYTE
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    token_file: str = ""

    def __post_init__(self) -> None:
        for name in ("deadline", "connect_timeout"):
            if not 0 < getattr(self, name) < math.inf:
                raise errors.wrong_settings(f"{name} is a number of seconds above 0. Received: {getattr(self, name)}.")
        for name, least in (("retries", 0), ("concurrency", 1), ("max_response", 1)):
            if getattr(self, name) < least:
                raise errors.wrong_settings(f"{name} is at least {least}. Received: {getattr(self, name)}.")
        if bool(self.certificate_file) != bool(self.key_file):
            raise errors.wrong_settings("a client's certificate and its key go together: give both files, or neither.")
        for name in _FILES:
            if getattr(self, name):
                content(getattr(self, name), name)

    def check(self, address: Address) -> None:
        """Checks that the options go with an address.

        Raises:
          SettingsError: they do not; among others, a token would cross the network unencrypted.
        """
        if self.token_file and not address.is_encrypted and not address.is_loopback:
            raise errors.wrong_settings(
                f"a token is not sent unencrypted to another machine: use grpcs:// or https:// for {address}."
            )
        if not address.is_encrypted and (self.ca_file or self.certificate_file):
            raise errors.wrong_settings(f"certificates are for grpcs:// and https://. Received: {address}.")

    def token(self) -> str:
        """Returns the token in its file, empty without one.

        Raises:
          SettingsError: the file holds none.
        """
        if not self.token_file:
            return ""
        found = content(self.token_file, "token_file").decode("latin-1").strip()
        if not _TOKEN.fullmatch(found):
            raise errors.wrong_settings(f"token_file: '{self.token_file}' holds no token: one line without spaces.")
        return found


def content(path: str, name: str) -> bytes:
    """Returns what is in a file.

    Raises:
      SettingsError: it cannot be read; the message names the option.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise errors.wrong_settings(f"{name}: '{path}' cannot be read: {error.strerror}.") from error
