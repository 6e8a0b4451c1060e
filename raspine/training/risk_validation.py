"""Validation of a risk network between epochs: AUC, loss, threshold, and the ROC curve as a picture."""

import pathlib
import tempfile

import cv2
import numpy as np
import tensorflow as tf

from raspine import risk, study_records
from raspine.evaluation import auc, operating_point, risk_figures
from raspine.inputs import studies
from raspine.training import loop, spread

Scores = tuple[np.ndarray, np.ndarray]


class Validation(loop.Validation):
    """Scores the validation studies and puts the figures into the epoch's logs.

    Logs `val_loss` (cross-entropy of the risks), and where both outcomes occur `val_auc` and `val_threshold`
    (Youden's). Made within the scope of a strategy, it shares every batch among the replicas.
    """

    title = "ROC on the validation studies"

    def __init__(self, subject: risk.RiskModel, dataset: tf.data.Dataset, every: int, last_epoch: int):
        super().__init__()
        self._dataset, self._every, self._last = dataset, every, last_epoch
        self._logits = spread.Spread(subject.logits)
        self._scores: Scores | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Scores when the epoch's turn has come."""
        if logs is not None and ((epoch + 1) % self._every == 0 or epoch + 1 == self._last):
            self._scores = self._score()
            logs.update(figures(*self._scores))

    def _score(self) -> Scores:
        logits, outcomes = [], []
        for batch in self._dataset:
            logits.append(self._logits(batch[studies.IMAGE], batch[study_records.CLINICAL]).numpy())
            outcomes.append(batch[study_records.OUTCOME].numpy())
        risks = 1 / (1 + np.exp(-np.concatenate(logits).astype(np.float64)))
        return risks, np.concatenate(outcomes)

    def pictures(self) -> np.ndarray | None:
        """Returns uint8 [1, height, width, 3]: the ROC curve; None when no new score was taken."""
        if self._scores is None or len(np.unique(self._scores[1])) < 2:
            return None
        drawn, self._scores = _roc(*self._scores), None
        return drawn[None]


def figures(risks: np.ndarray, outcomes: np.ndarray) -> dict[str, float]:
    """Returns the validation figures by name."""
    clipped = np.clip(risks, 1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(outcomes == 1, np.log(clipped), np.log1p(-clipped)))
    if len(np.unique(outcomes)) < 2:
        return {"val_loss": float(loss)}
    return {
        "val_loss": float(loss),
        "val_auc": float(auc.area(risks, outcomes).value or 0.0),
        "val_threshold": operating_point.youden(risks, outcomes).threshold,
    }


def _roc(risks: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "roc.png"
        risk_figures.roc(path, risks, outcomes)
        drawn = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if drawn is None:
        raise OSError("the ROC curve could not be drawn.")
    return drawn
