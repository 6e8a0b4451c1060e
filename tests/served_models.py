"""Tiny exported models behind a contract server, started once for all tests of a process that want them."""

import atexit
import contextlib
import functools
import pathlib
import shutil
import tempfile
from unittest import mock

import conftest
import study_models
from contract_server import running

from raspine.serving import export, verification

FILMS, STUDIES, LABEL = "films", "studies", "stable"
COLUMNS = ("age", "sex")
MAX_BODY = 2 << 20


@functools.cache
def served() -> running.Running:
    """Returns a server of a landmark model and a per-slice risk model, whose directories are `directory(name)`."""
    for name in (FILMS, STUDIES):
        _export(name)
    flags = ("--max_body_mb=2", "--running=2", "--waiting=6", f"--label={FILMS}:{LABEL}=1")
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running.running(_place() / "served", *flags))


def exported(name: str) -> pathlib.Path:
    """Returns the exported model."""
    served()
    return _place() / "served" / name / "1"


@functools.cache
def directory(name: str) -> pathlib.Path:
    """Returns the model directory that a served model was exported from."""
    folder = _place() / name
    _model(name).save(folder)
    return folder


@functools.cache
def _place() -> pathlib.Path:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="raspine-served-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _model(name: str) -> export.Model:
    return conftest.tiny_landmarker() if name == FILMS else study_models.model(per_slice=True, columns=COLUMNS)


def _export(name: str) -> None:
    # That an export is right is tested elsewhere; its check in another process takes longest.
    directory(name)  # saved first: an export shares the networks' layers
    with mock.patch.multiple(verification, answered=lambda *_: [], largest=lambda *_: {}):
        export.write(_model(name), _place() / "served", name, "folded")
