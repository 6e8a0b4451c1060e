"""Which model an answer is from: name, version and a hash of everything that shapes its answers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:  # clients know models by their cards alone
    import keras

FLOAT32, FOLDED, FAST = VARIANTS = ("float32", "folded", "fast")
_VERSION_LENGTH = 12


@dataclasses.dataclass(frozen=True)
class ModelIdentity:
    """Which model an answer is from.

    Attributes:
      name: of the model, a plain word.
      version: a server's version number, or the start of the digest for a model directory.
      digest: hexadecimal SHA-256 of networks, weights and settings, thresholds among them: answers differ only when it
        does, up to the precision of the variant.
      variant: how it computes: `float32` as trained; `folded`, float32 with normalisations folded into convolutions;
        `fast`, that in bfloat16.
    """

    name: str
    version: str
    digest: str
    variant: str = FOLDED


def of_model(
    name: str, weights: Iterable[ArrayLike], settings: Mapping[str, Any], fast: bool, precision: str
) -> ModelIdentity:
    """Returns the identity of a loaded model.

    Args:
      name: a plain word.
      weights: of its networks, always in the same order.
      settings: JSON values of all else that shapes its answers, thresholds among them.
      fast: whether it answers by the fast way, see `raspine.models.inference`.
      precision: of that way.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in map(np.ascontiguousarray, weights):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    variant = FLOAT32 if not fast else FOLDED if precision == "float32" else FAST
    return ModelIdentity(name, digest.hexdigest()[:_VERSION_LENGTH], digest.hexdigest(), variant)


def architecture(network: keras.Model) -> Any:
    """Returns a network's layers with their settings as JSON values, whatever precision it computes in.

    Not by Keras's own JSON, which fails once another model shares some of the network's layers, as that of a map does.
    """
    return [[type(layer).__name__, _without_dtypes(layer.get_config())] for layer in network.layers]


def _without_dtypes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_dtypes(item) for key, item in value.items() if key != "dtype"}
    return [_without_dtypes(item) for item in value] if isinstance(value, list) else value


def of_card(card: Mapping[str, Any]) -> ModelIdentity:
    """Returns the identity in an exported model's card (`describe`, assets/model.json).

    Raises:
      KeyError: it is none.
    """
    return ModelIdentity(card["name"], str(card["version"]), card["digest"], card["variant"])
