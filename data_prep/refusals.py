"""What is left out of a data set, and the file that says why."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

from raspine import atomic


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a film, a study or a row of a table is left out.

    Attributes:
      kind: a few words to count by.
      reason: one line without identifiers.
    """

    kind: str
    reason: str


def write(path: pathlib.Path, refused: Mapping[str, Refusal], pseudonym: Callable[[str], str]) -> None:
    """Writes refused.csv: pseudonym and reason, sorted by pseudonym.

    Args:
      path: the file to make.
      refused: by name.
      pseudonym: how outputs call a name.
    """
    rows = [{"pseudonym": pseudonym(name), "reason": refusal.reason} for name, refusal in refused.items()]
    atomic.write_csv(path, sorted(rows, key=lambda row: row["pseudonym"]), ("pseudonym", "reason"))
