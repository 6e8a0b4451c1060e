"""An exported model in a process of its own that imports nothing of raspine, as a server would load it."""

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from raspine.serving import c_loader, tensor_file

PYTHON, C = LOADERS = ("python", "c")
Tensors = Mapping[str, NDArray[Any]]
_HERE = pathlib.Path(__file__).parent
_SECONDS = 600

# Arguments: the path of tensor_file.py, the model's folder, then signature, given and answer of each request.
_OF_PYTHON = """
import runpy, sys
tensor_file = runpy.run_path(sys.argv[1])
import tensorflow as tf
model = tf.saved_model.load(sys.argv[2])
for signature, given, answer in zip(*[iter(sys.argv[3:])] * 3):
    inputs = {name: tf.constant(array.tolist() if array.dtype == object else array)
              for name, array in tensor_file["read"](given).items()}
    found = model.signatures[signature](**inputs)
    tensor_file["write"](answer, {name: value.numpy() for name, value in found.items()})
"""


class ProcessError(RuntimeError):
    """The process failed; the message is its last line."""


def answers(
    folder: str | os.PathLike[str], requests: Sequence[tuple[str, Tensors]], loader: str = PYTHON
) -> list[dict[str, NDArray[Any]]]:
    """Returns what an exported model answers to requests, each a signature and its inputs.

    Args:
      folder: of the SavedModel, a version.
      requests: in the order of the answers; one process answers them all.
      loader: `python` for TensorFlow's `saved_model.load`; `c` for TensorFlow's C++ loader through its C API, in a
        process that does not import TensorFlow.

    Raises:
      ProcessError: the model cannot be loaded, or a request is refused.
    """
    with tempfile.TemporaryDirectory() as place:
        triples: list[str] = []
        for number, (signature, inputs) in enumerate(requests):
            given, answer = (os.path.join(place, f"{number}-{part}.npz") for part in ("given", "answer"))
            tensor_file.write(given, inputs)
            triples += [signature, given, answer]
        _run(str(folder), triples, loader)
        return [tensor_file.read(answer) for answer in triples[2::3]]


def _run(folder: str, triples: Sequence[str], loader: str) -> None:
    reader = str(_HERE / "tensor_file.py")
    if loader == C:
        try:
            library = c_loader.library()
        except c_loader.LoaderError as error:
            raise ProcessError(str(error)) from error
        command = [sys.executable, "-I", str(_HERE / "c_loader.py"), reader, library, folder, *triples]
    else:
        command = [sys.executable, "-I", "-c", _OF_PYTHON, reader, folder, *triples]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, timeout=_SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"no answer within {_SECONDS} seconds.") from error
    if done.returncode:
        raise ProcessError(_last(done.stderr) or f"it ended with status {done.returncode} and no message.")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "raspine:" in line]
    return (told or lines or [""])[-1]
