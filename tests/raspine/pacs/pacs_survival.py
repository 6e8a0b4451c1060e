r"""Sends a burst of films into a real archive and kills the worker beside it again and again: one report for each film.

    python tests/raspine/pacs/pacs_survival.py FILMS KILLS [MODEL_DIRECTORY]

Kills come by SIGKILL at random moments: while the worker starts, and between and within its jobs. Without a model
directory a tiny untrained one measures. Prints how many films, reports and overlays there are in the end.
"""

import collections
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[3]
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests")) if path not in sys.path]

import conftest  # noqa: E402 - of the tests
import orthanc  # noqa: E402
import pydicom  # noqa: E402
from pydicom.uid import generate_uid  # noqa: E402

from raspine.pacs import audit  # noqa: E402

PATIENCE = 600  # seconds; far more than any burst takes
_A_STUDY = 3  # films


def films(folder: pathlib.Path, count: int) -> list[pathlib.Path]:
    """Writes films, some of them of one study, and returns their files."""
    folder.mkdir()
    paths = []
    for number in range(count):
        paths.append(folder / f"{number:04d}.dcm")
        conftest.write_dicom(
            paths[-1],
            conftest.smooth(80 + number % 17, 70, number),
            StudyInstanceUID=generate_uid(entropy_srcs=["study", str(number // _A_STUDY)]),
            SeriesInstanceUID=generate_uid(entropy_srcs=["series", str(number)]),
            PatientID=f"P{number // _A_STUDY}",
            PixelSpacing=[0.2, 0.3],
            PixelSpacingCalibrationType="GEOMETRY",
            BodyPartExamined="CSPINE",
        )
    return paths


def start(flags: list[str]) -> "subprocess.Popen[bytes]":
    """Starts the worker."""
    command = [sys.executable, "-m", "experiments.pacs_worker", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def done(state: pathlib.Path) -> int:
    """Returns how many jobs the worker says it has sent."""
    log = state / audit.NAME
    return log.read_text().count('"sent"') if log.exists() else 0


def kill_at(random_moment: random.Random, goal: int, state: pathlib.Path, process: "subprocess.Popen[bytes]") -> None:
    """Kills the worker once so many jobs are done, and then a random moment later."""
    until = time.monotonic() + PATIENCE
    while done(state) < goal:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < until, f"{done(state)} of {goal} jobs"
        time.sleep(0.01)
    time.sleep(random_moment.uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    process.wait()


def survive(folder: pathlib.Path, count: int, kills: int, model: pathlib.Path, seed: int = 0) -> dict[str, int]:
    """Returns what stands in the archive after the burst: films, reports, images that a report is on, and so on."""
    draw = random.Random(seed)
    paths = films(folder / "films", count)
    state = folder / "state"
    with orthanc.running(folder / "orthanc") as archive:
        flags = [
            f"--state_dir={state}", f"--landmark_model={model}", f"--dicomweb_url={archive.url}",
            f"--credentials_file={archive.credentials()}", "--look_back_days=0", "--poll_seconds=0.3",
            "--quiet_seconds=0.5",
        ]  # fmt: skip
        for path in paths:
            archive.stow(pydicom.dcmread(path))
        for goal in sorted(draw.sample(range(count - 1), kills)):
            kill_at(draw, goal, state, start(flags))
        last = start(flags)
        try:
            orthanc.until(PATIENCE, lambda: len(archive.listed("SR")) >= count and is_idle(state))
            time.sleep(2)  # what would come twice comes now
        finally:
            last.send_signal(signal.SIGTERM)
            status = last.wait(60)
        return {**tally(archive, paths), "status": status, "starts": kills + 1}


def is_idle(state: pathlib.Path) -> bool:
    """Returns whether no file of a job is left."""
    return not [path for path in state.rglob("*.dcm")]


def tally(archive: orthanc.Orthanc, paths: list[pathlib.Path]) -> dict[str, int]:
    """Counts what stands in the archive, and the films that have a report."""
    reports = archive.reports()
    images = collections.Counter(
        str(one.ReferencedSOPInstanceUID)
        for report in reports
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    )
    wanted = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths}
    return {
        "films": len(archive.listed("DX")),
        "reports": len(reports),
        "overlays": len(archive.listed("PR")),
        "films with one report": sum(images[sop] == 1 for sop in wanted),
        "reports on other images": len(set(images) - wanted),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        home = pathlib.Path(place)
        given = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else home / "model"
        if len(sys.argv) <= 3:
            conftest.tiny_landmarker().save(given)
        begun = time.monotonic()
        print(survive(home, int(sys.argv[1]), int(sys.argv[2]), given), f"{time.monotonic() - begun:.0f} s")
