"""UIDs that follow from what an object is about, so that the same result is the same object.

A UID is 2.25 and a 128-bit number (PS3.5 B.2), here the start of a SHA-256 of the parts.
"""

import hashlib
import json
import re
from collections.abc import Sequence

from pydicom.uid import UID

from raspine.model_identity import ModelIdentity

# Of what objects say of a result. To be raised with every change of it: an archive keeps the first object of a UID.
CONTENT = 2
_BITS = 128
_LONGEST = 64
_PATTERN = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")


def derive(*parts: str) -> UID:
    """Returns the UID that belongs to some texts in their order."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[: _BITS // 8], 'big')}")


def of_model(identity: ModelIdentity) -> UID:
    """Returns the UID of a model as the observer that a report names."""
    return derive("model", *_of_identity(identity))


def of_instance(kind: str, sources: Sequence[str], identity: ModelIdentity, *settings: str) -> UID:
    """Returns the SOP Instance UID of a result.

    Args:
      kind: of object, one of `raspine.dicom_results.equipment.KINDS`.
      sources: SOP Instance UIDs of the images that the result is about, in any order.
      identity: the model.
      *settings: what shapes the result beside images and model; mostly nothing.
    """
    return derive("instance", str(CONTENT), kind, *_of_identity(identity), *sorted(sources), *settings)


def of_series(kind: str, sources: Sequence[str], identity: ModelIdentity, *settings: str) -> UID:
    """Returns the Series Instance UID of a result; see `of_instance`."""
    return derive("series", str(CONTENT), kind, *_of_identity(identity), *sorted(sources), *settings)


def of_tracking(name: str, sources: Sequence[str]) -> UID:
    """Returns the UID under which a landmark or distance of some images is followed, whichever model found it."""
    return derive("tracking", name, *sorted(sources))


def is_valid(uid: str) -> bool:
    """Returns whether a text is a UID (PS3.5 9.1): at most 64 characters, numbers without leading zeros and dots."""
    return len(uid) <= _LONGEST and _PATTERN.fullmatch(uid) is not None


def _of_identity(identity: ModelIdentity) -> tuple[str, ...]:
    return identity.name, identity.version, identity.digest, identity.variant
