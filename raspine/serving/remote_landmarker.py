"""A landmark model behind an endpoint, used as a local one: films in, points in native pixels out."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import landmarks, measurement, records
from raspine.serving import answers, errors, signatures
from raspine.serving.address import Address
from raspine.serving.endpoint import Endpoint
from raspine.serving.served_model import ServedModel

TOLERANCE_MM = 0.01  # a film's pixel is ten times that
TOLERANCE = 1e-6  # of a distance: float32 on the way, which pixels of metres in a damaged header bring to light
Film = tuple[NDArray[np.uint16], tuple[float, float] | None]  # canonical pixels, (row, column) mm
_FAR = 1e6  # native pixels: no film is that large


class RemoteLandmarker(ServedModel):
    """Finds a schema's landmarks on films by asking an endpoint.

    Args:
      endpoint: of a landmark model.
      card: what the model says of itself, see `served_card`.
      address: of the version that answers.

    Attributes:
      schema: the landmarks and distances.
      identity: name, version and digest of the served model, other thresholds included.

    Raises:
      AnswerError: the card is none of a landmark model.
    """

    def __init__(self, endpoint: Endpoint, card: Mapping[str, Any], address: Address) -> None:
        super().__init__(endpoint, card, address)
        try:
            self.schema = self._served = landmarks.from_dict(card["schema"])
        except (KeyError, ValueError) as error:
            raise errors.bad_answer(f"the card of {address} has no schema: {error}") from error

    def with_schema(self, schema: landmarks.Schema) -> "RemoteLandmarker":
        """Returns the same model with another schema of the same landmarks, other thresholds for example.

        Raises:
          ValueError: the landmarks are others.
        """
        if schema.landmarks != self._served.landmarks:
            raise ValueError(f"The endpoint finds {', '.join(self._served.landmarks)}. Received: another schema.")
        other = RemoteLandmarker(self.endpoint, self.served_card, self._address)
        other.schema = schema
        if schema != self._served:
            text = f"{self.identity.digest} {json.dumps(schema.to_dict(), sort_keys=True)}"
            digest = hashlib.sha256(text.encode()).hexdigest()
            other.identity = dataclasses.replace(self.identity, digest=digest)
        return other

    def locate(self, films: Sequence[Film]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns where the landmarks of some films are; films may differ in size. Each film is a request of its own.

        Args:
          films: for each the canonical pixels, uint16 [height, width], and (row, column) mm or None.

        Returns:
          points float32 [film, landmark, 2], native pixels (x, y), NaN where not found, and confidence float32
          [film, landmark], 0..1.

        Raises:
          RefusedError: the server refuses a film.
          AnswerError: its millimetres or verdict are not those of its points.
          EndpointError: there is no answer.
        """
        count = len(self._served.landmarks)
        requests = [self.request(pixels, spacing) for pixels, spacing in films]
        found = self.endpoint.predict_many(signatures.PNG, requests, self.outputs(), self._address)
        for (_, spacing), answer in zip(films, found, strict=True):
            self._check(answer, spacing)
        points = np.concatenate([np.empty((0, count, 2), np.float32), *(one[signatures.POINTS] for one in found)])
        scores = [one[signatures.CONFIDENCE] for one in found]
        return points, np.concatenate([np.empty((0, count), np.float32), *scores])

    def request(self, pixels: NDArray[np.uint16], spacing: tuple[float, float] | None) -> dict[str, NDArray[Any]]:
        """Returns the inputs of the signature `serve_png` for one film; see `locate`."""
        known = (math.nan, math.nan) if spacing is None else spacing
        with np.errstate(over="ignore"):  # becomes infinite, which the server refuses
            rounded = np.array([known], np.float32)
        return {signatures.PICTURE: np.array([records.encode_image(pixels)], object), signatures.SPACING: rounded}

    def outputs(self) -> dict[str, answers.Output]:
        """Returns what the answer to one film has to hold."""
        count = len(self._served.landmarks)
        distances = (signatures.millimetres(distance.name) for distance in self._served.distances)
        return {
            signatures.POINTS: answers.Output(answers.FLOAT, (1, count, 2), -_FAR, _FAR, may_miss=True),
            signatures.CONFIDENCE: answers.Output(answers.FLOAT, (1, count), 0.0, 1.0),
            **{name: answers.Output(answers.FLOAT, (1,), 0.0, may_miss=True) for name in distances},
            signatures.VERDICT: answers.Output(answers.INT, (1,), min(signatures.VERDICTS), max(signatures.VERDICTS)),
        }

    def _check(self, answer: answers.Arrays, spacing: tuple[float, float] | None) -> None:
        """Compares the server's millimetres and verdict with what its points are by the card's rules.

        Raises:
          AnswerError: they differ.
        """
        points = answer[signatures.POINTS][0]
        if (np.isnan(points[:, 0]) != np.isnan(points[:, 1])).any():
            raise errors.bad_answer("a point has one coordinate", str(self._address))
        known = (math.nan, math.nan) if spacing is None else spacing
        own = {name: float(value) for name, value in self._served.measure(points, known).items()}
        theirs = {name: float(answer[signatures.millimetres(name)][0]) for name in own}
        for name, value in own.items():
            if not np.isclose(value, theirs[name], rtol=TOLERANCE, atol=TOLERANCE_MM, equal_nan=True):
                raise self._disagreement("film", f"{name} is {theirs[name]:.3f} mm there and {value:.3f} mm here")
        verdict = signatures.VERDICTS[int(answer[signatures.VERDICT][0])]
        if verdict != measurement.verdict(self._served, own) and not self._is_close(own):
            raise self._disagreement("film", f"the verdict is '{verdict}' there")

    def _is_close(self, millimetres: Mapping[str, float]) -> bool:
        """Returns whether a distance is so near its threshold that rounding may turn the verdict."""
        return any(
            distance.threshold_mm is not None
            and abs(millimetres[distance.name] - distance.threshold_mm) <= TOLERANCE_MM
            for distance in self._served.distances
        )
