"""How the training went: loss and validation figures by epoch, the epoch that was kept, and the recipe."""

import json
from collections.abc import Mapping
from typing import Any

from raspine.report import blocks, charts, gather, wording

_LOSS = "loss"


def section(run: gather.Run) -> blocks.Section:
    """Returns the curves and the recipe, or which command makes them."""
    title = "Training"
    history = entries(run)
    if not history:
        text = (
            "No training run was found: name the folder of `python -m experiments.train`, which holds run.json, with "
            "--training."
        )
        return blocks.Section("training", title, [blocks.Text(text, "missing"), *_recipe(run)], title)
    best = epoch(run)
    drawn = charts.training_curves(history, best)
    return blocks.Section("training", title, [blocks.Text(_lead(run)), blocks.Charts([drawn]), *_recipe(run)], title)


def entries(run: gather.Run) -> list[Mapping[str, Any]]:
    """Returns the history, an entry an epoch."""
    found = run.training.get("history")
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def epoch(run: gather.Run) -> int | None:
    """Returns the number of the epoch that was kept, None where it is not known."""
    best = run.training.get("best")
    found = best.get("epoch") if isinstance(best, Mapping) else None
    return found if isinstance(found, int) else None


def _lead(run: gather.Run) -> str:
    best, done = epoch(run), run.training.get("epochs_done", len(entries(run)))
    kept = f", and epoch {best} was kept, chosen on the validation split alone" if best is not None else ""
    machine = {name: run.training.get(name) for name in ("device", "replicas", "workers")}
    replicas = f" on {machine['replicas']} × {machine['device']}" if machine["device"] and machine["replicas"] else ""
    return f"{done} epochs were trained{replicas}{kept}."


def _recipe(run: gather.Run) -> list[Any]:
    recipe = run.told("recipe")
    if not isinstance(recipe, Mapping):
        return []
    terms = [(wording.label(name), _plain(value)) for name, value in recipe.items()]
    return [blocks.Folded("The recipe: everything that decides what the network becomes", [blocks.Terms(terms)])]


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{wording.label(name)} {_plain(item)}" for name, item in value.items())
    if isinstance(value, str):
        return value
    return {"true": "yes", "false": "no", "null": "none"}.get(text := json.dumps(value), text)
