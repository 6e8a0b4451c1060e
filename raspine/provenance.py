"""What a result rests on: versions of the libraries and the commit of the code."""

import importlib.metadata
import pathlib
import platform
import subprocess
from typing import Any

import raspine

_PACKAGES = ("tensorflow", "keras", "numpy", "pydicom", "SimpleITK", "opencv-python-headless")


def versions() -> dict[str, str]:
    """Returns the versions of raspine, Python and the packages that shape a result."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"raspine": raspine.__version__, "python": platform.python_version(), **found}


def git_commit() -> str | None:
    """Returns the commit of the checkout that this code runs from, `-dirty` when changed; None outside one."""
    top = pathlib.Path(__file__).resolve().parent.parent
    if not (top / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(top), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def describe() -> dict[str, Any]:
    """Returns versions and commit as they stand in a run's JSON."""
    return {"versions": versions(), "git_commit": git_commit()}
