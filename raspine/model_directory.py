"""The model directory, `best/` or `last/` of a run, whatever its task: a card and the networks that it describes."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import keras

from raspine import outside_json, quoting
from raspine.models import network_file

WEIGHTS = "model.keras"
CARD = "model.json"
MAX_SIDE = 8192  # pixels of a network's input


class ModelDirectoryError(ValueError):
    """A folder does not hold a model of the wanted task that this raspine reads."""


def card(folder: str | os.PathLike[str], task: str, version: int) -> dict[str, Any]:
    """Returns what the card in a model directory says, its task and format checked.

    Args:
      folder: the model directory.
      task: that the model has to be for.
      version: of the card's format.

    Raises:
      ModelDirectoryError: the folder is no model directory, or of another task or format.
      ValueError, KeyError, TypeError: the card is damaged; see `understood`.
    """
    place = pathlib.Path(folder)
    for name in (CARD, WEIGHTS):
        if not (place / name).is_file():
            raise ModelDirectoryError(
                f"'{folder}' is no model directory: it has no {name}. Give best/ or last/ of a training run."
            )
    stored = outside_json.read(place / CARD)
    if (stored["format"], stored["task"]) != (version, task):
        what = quoting.line(f"a {stored['task']} model of format {stored['format']}", 80)
        raise ModelDirectoryError(f"'{folder}' holds {what}.")
    return dict(stored)


@contextlib.contextmanager
def understood(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Names the card in a model directory where what is read from it makes no sense.

    Raises:
      ModelDirectoryError: in place of whatever nonsense raises.
    """
    try:
        yield
    except ModelDirectoryError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelDirectoryError(f"'{folder}/{CARD}' is damaged: {quoting.line(error)}.") from error


def network(folder: str | os.PathLike[str], name: str = WEIGHTS) -> keras.Model:
    """Returns a network of a model directory.

    Raises:
      ModelDirectoryError: it cannot be loaded.
    """
    path = pathlib.Path(folder) / name
    try:
        return network_file.load(path)
    except network_file.NetworkFileError as error:
        raise ModelDirectoryError(f"the network '{path}' cannot be loaded: {error}") from error
