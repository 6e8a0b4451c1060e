"""The flag --model: a model directory of either task, or status 2."""

import pathlib

from raspine import landmarker, model_directory, outside_json, program, quoting, risk

TASKS = (landmarker.TASK, risk.TASK)


def task(folder: str) -> str:
    """Returns what the model in a folder is for: `landmarks` or `deformity`.

    Raises:
      UsageError: the folder is not a model directory, or a damaged one.
    """
    card = pathlib.Path(folder) / model_directory.CARD
    try:
        found = outside_json.read(card)["task"]
    except OSError as error:
        raise program.UsageError(
            f"--model: '{folder}' is no model directory: it has no {card.name}. Give best/ or last/ of a training run."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise program.UsageError(f"--model: '{card}' is damaged: {quoting.line(repr(error))}.") from error
    if found not in TASKS:
        raise program.UsageError(
            f"--model: a model is for one of {', '.join(TASKS)}. Received: {quoting.received(found)}."
        )
    return str(found)


def load(folder: str) -> landmarker.Landmarker:
    """Returns the landmark model in a folder.

    Raises:
      UsageError: the folder is not a model directory, or a damaged one.
    """
    try:
        return landmarker.load(folder)
    except (ValueError, OSError) as error:
        raise program.UsageError(f"--model: {error}") from error


def load_risk(folder: str) -> risk.RiskModel:
    """Returns the risk model in a folder.

    Raises:
      UsageError: the folder is not a model directory, or a damaged one.
    """
    try:
        return risk.load(folder)
    except (ValueError, OSError) as error:
        raise program.UsageError(f"--model: {error}") from error
