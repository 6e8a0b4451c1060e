"""Names for logs that lead back to nobody without a key: HMAC-SHA256 of a UID.

A plain hash would not do: whoever has a list of UIDs can try them out.
"""

import hashlib
import hmac
import os
import pathlib
import secrets

_BYTES = 32
_SHOWN = 16  # hexadecimal digits: 64 bits, so that a million jobs do not collide
NAME = "pseudonym.key"


class Key:
    """Gives the pseudonym of a UID, always the same under one key."""

    def __init__(self, key: bytes):
        self._key = key

    def of(self, text: str) -> str:
        """Returns 16 hexadecimal digits."""
        return self.whole(text)[:_SHOWN]

    def whole(self, text: str) -> str:
        """Returns 64 hexadecimal digits, for file names: two that collide would overwrite each other."""
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def load(folder: pathlib.Path) -> Key:
    """Returns the key of a state folder, which is made when missing, readable by nobody else (mode 0600).

    Raises:
      ValueError: others can read it, or it is damaged.
    """
    path = folder / NAME
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise ValueError(f"'{path}' can be read by others: it must have mode 0600.")
    key = path.read_bytes()
    if len(key) != _BYTES:
        raise ValueError(f"'{path}' is damaged: a key has {_BYTES} bytes. Received: {len(key)}.")
    return Key(key)


def _make(path: pathlib.Path) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(secrets.token_bytes(_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(aside, path)
