"""An output folder that is used by one process at a time."""

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator

from raspine import program

NAME = ".lock"


@contextlib.contextmanager
def alone(folder: pathlib.Path, who: str) -> Iterator[int]:
    """Keeps others out of the folder, which is made when missing.

    Args:
      folder: to be alone in.
      who: may be at work there, for the message.

    Yields:
      A file descriptor; the folder stays closed until this and every process that holds it too has ended.

    Raises:
      UsageError: one is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise program.UsageError(f"{who} is at work in '{folder}'.") from error
        yield stream.fileno()
