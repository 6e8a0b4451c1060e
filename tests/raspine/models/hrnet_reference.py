"""An independent HRNet that runs straight from a published state dict, and the weights to compare with.

The structure (how many modules, blocks, branches and steps) is read off the entries' names; nothing here
comes from `raspine.models`. Convolutions are padded by hand, so a wrong side of a padding shows.
"""

import itertools
import json
import pathlib
import runpy
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

GOLDEN = pathlib.Path(__file__).parents[2] / "data" / "hrnet_golden"
_recipe = runpy.run_path(str(GOLDEN / "recipe.py"))
parameter = _recipe["parameter"]
golden_images = _recipe["images"]

Shapes = dict[str, tuple[int, ...]]
StateDict = Mapping[str, np.ndarray]


def w32_shapes() -> Shapes:
    shapes = json.loads((GOLDEN / "hrnet_w32_shapes.json").read_text())
    return {name: tuple(shape) for name, shape in shapes.items()}


def w48_shapes() -> Shapes:
    """Every width that grows with the network's is half as large again; the stem and layer1 do not grow."""
    shapes = w32_shapes()
    fixed = ("conv1.", "bn1.", "conv2.", "bn2.", "layer1.")
    for name, shape in shapes.items():
        if name.startswith(fixed) or not shape:
            continue
        inputs_fixed = name in ("transition1.0.0.weight", "transition1.1.0.0.weight")
        grown = [n if n <= 4 else n * 3 // 2 for n in shape]
        shapes[name] = tuple([grown[0], shape[1], *grown[2:]] if inputs_fixed else grown)
    return shapes


def state_dict(shapes: Shapes, salt: int = 0) -> dict[str, np.ndarray]:
    return {name: parameter(name, shape, salt) for name, shape in shapes.items()}


def heatmaps(state: StateDict, images: np.ndarray) -> np.ndarray:
    """Runs float32 images [batch, height, width, channel] through the network in inference mode."""
    maps = tf.constant(images)
    for number in "12":
        maps = tf.nn.relu(_unit(state, maps, f"conv{number}", f"bn{number}", 2))
    for block in _indices(state, "layer1."):
        maps = _bottleneck(state, maps, f"layer1.{block}.")
    branches = [maps]
    for stage in (2, 3, 4):
        branches = _transition(state, branches, f"transition{stage - 1}.")
        for module in _indices(state, f"stage{stage}."):
            branches = _module(state, branches, f"stage{stage}.{module}.")
    return (_convolve(state, branches[0], "final_layer", 1) + state["final_layer.bias"]).numpy()


def _indices(state: StateDict, prefix: str) -> list[int]:
    found = {name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)}
    return sorted(int(index) for index in found)


def _convolve(state: StateDict, maps: tf.Tensor, name: str, stride: int) -> tf.Tensor:
    kernel = np.moveaxis(state[f"{name}.weight"], (0, 1), (3, 2))
    border = kernel.shape[0] // 2
    padded = tf.pad(maps, [[0, 0], [border, border], [border, border], [0, 0]])
    return tf.nn.conv2d(padded, kernel, stride, "VALID")


def _unit(state: StateDict, maps: tf.Tensor, convolution: str, normalization: str, stride: int) -> tf.Tensor:
    entries = ("running_mean", "running_var", "bias", "weight")
    mean, variance, offset, scale = (state[f"{normalization}.{entry}"] for entry in entries)
    maps = _convolve(state, maps, convolution, stride)
    return tf.nn.batch_normalization(maps, mean, variance, offset, scale, 1e-5)


def _residual(state: StateDict, maps: tf.Tensor, prefix: str, last: int) -> tf.Tensor:
    for number in range(1, last + 1):
        maps = _unit(state, maps, f"{prefix}conv{number}", f"{prefix}bn{number}", 1)
        maps = maps if number == last else tf.nn.relu(maps)
    return maps


def _bottleneck(state: StateDict, maps: tf.Tensor, prefix: str) -> tf.Tensor:
    shortcut = maps
    if f"{prefix}downsample.0.weight" in state:
        shortcut = _unit(state, maps, f"{prefix}downsample.0", f"{prefix}downsample.1", 1)
    return tf.nn.relu(_residual(state, maps, prefix, 3) + shortcut)


def _transition(state: StateDict, branches: list[tf.Tensor], prefix: str) -> list[tf.Tensor]:
    grown = list(branches)
    for index in _indices(state, prefix):
        name = f"{prefix}{index}."
        if index < len(branches):
            grown[index] = tf.nn.relu(_unit(state, branches[index], f"{name}0", f"{name}1", 1))
        else:
            grown.append(tf.nn.relu(_unit(state, branches[-1], f"{name}0.0", f"{name}0.1", 2)))
    return grown


def _module(state: StateDict, branches: list[tf.Tensor], prefix: str) -> list[tf.Tensor]:
    worked = []
    for branch, maps in enumerate(branches):
        for block in _indices(state, f"{prefix}branches.{branch}."):
            maps = tf.nn.relu(_residual(state, maps, f"{prefix}branches.{branch}.{block}.", 2) + maps)
        worked.append(maps)
    return [_fusion(state, worked, f"{prefix}fuse_layers.", i) for i in _indices(state, f"{prefix}fuse_layers.")]


def _fusion(state: StateDict, branches: list[tf.Tensor], prefix: str, output: int) -> tf.Tensor:
    total = branches[output]
    for source in _indices(state, f"{prefix}{output}."):
        name = f"{prefix}{output}.{source}."
        maps = branches[source]
        if source > output:
            maps = _unit(state, maps, f"{name}0", f"{name}1", 1)
            times = 2 ** (source - output)
            maps = np.repeat(np.repeat(maps.numpy(), times, axis=1), times, axis=2)
        else:
            steps = _indices(state, name)
            for step, following in itertools.zip_longest(steps, steps[1:]):
                maps = _unit(state, maps, f"{name}{step}.0", f"{name}{step}.1", 2)
                maps = maps if following is None else tf.nn.relu(maps)
        total = total + maps
    return tf.nn.relu(total)
