"""A NIfTI file in: any order and sense of its axes ends in the same canonical volume.

SimpleITK reads the affine of the file, which is RAS, into LPS, and NaN and infinity as 0.
"""

import os
import pathlib

import numpy as np
import SimpleITK

from raspine.dicom import nifti_extent
from raspine.dicom.sagittal import MAX_VOXELS, Volume, VolumeError, canonical

SUFFIXES = (".nii", ".nii.gz")
MIN_VALUES = 16  # masks and label maps hold fewer, images many more
_COMPLEX = (SimpleITK.sitkComplexFloat32, SimpleITK.sitkComplexFloat64)


def is_nifti(path: str | os.PathLike[str]) -> bool:
    """Returns whether a file claims to be NIfTI by its suffix."""
    return pathlib.Path(path).name.lower().endswith(SUFFIXES)


def read(path: str | os.PathLike[str]) -> Volume:
    """Returns the volume of a NIfTI file; the axis closest to the patient's x becomes the slices.

    Raises:
      VolumeError: the file is no NIfTI volume of grey values in three dimensions, or it has no orientation.
    """
    nifti_extent.check(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    reader.SetFileName(os.fspath(path))
    try:
        reader.ReadImageInformation()
        _check(reader)
        reader.SetOutputPixelType(SimpleITK.sitkFloat32)
        image = reader.Execute()
    except RuntimeError as error:  # its message has several lines and the path
        raise VolumeError("the file cannot be read as NIfTI: damaged, or its axes are not at right angles.") from error
    while image.GetDimension() > 3:
        image = image[..., 0]
    voxels = SimpleITK.GetArrayFromImage(image)
    _check_grey(voxels)
    return canonical(voxels, affine_of(image))


def affine_of(image: SimpleITK.Image) -> np.ndarray:
    """Returns float64 [4, 4], (i, j, k, 1) of a SimpleITK image of three dimensions to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return affine


def _check_grey(voxels: np.ndarray) -> None:
    """Refuses masks; looks at the whole volume only where its first slices hold few values."""
    if len(np.unique(voxels[: max(1, len(voxels) // 8)])) >= MIN_VALUES:
        return
    if (count := len(np.unique(voxels))) < MIN_VALUES:
        raise VolumeError(f"the NIfTI file holds {count} different values: a mask or label map, not an image.")


def _check(reader: SimpleITK.ImageFileReader) -> None:
    size = tuple(reader.GetSize())
    if len(size) < 3 or any(length != 1 for length in size[3:]):
        shown = " x ".join(map(str, size))
        raise VolumeError(f"a NIfTI volume has three dimensions. Received: {shown}. Export one volume of the series.")
    if reader.GetNumberOfComponents() != 1 or reader.GetPixelID() in _COMPLEX:
        raise VolumeError("a NIfTI volume holds one grey value a voxel. Received: colour, vectors or complex values.")
    if int(np.prod(size, dtype=np.int64)) > MAX_VOXELS:
        raise VolumeError(f"a NIfTI volume has at most {MAX_VOXELS} voxels. Received: {' x '.join(map(str, size))}.")
    codes = [reader.GetMetaData(key) for key in ("qform_code", "sform_code") if reader.HasMetaDataKey(key)]
    if codes and all(int(code) == 0 for code in codes):
        raise VolumeError("the NIfTI file has no orientation: qform_code and sform_code are both 0.")
