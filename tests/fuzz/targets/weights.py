"""Weights that others published: safetensors, PyTorch's files, HDF5 of keras.applications."""

import io
import pathlib
import tempfile

import keras
import numpy as np

from fuzz.mutation import archives
from fuzz.targets import Target
from raspine.models import imagenet, resnet, torch_weights

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


def _imagenet_seed() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "tiny.weights.h5"
        images = keras.Input((8, 8, 3))
        keras.Model(images, keras.layers.Conv2D(2, 3, name="conv1_conv")(images)).save_weights(path)
        return {"tiny": path.read_bytes()}


def _imagenet(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "some.weights.h5"
        path.write_bytes(data)
        imagenet.load_into(_network(), path)
    return ()


def _network() -> keras.Model:
    if not _MADE:
        _MADE.append(resnet.resnet(50, (32, 32, 1)))
    return _MADE[0]


_MADE: list[keras.Model] = []
TARGETS = {
    "safetensors": Target(
        lambda data: _checkpoint(data, "a.safetensors"), (ValueError,), _safetensors_seed, archives.safetensors
    ),
    "pth": Target(lambda data: _checkpoint(data, "a.pth"), (ValueError,), _pth_seed, archives.zipped),
    "imagenet": Target(_imagenet, (imagenet.WeightsError,), _imagenet_seed, archives.hdf5),
}
