"""The maps of `raspine.models.resnet` through tf-keras-vis.

Grad-CAM: Selvaraju et al., ICCV 2017. Grad-CAM++: Chattopadhay et al., WACV 2018. LayerCAM: Jiang et al., IEEE Trans
Image Process 2021. Saliency and SmoothGrad: see `pixel_gradients`. A network whose slices are channels has one map for
all of them. The per-slice network has a map per slice, whose channels are weighted by the gradients within that slice
only.
"""

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from raspine.explanation import cut, methods, pixel_gradients
from raspine.models import float32, resnet

METHODS = ("gradcam", "gradcam++")  # of the last stage; all of them stand in `methods.METHODS`
Maps = NDArray[np.float32]


class Explainer:
    """Makes maps of one network; build it once and call it often. Changed weights count from the next call on.

    Args:
      model: of `raspine.models.resnet`; a bfloat16 one is explained by its float32 twin, made now.
      batch_size: studies that pass the network together.
    """

    def __init__(self, model: keras.Model, batch_size: int = 4) -> None:
        resnet.last_stage(model)  # complains of a model that is none of these
        if batch_size < 1:
            raise ValueError(f"batch_size must be positive. Received: {batch_size}.")
        self._model = float32.twin(model)
        images, *clinical = self._model.inputs
        self._batch_size = batch_size
        self._per_slice = resnet.is_per_slice(self._model)
        self._columns = clinical[0].shape[-1] if clinical else 0
        self._input_shape = tuple(images.shape[1:])
        self._cuts: dict[int, cut.Cut] = {}

    def __call__(
        self,
        images: ArrayLike,
        clinical: ArrayLike | None = None,
        method: str = "gradcam",
        sign: int = 1,
        seed: int = 0,
    ) -> Maps:
        """Returns what speaks for the finding (sign 1) or against it (sign -1).

        Args:
          images: float32 [batch, height, width, slice], as the network was trained on.
          clinical: float32 [batch, column], for a network that takes them.
          method: of `methods.METHODS`. Grad-CAM++ leaves out the factor exp(logit) that is common to a study's whole
            map. Saliency and SmoothGrad are the same for both signs.
          sign: 1 or -1.
          seed: of the noise, which SmoothGrad alone has.

        Returns:
          float32 [batch, height, width], for a per-slice network [batch, slice, height, width]; at least 0, not
          normalised. A study's map is zero everywhere when nothing speaks for the finding: see `empty`.

        Raises:
          ValueError: for an unknown method or sign, or inputs of another shape.
        """
        pictures, values = self._checked(images, clinical, method, sign)
        if method in methods.GRADIENTS:
            return self._gradients(pictures, values, method, seed)
        height, width = pictures.shape[1:3]
        coarse = np.concatenate(list(self._batches(pictures, values, method, sign)))
        maps = enlarged(coarse, height, width, cut.STRIDES[cut.STAGES[method]])
        return maps.reshape(len(pictures), -1, height, width) if self._per_slice else maps

    def coarse(
        self, images: ArrayLike, clinical: ArrayLike | None = None, method: str = "gradcam", sign: int = 1
    ) -> Maps:
        """Returns a class activation map on its stage's cells: as `__call__`, a 32nd of the height and width.

        LayerCAM's stage has cells of half the side. Saliency and SmoothGrad have none: ValueError.
        """
        pictures, values = self._checked(images, clinical, method, sign)
        if method not in cut.STAGES:
            raise ValueError(f"{method} has a value for each pixel, no cells.")
        cells = np.concatenate(list(self._batches(pictures, values, method, sign)))
        return cells.reshape(len(pictures), -1, *cells.shape[1:]) if self._per_slice else cells

    @functools.cached_property
    def _gradients(self) -> pixel_gradients.PixelGradients:
        return pixel_gradients.PixelGradients(self._model, self._per_slice, self._batch_size)

    def _batches(self, images: Maps, clinical: Maps | None, method: str, sign: int) -> Iterator[Maps]:
        stage = cut.STAGES[method]
        if stage not in self._cuts:
            self._cuts[stage] = cut.Cut(self._model, stage)
        for start in range(0, len(images), self._batch_size):
            these = slice(start, start + self._batch_size)
            values = None if clinical is None else clinical[these]
            yield self._cuts[stage].cells(images[these], values, method, sign)

    def _checked(
        self, images: ArrayLike, clinical: ArrayLike | None, method: str, sign: int
    ) -> tuple[Maps, Maps | None]:
        if method not in methods.METHODS:
            raise ValueError(f"method must be one of {methods.METHODS}. Received: {method!r}.")
        if sign not in (1, -1):
            raise ValueError(f"sign must be 1 or -1. Received: {sign}.")
        pictures = np.asarray(images, np.float32)
        wanted = (None, *self._input_shape)
        if not _fits(pictures.shape, wanted) or not len(pictures):
            raise ValueError(f"images must have the shape {wanted}. Received: {pictures.shape}.")
        if (clinical is None) == bool(self._columns):
            raise ValueError(f"The network takes {self._columns or 'no'} clinical values: give them or leave them out.")
        values = None if clinical is None else np.asarray(clinical, np.float32)
        if values is not None and values.shape != (len(pictures), self._columns):
            raise ValueError(f"clinical must have the shape {(len(pictures), self._columns)}. Got: {values.shape}.")
        return pictures, values


