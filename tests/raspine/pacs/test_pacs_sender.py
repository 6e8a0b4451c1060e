import pathlib
from collections.abc import Iterator

import orthanc
import pydicom
import pytest
import study_dicom
from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from raspine.pacs.failures import FailedError, OutageError
from raspine.pacs.sender import Peer, Sender


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[orthanc.Orthanc]:
    with orthanc.running(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


def sender(pacs: orthanc.Orthanc, title: str = orthanc.TITLE, own: str = orthanc.WORKER) -> Sender:
    return Sender(Peer(title, "127.0.0.1", pacs.dicom_port, own, 5.0))


def result(folder: pathlib.Path) -> Dataset:
    """Returns an object of a class that the worker makes."""
    (path,) = study_dicom.write(folder, "s", indices=[0])
    made = pydicom.dcmread(path)
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(made, keyword)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = GrayscaleSoftcopyPresentationStateStorage
    made.Modality = "PR"
    return made


def test_a_result_sent_twice_stands_once(pacs: orthanc.Orthanc, tmp_path: pathlib.Path) -> None:
    one = result(tmp_path)
    ours = sender(pacs)
    ours.ping()
    assert not ours.has(str(one.StudyInstanceUID), str(one.SOPInstanceUID))
    for _ in range(2):
        ours.store(str(one.StudyInstanceUID), [one])
    assert [found["SOPInstanceUID"] for found in pacs.listed("PR")] == [one.SOPInstanceUID]


@pytest.mark.parametrize(("title", "own"), [("NOBODY", orthanc.WORKER), (orthanc.TITLE, "STRANGER")])
def test_an_archive_that_does_not_know_us_is_an_outage(pacs: orthanc.Orthanc, title: str, own: str) -> None:
    with pytest.raises(OutageError, match=r"rejects|cannot be reached|ended"):
        sender(pacs, title, own).store("1.2", [Dataset()])
    with pytest.raises(OutageError, match=r"rejects|cannot be reached"):
        sender(pacs, title, own).ping()


def test_what_is_no_result_is_not_sent(pacs: orthanc.Orthanc, tmp_path: pathlib.Path) -> None:
    (path,) = study_dicom.write(tmp_path, "s", indices=[0])
    with pytest.raises(FailedError, match="does not take MR Image Storage"):
        sender(pacs).store("1.2", [pydicom.dcmread(path)])


def test_nobody_at_the_port_is_an_outage() -> None:
    with pytest.raises(OutageError, match="'PACS' cannot be reached"):
        Sender(Peer("PACS", "127.0.0.1", 1, "RASPINE", 2.0)).ping()
