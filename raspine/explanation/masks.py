"""Masks of a sign, drawn on any grid in the patient, brought onto the slices that a network saw."""

import os
import pathlib

import numpy as np
import SimpleITK
from numpy.typing import NDArray

_ENDINGS = (".nii.gz", ".nii")


class MaskError(ValueError):
    """A file is no mask that can be laid over slices."""


def find(folder: str | os.PathLike[str]) -> dict[str, pathlib.Path]:
    """Returns the NIfTI files of a folder by their names without ending: the studies' pseudonyms.

    Raises:
      MaskError: there is none.
    """
    found = {
        path.name.removesuffix(ending): path
        for ending in _ENDINGS
        for path in sorted(pathlib.Path(folder).glob(f"*{ending}"))
    }
    if not found:
        raise MaskError(f"'{folder}' holds no NIfTI file: a mask is named after its study, say S00001.nii.gz.")
    return found


def on_slices(
    path: str | os.PathLike[str], affine: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Returns a mask's labels, uint8 [slice, row, column]; the nearest voxel counts, 0 is background and outside.

    Args:
      path: a NIfTI file of three dimensions, on any grid of the patient's frame.
      affine: float64 [4, 4], (column, row, slice, 1) of the slices to LPS mm.
      shape: (slices, rows, columns).

    Raises:
      MaskError: the file cannot be read, or has not three dimensions.
    """
    try:
        mask = SimpleITK.ReadImage(os.fspath(path))
    except RuntimeError as error:
        raise MaskError(f"the mask '{path}' cannot be read: it is damaged, or no NIfTI file.") from error
    if mask.GetDimension() != 3 or mask.GetNumberOfComponentsPerPixel() != 1:
        raise MaskError(f"the mask '{path}' must have three dimensions. Received: {mask.GetSize()}.")
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    slices = SimpleITK.Image([shape[2], shape[1], shape[0]], SimpleITK.sitkUInt8)
    slices.SetOrigin(affine[:3, 3].tolist())
    slices.SetSpacing(steps.tolist())
    slices.SetDirection((affine[:3, :3] / steps).ravel().tolist())
    nearest = SimpleITK.Resample(mask, slices, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 0.0)
    values = SimpleITK.GetArrayFromImage(nearest)
    labels = np.rint(np.clip(values, 0, 255))
    # What is neither 0 nor a label, a probability for example, counts as label 1.
    return np.where((values != 0) & (labels == 0), 1, labels).astype(np.uint8)
