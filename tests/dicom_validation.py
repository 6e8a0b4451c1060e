"""What dciodvfy of Debian's package dicom3tools says of DICOM objects."""

import pathlib
import re
import shutil
import subprocess

import pytest
from pydicom.dataset import Dataset

_PLACE = re.compile(r"\[[0-9]+\]")


def remarks(folder: pathlib.Path, result: Dataset) -> tuple[set[str], set[str]]:
    """Returns the errors and the warnings on an object, without the numbers of sequence items."""
    if shutil.which("dciodvfy") is None:
        pytest.fail("these tests need Debian's package dicom3tools (dciodvfy): install it as root.")
    path = folder / f"{result.SOPInstanceUID}.dcm"
    result.save_as(path, enforce_file_format=True)
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, timeout=60, check=False)
    lines = [_PLACE.sub("", line) for line in (done.stdout + done.stderr).splitlines()]
    assert len(lines) >= 1, "dciodvfy names at least the kind of object"
    return (
        {line for line in lines if line.startswith("Error")},
        {line for line in lines if line.startswith("Warning")},
    )
