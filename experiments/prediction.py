"""What predicting has in common for films and studies: the request, names in the outputs, batches, what is written."""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from raspine import atomic, program
from raspine.serving import errors
from raspine.serving.remote import RemoteModel

Item = TypeVar("Item")
_LISTED = 10


@dataclasses.dataclass(frozen=True)
class Request:
    """A model, what it shall look at, and a place for what comes out.

    Attributes:
      model: the model directory; empty for a remote model.
      paths: files and folders.
      output_dir: the folder to make.
      batch: films or studies that go through the network together.
      workers: threads that read, and that draw.
      overlays: whether to draw a picture of each.
      private_log: CSV file to make, which says who the running numbers are; empty for paths as names.
      remote: the model behind an endpoint.
    """

    model: str
    paths: tuple[str, ...]
    output_dir: str
    batch: int
    workers: int
    overlays: bool
    private_log: str
    remote: RemoteModel | None = None

    @property
    def places(self) -> str:
        """The paths for a message; only how many there are when a private log keeps the names."""
        return f"the {len(self.paths)} paths given" if self.private_log else " ".join(self.paths)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yields lists of at most `size` items in their order."""
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch


def picture_name(name: str, number: int) -> str:
    """Returns a file name from a film's or study's name, safe everywhere and unique by its number."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[-80:]
    return f"{number:05d}_{safe}.png"


def refuse_foreign(names: Iterable[str], task: str) -> None:
    """Refuses flags that are not for a model of this task.

    Raises:
      UsageError: one of the flags is given.
    """
    if given := [name for name in names if flags.FLAGS[name].present]:
        raise program.UsageError(f"--{given[0]} is not for a model of {task}.")


def refusal(error: Exception, what: str) -> str:
    """Returns why a film or study is refused.

    Args:
      error: what came of it.
      what: what could not be done with it.

    Raises:
      EndpointError: the error is an endpoint's, and not this film's or study's.
    """
    if isinstance(error, errors.RefusedError):
        return f"the server refuses it: {error}"
    if isinstance(error, errors.EndpointError):
        raise error
    return f"{what}: unexpected {type(error).__name__}."


def write(
    folder: pathlib.Path,
    rows: Sequence[Mapping[str, Any]],
    table: Iterable[Mapping[str, Any]],
    fields: Sequence[str],
    refused: Mapping[str, str],
    facts: Mapping[str, Any],
) -> None:
    """Writes predictions.json and .csv, refused.csv and run.json.

    Args:
      folder: where.
      rows: of predictions.json.
      table: the same rows, flat.
      fields: the columns of predictions.csv.
      refused: why, by the name of the file.
      facts: of run.json.
    """
    atomic.write_json(folder / "predictions.json", list(rows))
    atomic.write_csv(folder / "predictions.csv", table, fields)
    write_refused(folder, refused)
    atomic.write_json(folder / "run.json", dict(facts))


def write_refused(folder: pathlib.Path, refused: Mapping[str, str]) -> None:
    """Writes refused.csv: why, by the name of the file."""
    reasons = [{"file": name, "reason": reason} for name, reason in refused.items()]
    atomic.write_csv(folder / "refused.csv", reasons, ("file", "reason"))


def print_refused(refused: Mapping[str, str]) -> None:
    """Prints the first refusals, and how many more there are."""
    for name, reason in itertools.islice(refused.items(), _LISTED):
        print(f"refused: {name}: {reason}")
    if len(refused) > _LISTED:
        print(f"and {len(refused) - _LISTED} more: refused.csv lists all.")
