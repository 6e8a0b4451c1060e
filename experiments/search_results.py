"""What a sweep leaves for people: the table of its trials and the flags of the best one."""

import pathlib
from collections.abc import Sequence
from typing import Any

import optuna

from experiments import search, search_space
from experiments.sweep_request import Request
from raspine import atomic

TABLE, BEST = "trials.csv", "best.flags"
_PLACES = ("data", "output_dir", "cache_dir")


def write_table(folder: pathlib.Path, trials: Sequence[optuna.trial.FrozenTrial], metric: str) -> None:
    """Writes trials.csv: a row for each trial with its state, figure, values and what went wrong.

    Args:
      folder: of the sweep.
      trials: by number.
      metric: name of the figure.
    """
    names = sorted({name for trial in trials for name in trial.params})
    fields = ["trial", "state", metric, "epoch", "seconds", *names, "reason"]
    atomic.write_csv(folder / TABLE, [_row(trial, metric) for trial in trials], fields)


def _row(trial: optuna.trial.FrozenTrial, metric: str) -> dict[str, Any]:
    kept = {name: trial.user_attrs.get(name) for name in ("epoch", "seconds", "reason")}
    return {"trial": trial.number, "state": search.STATES[trial.state], metric: trial.value, **kept, **trial.params}


def write_best(request: Request, best: optuna.trial.FrozenTrial, finished: int) -> None:
    """Writes best.flags, which trains the best trial again where --data and --output_dir say.

    Args:
      request: of the sweep.
      best: trial.
      finished: number of trials that it is the best of.
    """
    shared = [text for text in request.arguments if _name(text) not in {*_PLACES, *best.params}]
    head = (
        f"# Purpose: the best of {finished} trials by {request.metric} ({request.direction}): trial {best.number}.",
        f"# Command: python -m experiments.train --flagfile={BEST} --data=DIR --output_dir=DIR",
        f"# Machine: see run.json in {request.runs.name}/{request.place(best.number).name}.",
        f"# Result: {request.metric} {best.value:.5g} on the validation items, which also chose the trial: too good.",
    )
    with atomic.atomic_file(request.folder / BEST) as aside:
        lines = [*head, *shared, *search_space.arguments(best.params)]
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _name(argument: str) -> str:
    return argument.lstrip("-").partition("=")[0]
