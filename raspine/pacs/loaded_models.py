"""The models of the reading process: from directories, or behind endpoints; both look the same from outside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import landmarker, model_identity, risk
from raspine.explanation import gradcam
from raspine.pacs import ledger
from raspine.pacs.failures import FailedError, OutageError, RefusedError, UnreadyError
from raspine.pacs.reading_process import Start
from raspine.serving import address as addresses
from raspine.serving import client, errors, served_card

_GONE = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", errors.UNTRUSTED)


class Models:
    """What answers.

    Attributes:
      by_kind: the model of each kind of job.

    Raises:
      ValueError, OSError, EndpointError: one cannot be loaded, or does not answer.
    """

    def __init__(self, start: Start):
        self.by_kind: dict[str, Any] = {}
        self._endpoints: dict[str, client.Endpoint] = {}
        self._explainer: gradcam.Explainer | None = None
        if start.landmark_model:
            self.by_kind[ledger.FILM] = landmarker.load(start.landmark_model)
        elif start.landmark_endpoint:
            self.by_kind[ledger.FILM] = client.landmarker(self._endpoint(ledger.FILM, start.landmark_endpoint, start))
        if start.risk_model:
            model = self.by_kind[ledger.STUDY] = risk.load(start.risk_model)
            self._explainer = gradcam.Explainer(model.network, 1)
        elif start.risk_endpoint:
            self.by_kind[ledger.STUDY] = client.risk_model(self._endpoint(ledger.STUDY, start.risk_endpoint, start))
        self._warm_up(start)

    def ping(self) -> None:
        """Returns when every endpoint still describes the model that answers; models from directories always do.

        Raises:
          UnreadyError: one describes another model.
          OutageError, FailedError: one does not answer.
        """
        for kind, endpoint in self._endpoints.items():
            try:
                card = served_card.of_endpoint(endpoint)
            except errors.EndpointError as error:
                raise translated(error) from error
            if model_identity.of_card(card) != self.by_kind[kind].identity:
                raise UnreadyError("the model's server describes another model.")

    def explain(self, pixels: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
        """Returns the slices as the network saw them and their maps, 0..1; see `answering.Explain`."""
        model = self.by_kind[ledger.STUDY]
        if self._explainer is None:
            return model.cut(pixels), gradcam.normalised(model.gradcam(pixels[None]))[0]
        images = model.framed(pixels[None])
        inputs = model.inputs(images)
        pictures, values = (inputs["image"], inputs["clinical"]) if isinstance(inputs, dict) else (inputs, None)
        shown = np.rint(np.transpose(images, (0, 3, 1, 2)) * 65535).astype(np.uint16)
        return shown[0], gradcam.normalised(self._explainer(pictures, values))[0]

    def _warm_up(self, start: Start) -> None:
        """Has local models answer once: the first answer takes seconds, which the first patient need not wait for."""
        if start.landmark_model:
            self.by_kind[ledger.FILM].locate([(np.zeros((64, 64), np.uint16), (1.0, 1.0))])
        if start.risk_model:
            model = self.by_kind[ledger.STUDY]
            choice = model.settings.choice
            blank = np.zeros((choice.count, *choice.size), np.uint16)
            model.risk(blank[None])
            self.explain(blank)

    def _endpoint(self, kind: str, text: str, start: Start) -> client.Endpoint:
        options = client.Options(
            ca_file=start.endpoint_ca_file,
            certificate_file=start.endpoint_certificate_file,
            key_file=start.endpoint_key_file,
            token_file=start.endpoint_token_file,
        )
        endpoint = self._endpoints[kind] = client.Endpoint(addresses.parse(text), options)
        return endpoint


def translated(error: errors.EndpointError) -> Exception:
    """Returns what an endpoint's error means for a job."""
    if isinstance(error, errors.RefusedError):
        return RefusedError(f"the model's server refuses it: {error.what}")
    if error.code == "NOT_FOUND":  # the version that described itself has been unloaded
        return UnreadyError("the model's server does not serve this version.")
    if error.code in _GONE:
        return OutageError(f"the model's server: {error.code}.")
    return FailedError(f"the model's server: {error.code}.")
