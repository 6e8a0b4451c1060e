"""What an archive lists: instances by their UIDs, which are checked before anything is made of them."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable

# PS3.5 9.1; components with leading zeros are against it, and stand in real archives.
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST = 64


@dataclasses.dataclass(frozen=True)
class Instance:
    """One stored object.

    Attributes:
      study: Study Instance UID.
      series: Series Instance UID.
      sop: SOP Instance UID.
      sop_class: SOP Class UID.
      file: where it is on this machine, relative to the state folder; empty while only the archive has it.
      size: bytes of the file.
    """

    study: str = dataclasses.field(repr=False)
    series: str = dataclasses.field(repr=False)
    sop: str = dataclasses.field(repr=False)
    sop_class: str
    file: str = ""
    size: int = 0

    def __post_init__(self) -> None:
        for name in ("study", "series", "sop", "sop_class"):
            if not is_uid(getattr(self, name)):
                raise ValueError(f"The {name} has no UID that is one.")


def is_uid(text: str) -> bool:
    """Returns whether a text is a UID: digits and dots, so that it can stand in a URL and in a log."""
    return len(text) <= _LONGEST and _UID.fullmatch(text) is not None


def fingerprint(instances: Iterable[Instance]) -> str:
    """Returns a hash of which instances these are, in whatever order."""
    joined = "\n".join(sorted(one.sop for one in instances))
    return hashlib.sha256(joined.encode()).hexdigest()[:32]
