"""Which files of a folder may be films: by content first, by suffix where the content is broken."""

import os
import pathlib
from collections.abc import Iterable, Iterator

from raspine.dicom import parse, raster

_HEAD = 132
_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima", *raster.SUFFIXES})


def is_film_file(path: str | os.PathLike[str]) -> bool:
    """Returns whether a file is DICOM, PNG or JPEG by content, or claims to be by its suffix.

    A file without a suffix, as archives name DICOM files, is one when its content starts like DICOM. An empty
    or damaged `.dcm` counts as well, so that reading it reports what is wrong and nobody misses it unawares.
    """
    place = pathlib.Path(path)
    if not place.is_file():
        return False
    if place.suffix.lower() in _SUFFIXES:
        return True
    try:
        with place.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return parse.is_dicom(head) or raster.is_raster(head)


def discover(paths: Iterable[str | os.PathLike[str]]) -> list[pathlib.Path]:
    """Returns the candidate films among files and folders, sorted, each once.

    Files that are named are taken whatever they are; folders are searched to any depth, following links to
    folders once. Hidden files and folders inside them are left out.
    """
    found: dict[pathlib.Path, None] = {}
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            found.setdefault(path)
            continue
        for file in walk(path):
            if not _is_hidden(file, path) and _is_candidate(file):
                found.setdefault(file)
    return sorted(found)


def walk(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields every file below a folder, hidden ones too, in sorted order; one that links lead to twice counts once."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (pathlib.Path(place) / name for name in sorted(files))


def _is_hidden(file: pathlib.Path, folder: pathlib.Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts[:-1])


def _is_candidate(file: pathlib.Path) -> bool:
    return not file.name.startswith(".") and is_film_file(file)
