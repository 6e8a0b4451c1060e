"""Whether an exported model, in a process of its own, answers as the model as trained does."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raspine import model_identity
from raspine.serving import fresh_process, signatures
from raspine.serving.trial import Trial

Tensors = Mapping[str, NDArray[Any]]

# Largest difference over the size of what an output can be (see `scales`): rounding; that of minimal filtering; and
# of bfloat16 against the same before it was exported.
BOUNDS = {model_identity.FLOAT32: 1e-5, model_identity.FOLDED: 1e-4, model_identity.FAST: 1e-3}


class ExportError(ValueError):
    """The exported model does not do what the model does."""


def answered(folder: pathlib.Path, trials: Sequence[Trial], card: str, loader: str) -> list[Tensors]:
    """Returns what the exported model answers to each trial.

    Args:
      folder: of the SavedModel.
      trials: the requests.
      card: what `describe` has to answer.
      loader: see `fresh_process.answers`.

    Raises:
      ExportError: it does not load or run, or describes itself as another model.
    """
    try:
        answers = fresh_process.answers(folder, [(trial.signature, trial.inputs) for trial in trials], loader)
    except fresh_process.ProcessError as error:
        raise ExportError(f"the exported model does not run: {error}") from error
    for trial, answer in zip(trials, answers, strict=True):
        if trial.signature == signatures.DESCRIBE and answer[signatures.CARD][0].decode() != card:
            raise ExportError("the exported model describes itself as another one.")
    return list(answers)


def largest(trials: Sequence[Trial], answers: Sequence[Tensors], share: float) -> dict[str, float]:
    """Returns the largest difference by output over all trials; see `differences`."""
    found: dict[str, float] = {}
    for trial, answer in zip(trials, answers, strict=True):
        if trial.signature != signatures.DESCRIBE:
            for name, apart in differences(trial, answer, share).items():
                found[name] = max(found.get(name, 0.0), apart)
    return found


def differences(trial: Trial, answer: Tensors, share: float) -> dict[str, float]:
    """Returns the largest difference of each output.

    Args:
      trial: with what is expected.
      answer: by name.
      share: of `scales`, beyond which a difference is none that rounding makes.

    Raises:
      ExportError: an output is missing, has another shape or dtype, is NaN elsewhere, or lies beyond the bound; or a
        verdict does not follow from the answer's own figures.
    """
    if set(answer) != set(trial.expected):
        raise ExportError(f"{trial.signature} gives {sorted(answer)}, not {sorted(trial.expected)}.")
    found = {}
    for name, expected in trial.expected.items():
        given, scale = answer[name], scales(trial)[name]
        if given.shape != expected.shape or given.dtype != expected.dtype:
            raise ExportError(f"{trial.signature} gives {name} as {given.dtype} {given.shape}.")
        if name == signatures.VERDICT:
            if (given != trial.verdict(answer)).any():
                raise ExportError(f"{trial.signature}: a verdict does not follow from the figures beside it.")
            continue
        if (np.isnan(given) != np.isnan(expected)).any():
            raise ExportError(f"{trial.signature}: {name} is unknown where the model knows it, or the other way round.")
        apart = float(np.nanmax(np.abs(given - expected), initial=0.0))
        bound = share * scale
        if apart > bound:
            raise ExportError(f"{trial.signature}: {name} lies up to {apart:.3g} from the model's, above {bound:.3g}.")
        found[name] = apart
    return found


def scales(trial: Trial) -> dict[str, float]:
    """Returns the size of what each output can be: of points and distances the film's longer side, else at least 1."""
    return {
        name: float(trial.side) if name == signatures.POINTS or name.endswith("_mm") else max(1.0, _largest(expected))
        for name, expected in trial.expected.items()
    }


def _largest(values: NDArray[Any]) -> float:
    return float(np.nanmax(np.abs(values), initial=0.0))
