"""What every model behind an endpoint says of itself, whatever its task."""

from collections.abc import Mapping
from typing import Any

from raspine import model_identity
from raspine.serving import errors
from raspine.serving.address import Address
from raspine.serving.endpoint import Endpoint


class ServedModel:
    """A model that is asked through an endpoint.

    Args:
      endpoint: of the model.
      card: what the model says of itself, see `served_card`.
      address: of the version that answers.

    Attributes:
      endpoint: which is asked.
      served_card: what the model says of itself.
      identity: name, version and digest of the served model.
    """

    def __init__(self, endpoint: Endpoint, card: Mapping[str, Any], address: Address) -> None:
        self.endpoint, self.served_card, self._address = endpoint, card, address
        self.identity = model_identity.of_card(card)

    @property
    def task(self) -> str:
        """What the model is for."""
        return str(self.served_card["task"])

    @property
    def address(self) -> Address:
        """Of the version that answers."""
        return self._address

    @property
    def card(self) -> dict[str, Any]:
        """What is known of the model's training; free JSON."""
        return dict(self.served_card.get("card") or {})

    def _disagreement(self, item: str, what: str) -> errors.AnswerError:
        """Returns the error of an answer to a `film` or `study` that contradicts itself or the card."""
        told = f"server and client disagree on one {item}: {what}"
        return errors.bad_answer(f"{told}; the card is not of this model, or the server is damaged", str(self._address))
