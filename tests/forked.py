"""Programs as forks of a process that has imported TensorFlow and done nothing else, since importing it takes seconds.

They run as `python -m` runs them. What happens while TensorFlow is imported needs a process of its own: test_quiet.py.
"""

import dataclasses
import functools
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.process
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest

LONGEST = 600  # seconds
# Read once, when the libraries are loaded: `raspine.program` sets the first, and no thread runs while it forks.
_SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "OPENBLAS_NUM_THREADS": "1"}
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tensorflow", "keras", "sklearn.metrics", "matplotlib.pyplot", "SimpleITK", "pydicom"])


@dataclasses.dataclass(frozen=True)
class Program:
    """A program that runs.

    Attributes:
      process: of it.
      out: the file that gets its output.
      errors: the file that gets its errors.
    """

    process: multiprocessing.process.BaseProcess
    out: pathlib.Path
    errors: pathlib.Path

    def lines(self) -> Iterator[str]:
        """Yields what it says, line by line, until it ends."""
        with self.out.open(encoding="utf-8") as stream:
            is_over = False
            while not is_over:
                is_over = not self.process.is_alive()
                yield from stream
                time.sleep(0.005)

    def end(self, longest: float = LONGEST) -> int:
        """Waits, kills what takes longer, and returns the status, negative for a signal."""
        self.process.join(longest)
        self.process.kill()
        self.process.join()
        assert self.process.exitcode is not None
        return self.process.exitcode


def begin(
    name: str,
    arguments: Sequence[str],
    folder: pathlib.Path,
    out: pathlib.Path,
    environment: Mapping[str, str] | None = None,
) -> Program:
    """Starts a program.

    Args:
      name: a module, or the path of a script.
      arguments: of the command line.
      folder: in which it starts.
      out: the file that its output is added to; one beside it gets its errors.
      environment: all variables; None for this process's.
    """
    _serve()
    errors = out.with_name(f"{out.name}.errors")
    for path in (out, errors):
        path.touch()
    variables = dict(os.environ if environment is None else environment)
    process = _CONTEXT.Process(target=_become, args=(name, list(arguments), folder, out, errors, variables))
    process.start()
    return Program(process, out, errors)


def run(
    name: str, arguments: Sequence[str], folder: pathlib.Path, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Starts a program and waits for its end; arguments as of `begin`."""
    with tempfile.TemporaryDirectory() as place:
        program = begin(name, arguments, folder, pathlib.Path(place) / "out", environment)
        status = program.end()
        said = [path.read_text(encoding="utf-8") for path in (program.out, program.errors)]
    return subprocess.CompletedProcess([name, *arguments], status, *said)


def command(words: Sequence[str], check: bool) -> "subprocess.CompletedProcess[str]":
    """Stands in for `subprocess.run` where a program starts another one, in this process's folder."""
    _, option, name, *arguments = words
    assert (option, check) == ("-m", False)
    return run(name, arguments, pathlib.Path.cwd())


@functools.cache
def _serve() -> None:
    """Starts the process whose forks the programs are."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in _SETTINGS.items():
            patch.setenv(variable, value)
        multiprocessing.forkserver.ensure_running()


def _become(
    name: str,
    arguments: list[str],
    folder: pathlib.Path,
    out: pathlib.Path,
    errors: pathlib.Path,
    environment: dict[str, str],
) -> None:
    for stream, path in ((1, out), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    is_script = name.endswith(".py")
    first = pathlib.Path(name).parent if is_script else folder
    sys.path[:0] = [str(first), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[:] = [name, *arguments]
    if is_script:
        runpy.run_path(name, run_name="__main__")
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
