"""A real PACS for the tests: Debian's Orthanc with its DICOMweb plugin, on free ports, for this machine alone."""

import contextlib
import json
import pathlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pydicom
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pynetdicom import AE

from experiments import local_workers

PLUGIN = pathlib.Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
TITLE, CALLER, WORKER = "ORTHANC", "SCANNER", "RASPINE"
USER, PASSWORD = "worker", "test-only"
_STARTING = 30  # seconds


class Orthanc:
    """An archive that can be stopped and started again with what it has.

    Attributes:
      dicom_port: of its store SCP.
      url: of its DICOMweb service.
    """

    def __init__(self, folder: pathlib.Path, worker_port: int = 0):
        missing = [
            name
            for name, there in {"orthanc": shutil.which("Orthanc"), "orthanc-dicomweb": PLUGIN.is_file()}.items()
            if not there
        ]
        assert not missing, f"Debian's packages {' and '.join(missing)} are needed: apt-get install {' '.join(missing)}"
        self._folder, self._process = folder, None
        http_port, self.dicom_port = local_workers.free_ports(2)
        self.root = f"http://127.0.0.1:{http_port}"
        self.url = f"{self.root}/dicom-web"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "orthanc.json").write_text(json.dumps(self._configuration(http_port, worker_port)))

    def _configuration(self, http_port: int, worker_port: int) -> dict[str, Any]:
        database = str(self._folder / "database")
        return {
            "Name": "tests",
            "StorageDirectory": database,
            "IndexDirectory": database,
            "HttpPort": http_port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD},
            # Its DICOM side listens on all addresses: only known titles from this machine get in.
            "DicomPort": self.dicom_port,
            "DicomAet": TITLE,
            "DicomCheckCalledAet": True,
            "DicomCheckModalityHost": True,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": {
                "scanner": [CALLER, "127.0.0.1", 104],
                "worker": [WORKER, "127.0.0.1", worker_port or 104],
            },
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }

    def start(self) -> None:
        """Starts it and returns when it answers."""
        with (self._folder / "log").open("ab") as log:
            command = ["Orthanc", str(self._folder / "orthanc.json")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + _STARTING
        while time.monotonic() < until:
            with contextlib.suppress(requests.ConnectionError):
                self.get("/system")
                return
            assert self._process.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.1)
        raise AssertionError(f"Orthanc does not answer: {(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        """Ends it; what it has stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STARTING)
            self._process = None

    def get(self, path: str) -> Any:
        """Returns what its own REST interface says."""
        answer = requests.get(self.root + path, auth=(USER, PASSWORD), timeout=20)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: str) -> Any:
        """Asks its own REST interface to do something."""
        answer = requests.post(self.root + path, data=body, auth=(USER, PASSWORD), timeout=60)
        answer.raise_for_status()
        return answer.json()

    def credentials(self) -> pathlib.Path:
        """Returns the file that `--credentials_file` takes."""
        path = self._folder / "credentials"
        path.touch(mode=0o600)
        path.write_text(f"Basic {USER}:{PASSWORD}\n")
        return path

    def stow(self, *objects: Dataset) -> None:
        """Stores objects by STOW-RS."""
        session = requests.Session()
        session.auth = (USER, PASSWORD)
        answer = DICOMwebClient(self.url, session, chunk_size=1 << 30).store_instances(objects)
        assert not answer.get("FailedSOPSequence"), answer

    def c_store(self, *objects: Dataset) -> None:
        """Stores objects by C-STORE."""
        send("127.0.0.1", self.dicom_port, TITLE, *objects)

    def listed(self, modality: str = "") -> list[dict[str, str]]:
        """Returns the main tags of every object of a modality, with its identifier in Orthanc."""
        found = []
        for series in self.get("/series?expand"):
            if not modality or series["MainDicomTags"].get("Modality") == modality:
                for name in series["Instances"]:
                    found.append({"name": name, **self.get(f"/instances/{name}")["MainDicomTags"]})
        return found

    def read(self, name: str) -> Dataset:
        """Returns an object by its identifier in Orthanc."""
        answer = requests.get(f"{self.root}/instances/{name}/file", auth=(USER, PASSWORD), timeout=20)
        return pydicom.dcmread(pydicom.filebase.DicomBytesIO(answer.content))

    def reports(self) -> list[Dataset]:
        """Returns every structured report."""
        return [self.read(one["name"]) for one in self.listed("SR")]


@contextlib.contextmanager
def running(folder: pathlib.Path, worker_port: int = 0) -> Iterator[Orthanc]:
    """Yields an archive that runs within the block.

    Args:
      folder: for its files.
      worker_port: of the worker's store SCP, to which it may send.
    """
    archive = Orthanc(folder, worker_port)
    archive.start()
    try:
        yield archive
    finally:
        archive.stop()


def send(host: str, port: int, title: str, *objects: Dataset, caller: str = CALLER) -> list[int]:
    """Sends objects by C-STORE, each in its own syntax, and returns the statuses; -1 where there is none."""
    entity = AE(ae_title=caller)
    for one in {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in objects}:
        entity.add_requested_context(*one)
    association = entity.associate(host, port, ae_title=title)
    assert association.is_established, "no association"
    try:
        return [association.send_c_store(one).get("Status", -1) for one in objects]
    finally:
        association.release()


def until(seconds: float, what: Any, *arguments: Any) -> Any:
    """Returns what a function returns as soon as it is true.

    Raises:
      AssertionError: it is not within so many seconds.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what(*arguments):
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s")