def explain(
    model: keras.Model,
    images: ArrayLike,
    clinical: ArrayLike | None = None,
    method: str = "gradcam",
    sign: int = 1,
) -> Maps:
    """Returns the maps of one batch of studies; see `Explainer`, which is better kept when there are several."""
    return Explainer(model)(images, clinical, method, sign)


def normalised(maps: ArrayLike) -> Maps:
    """Scales each study's maps by their largest value, so that its slices stay comparable; empty maps stay zero.

    Args:
      maps: float32 [batch, ...], at least 0.

    Returns:
      float32 of the same shape, 0..1.
    """
    values = np.asarray(maps, np.float32)
    largest = values.max(tuple(range(1, values.ndim)), keepdims=True)
    return np.divide(values, np.where(largest > 0, largest, 1), dtype=np.float32)


def empty(maps: ArrayLike) -> NDArray[np.bool_]:
    """Returns bool [batch]: whether a study's map is zero everywhere, that is, nothing speaks for the finding."""
    values = np.asarray(maps)
    return np.asarray(values.max(tuple(range(1, values.ndim))) <= 0)


def enlarged(maps: ArrayLike, height: int, width: int, stride: int = resnet.MULTIPLE) -> Maps:
    """Enlarges maps to the image's size, bilinearly; beyond the last cell its value goes on.

    Cell j stands at pixel `stride * j`: every strided layer of the network reads a window whose centre is twice its
    cell's number (a 7 x 7 window padded by 3, a 3 x 3 one padded by 1, a 1 x 1 one).

    Args:
      maps: float32 [..., row, column], on the last stage's cells.
      height: rows of the image, pixels.
      width: columns of the image, pixels.
      stride: pixels a cell.

    Returns:
      float32 [..., height, width].
    """
    cells = np.asarray(maps, np.float32)
    rows, columns = (
        cell_weights(size, count, stride) for size, count in zip((height, width), cells.shape[-2:], strict=True)
    )
    return np.asarray(rows @ cells @ columns.T, np.float32)


def cell_weights(size: int, count: int, stride: int = resnet.MULTIPLE) -> Maps:
    """Returns float32 [pixel, cell]: linear weights of the cells at each pixel of one axis; see `enlarged`.

    Args:
      size: pixels along the axis.
      count: cells along it.
      stride: pixels a cell.
    """
    cells = np.arange(count)
    pixels = np.minimum(np.arange(size) / stride, count - 1)
    weights: Maps = np.maximum(1 - np.abs(pixels[:, None] - cells), 0).astype(np.float32)
    return weights


def _fits(shape: tuple[int, ...], wanted: tuple[Any, ...]) -> bool:
    return len(shape) == len(wanted) and all(b in (None, a) for a, b in zip(shape, wanted, strict=True))
