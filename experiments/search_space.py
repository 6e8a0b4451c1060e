"""The space that a sweep searches: a JSON file of the flags that vary, and how.

{"learning_rate": {"low": 1e-4, "high": 3e-3, "log": true},
 "rotation": {"low": 0, "high": 15, "step": 5},
 "class_weights": {"choices": ["none", "balanced"]}}
"""

import json
import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

from optuna import distributions

from experiments import known_flags

_RANGE = {"low", "high", "log", "step"}


class SpaceError(ValueError):
    """A file describes no space; names the file, the flag, what was received and the rule."""


def read(
    path: str | os.PathLike[str], known: Mapping[str, known_flags.Flag]
) -> dict[str, distributions.BaseDistribution]:
    """Returns what each flag of the space may be.

    Args:
      path: of the JSON file.
      known: the program's flags.

    Raises:
      SpaceError: there is no such file, or it asks for what the program's flags do not take.
    """
    try:
        stored = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpaceError(f"'{path}' cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SpaceError(f"'{path}' is no JSON: {error}.") from error
    if not isinstance(stored, dict) or not stored:
        raise SpaceError(f'\'{path}\' must hold an object of flags, such as {{"dropout": {{"choices": [0, 0.3]}}}}.')
    return {name: _distribution(f"'{path}', {name}", entry, known.get(name)) for name, entry in stored.items()}


def _distribution(where: str, entry: Any, flag: known_flags.Flag | None) -> distributions.BaseDistribution:
    if flag is None:
        raise SpaceError(f"{where}: experiments.train has no such flag.")
    keys = set(entry) if isinstance(entry, dict) else set()
    if keys == {"choices"}:
        return _choices(where, entry["choices"], flag)
    if keys <= _RANGE and {"low", "high"} <= keys:
        return _range(where, entry, flag)
    raise SpaceError(
        f'{where}: wanted is {{"choices": [...]}} or {{"low": .., "high": ..}} with "log": true or "step". '
        f"Received: {json.dumps(entry)}."
    )


def _choices(where: str, values: Any, flag: known_flags.Flag) -> distributions.BaseDistribution:
    if not isinstance(values, list) or not values:
        raise SpaceError(f"{where}: choices is a list of values. Received: {json.dumps(values)}.")
    _check(where, values, flag)
    if len(set(map(str, values))) < len(values):
        raise SpaceError(f"{where}: a choice stands there twice. Received: {json.dumps(values)}.")
    return distributions.CategoricalDistribution(values)


def _range(where: str, entry: Mapping[str, Any], flag: known_flags.Flag) -> distributions.BaseDistribution:
    low, high, log, step = (entry.get(key) for key in ("low", "high", "log", "step"))
    if flag.kind not in ("int", "float"):
        raise SpaceError(f"{where}: the flag takes no numbers; give choices. Received: {json.dumps(entry)}.")
    _check(where, (low, high), flag)
    if not isinstance(log, bool | None):
        raise SpaceError(f"{where}: log is true or false. Received: {json.dumps(log)}.")
    if step is not None and (isinstance(step, bool) or not isinstance(step, int | float) or step <= 0):
        raise SpaceError(f"{where}: step is a number above 0. Received: {json.dumps(step)}.")
    if flag.kind == "int" and step is not None and step != int(step):
        raise SpaceError(f"{where}: the flag takes whole numbers. Received: step {step}.")
    made: type = distributions.IntDistribution if flag.kind == "int" else distributions.FloatDistribution
    steps = {} if step is None else {"step": step}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a range that its step does not divide
            return made(low, high, log=bool(log), **steps)
    except (ValueError, UserWarning) as error:
        raise SpaceError(f"{where}: {_line(error)} Received: {json.dumps(entry)}.") from error


def _line(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."


def _check(where: str, values: Any, flag: known_flags.Flag) -> None:
    for value in values:
        if reason := flag.refusal(value):
            raise SpaceError(f"{where}: {reason}. Received: {json.dumps(value)}.")


def arguments(values: Mapping[str, Any]) -> list[str]:
    """Returns values as flags on a command line."""
    return [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()]
