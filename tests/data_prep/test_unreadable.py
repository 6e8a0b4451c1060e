import pathlib

import pytest

from data_prep import unreadable
from raspine.dicom import header, mr_object
from raspine.dicom.study import Frame, Index, Person, Series, Study


def study(uid: str, *paths: str) -> Study:
    frames = tuple(Frame(pathlib.Path(path), 0, path, 8, 8) for path in paths)
    return Study(uid, series=(Series(f"{uid}.1", frames=frames),))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    """Two studies in one folder, one in another; files below `known/` still name the third study's series 3.9."""

    def read(path: pathlib.Path) -> mr_object.Found:
        if path.parent.name != "known":
            raise header.FilmError("damaged beyond reading.")
        return mr_object.Found("3", "", Person(), Series("3.9"), "truncated.")

    monkeypatch.setattr(mr_object, "read", read)
    reasons = {
        "a/cut.dcm": "the file is empty.",
        "a/notes.txt": "not a DICOM file.",
        "a/zeros.DCM": "not a DICOM file.",
        "a/dose.dcm": "no MR image: Secondary Capture Image Storage, modality 'OT'.",
        "a/DICOMDIR": "a DICOMDIR: a table of contents, no image.",
        "known/1.dcm": "truncated.",
        "known/2.dcm": "something else.",
        "nowhere/1.dcm": "the file is empty.",
    }
    studies = (study("1", "a/1.dcm", "a/2.dcm"), study("2", "a/3.dcm"), study("3", "c/1.dcm"))
    return Index(studies, {pathlib.Path(path): reason for path, reason in reasons.items()}, 12)


def test_files_are_held_against_the_studies_beside_them_or_the_one_they_name(index: Index) -> None:
    assert unreadable.attribute(index) == {
        "1": unreadable.Damage({}, 2),
        "2": unreadable.Damage({}, 2),
        "3": unreadable.Damage({"3.9": "truncated."}, 2),
    }
