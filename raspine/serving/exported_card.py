"""What an exported model says of itself: assets/model.json, the signature `describe`, and a model card to read."""

import json
from collections.abc import Mapping
from typing import Any

from raspine import drawing, landmarker, provenance
from raspine.landmarker import Landmarker
from raspine.risk import TASK as RISK_TASK
from raspine.risk import RiskModel
from raspine.serving import signatures

_LIMITS = {
    landmarker.TASK: (
        "One lateral film measures in two dimensions: rotation and a tilted neck change distances.",
        "Without pixel spacing there are points and no millimetres; a detector's spacing magnifies.",
    ),
    RISK_TASK: (
        "The risk is a probability at the prevalence of the training studies, if it is calibrated at all.",
        "Grad-CAM shows what raised this network's risk, not where a disease is.",
    ),
}


def describe(model: Landmarker | RiskModel, name: str, version: int) -> dict[str, Any]:
    """Returns the card of a model that is exported under a name and a version.

    Args:
      model: answering by the variant that is exported.
      name: a plain word.
      version: a server's version number.
    """
    identity = model.identity
    task = landmarker.TASK if isinstance(model, Landmarker) else RISK_TASK
    return {
        "format": signatures.CARD_FORMAT,
        "name": name,
        "version": version,
        "variant": identity.variant,
        "task": task,
        "digest": identity.digest,
        **(_of_films(model) if isinstance(model, Landmarker) else _of_studies(model)),
        "verdict": {str(code): word for code, word in signatures.VERDICTS.items()},
        "data_hash": model.card.get("data_hash"),
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "use": drawing.RESEARCH_USE,
        "card": model.card,
    }


def as_text(card: Mapping[str, Any]) -> str:
    """Returns a card as the signature `describe` gives it."""
    return json.dumps(card, sort_keys=True)


def as_markdown(card: Mapping[str, Any], differences: Mapping[str, float]) -> str:
    """Returns the model card for people.

    Args:
      card: see `describe`.
      differences: see `export.Exported`.
    """
    rules = _rules(card)
    lines = [
        f"# {card['name']}, version {card['version']} ({card['variant']})",
        "",
        f"{card['use'].capitalize()}. Written by raspine when the model was exported.",
        "",
        f"- Task: {card['task']}",
        *(f"- Rule: {rule}" for rule in rules),
        f"- Digest of weights and settings: {card['digest']}",
        f"- Hash of the training data: {card['data_hash'] or 'not known'}",
        f"- Code: raspine {card['versions']['raspine']}, commit {card['git_commit'] or 'not known'}",
        f"- TensorFlow {card['versions']['tensorflow']}, Keras {card['versions']['keras']}",
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in _LIMITS[card["task"]]),
        "- Research use only: no medical device.",
        "",
        "## Against the networks as trained, in float32, on random smooth pictures",
        "",
        *(f"- {name}: at most {value:.3g} apart" for name, value in differences.items()),
        "",
        "## Training, as recorded",
        "",
        "```json",
        json.dumps(card["card"], indent=2, sort_keys=True),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _of_films(model: Landmarker) -> dict[str, Any]:
    return {
        "schema": model.schema.to_dict(),
        "network": {"height": model.settings.height, "width": model.settings.width, "looks": len(model.stages)},
    }


def _of_studies(model: RiskModel) -> dict[str, Any]:
    size = {"height": model.settings.height, "width": model.settings.width}
    return {"settings": model.described(), "threshold": model.threshold, "network": size, "map": size}


def _rules(card: Mapping[str, Any]) -> list[str]:
    if "threshold" in card:
        return [f"positive when the risk is {card['threshold']:g} or more"]
    return [
        f"{one['name'].upper()} {one['comparison']} {one['threshold_mm']:g} mm is positive"
        for one in card["schema"]["distances"]
        if one["threshold_mm"] is not None
    ]
