"""Models behind endpoints, with the attributes and methods of local ones: reading, scoring and programs take either."""

import os
from typing import Any

from raspine import landmarker as landmarkers
from raspine import risk
from raspine.serving import errors, served_card
from raspine.serving.address import Address
from raspine.serving.endpoint import Endpoint
from raspine.serving.remote_landmarker import RemoteLandmarker
from raspine.serving.remote_risk import RemoteRiskModel

RemoteModel = RemoteLandmarker | RemoteRiskModel
_KINDS: dict[str, type[RemoteLandmarker] | type[RemoteRiskModel]] = {
    landmarkers.TASK: RemoteLandmarker,
    risk.TASK: RemoteRiskModel,
}


def load(endpoint: Endpoint, card: str | os.PathLike[str] = "") -> RemoteModel:
    """Returns the model behind an endpoint, of whichever task.

    The card comes from the server, and then all answers from the version that it describes, even if the server takes up
    another one meanwhile. A card from a file is believed, and the address is asked as it stands.

    Args:
      endpoint: of the model.
      card: the model.json that was exported with it, for servers without the signature `describe`.

    Raises:
      AnswerError: the card is none of a known task.
      SettingsError: the card's file cannot be read.
      EndpointError: the server does not answer.
    """
    if card:
        return _of_card(endpoint, served_card.of_file(card), endpoint.address)
    found = served_card.of_endpoint(endpoint)
    return _of_card(endpoint, found, _pinned(endpoint.address, found))


def landmarker(endpoint: Endpoint, card: str | os.PathLike[str] = "") -> RemoteLandmarker:
    """Returns the landmark model behind an endpoint; see `load`."""
    model = load(endpoint, card)
    if not isinstance(model, RemoteLandmarker):
        raise errors.wrong_settings(f"{endpoint.address} gives the risk of deformity, not landmarks.")
    return model


def risk_model(endpoint: Endpoint, card: str | os.PathLike[str] = "") -> RemoteRiskModel:
    """Returns the risk model behind an endpoint; see `load`."""
    model = load(endpoint, card)
    if not isinstance(model, RemoteRiskModel):
        raise errors.wrong_settings(f"{endpoint.address} gives landmarks, not the risk of deformity.")
    return model


def _of_card(endpoint: Endpoint, card: dict[str, Any], address: Address) -> RemoteModel:
    if card["task"] not in _KINDS:
        raise errors.bad_answer(f"the card of {address} is for '{card['task']}', not {' or '.join(_KINDS)}")
    return _KINDS[card["task"]](endpoint, card, address)


def _pinned(address: Address, card: dict[str, Any]) -> Address:
    version = card["version"]
    if not isinstance(version, int) or version < 1:
        raise errors.bad_answer(f"the card of {address} is of version {version!r}, which is no number")
    return address.at_version(version)
