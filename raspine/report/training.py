"""How the training went: loss and validation figures by epoch, the epoch that was kept, and the recipe."""

import json
from collections.abc import Mapping
from typing import Any

from raspine.report import blocks, charts, gather, wording

_LOOKS = ("First look, at the whole film", "Second look, at the region that the first one found")


def section(run: gather.Run) -> blocks.Section:
    """Returns the curves and the recipe, or which command makes them."""
    title = "Training"
    history, recipes = entries(run), _recipes(run)
    if not history:
        text = (
            "No training run was found: name the folder of `python -m experiments.train`, which holds run.json, with "
            "--training."
        )
        return blocks.Section("training", title, [blocks.Text(text, "missing"), *recipes], title)
    best = epoch(run)
    drawn = charts.training_curves(history, best)
    return blocks.Section("training", title, [blocks.Text(_lead(run)), blocks.Charts([drawn]), *recipes], title)


def entries(run: gather.Run) -> list[Mapping[str, Any]]:
    """Returns the history, an entry an epoch."""
    found = run.training.get("history")
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def epoch(run: gather.Run) -> int | None:
    """Returns the number of the epoch that was kept, None where it is not known."""
    best = run.training.get("best")
    found = best.get("epoch") if isinstance(best, Mapping) else None
    return found if isinstance(found, int) else None


def looks(run: gather.Run) -> dict[str, Mapping[str, Any]]:
    """Returns what is known of each network by its name, the first look first; one network has an empty name."""
    kept = run.told("epoch")
    own: Mapping[str, Any] = {
        "recipe": run.told("recipe"),
        "start": run.told("start"),
        "epoch": epoch(run) if kept is None else kept,
    }
    first = run.told("locator")
    return dict(zip(_LOOKS, (first, own), strict=True)) if isinstance(first, Mapping) else {"": own}


def size(look: Mapping[str, Any]) -> str:
    """Returns a network's input size, empty where it is not known."""
    recipe = look.get("recipe")
    if not isinstance(recipe, Mapping) or recipe.get("height") is None:
        return ""
    return f"{recipe.get('height')} × {recipe.get('width_px')} pixels"


def course(look: Mapping[str, Any]) -> str:
    """Returns how a network was trained, empty where it is not known."""
    recipe, best = look.get("recipe"), look.get("epoch")
    if not isinstance(recipe, Mapping):
        return ""
    kept = f"; epoch {best} kept by its validation figure" if isinstance(best, int) else ""
    return (
        f"{_epochs(recipe.get('epochs'))}, batch {recipe.get('batch')}, learning rate {recipe.get('learning_rate')}, "
        f"loss {wording.label(recipe.get('loss'))}, seed {recipe.get('seed')}{kept}."
    )


def _epochs(count: Any) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"


def _lead(run: gather.Run) -> str:
    best, done = epoch(run), run.training.get("epochs_done", len(entries(run)))
    kept = f", and epoch {best} was kept, chosen on the validation split alone" if best is not None else ""
    machine = {name: run.training.get(name) for name in ("device", "replicas", "workers")}
    replicas = f" on {machine['replicas']} × {machine['device']}" if machine["device"] and machine["replicas"] else ""
    two = " The model looks twice; the curves are the second look's." if len(looks(run)) > 1 else ""
    return f"{_epochs(done)} {'was' if done == 1 else 'were'} trained{replicas}{kept}.{two}"


def _recipes(run: gather.Run) -> list[Any]:
    parts: list[Any] = []
    for name, look in looks(run).items():
        if not isinstance(look.get("recipe"), Mapping):
            continue
        if name:
            terms = [("Input size", f"{wording.sentence(size(look))}."), ("Training", course(look))]
            parts += [blocks.Heading(name), blocks.Terms(terms)]
        parts.append(_recipe(look["recipe"]))
    return parts


def _recipe(recipe: Mapping[str, Any]) -> blocks.Folded:
    terms = [(wording.label(name), _plain(value)) for name, value in recipe.items()]
    return blocks.Folded("The recipe: everything that decides what the network becomes", [blocks.Terms(terms)])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{wording.label(name)} {_plain(item)}" for name, item in value.items())
    if isinstance(value, str):
        return value
    return {"true": "yes", "false": "no", "null": "none"}.get(text := json.dumps(value), text)
