"""Files that could not be read, and the studies that may lack them."""

import collections
import dataclasses
import pathlib
from collections.abc import Mapping

from raspine.dicom import header, mr_object
from raspine.dicom.study import Index, Study

# Starts of the reasons why a sound file is no MR image.
_SOUND = ("no MR image", "a DICOMDIR", "not a regular file")
_NO_DICOM = "not a DICOM file"


@dataclasses.dataclass(frozen=True)
class Damage:
    """What cannot be read of one study.

    Attributes:
      reasons: why, by the series that lacks a file.
      files: how many files cannot be read: of this study, or of nobody knows which beside its files.
    """

    reasons: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: int = 0


def attribute(index: Index) -> dict[str, Damage]:
    """Returns what cannot be read, by StudyInstanceUID, of the studies that it concerns.

    A damaged file that still names its series belongs to it. Any other is held against each study that has
    files with the same ending in the same folder: one of its slices may be missing unseen.
    """
    reasons: dict[str, dict[str, str]] = collections.defaultdict(dict)
    files: collections.Counter[str] = collections.Counter()
    beside = _beside(index.studies)
    for path, reason in index.refused.items():
        if reason.startswith(_SOUND):
            continue
        found = None if reason.startswith(_NO_DICOM) else _found(path)
        if found:
            reasons[found.study_uid].setdefault(found.series.uid, reason)
        files.update([found.study_uid] if found else beside.get((path.parent, path.suffix.lower()), ()))
    return {uid: Damage(reasons.get(uid, {}), count) for uid, count in files.items()}


def _beside(studies: tuple[Study, ...]) -> dict[tuple[pathlib.Path, str], set[str]]:
    """Returns the studies that have files with an ending in a folder."""
    places: dict[tuple[pathlib.Path, str], set[str]] = collections.defaultdict(set)
    for study in studies:
        for path in {frame.path for series in study.series for frame in series.frames}:
            places[path.parent, path.suffix.lower()].add(study.uid)
    return places


def _found(path: pathlib.Path) -> mr_object.Found | None:
    try:
        return mr_object.read(path)
    except header.FilmError:
        return None
