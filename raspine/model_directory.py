"""Which task a model directory is for, read without loading its network."""

import json
import os
import pathlib

CARD = "model.json"


class ModelDirectoryError(ValueError):
    """A folder is no model directory, or its card cannot be read."""


def task_of(folder: str | os.PathLike[str]) -> str:
    """Returns the task that `model.json` of a model directory names: `landmarks` or `deformity`.

    Args:
      folder: `best/` or `last/` of a training run.

    Raises:
      ModelDirectoryError: the folder has no card, or a damaged one.
    """
    card = pathlib.Path(folder) / CARD
    if not card.is_file():
        raise ModelDirectoryError(
            f"'{folder}' is no model directory: it has no {CARD}. Give best/ or last/ of a training run."
        )
    try:
        stored = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelDirectoryError(f"'{card}' is damaged: {' '.join(str(error).split())}.") from error
    task = stored.get("task") if isinstance(stored, dict) else None
    if not isinstance(task, str) or not task:
        raise ModelDirectoryError(f"'{card}' is damaged: it names no task.")
    return task
