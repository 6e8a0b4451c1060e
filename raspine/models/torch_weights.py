"""Weights of networks published for PyTorch, placed in Keras models whose layers carry the published names.

A published entry is `<module>.<parameter>`; a layer called `<module>` takes it:

    weight [out, in, height, width]   kernel [height, width, in, out]
    weight [out, in]                  kernel [in, out]
    bias                              bias, or beta of a normalisation
    weight [channel]                  gamma
    running_mean, running_var         moving_mean, moving_variance
"""

import dataclasses
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from absl import logging

from raspine import quoting
from raspine.models import plain_zip

# Checkpoints of PyTorch's training wrappers and of MMPose (0.x and 1.x) put these before the published names.
_PREFIXES = {
    "module.": "",
    "backbone.": "",
    "head.final_layer.": "final_layer.",
    "keypoint_head.final_layer.": "final_layer.",
}
_HEAD = "final_layer."
# Parts of the published ImageNet classifiers that the pose networks lack; their `final_layer` means another
# layer.
_CLASSIFIER = ("incre_modules.", "downsamp_modules.", "classifier.")
_STEM = "conv1.weight"
_IGNORED = "num_batches_tracked"
_CONVOLUTION = {"weight": "kernel", "bias": "bias"}
_NORMALIZATION = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


@dataclasses.dataclass(frozen=True)
class Placement:
    """What became of a state dict's entries, by published name.

    Attributes:
      placed: entries whose values the model now holds.
      skipped: entries of a head or a classifier that were left out because the caller asked for it.
      adapted: entries among `placed` that were changed on the way, with what was done.
    """

    placed: tuple[str, ...]
    skipped: tuple[str, ...]
    adapted: dict[str, str]


def load_into(model: keras.Model, state_dict: Mapping[str, np.ndarray], skip_head: bool = False) -> Placement:
    """Places every entry of a published state dict in a model, or changes nothing and says why.

    Entries of `num_batches_tracked` are ignored; the prefixes `module.`, `backbone.`, `head.` and
    `keypoint_head.` of PyTorch's wrappers and MMPose are understood. Where the model takes one channel and
    the published first convolution three, its kernel is summed over the channels, which gives a grey image
    the response that it would have as an image of three equal channels.

    Args:
      model: a model whose layers are called as the published modules, e.g. `raspine.models.hrnet.hrnet`'s.
      state_dict: arrays by published name, in PyTorch's layout.
      skip_head: True leaves the model's head `final_layer` as it is, and leaves out the entries of a head of
        any size and of the published ImageNet classifiers.

    Returns:
      The names that were placed, skipped and adapted.

    Raises:
      ValueError: with the complete list of entries that have no place, of the model's weights that have no
        entry, and of shapes that differ. Nothing has been assigned then.
    """
    targets = _targets(model)
    entries = {name: np.asarray(value) for name, value in published_names(state_dict).items()}
    skipped = sorted(name for name in entries if skip_head and _is_head(name, targets))
    wanted = {name: v for name, v in targets.items() if not (skip_head and name.startswith(_HEAD))}
    values, adapted = _in_keras_layout(entries, wanted)
    _check(entries, wanted, values, skipped)
    for name, variable in wanted.items():
        variable.assign(values[name])
    for name, change in adapted.items():
        logging.info("%s: %s.", name, change)
    if skipped:
        logging.info("%d entries of a head or classifier were left out.", len(skipped))
    return Placement(tuple(sorted(wanted)), tuple(skipped), adapted)


