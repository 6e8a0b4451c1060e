"""Weights and inputs from which the HRNet reference outputs beside this file were computed.

The reference heatmaps come from the published PyTorch implementation of HRNet (pose estimation, four
keypoints, inference mode, float32), whose state dict was filled by `parameter`. Anyone can fill a state dict
of the same names and shapes the same way, convert it, and compare: no weights need to be stored or
downloaded.

    hrnet_w32_golden.npz    heatmaps (2, 4, 64, 64) for images (2, 3, 256, 256), NCHW, float32
"""

import zlib

import numpy as np


def parameter(name: str, shape: tuple[int, ...], salt: int = 0) -> np.ndarray:
    """Returns the value of one state-dict entry.

    Args:
      name: the entry's name in the published state dict, e.g. `stage2.0.branches.0.0.conv1.weight`.
      shape: its shape in PyTorch's layout; convolutions are (out, in, height, width).
      salt: 0 for the W32 reference.
    """
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    generator = np.random.default_rng(zlib.crc32(name.encode()) + salt)
    if name.endswith("running_var"):
        value = generator.uniform(0.5, 1.5, shape)
    elif name.endswith(("running_mean", "bias")):
        value = generator.normal(0, 0.1, shape)
    elif len(shape) == 1:  # a batch normalisation's scale
        value = generator.uniform(0.4, 0.8, shape)
    else:
        value = generator.normal(0, np.prod(shape[1:]) ** -0.5, shape)
    return value.astype(np.float32)


def images(height: int = 256, width: int = 256, seed: int = 1) -> np.ndarray:
    """Returns the input images, (2, 3, height, width) float32."""
    return np.random.default_rng(seed).normal(size=(2, 3, height, width)).astype(np.float32)
