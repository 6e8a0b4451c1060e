r"""Sends synthetic films into a real archive and compares the reports that come back with the truth.

    python tests/raspine/pacs/pacs_phantom.py LANDMARK_MODEL PHANTOM [RISK_MODEL MRI_PHANTOM]

PHANTOM is what `data_prep.phantom --kind=radiographs` wrote, MRI_PHANTOM what `--kind=mri` wrote. Films go in one after
another, by C-STORE and by STOW-RS in turn, then the studies. Prints the seconds until each report is there and how far
its points are from the landmarks.
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[3]
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests")) if path not in sys.path]

import highdicom  # noqa: E402
import orthanc  # noqa: E402 - of the tests
import pydicom  # noqa: E402
import requests  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402

from experiments import local_workers  # noqa: E402
from raspine.dicom_results import read_back  # noqa: E402

PATIENCE = 300


def report_on(archive: orthanc.Orthanc, sops: set[str]) -> tuple[float, Dataset]:
    """Returns the seconds until the report on some images is there, and the report."""
    begun = time.monotonic()

    def find() -> Dataset | None:
        return next((one for one in archive.reports() if set() < read_back.read(one).sources <= sops), None)

    found = orthanc.until(PATIENCE, find)
    return time.monotonic() - begun, found


def films(archive: orthanc.Orthanc, phantom: pathlib.Path) -> Iterator[tuple[float, float]]:
    """Yields seconds and mean distance from the truth, mm, of every film."""
    for number, truth in enumerate(json.loads((phantom / "truth.json").read_text())["films"]):
        film = pydicom.dcmread(phantom / "dicom" / truth["image"])
        (archive.c_store if number % 2 else archive.stow)(film)
        seconds, report = report_on(archive, {str(film.SOPInstanceUID)})
        highdicom.sr.ComprehensiveSR.from_dataset(report)
        said = read_back.read(report)
        apart = []
        for name, point in said.points.items():
            pixels, millimetres = (np.array(truth[f"landmarks_{unit}"][name]) for unit in ("px", "mm"))
            apart.append(np.hypot(*((point - pixels) * millimetres / pixels)))
        way = "C-STORE" if number % 2 else "STOW-RS"
        print(f"film {number + 1} by {way}: {seconds:.1f} s, {len(apart)} landmarks, {np.mean(apart):.2f} mm")
        yield seconds, float(np.mean(apart))


def studies(archive: orthanc.Orthanc, phantom: pathlib.Path) -> Iterator[float]:
    """Yields the seconds of every study."""
    for folder in sorted(path for path in (phantom / "dicom").glob("*/*") if path.is_dir()):
        files = [pydicom.dcmread(path) for path in sorted(folder.rglob("*")) if path.is_file()]
        archive.stow(*files)
        seconds, report = report_on(archive, {str(one.SOPInstanceUID) for one in files})
        highdicom.sr.ComprehensiveSR.from_dataset(report)
        print(f"study of {len(files)} files: {seconds:.1f} s, risk {read_back.read(report).risk:.3f}")
        yield seconds


def main(landmark_model: str, phantom: str, risk_model: str = "", mri_phantom: str = "") -> None:
    """Runs the worker beside an archive and sends everything."""
    with tempfile.TemporaryDirectory() as place, orthanc.running(pathlib.Path(place) / "orthanc") as archive:
        (port,) = local_workers.free_ports(1)
        flags = [
            f"--state_dir={place}/state", f"--landmark_model={landmark_model}", f"--risk_model={risk_model}",
            f"--dicomweb_url={archive.url}", f"--credentials_file={archive.credentials()}", "--look_back_days=0",
            "--poll_seconds=2", "--quiet_seconds=2", f"--health_port={port}",
        ]  # fmt: skip
        worker = subprocess.Popen([sys.executable, "-m", "experiments.pacs_worker", *flags], cwd=ROOT)
        try:
            orthanc.until(PATIENCE, is_ready, port)
            found = list(films(archive, pathlib.Path(phantom)))
            print(f"{len(found)} films: slowest {max(one[0] for one in found):.1f} s, ", end="")
            print(f"mean {np.mean([one[1] for one in found]):.2f} mm")
            if risk_model:
                print(f"studies: slowest {max(studies(archive, pathlib.Path(mri_phantom))):.1f} s")
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)


def is_ready(port: int) -> bool:
    """Returns whether the worker's health page says so."""
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.ConnectionError:
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])
