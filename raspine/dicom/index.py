"""A folder of MRI files into studies, series and image planes: headers only, each file opened once.

found = scan(["archive"])
for study in found.studies:
    ...
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from raspine.dicom import discovery, header, mr_object
from raspine.dicom.study import Frame, Index, Person, Series, Study

__all__ = ["Frame", "Index", "Person", "Series", "Study", "scan"]

_LAST = 1 << 31
_GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


def scan(paths: Iterable[str | os.PathLike[str]], progress: bool = False) -> Index:
    """Returns the MR studies among files and folders; no pixel is read.

    Args:
      paths: files, taken whatever they are, and folders, searched to any depth without hidden files.
      progress: show a bar when it takes longer than two seconds.
    """
    files = sorted(dict.fromkeys(_files(paths)))
    refused: dict[pathlib.Path, str] = {}
    found: dict[pathlib.Path, mr_object.Found] = {}
    # One thread: pydicom's parsing holds the interpreter, and a pool made it slower.
    for path in tqdm(files, "reading headers", unit="file", delay=2, disable=not progress):
        result = _try(path)
        if isinstance(result, str):
            refused[path] = result
        else:
            found[path] = result
    found = _marked(found)
    refused |= {path: one.reason for path, one in found.items() if one.reason}
    return Index(_studies(found.values()), dict(sorted(refused.items())), len(files))


def _files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[pathlib.Path]:
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            yield path
            continue
        for file in discovery.walk(path):
            if not any(part.startswith(".") for part in file.relative_to(path).parts):
                yield file


def _try(path: pathlib.Path) -> mr_object.Found | str:
    try:
        return mr_object.read(path)
    except header.FilmError as error:
        return str(error)


def _marked(found: dict[pathlib.Path, mr_object.Found]) -> dict[pathlib.Path, mr_object.Found]:
    """Returns files with those refused that lack a geometry which other files of their series have."""
    placed = {one.series.uid for one in found.values() if one.series.frames and not _lacking(one)}
    marked = {}
    for path, one in found.items():
        lacking = _lacking(one) if one.series.uid in placed else ""
        reason = f"{lacking} is missing; other files of the series have it." if lacking else one.reason
        marked[path] = dataclasses.replace(one, reason=reason)
    return marked


def _lacking(one: mr_object.Found) -> str:
    for frame in one.series.frames:
        for keyword, value in zip(_GEOMETRY, (frame.position, frame.orientation, frame.spacing), strict=True):
            if value is None:
                return header.name(keyword)
    return ""


def _studies(found: Iterable[mr_object.Found]) -> tuple[Study, ...]:
    by_study: dict[str, list[mr_object.Found]] = {}
    for one in found:
        by_study.setdefault(one.study_uid, []).append(one)
    studies = [_study(uid, members) for uid, members in by_study.items() if any(not one.reason for one in members)]
    return tuple(sorted(studies, key=lambda study: (study.date, study.uid)))


def _study(uid: str, members: list[mr_object.Found]) -> Study:
    by_series: dict[str, list[mr_object.Found]] = {}
    for one in members:
        by_series.setdefault(one.series.uid, []).append(one)
    joined = [_joined(group) for group in by_series.values() if any(not one.reason for one in group)]
    return Study(
        uid=uid,
        date=next((one.date for one in members if one.date), ""),
        people=tuple(dict.fromkeys(one.person for one in members)),
        series=tuple(sorted(joined, key=lambda series: (_number(series.number), series.uid))),
    )


def _joined(group: list[mr_object.Found]) -> Series:
    """Returns one series of its files, with the facts of the instance that comes first by number."""
    good = [one.series for one in group if not one.reason]
    first = min(good, key=lambda series: _number(series.frames[0].instance_number))
    frames = tuple(frame for series in good for frame in series.frames)
    return dataclasses.replace(first, frames=frames, damaged=len(group) - len(good))


def _number(value: int | None) -> int:
    return _LAST if value is None else value
