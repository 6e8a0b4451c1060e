"""What happens between epochs: validation in mm, monitoring, the model directories, the state to resume from."""

import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from raspine import atomic, landmarker, records
from raspine.inputs import films, framing

PCK_SHARE = 0.05


class Validation(keras.callbacks.Callback):
    """Scores the validation films in native-pixel millimetres and puts the figures into the epoch's logs.

    Logs `val_mre_mm`, `val_sdr_2mm` and `val_pck` (share of points closer than 0.05 of the film's longer side). Films
    without spacing count for PCK alone.
    """

    def __init__(self, subject: landmarker.Stage, dataset: tf.data.Dataset, every: int, last_epoch: int):
        super().__init__()
        self._subject, self._dataset, self._every, self._last = subject, dataset, every, last_epoch
        self.example: dict[str, Any] | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Scores when the epoch's turn has come."""
        if logs is not None and ((epoch + 1) % self._every == 0 or epoch + 1 == self._last):
            logs.update(self.score())

    def score(self) -> dict[str, float]:
        """Returns the figures by name."""
        errors, shares = [], []
        for number, batch in enumerate(self._dataset):
            points, _ = self._subject.locate_framed(batch[films.IMAGE])
            native = framing.apply(batch[films.TO_NATIVE], points).numpy()
            by_film = _errors(native, batch)
            errors.append(by_film[0])
            shares.append(by_film[1])
            if number == 0:
                self.example = {"batch": batch, "points": points.numpy()}
        return _summary(np.concatenate(errors), np.concatenate(shares))


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


class Monitor(keras.callbacks.Callback):
    """Writes scalars and pictures of predicted (circles) against true (crosses) points for TensorBoard."""

    def __init__(
        self, folder: pathlib.Path, validation: Validation | None, colours: tuple[str, ...], pictures: int = 3
    ):
        super().__init__()
        self._writers = {name: tf.summary.create_file_writer(str(folder / name)) for name in ("train", "validation")}
        self._validation, self._colours, self._pictures = validation, colours, 3

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the epoch's figures."""
        for name, value in (logs or {}).items():
            with self._writers["validation" if name.startswith("val_") else "train"].as_default(epoch + 1):
                tf.summary.scalar(name.removeprefix("val_"), value)
        with self._writers["train"].as_default(epoch + 1):
            tf.summary.scalar("learning_rate", float(self.model.optimizer.learning_rate))
        if self._validation and self._validation.example and "val_pck" in (logs or {}):
            with self._writers["validation"].as_default(epoch + 1):
                tf.summary.image("predicted (circle) and true (cross)", self._draw(), max_outputs=self._pictures)

    def _draw(self) -> np.ndarray:
        example = (self._validation and self._validation.example) or {}
        batch = example["batch"]
        frames = batch[films.IMAGE].numpy()[: self._pictures]
        low, high = np.percentile(frames, (1, 99), (1, 2, 3), keepdims=True)
        grey = np.clip(255 * (frames - low) / np.maximum(high - low, 1e-6), 0, 255).astype(np.uint8)
        truth = batch[films.POINTS].numpy()
        pairs = zip(grey, truth, example["points"], strict=False)
        return np.stack([_mark(picture, true, found, self._colours) for picture, true, found in pairs])


def _mark(picture: np.ndarray, truth: np.ndarray, found: np.ndarray, colours: tuple[str, ...]) -> np.ndarray:
    canvas = np.ascontiguousarray(np.repeat(picture, 3, -1))
    for code, true, guess in zip(colours, truth, found, strict=True):
        colour = tuple(int(code[place : place + 2], 16) for place in (1, 3, 5))
        if np.isfinite(true).all():
            cv2.drawMarker(canvas, tuple(map(int, true.round())), colour, cv2.MARKER_CROSS, 9, 1)
        if np.isfinite(guess).all():
            cv2.circle(canvas, tuple(map(int, guess.round())), 4, colour, 1, cv2.LINE_AA)
    return canvas


