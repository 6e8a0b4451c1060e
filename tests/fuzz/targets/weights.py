"""Weights that others published: safetensors, PyTorch's files, HDF5 of keras.applications."""

import io
import pathlib
import tempfile

import h5py
import keras
import numpy as np

from fuzz.mutation import archives
from fuzz.targets import Target
from raspine.models import torch_weights, weights_file

_ENTRIES = {
    "conv1.weight": np.ones((4, 3, 3, 3), np.float32),
    "bn1.running_var": np.ones(4, np.float32),
    "bn1.num_batches_tracked": np.array(3, np.int64),
}


def _safetensors_seed() -> dict[str, bytes]:
    import safetensors.numpy

    return {"three": safetensors.numpy.save(_ENTRIES)}


def _pth_seed() -> dict[str, bytes]:
    import torch

    stream = io.BytesIO()
    torch.save({"state_dict": {name: torch.from_numpy(value) for name, value in _ENTRIES.items()}}, stream)
    return {"three": stream.getvalue()}


def _checkpoint(data: bytes, name: str) -> object:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / name
        path.write_bytes(data)
        found = torch_weights.read_checkpoint(path)
    assert all(isinstance(value, np.ndarray) for value in found.values())
    return ()


def _hdf5_seed() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "tiny.weights.h5"
        images = keras.Input((8, 8, 3))
        keras.Model(images, keras.layers.Conv2D(2, 3, name="conv1_conv")(images)).save_weights(path)
        made = {"keras_3": path.read_bytes()}
        with h5py.File(path, "w") as file:  # as keras.applications publishes them
            file.attrs["layer_names"] = [b"conv1_conv"]
            group = file.create_group("conv1_conv")
            group.attrs["weight_names"] = [b"conv1_conv/kernel:0"]
            group.create_dataset("conv1_conv/kernel:0", data=np.ones((3, 3, 3, 2), np.float32))
        return made | {"keras_2": path.read_bytes()}


def _hdf5(data: bytes) -> object:
    """Reads every number of a file that was found sound, as Keras would."""
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "some.weights.h5"
        path.write_bytes(data)
        weights_file.check(path)
        with h5py.File(path, "r") as file:
            file.visititems(lambda _, found: found[()].sum() * 0 and None if isinstance(found, h5py.Dataset) else None)
            dict(file.attrs)
    return ()


# What reads on behind the check wraps whatever h5py raises.
_OF_H5PY = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)
TARGETS = {
    "safetensors": Target(
        lambda data: _checkpoint(data, "a.safetensors"), (ValueError,), _safetensors_seed, archives.safetensors
    ),
    "pth": Target(lambda data: _checkpoint(data, "a.pth"), (ValueError,), _pth_seed, archives.zipped),
    "hdf5": Target(_hdf5, (weights_file.WeightsFileError, *_OF_H5PY), _hdf5_seed, archives.hdf5, own=False),
}
