"""A risk model behind an endpoint, used as a local one: slices in, risk and Grad-CAM out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import clinical, records, risk
from raspine.serving import answers, errors, signatures
from raspine.serving.address import Address
from raspine.serving.endpoint import Endpoint
from raspine.serving.served_model import ServedModel

TOLERANCE = 1e-5  # of a risk: float32 on the way


class RemoteRiskModel(ServedModel):
    """Gives the risk of a later deformity by asking an endpoint.

    Args:
      endpoint: of a risk model.
      card: what the model says of itself, see `served_card`.
      address: of the version that answers.

    Attributes:
      settings: what comes before and after the network.
      threshold: from which risk on a verdict is positive.

    Raises:
      AnswerError: the card is none of a risk model.
    """

    def __init__(self, endpoint: Endpoint, card: Mapping[str, Any], address: Address) -> None:
        super().__init__(endpoint, card, address)
        try:
            self.settings, self.threshold = risk.Settings.from_dict(card["settings"]), float(card["threshold"])
        except (KeyError, ValueError, TypeError) as error:
            raise errors.bad_answer(f"the card of {address} has no settings: {error}") from error

    def cut(self, pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Returns the middle of uint16 [study, slice, row, column], as the network sees it."""
        down, right = (pixels.shape[-2] - self.settings.height) // 2, (pixels.shape[-1] - self.settings.width) // 2
        return pixels[..., down : down + self.settings.height, right : right + self.settings.width]

    def risk(
        self, pixels: NDArray[np.uint16], clinical_values: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Returns float32 [study], 0..1: the risk of studies, each a request of its own.

        Args:
          pixels: uint16 [study, slice, row, column], from `inputs.slices.take` by `settings.choice`.
          clinical_values: float32 [study, column] as in `clinical.COLUMNS`, NaN where missing.

        Raises:
          RefusedError: the server refuses a study.
          AnswerError: its risk, logit and verdict contradict each other.
          EndpointError: there is no answer.
        """
        found = self._asked(signatures.PNG, pixels, clinical_values, {})
        return np.array([one[signatures.RISK][0] for one in found], np.float32)

    def gradcam(
        self, pixels: NDArray[np.uint16], clinical_values: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Returns what speaks for the finding, not normalised; see `risk` and `explanation.gradcam.Explainer`.

        Returns:
          float32 [study, height, width] of the network's frame, for a per-slice network [study, slice, height, width].
        """
        slice_axis = (self.settings.choice.count,) if self.settings.per_slice else ()
        shape = (*slice_axis, self.settings.height, self.settings.width)
        wanted = {signatures.MAP: answers.Output(answers.FLOAT, (1, *shape), 0.0)}
        found = self._asked(signatures.GRADCAM_PNG, pixels, clinical_values, wanted)
        return np.concatenate([np.empty((0, *shape), np.float32), *(one[signatures.MAP] for one in found)])

    def _asked(
        self,
        signature: str,
        pixels: NDArray[np.uint16],
        clinical_values: NDArray[np.float32] | None,
        more: Mapping[str, answers.Output],
    ) -> list[answers.Arrays]:
        values = [None] * len(pixels) if clinical_values is None else clinical_values
        requests = [self.request(one, row) for one, row in zip(pixels, values, strict=True)]
        found = self.endpoint.predict_many(signature, requests, {**self.outputs(), **more}, self._address)
        for one in found:
            self._check(one)
        return found

    def request(
        self, pixels: NDArray[np.uint16], clinical_values: NDArray[np.float32] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Returns the inputs of the signature `serve_png` for one study, uint16 [slice, row, column]; see `risk`."""
        pictures = np.array([[records.encode_image(np.ascontiguousarray(one)) for one in pixels]], object)
        side = self.settings.choice.canvas_mm
        request = {signatures.PICTURE: pictures, signatures.SPACING: np.array([[side, side]], np.float32)}
        if self.settings.columns:
            nothing = np.full(len(clinical.COLUMNS), np.nan, np.float32)
            values = nothing if clinical_values is None else np.asarray(clinical_values, np.float32)
            request[signatures.CLINICAL] = values[None]
        return request

    def outputs(self) -> dict[str, answers.Output]:
        """Returns what the answer to one study has to hold."""
        return {
            signatures.RISK: answers.Output(answers.FLOAT, (1,), 0.0, 1.0),
            signatures.LOGIT: answers.Output(answers.FLOAT, (1,)),
            signatures.VERDICT: answers.Output(answers.INT, (1,), 0, 1),
        }

    def _check(self, answer: answers.Arrays) -> None:
        """Compares risk, logit and verdict of one study.

        Raises:
          AnswerError: they contradict each other.
        """
        found, logit = float(answer[signatures.RISK][0]), float(answer[signatures.LOGIT][0])
        own = 1 / (1 + np.exp(-np.float64(np.clip(logit, -700, 700))))
        if abs(own - found) > TOLERANCE:
            raise self._disagreement("study", f"the risk is {found:.6f} there, and {own:.6f} by its logit")
        verdict = signatures.VERDICTS[int(answer[signatures.VERDICT][0])]
        is_close = abs(found - self.threshold) <= TOLERANCE
        if verdict != risk.verdict(found, self.threshold) and not is_close:
            raise self._disagreement("study", f"the verdict is '{verdict}' at a risk of {found:.3f}")
