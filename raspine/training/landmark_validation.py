"""Validation of a landmark network between epochs: errors in mm and pictures of points."""

from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from raspine import board, landmarker, records
from raspine.inputs import films, framing
from raspine.training import loop, spread

PCK_SHARE = 0.05
_PICTURES = 3
_TITLE = "predicted (circle) and true (cross)"


class Validation(loop.Validation):
    """Scores the validation films in native-pixel millimetres and puts the figures into the epoch's logs.

    Logs `val_mre_mm`, `val_sdr_2mm` and `val_pck` (share of points closer than 0.05 of the film's longer side). Films
    without spacing count for PCK alone. Made within the scope of a strategy, it shares every batch among the replicas.
    """

    def __init__(self, subject: landmarker.Stage, dataset: tf.data.Dataset, every: int, last_epoch: int):
        super().__init__()
        self._subject, self._dataset, self._every, self._last = subject, dataset, every, last_epoch
        self._decode = spread.Spread(subject.decode)
        self.example: dict[str, Any] | None = None
        self._is_new = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Scores when the epoch's turn has come."""
        if logs is not None and ((epoch + 1) % self._every == 0 or epoch + 1 == self._last):
            logs.update(self.score())
            self._is_new = True

    def score(self) -> dict[str, float]:
        """Returns the figures by name."""
        errors, shares = [], []
        for number, batch in enumerate(self._dataset):
            points, _ = self._decode(batch[films.IMAGE])
            native = framing.apply(batch[films.TO_NATIVE], points).numpy()
            by_film = _errors(native, batch)
            errors.append(by_film[0])
            shares.append(by_film[1])
            if number == 0:
                self.example = {"batch": batch, "points": points.numpy()}
        return _summary(np.concatenate(errors), np.concatenate(shares))

    def shown(self) -> board.Shown | None:
        """Returns some films with their points; None when no new score was taken."""
        if not self._is_new or self.example is None:
            return None
        self._is_new = False
        batch = self.example["batch"]
        frames = batch[films.IMAGE].numpy()[:_PICTURES]
        low, high = np.percentile(frames, (1, 99), (1, 2, 3), keepdims=True)
        grey = np.clip(255 * (frames - low) / np.maximum(high - low, 1e-6), 0, 255).astype(np.uint8)
        truth, colours = batch[films.POINTS].numpy(), self._subject.settings.schema.colours
        pairs = zip(grey, truth, self.example["points"], strict=False)
        return board.Shown(pictures={_TITLE: np.stack([_mark(*pair, colours) for pair in pairs])})


def _errors(found: np.ndarray, batch: dict[str, tf.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Returns errors [film, landmark] in mm and as a share of the longer side; NaN without label or spacing.

    A labelled point that was not found counts as missed by the film's longer side, so that a network which finds
    few points does not pass for a good one.
    """
    truth, size = batch[records.POINTS].numpy(), batch[records.NATIVE_SIZE].numpy().astype(np.float64)
    spacing = batch[records.SPACING].numpy().astype(np.float64)
    known = np.isfinite(spacing).all(-1, keepdims=True)
    unit = np.where(known, spacing, 1.0)
    longer = (size * unit).max(-1)[:, None]
    distance = np.linalg.norm((found - truth) * unit[:, None, ::-1], axis=-1)
    missed = np.isfinite(truth).all(-1) & ~np.isfinite(found).all(-1)
    distance = np.where(missed, longer, distance)
    return np.where(known, distance, np.nan), distance / longer


def _summary(millimetres: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    known = millimetres[np.isfinite(millimetres)]
    labelled = shares[np.isfinite(shares)]
    figures = {"val_pck": float(np.mean(labelled < PCK_SHARE))} if labelled.size else {}
    if known.size:
        figures |= {"val_mre_mm": float(known.mean()), "val_sdr_2mm": float(np.mean(known <= 2))}
    return figures


def _mark(picture: np.ndarray, truth: np.ndarray, found: np.ndarray, colours: tuple[str, ...]) -> np.ndarray:
    canvas = np.ascontiguousarray(np.repeat(picture, 3, -1))
    for code, true, guess in zip(colours, truth, found, strict=True):
        colour = tuple(int(code[place : place + 2], 16) for place in (1, 3, 5))
        if np.isfinite(true).all():
            cv2.drawMarker(canvas, tuple(map(int, true.round())), colour, cv2.MARKER_CROSS, 9, 1)
        if np.isfinite(guess).all():
            cv2.circle(canvas, tuple(map(int, guess.round())), 4, colour, 1, cv2.LINE_AA)
    return canvas
