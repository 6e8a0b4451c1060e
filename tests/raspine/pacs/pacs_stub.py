"""A worker beside an archive that takes everything, with a reader that does what a test says; nothing is fetched."""

import json
import pathlib

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian

from raspine.model_identity import ModelIdentity
from raspine.pacs import audit, ledger
from raspine.pacs.course import Bounds, Partners
from raspine.pacs.database import Database
from raspine.pacs.failures import UnreadyError
from raspine.pacs.instances import Instance
from raspine.pacs.pseudonym_key import Key
from raspine.pacs.watching import Window
from raspine.pacs.worker import Desk, Worker

FILM_CLASS = "1.2.840.10008.5.1.4.1.1.1"


def identity(version: int) -> ModelIdentity:
    return ModelIdentity("films", str(version), f"{version}" * 64)


class Site:
    """The worker with its partners, of which it is each itself."""

    def __init__(self, folder: pathlib.Path, reprocess: bool = False):
        self.folder, self.identities = folder, {ledger.FILM: identity(1)}
        self.troubles: list[Exception | int] = []  # a number: that version is found in place of the other
        self.answered_by: list[str] = []
        self.stored: list[str] = []
        window = Window(reprocess=reprocess)
        self.database = Database(folder / "jobs")
        desk = Desk(folder, self.database, audit.Log(folder), Key(b"k" * 32))
        self.worker = Worker(desk, Partners(self, self), window, Bounds(), 0.0)
        self.jobs = self.worker.jobs

    def film(self, number: int) -> None:
        """Has a film stand in the folder of what came."""
        (self.folder / "incoming").mkdir(exist_ok=True)
        (self.folder / f"incoming/{number}").write_bytes(b"film")
        name = f"incoming/{number}"
        self.worker.take(Instance("1.2", "1.2.3", f"1.2.3.{number}", FILM_CLASS, name, 4))

    def fetch(self, instances: list[Instance], room: int) -> list[int]:
        raise AssertionError("everything is here")

    def answer(self, kind: str, instances: list[Instance], folder: str) -> list[tuple[str, str]]:
        if self.troubles:
            trouble = self.troubles.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            self.identities = {ledger.FILM: identity(trouble)}
            raise UnreadyError("a model was replaced.")
        version = self.identities[ledger.FILM].version
        self.answered_by.append(version)
        (self.folder / folder).mkdir(parents=True)
        sop = f"{instances[0].sop}.{version}"
        write_report(self.folder / folder / "0.dcm", sop)
        return [(sop, f"{folder}/0.dcm")]

    def has(self, study: str, sop: str) -> bool:
        return sop in self.stored

    def store(self, study: str, objects: list[Dataset]) -> None:
        self.stored += [str(one.SOPInstanceUID) for one in objects]

    def ping(self) -> None:
        """Answers."""

    def events(self, name: str) -> list[dict]:
        lines = (self.folder / audit.NAME).read_text().splitlines()
        return [event for line in lines if (event := json.loads(line))["event"] == name]


def write_report(path: pathlib.Path, sop: str) -> None:
    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = sop
    pydicom.dcmwrite(path, report, enforce_file_format=True)
