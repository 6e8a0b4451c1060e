"""ImageNet weights of `keras.applications`' ResNets, placed in `raspine.models.resnet`.

Two things differ between the networks. The library's convolutions have biases: a bias is subtracted from the moving
mean of the normalisation that follows, which gives the same values. And the library's first convolution reads three
colours: its kernels are summed over them and divided by the number of channels of ours, so that N equal channels give
what the library's network gives on grey (red = green = blue); for one channel that is the sum.
"""

import os
import pathlib

import keras
import numpy as np
from numpy.typing import NDArray

from raspine import quoting
from raspine.models import resnet, weights_file

IMAGENET = "imagenet"
# The library's networks read colours of 0..255 less their mean; this is their standard deviation over ImageNet.
GREY_DEVIATION = 57.6
_NETWORKS = {
    50: keras.applications.ResNet50,
    101: keras.applications.ResNet101,
    152: keras.applications.ResNet152,
}


class WeightsError(ValueError):
    """Weights that cannot be had or do not fit."""


def load_into(model: keras.Model, source: str | os.PathLike[str] = IMAGENET, grey_per_unit: float = 1.0) -> None:
    """Places a backbone's weights in a network of `raspine.models.resnet`; the layers after it stay as they are.

    Args:
      model: of depth 50, 101 or 152, of either variant and any number of slices. Unchanged if this fails.
      source: a weights file of `keras.applications` without its top (`resnet101_weights_..._notop.h5`, or what
        `save_weights` wrote), or "imagenet", which lets Keras take it from its cache or download it.
      grey_per_unit: how many grey levels of the library's 0..255 one unit of our input stands for; `GREY_DEVIATION`
        for images standardised to deviation 1, which keeps the moving statistics in proportion.

    Raises:
      WeightsError: if the depth has no published weights, or the file is missing, damaged or of another network.
    """
    depth = resnet.depth_of(model)
    if depth not in _NETWORKS:
        raise WeightsError(f"ImageNet weights exist for depths {tuple(_NETWORKS)}. Received: {depth}.")
    library = _library(depth, source)
    for layer in library.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            name = layer.name.removesuffix("_conv")
            ours = model.get_layer(layer.name)
            if name == "conv1":
                kernel = inflated(kernel, ours.kernel.shape[2]) * np.float32(grey_per_unit)
            gamma, beta, mean, variance = library.get_layer(f"{name}_bn").get_weights()
            ours.set_weights([kernel])
            model.get_layer(f"{name}_bn").set_weights([gamma, beta, mean - bias, variance])


def inflated(kernel: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Returns a kernel for `channels` equal channels that responds as the given one does to grey.

    Args:
      kernel: float32 [height, width, colour, out].
      channels: number of input channels, at least 1.

    Returns:
      float32 [height, width, channels, out].
    """
    grey = kernel.sum(2, keepdims=True) / channels
    return np.repeat(grey, channels, 2)


def _library(depth: int, source: str | os.PathLike[str]) -> keras.Model:
    named = os.fspath(source)
    if named != IMAGENET and not pathlib.Path(named).is_file():
        raise WeightsError(f"{named} is no file: give a weights file of keras.applications without its top (.h5).")
    try:
        if named != IMAGENET:
            weights_file.check(named)
        return _NETWORKS[depth](weights=named, include_top=False, input_shape=(32, 32, 3))
    # Keras, h5py and the network layers below raise whatever they like: OSError, ValueError, KeyError, Exception.
    except Exception as error:
        reason = quoting.line((str(error).strip() or type(error).__name__).splitlines()[0])
        if named == IMAGENET:
            raise WeightsError(
                f"Keras could not get its ImageNet weights of ResNet{depth} ({reason}): download the notop .h5 file "
                "elsewhere and give its path."
            ) from error
        raise WeightsError(f"{named} holds no weights of ResNet{depth} without its top: {reason}") from error
