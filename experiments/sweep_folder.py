"""The folder of a sweep: gone on with only for the search it began with."""

import json
import pathlib
import shutil
from typing import Any

from experiments import folder_lock
from experiments.sweep_request import Request
from raspine import atomic, program, provenance

SWEEP = "sweep.json"


def claim(request: Request) -> None:
    """Notes in the folder what is searched, or checks that it is the same.

    Raises:
      UsageError: the folder holds something else.
    """
    path = request.folder / SWEEP
    wanted = _description(request)
    if path.is_file():
        older = json.loads(path.read_text(encoding="utf-8"))
        if changed := [key for key, value in wanted.items() if older.get(key) != value]:
            _give_up(request, changed[0])
    elif any(found.name != folder_lock.NAME for found in request.folder.iterdir()):
        raise program.UsageError(f"output folder '{request.folder}' holds no sweep: name another or empty it.")
    atomic.write_json(path, {**wanted, **provenance.describe()})


def _description(request: Request) -> dict[str, Any]:
    """Returns what a sweep must not change while it goes on."""
    return {
        "space": json.loads(pathlib.Path(request.space).read_text(encoding="utf-8")),
        "flags": list(request.arguments),
        "metric": request.metric,
        "direction": request.direction,
        "seed": request.seed,
        "prune_after": request.prune_after,
    }


def _give_up(request: Request, changed: str) -> None:
    """Removes what an earlier sweep left there, if it trained nothing.

    Raises:
      UsageError: it did train.
    """
    if any(request.runs.glob("*/run.json")):
        raise program.UsageError(
            f"'{request.folder}' holds a sweep with other {changed}; a sweep goes on with what it began with (more "
            "--trials are allowed): name another folder."
        )
    for place in (request.runs, request.log(0).parent):
        shutil.rmtree(place, ignore_errors=True)
    request.journal.unlink(missing_ok=True)
