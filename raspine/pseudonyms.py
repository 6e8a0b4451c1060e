"""Pseudonyms: running numbers over sorted names, so that no output leads back to a person.

A hash of an identifier would not do: the few million identifiers that a hospital can have are quickly tried.
"""

import csv
import os
import pathlib
from collections.abc import Iterable, Mapping

from raspine import atomic

FIELDS = ("pseudonym", "kind", "name")


class PrivateLogError(ValueError):
    """The file that maps pseudonyms back would stand in a wrong place."""


def assign(names: Iterable[str], prefix: str, digits: int) -> dict[str, str]:
    """Returns the pseudonym of each name: the prefix and a running number over the sorted names.

    Args:
      names: what to replace; one named twice counts once.
      prefix: first letters of the pseudonyms.
      digits: how many digits the number has at least.
    """
    return {name: f"{prefix}{number:0{digits}d}" for number, name in enumerate(sorted(set(names)), 1)}


def check_private_log(path: str | os.PathLike[str], output_dir: str | os.PathLike[str] | None) -> None:
    """Checks where the private log shall stand.

    Raises:
      PrivateLogError: it exists, or stands inside the output folder.
    """
    place = pathlib.Path(path).resolve()
    if output_dir is not None and place.is_relative_to(pathlib.Path(output_dir).resolve()):
        raise PrivateLogError("--private_log must stand outside --output_dir, which is meant to be passed on.")
    if place.exists():
        raise PrivateLogError("the file of --private_log exists: name another, or remove it if a dry run wrote it.")


def write_private_log(path: str | os.PathLike[str], mappings: Mapping[str, Mapping[str, str]]) -> None:
    """Writes who is behind each pseudonym, readable by nobody else (mode 0600).

    Args:
      path: a CSV file with the columns pseudonym, kind, name.
      mappings: by kind (`film`, `patient`), the pseudonym of each name.
    """
    with atomic.atomic_file(path) as aside:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # Names of files may hold bytes that are no UTF-8; they go in and out as they are.
        with open(descriptor, "w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(FIELDS)
            for kind, pseudonyms in mappings.items():
                writer.writerows((pseudonym, kind, name) for name, pseudonym in pseudonyms.items())
