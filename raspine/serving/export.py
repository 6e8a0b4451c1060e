"""A model directory as a SavedModel that needs no raspine: everything from pixels to the answer stands in its graph."""

import contextlib
import dataclasses
import functools
import math
import os
import pathlib
import re

import keras
import numpy as np
import tensorflow as tf

from raspine import atomic, model_identity
from raspine.landmarker import Landmarker
from raspine.model_identity import VARIANTS
from raspine.risk import RiskModel
from raspine.serving import (
    exported_card,
    film_graph,
    fresh_process,
    graph_checks,
    signatures,
    study_graph,
    trial,
    verification,
    warmup,
)
from raspine.serving.verification import ExportError

__all__ = ["NAME", "VARIANTS", "ExportError", "Exported", "answering", "next_version", "write"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
Model = Landmarker | RiskModel


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
      folder: `folder/name/version`.
      differences: the largest ones by output on the trial requests, from the model as trained in float32.
      warmed: whether warm-up requests stand beside it.
    """

    folder: pathlib.Path
    differences: dict[str, float]
    warmed: bool


def write(
    model: Model,
    folder: str | os.PathLike[str],
    name: str,
    variant: str = model_identity.FLOAT32,
    loader: str = fresh_process.PYTHON,
) -> Exported:
    """Writes the next version of a model as a SavedModel, `folder/name/version`; see `signatures` for what it answers.

    Beside the graph stand assets/model.json, assets/model_card.md and, in assets.extra, warm-up requests. The folder
    appears whole, and only when the exported model, loaded by another process, agrees with `model` on a request of
    each signature.

    Args:
      model: as loaded.
      folder: of models; may exist.
      name: of the model on a server.
      variant: `float32` computes as trained (differences up to 1e-5); `folded` is faster on CPUs (1e-4); `fast` is that
        in bfloat16, for CPUs with AMX and accelerators, bound to what it computes before it is exported (1e-3). The
        casts stand in the graph.
      loader: what the other process loads it with, `python` or `c`.

    Raises:
      ExportError: the exported model cannot be written, fails or answers something else, or another export was faster.
      ValueError: the name or the variant is none.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"A model's name is letters, digits, '_' and '-'. Received: '{name}'.")
    served = answering(model, variant)
    _check_weights(model)
    final = pathlib.Path(folder) / name / str(next_version(pathlib.Path(folder) / name))
    card = exported_card.describe(served, name, int(final.name))
    text = exported_card.as_text(card)
    # In bfloat16 pictures that no network was trained on may lead anywhere: so that is bound to itself.
    trials = _trials(served if variant == model_identity.FAST else model.as_trained(), variant)
    try:
        with atomic.atomic_directory(final) as aside:
            _stored(served, text, aside, name, trials)
            answers = verification.answered(aside, trials, text, loader)
            found = verification.largest(trials, answers, verification.BOUNDS[variant])
            if variant == model_identity.FAST:
                found = verification.largest(_trials(model.as_trained(), variant), answers, math.inf)
            atomic.write_json(aside / "assets" / signatures.MODEL_FILE, card)
            page = exported_card.as_markdown(card, found)
            (aside / "assets" / signatures.MODEL_CARD_FILE).write_text(page, encoding="utf-8")
            if final.exists():
                raise ExportError(
                    f"another export has written '{final}' meanwhile: export again for a version of its own."
                )
    finally:
        with contextlib.suppress(OSError):  # it holds versions
            final.parent.rmdir()
    return Exported(final, found, warmup.is_possible())


def _stored(served: Model, card: str, aside: pathlib.Path, name: str, trials: list[trial.Trial]) -> None:
    """Writes graph, weights and warm-up requests.

    Raises:
      ExportError: they cannot be written: the disk is full, for example.
    """
    try:
        _archive(served, card).write_out(str(aside), verbose=False)
        if warmup.is_possible():
            warmup.write(aside, name, trials)
    except tf.errors.OpError as error:
        raise ExportError(f"the exported model cannot be written: {error.message}") from error


def _trials(model: Model, variant: str) -> list[trial.Trial]:
    """Returns trials with what `model` answers."""
    if isinstance(model, Landmarker):
        # A record's way round is not the same to the bit, which bfloat16 makes much of.
        return trial.of_films(model, reduced=variant != model_identity.FAST)
    return trial.of_studies(model)


def _check_weights(model: Model) -> None:
    networks = [stage.network for stage in model.stages] if isinstance(model, Landmarker) else [model.network]
    for network in networks:
        if not all(np.isfinite(array).all() for array in network.get_weights()):
            raise ExportError("the network has weights that are no numbers: nothing was exported.")


def next_version(folder: pathlib.Path) -> int:
    """Returns the number after the highest version in a model's folder, 1 without any."""
    taken = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]
    return max(taken, default=0) + 1


def answering(model: Model, variant: str) -> Model:
    """Returns a model that answers as a variant does.

    Raises:
      ValueError: the variant is none.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}. Received: '{variant}'.")
    if variant == model_identity.FLOAT32:
        return model.as_trained()
    return model.answering(fast=True, precision="float32" if variant == model_identity.FOLDED else "bfloat16")


def _archive(model: Model, card: str) -> keras.export.ExportArchive:
    archive = keras.export.ExportArchive()
    networks = [stage.network for stage in model.stages] if isinstance(model, Landmarker) else [model.network]
    for network in networks:
        archive.track(network)
    endpoints = film_graph.endpoints(model) if isinstance(model, Landmarker) else study_graph.endpoints(model)
    for signature, (function, specification) in endpoints.items():
        archive.add_endpoint(signature, function, input_signature=specification)
    request = tf.TensorSpec((None,), tf.string, name=signatures.REQUEST)
    archive.add_endpoint(signatures.DESCRIBE, functools.partial(_described, card), input_signature=[request])
    return archive


def _described(card: str, request: tf.Tensor) -> dict[str, tf.Tensor]:
    # A card is some thousand times as long as the empty text that asks for it.
    with tf.control_dependencies(graph_checks.same_batch(**{signatures.REQUEST: request})):
        return {signatures.CARD: tf.fill(tf.shape(request), tf.identity(card))}
