"""The card of a served model: asked of the server, or read from the model.json that was exported with it."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from raspine.serving import answers, errors, signatures
from raspine.serving.endpoint import Endpoint

_KEYS = ("name", "version", "variant", "task", "digest")


def of_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Returns what the server says of the model.

    Raises:
      AnswerError: it says nothing that raspine exported.
      EndpointError: it does not answer.
    """
    request = {signatures.REQUEST: np.array([b"card"], object)}
    wanted = {signatures.CARD: answers.Output(answers.STRING, (1,))}
    text = endpoint.predict(signatures.DESCRIBE, request, wanted)[signatures.CARD][0]
    return _parsed(text, str(endpoint.address))


def of_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the card in a file, for servers without the signature `describe`.

    Raises:
      SettingsError: the file cannot be read, or holds no card.
    """
    try:
        return _parsed(pathlib.Path(path).read_bytes(), str(path))
    except OSError as error:
        raise errors.wrong_settings(f"card: '{path}' cannot be read: {error.strerror}.") from error
    except errors.AnswerError as error:
        raise errors.wrong_settings(f"card: {error.what}.") from error


def _parsed(text: bytes, where: str) -> dict[str, Any]:
    try:
        card = json.loads(text)
    except (ValueError, RecursionError):
        raise errors.bad_answer(f"the card of {where} is no JSON") from None
    received = card.get("format") if isinstance(card, Mapping) else None
    if received != signatures.CARD_FORMAT:
        told = f"not {signatures.CARD_FORMAT}: experiments.export writes those"
        raise errors.bad_answer(f"the card of {where} is of format {received!r}, {told}")
    if missing := [key for key in _KEYS if key not in card]:
        raise errors.bad_answer(f"the card of {where} has no '{missing[0]}'")
    return dict(card)
