"""Which model an answer is from: name, version and a hash of everything that shapes its answers."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

_CARD = "model.json"  # of a model directory
_SHAPING = ("task", "stages", "settings")


@dataclasses.dataclass(frozen=True)
class ModelIdentity:
    """Which model an answer is from.

    Attributes:
      name: of the model, a plain word.
      version: a server's version number, or the start of the digest for a model directory.
      digest: hexadecimal SHA-256 of networks and settings, thresholds among them: answers differ only when it does, up
        to the precision of the variant.
      variant: how it computes, see `raspine.serving.export.VARIANTS`; of a model directory `folded`.
    """

    name: str
    version: str
    digest: str
    variant: str = "folded"


def of_directory(folder: str | pathlib.Path, thresholds: Mapping[str, float] | None = None) -> ModelIdentity:
    """Returns the identity of a model directory.

    Args:
      folder: `best/` or `last/` of a run.
      thresholds: those that take the place of the model's own, by name.

    Raises:
      OSError, ValueError, KeyError: the folder is no model directory.
    """
    place = pathlib.Path(folder)
    stored = json.loads((place / _CARD).read_text(encoding="utf-8"))
    digest = hashlib.sha256()
    for network in sorted(place.glob("*.keras")):
        with network.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    shaping = {key: stored[key] for key in _SHAPING if key in stored}
    threshold = stored["card"].get("validation", {}).get("val_threshold")
    facts = {**shaping, "threshold": threshold, "thresholds": dict(thresholds or {})}
    digest.update(json.dumps(facts, sort_keys=True).encode())
    name = stored["stages"][0]["schema"]["name"] if "stages" in stored else stored["task"]
    return ModelIdentity(name, digest.hexdigest()[:12], digest.hexdigest())


def of_card(card: Mapping[str, Any]) -> ModelIdentity:
    """Returns the identity in an exported model's card (`describe`, assets/model.json).

    Raises:
      KeyError: it is none.
    """
    return ModelIdentity(card["name"], str(card["version"]), card["digest"], card["variant"])
