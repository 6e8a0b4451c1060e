"""Compares raspine's HRNet with timm's PyTorch one on random weights; exits with 1 where they differ.

    python tests/oracles/timm_hrnet.py

Needs `torch` and `timm` beside raspine. It is no part of the test suite, which has a reference of its own.
timm's networks are the published ImageNet classifiers, so their state dicts also try the converter's `skip_head`.
"""

import pathlib
import runpy
import sys

import numpy as np
import timm
import torch

from raspine.models.hrnet import hrnet
from raspine.models.torch_weights import load_into

VARIANTS = {
    "hrnet_w32": {"width": 32},
    "hrnet_w48": {"width": 48},
    "hrnet_w18_small_v2": {"small": True},
}
SIZES = ((64, 96), (32, 32), (96, 160), (256, 256))
LANDMARKS = 4
TOLERANCE = 1e-4  # of the heatmaps' largest absolute value
_RECIPE = pathlib.Path(__file__).parents[1] / "data" / "hrnet_golden" / "recipe.py"
parameter = runpy.run_path(str(_RECIPE))["parameter"]


def trunk_of(variant: str) -> torch.nn.Module:
    """Returns timm's network in inference mode with weights made from the entries' names."""
    network = timm.create_model(variant, pretrained=False).eval()
    state = network.state_dict()
    network.load_state_dict({n: torch.from_numpy(parameter(n, tuple(v.shape))) for n, v in state.items()})
    return network


def timm_heatmaps(network: torch.nn.Module, head: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """Runs timm's stem, its stages and the published head, which timm lacks, on its finest branch."""
    with torch.inference_mode():
        maps = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        maps = network.act1(network.bn1(network.conv1(maps)))
        maps = network.act2(network.bn2(network.conv2(maps)))
        finest = network.stages(maps)[0]
        heatmaps = torch.nn.functional.conv2d(finest, *(torch.from_numpy(value) for value in head.values()))
    return heatmaps.numpy().transpose(0, 2, 3, 1)


def largest_error(variant: str) -> float:
    """Returns the largest relative difference of one variant over all sizes."""
    network = trunk_of(variant)
    model = hrnet(num_landmarks=LANDMARKS, input_shape=(None, None, 3), **VARIANTS[variant])
    placement = load_into(model, {n: v.numpy() for n, v in network.state_dict().items()}, skip_head=True)
    channels = model.get_layer("final_layer").kernel.shape[2]
    shapes = {"final_layer.weight": (LANDMARKS, channels, 1, 1), "final_layer.bias": (LANDMARKS,)}
    head = {name: parameter(name, shape) for name, shape in shapes.items()}
    model.get_layer("final_layer").set_weights(
        [head["final_layer.weight"].transpose(2, 3, 1, 0), head["final_layer.bias"]]
    )
    print(f"{variant}: {len(placement.placed)} entries placed, {len(placement.skipped)} left out")
    errors = []
    for height, width in SIZES:
        images = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
        expected = timm_heatmaps(network, head, images)
        errors.append(float(np.abs(model(images).numpy() - expected).max() / np.abs(expected).max()))
        print(f"  {height} x {width}: relative difference {errors[-1]:.1e}", flush=True)
    return max(errors)


if __name__ == "__main__":
    sys.exit(int(max(largest_error(variant) for variant in VARIANTS) > TOLERANCE))