def read_checkpoint(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Reads a published checkpoint.

    Args:
      path: a `.safetensors` file, read without PyTorch, or a `.pth`, `.pt` or `.tar` file, read by PyTorch as
        weights only, so that a file cannot run code.

    Returns:
      Arrays by published name: unwrapped from `state_dict`, without the prefixes of `load_into`.

    Raises:
      ValueError: if the file is of another kind or holds no state dict.
      ImportError: if PyTorch is needed and not installed.
    """
    path = pathlib.Path(path)
    if path.suffix == ".safetensors":
        entries = _read_safetensors(path)
    elif path.suffix in (".pth", ".pt", ".tar"):
        entries = _read_pth(path)
    else:
        raise ValueError(f"A checkpoint must be a .safetensors or .pth file. Received: {path.name}.")
    return published_names(entries)


def published_names(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the entries under their published names: without wrappers' prefixes and `num_batches_tracked`.

    Raises:
      ValueError: if two entries have the same published name.
    """
    named: dict[str, Any] = {}
    for original, value in entries.items():
        name = _published_name(original)
        if name.rpartition(".")[2] == _IGNORED:
            continue
        if name in named:
            raise ValueError(f"Two entries of the state dict are both {name}; one is called {original}.")
        named[name] = value
    return named


def _published_name(name: str) -> str:
    for prefix, replacement in _PREFIXES.items():
        if name.startswith(prefix):
            name = replacement + name.removeprefix(prefix)
    return name


def _targets(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns a model's weights by published name."""
    targets = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        parameters = _NORMALIZATION if hasattr(layer, "gamma") else _CONVOLUTION
        found = {p: getattr(layer, a, None) for p, a in parameters.items()}
        if sum(variable is not None for variable in found.values()) != len(layer.weights):
            raise ValueError(f"Layer {layer.name} has weights of an unknown kind: {type(layer).__name__}.")
        targets.update({f"{layer.name}.{p}": v for p, v in found.items() if v is not None})
    return targets


def _is_head(name: str, targets: Mapping[str, Any]) -> bool:
    if name.startswith((_HEAD, *_CLASSIFIER)):
        return True
    # Classifiers fuse all branches of the last module, pose networks the first branch only.
    module = name.partition(".fuse_layers.")[0]
    return module != name and name not in targets and module == _last_module(targets)


def _last_module(targets: Mapping[str, Any]) -> str:
    return max((name.partition(".fuse_layers.")[0] for name in targets if ".fuse_layers." in name), default="")


def _in_keras_layout(
    entries: Mapping[str, np.ndarray], targets: Mapping[str, keras.Variable]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Returns the values of all entries that have a target, and what was adapted."""
    values, adapted = {}, {}
    for name in entries.keys() & targets.keys():
        value = entries[name]
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)
        elif value.ndim == 2:
            value = value.T
        if name == _STEM and value.ndim == 4 and value.shape[2] == 3 and targets[name].shape[2] == 1:
            value = value.sum(axis=2, keepdims=True)
            adapted[name] = "summed over three input channels for a model of one"
        values[name] = value
    return values, adapted


def _check(
    entries: Mapping[str, np.ndarray],
    targets: Mapping[str, keras.Variable],
    values: Mapping[str, np.ndarray],
    skipped: list[str],
) -> None:
    unplaced = sorted(entries.keys() - targets.keys() - set(skipped))
    missing = sorted(targets.keys() - entries.keys())
    misshapen = [
        f"{name} (as a Keras weight {values[name].shape}, the model's {tuple(targets[name].shape)})"
        for name in sorted(values)
        if values[name].shape != tuple(targets[name].shape)
    ]
    problems = [
        f"{len(names)} {problem}: {', '.join(names)}"
        for problem, names in (
            ("entries without a place in the model", unplaced),
            ("weights of the model without an entry", missing),
            ("entries of another shape", misshapen),
        )
        if names
    ]
    if problems:
        advice = "" if skipped else " (skip_head=True leaves out a head or classifier that does not fit)"
        raise ValueError(f"The state dict does not fit {'; '.join(problems)}{advice}.")


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    import safetensors
    import safetensors.numpy

    try:
        return safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path.name} is not a readable .safetensors file: {quoting.line(error)}.") from error


def _check_size(path: pathlib.Path) -> None:
    """Refuses an archive that grows when it is read: PyTorch compresses nothing."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                plain_zip.check(archive.infolist(), path.stat().st_size)
    # RuntimeError: of versions that zipfile does not know; ValueError: of names that are no UTF-8, too.
    except (zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged, or no archive that PyTorch wrote: {quoting.line(error)}") from error


def _read_pth(path: pathlib.Path) -> dict[str, np.ndarray]:
    _check_size(path)
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"Reading {path.name} needs PyTorch: pip install 'raspine[torch]', or convert it to .safetensors."
        ) from error
    with path.open("rb") as stream:
        try:
            content = torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged pickle can raise anything
            raise ValueError(
                f"{path.name} is damaged, or holds more than weights, which could run code and is refused: "
                "save its state_dict alone."
            ) from error
    if isinstance(content, Mapping):
        content = content.get("state_dict", content)
    if not isinstance(content, Mapping) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise ValueError(f"{path.name} holds no state dict (a mapping from names to tensors).")
    return {name: value.float().numpy() for name, value in content.items()}
