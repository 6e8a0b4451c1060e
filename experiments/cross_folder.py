"""The folder of a cross-validation: gone on with only for what it began with."""

import json
import shutil
from typing import Any

from experiments import folder_lock
from experiments.cross_request import Request
from raspine import atomic, program, provenance

REQUEST = "cross_validation.json"


def claim(request: Request, data_hash: str) -> None:
    """Notes in the folder what is cross-validated, or checks that it is the same; more repeats and shares are allowed.

    Args:
      request: what is asked for.
      data_hash: of the data.

    Raises:
      UsageError: the folder holds something else.
    """
    path = request.folder / REQUEST
    wanted = _description(request, data_hash)
    if path.is_file():
        older = json.loads(path.read_text(encoding="utf-8"))
        if changed := [key for key, value in wanted.items() if older.get(key) != value]:
            _give_up(request, changed[0])
    elif any(found.name != folder_lock.NAME for found in request.folder.iterdir()):
        raise program.UsageError(
            f"output folder '{request.folder}' holds no cross-validation: name another or empty it."
        )
    atomic.write_json(path, {**wanted, **provenance.describe()})


def _description(request: Request, data_hash: str) -> dict[str, Any]:
    """Returns what a cross-validation must not change while it goes on."""
    return {
        "task": request.task,
        "data_hash": data_hash,
        "flags": [list(arguments) for arguments in request.stages],
        "folds": request.folds,
        "inner_fraction": request.inner,
        "splits": list(request.splits),
        "fold_seed": request.seed,
        "seed": request.training_seed,
        "sensitivity": request.sensitivity,
    }


def _give_up(request: Request, changed: str) -> None:
    """Removes what an earlier command left there, if it trained nothing.

    Raises:
      UsageError: it did train.
    """
    if any(request.places.glob("*/*/run.json")):
        raise program.UsageError(
            f"'{request.folder}' holds a cross-validation with other {changed}; it goes on with what it began with "
            "(more --repeats and --learning_curve are allowed): name another folder."
        )
    for place in (request.places, request.folder / "logs"):
        shutil.rmtree(place, ignore_errors=True)
