"""Files and folders in, the studies among them out: every file is part of one, or has a reason why not."""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping

from raspine.dicom import discovery, header, index, mr_object
from raspine.dicom.nifti import is_nifti
from raspine.dicom.study import Study

HIDDEN = "hidden files are left out; name it to have it read."
FLAG_UNREADABLE = "unreadable_files"
FLAG_PEOPLE = "patient_details_differ"

# Starts of the reasons why a sound file is no MR image.
_SOUND = ("no MR image", "a DICOMDIR", "not a regular file", HIDDEN)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A study to be read.

    Attributes:
      name: the folder that holds it, or its file, as given.
      content: the study by its headers, or the path of a NIfTI file.
      files: those it is made of.
      flags: what is doubtful about them.
    """

    name: str
    content: Study | pathlib.Path
    files: tuple[pathlib.Path, ...] = dataclasses.field(repr=False)
    flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What is among some files and folders.

    Attributes:
      sources: the studies, by name.
      refused: why a file is in none of them, by file.
    """

    sources: tuple[Source, ...]
    refused: Mapping[pathlib.Path, str]


def find(paths: Iterable[str | os.PathLike[str]], progress: bool = False) -> Found:
    """Returns the studies among files and folders; DICOM headers are read once, and no pixel.

    Args:
      paths: files, DICOM or NIfTI, and folders, searched to any depth. What is named is read whatever it is; hidden
        files in folders are refused.
      progress: show a bar when it takes longer than two seconds.
    """
    listed = _listed(paths)
    visible = [path for path, reason in listed.items() if not reason]
    volumes = [path for path in visible if is_nifti(path)]
    found = index.scan([path for path in visible if not is_nifti(path)], progress)
    refused = {path: reason for path, reason in listed.items() if reason} | dict(found.refused)
    strays = _strays(found.refused)
    sources = [Source(shown(path), path, (path,)) for path in volumes]
    members = {study.uid: _files(study) for study in found.studies}
    names = _names(members)
    for study in found.studies:
        files = members[study.uid]
        sources.append(Source(names[study.uid], study, files, _flags(study, files, strays)))
    return Found(tuple(sorted(sources, key=lambda source: source.name)), dict(sorted(refused.items())))


def shown(path: str | os.PathLike[str]) -> str:
    """Returns a path as text that JSON and CSV can hold, whatever bytes the name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _listed(paths: Iterable[str | os.PathLike[str]]) -> dict[pathlib.Path, str]:
    """Returns every file once, as first given, with the reason why it is not even opened."""
    found: dict[str, tuple[pathlib.Path, str]] = {}
    for path in map(pathlib.Path, paths):
        for file, reason in _walk(path) if path.is_dir() else [(path, "")]:
            found.setdefault(os.path.abspath(file), (file, reason))
    return dict(found.values())


def _walk(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    for file in discovery.walk(folder):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        yield file, HIDDEN if is_hidden else ""


def _files(study: Study) -> tuple[pathlib.Path, ...]:
    return tuple(sorted({frame.path for series in study.series for frame in series.frames}))


def _names(members: Mapping[str, tuple[pathlib.Path, ...]]) -> dict[str, str]:
    """Returns the name of each study: its folder, or its first file where several studies share the folder."""
    folders = {uid: _folder(files) for uid, files in members.items()}
    shared = collections.Counter(folders.values())
    return {uid: shown(members[uid][0] if shared[folder] > 1 else folder) for uid, folder in folders.items()}


def _folder(files: tuple[pathlib.Path, ...]) -> pathlib.Path:
    if len(files) == 1:
        return files[0]
    try:
        return pathlib.Path(os.path.commonpath([file.parent for file in files]))
    except ValueError:  # some paths are absolute, some are not
        return files[0]


def _strays(refused: Mapping[pathlib.Path, str]) -> collections.Counter[tuple[pathlib.Path, str]]:
    """Counts the files, by folder and ending, that cannot be read and do not say which series they belong to."""
    return collections.Counter(
        (path.parent, path.suffix.lower())
        for path, reason in refused.items()
        if not reason.startswith(_SOUND) and not _is_known(path)
    )


def _is_known(path: pathlib.Path) -> bool:
    """Returns whether a damaged file still names its series, which then counts it itself."""
    try:
        mr_object.read(path)
    except header.FilmError:
        return False
    return True


def _flags(
    study: Study, files: tuple[pathlib.Path, ...], strays: Mapping[tuple[pathlib.Path, str], int]
) -> tuple[str, ...]:
    """Returns a flag when files beside the study's may be slices of it unseen, and one when it names two patients."""
    places = {(path.parent, path.suffix.lower()) for path in files}
    count = sum(strays.get(place, 0) for place in places)
    unreadable = (f"{FLAG_UNREADABLE}: {count}",) if count else ()
    return (*unreadable, FLAG_PEOPLE) if len(study.people) > 1 else unreadable
