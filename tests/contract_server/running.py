"""Starts the contract server in a process of its own, which ends with the block or with whoever started it."""

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Running:
    """A server that answers.

    Attributes:
      grpc_port: on the loopback interface.
      rest_port: on the loopback interface.
      models: the versions by model.
      process: the server's.
    """

    grpc_port: int
    rest_port: int
    models: dict[str, list[int]]
    process: subprocess.Popen[str]

    def grpc(self, model: str) -> str:
        """Returns a model's address for gRPC."""
        return f"grpc://127.0.0.1:{self.grpc_port}/{model}"

    def rest(self, model: str) -> str:
        """Returns a model's address for REST."""
        return f"http://127.0.0.1:{self.rest_port}/v1/models/{model}"


@contextlib.contextmanager
def running(models: pathlib.Path, *flags: str) -> Iterator[Running]:
    """Yields a server of the models in a folder, NAME/VERSION/, once it serves.

    Raises:
      RuntimeError: it does not start.
    """
    command = [sys.executable, str(pathlib.Path(__file__).parent), f"--models={models}", "--until_stdin_ends", *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the contract server of {models} does not start: see above.")
            yield Running(**json.loads(line), process=process)
        finally:
            process.kill()