class Keeper(keras.callbacks.Callback):
    """Writes `best/` when validation improves, `last/` and the state to resume from, each whole or not at all."""

    STATE = "state"
    PAUSE_SECONDS = 60.0  # between two states on disk

    def __init__(
        self,
        folder: pathlib.Path,
        subject: landmarker.Landmarker,
        extra: keras.Model | None,
        record: Callable[[dict[str, Any]], None],
        last_epoch: int = 0,
    ):
        super().__init__()
        self._folder, self._subject, self._extra, self._record = folder, subject, extra, record
        self._last_epoch, self._saved_at = last_epoch, time.monotonic()
        self.epoch, self.history = 0, list[dict[str, float]]()
        self.best: dict[str, float] | None = None

    def restore(self, model: keras.Model) -> int:
        """Loads the saved state into a compiled model whose optimizer is built; returns the epoch to go on with."""
        place = self._folder / self.STATE
        self._tidy(place)
        if not (place / "state.json").is_file():
            return 0
        stored = json.loads((place / "state.json").read_text(encoding="utf-8"))
        model.load_weights(place / "training.weights.h5")
        if self._extra is not None:
            self._extra.load_weights(place / "average.weights.h5")
        self.epoch, self.history, self.best = stored["epoch"], stored["history"], stored["best"]
        return int(self.epoch)

    def _tidy(self, place: pathlib.Path) -> None:
        """Puts back a state whose replacement was cut short between two renames, and removes what was half-written."""
        old = [found for found in self._folder.glob(f".{self.STATE}.*.old") if (found / "state.json").is_file()]
        if not place.exists() and old:
            old[-1].rename(place)
        for left in (*self._folder.glob(".*.part"), *self._folder.glob(".*.old")):
            shutil.rmtree(left, ignore_errors=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the epoch's figures, and the networks when it is time."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self.epoch = epoch + 1
        self.history.append({"epoch": self.epoch, **figures})
        score = _score(figures)
        if np.isfinite(score) and (self.best is None or score < self.best["score"]):
            self.best = {"epoch": self.epoch, "score": score, **figures}
            self._subject.card |= {"epoch": self.epoch, "validation": figures}
            self._subject.save(self._folder / "best")
        elif self.best is None and self.epoch == self._last_epoch:
            self._subject.save(self._folder / "best")
        if self.epoch == self._last_epoch or time.monotonic() - self._saved_at > self.PAUSE_SECONDS:
            self._save(figures)

    def _save(self, figures: dict[str, float]) -> None:
        self._subject.card |= {"epoch": self.epoch, "validation": figures}
        self._subject.save(self._folder / "last")
        with atomic.atomic_directory(self._folder / self.STATE, replace=True) as aside:
            self.model.save_weights(aside / "training.weights.h5")
            if self._extra is not None:
                self._extra.save_weights(aside / "average.weights.h5")
            state = {"epoch": self.epoch, "history": self.history, "best": self.best}
            atomic.write_json(aside / "state.json", state)
        self._record({"epochs_done": self.epoch, "best": self.best, "history": self.history})
        self._saved_at = time.monotonic()


def _score(figures: dict[str, float]) -> float:
    """Returns what `best/` minimises: the error in mm, without spacing 1 - PCK, without validation NaN."""
    return figures.get("val_mre_mm", 1.0 - figures.get("val_pck", np.nan))


class Progress(keras.callbacks.Callback):
    """One bar over the whole training, with rate, time left and the latest figures."""

    def __init__(self, epochs: int, steps: int, batch: int, done: int):
        super().__init__()
        plain = not os.isatty(2)
        self._bar = tqdm(
            total=epochs * steps * batch, initial=done * steps * batch, unit="film", unit_scale=True, smoothing=0.3,
            mininterval=20 if plain else 0.5, desc="training", dynamic_ncols=not plain,
        )  # fmt: skip
        self._batch, self._shown = batch, dict[str, str]()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves the bar."""
        self._bar.update(self._batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Shows the epoch's figures."""
        names = {"loss": "loss", "val_mre_mm": "validation mm", "val_pck": "PCK"}
        self._shown |= {title: f"{logs[name]:.3g}" for name, title in names.items() if logs and name in logs}
        self._bar.set_postfix({"epoch": epoch + 1, **self._shown}, refresh=False)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leaves the finished bar."""
        self._bar.close()


class StopOnNaN(keras.callbacks.Callback):
    """Ends training with a clear error when the loss is no longer a number."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the epoch's loss.

        Raises:
          FloatingPointError: it is NaN or infinite.
        """
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"The loss is {loss} in epoch {epoch + 1}; lower --learning_rate. best/ and last/ hold earlier epochs."
            )
