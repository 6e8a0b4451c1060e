"""Validation of a risk network between epochs: AUC, loss, threshold, ROC and PR curves, confusion matrix, text."""

import numpy as np
import tensorflow as tf

from raspine import board, drawing, risk, study_records
from raspine.evaluation import auc, confusion, operating_point, risk_figures
from raspine.inputs import studies
from raspine.training import loop, spread

Scores = tuple[np.ndarray, np.ndarray]


class Validation(loop.Validation):
    """Scores the validation studies and puts the figures into the epoch's logs.

    Logs `val_loss` (cross-entropy of the risks), and where both outcomes occur `val_auc` and `val_threshold`
    (Youden's). Made within the scope of a strategy, it shares every batch among the replicas.
    """

    def __init__(self, subject: risk.RiskModel, dataset: tf.data.Dataset, every: int, last_epoch: int):
        super().__init__()
        self._dataset, self._every, self._last = dataset, every, last_epoch
        self._logits = spread.Spread(subject.logits)
        self._scores: Scores | None = None
        self._figures: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Scores when the epoch's turn has come."""
        if logs is not None and ((epoch + 1) % self._every == 0 or epoch + 1 == self._last):
            self._scores = self._score()
            self._figures = figures(*self._scores)
            logs.update(self._figures)

    def _score(self) -> Scores:
        logits, outcomes = [], []
        for batch in self._dataset:
            logits.append(self._logits(batch[studies.IMAGE], batch[study_records.CLINICAL]).numpy())
            outcomes.append(batch[study_records.OUTCOME].numpy())
        risks = 1 / (1 + np.exp(-np.concatenate(logits).astype(np.float64)))
        return risks, np.concatenate(outcomes)

    def shown(self) -> board.Shown | None:
        """Returns curves, decisions and a table of the validation studies; None when no new score was taken."""
        if self._scores is None:
            return None
        scores, self._scores = self._scores, None
        return shown(*scores, self._figures)


def shown(risks: np.ndarray, outcomes: np.ndarray, found: dict[str, float]) -> board.Shown | None:
    """Returns what TensorBoard shows of scored studies: ROC and PR curve, the decisions at Youden's threshold, a table.

    Args:
      risks: float [study], 0..1.
      outcomes: int [study], 1 positive, 0 negative.
      found: the figures of these studies by name.

    Returns:
      None where only one outcome occurs.
    """
    if len(np.unique(outcomes)) < 2:
        return None
    threshold = found["val_threshold"]
    cells = confusion.at(risks, outcomes, threshold)
    drawn = {
        "ROC": lambda path: risk_figures.roc(path, risks, outcomes, threshold),
        "confusion matrix": lambda path: risk_figures.confusion_matrix(path, cells),
    }
    pictures = {f"{title} on the validation studies": drawing.of_figure(draw)[None] for title, draw in drawn.items()}
    rows = {name.removeprefix("val_"): f"{value:.3f}" for name, value in found.items()}
    counts = {"studies": f"{cells.n}", **{name: f"{count}" for name, count in cells.to_dict().items()}}
    return board.Shown(
        pictures=pictures,
        precision_recall={"risk": (outcomes, risks)},
        texts={"validation studies": board.table({**rows, **counts})},
    )


def figures(risks: np.ndarray, outcomes: np.ndarray) -> dict[str, float]:
    """Returns the validation figures by name."""
    clipped = np.clip(risks, 1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(outcomes == 1, np.log(clipped), np.log1p(-clipped)))
    if len(np.unique(outcomes)) < 2:
        return {"val_loss": float(loss)}
    return {
        "val_loss": float(loss),
        "val_auc": auc.area(risks, outcomes).value,
        "val_threshold": operating_point.youden(risks, outcomes).threshold,
    }
