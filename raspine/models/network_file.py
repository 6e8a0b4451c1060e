"""The .keras file of a network, looked through before Keras opens it.

A .keras file is more than numbers: its configuration names classes and functions to import, and sizes to allocate. So
it is read here first: exactly the three members that Keras writes, uncompressed; no class but those that raspine's
networks are built of; no more weights than the file has bytes for. Keras's safe mode stays on behind that.
"""

import json
import math
import pathlib
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from raspine import quoting
from raspine.models import (
    layers,  # noqa: F401 - registers the layers that a saved network names
    plain_zip,
    resnet,  # noqa: F401
    weights_file,
)

CONFIGURATION, METADATA, WEIGHTS = MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
MAX_BYTES = 1 << 30  # HRNet-W48 has a quarter of it
MAX_CONFIGURATION = 1 << 23
MAX_OBJECTS = 20_000  # layers, their initializers and the tensors between them; HRNet-W48 has 6,000
MAX_SIDE = 1 << 16  # of a kernel, a channel or a unit number

_LAYERS = (
    "Activation", "Add", "BatchNormalization", "Concatenate", "Conv2D", "Dense", "Dot", "Dropout", "Flatten",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "InputLayer", "MaxPooling2D", "ReLU",
    "Softmax", "ZeroPadding2D",
)  # fmt: skip
_INITIALIZERS = (
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "Ones", "RandomNormal",
    "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros",
)  # fmt: skip
_ALLOWED = {
    "keras": ("DTypePolicy",),
    "keras.layers": _LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": ("L1", "L2", "L1L2"),
    "keras.src.models.functional": ("Functional",),
    "raspine.models.layers": (
        "FusedBatchNormalization",
        "SymmetricConvolution",
        "PointwiseConvolution",
        "NearestUpsampling",
    ),
    "raspine.models.resnet": ("SlicesToBatch", "BatchToSlices"),
    None: ("__keras_tensor__",),
}
_WITH_WEIGHTS = {
    "Conv2D": "filters",
    "SymmetricConvolution": "filters",
    "PointwiseConvolution": "filters",
    "Dense": "units",
    "BatchNormalization": "",
    "FusedBatchNormalization": "",
}


class NetworkFileError(ValueError):
    """A file holds no network that raspine reads; the one-line message leaves the file's name to the caller."""


def load(path: pathlib.Path) -> keras.Model:
    """Returns the network in a .keras file, for inference.

    Raises:
      NetworkFileError: the file is damaged, too large, of another Keras, or holds what no network of raspine holds.
    """
    try:
        _check(path)
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except NetworkFileError:
        raise
    except (weights_file.WeightsFileError, plain_zip.PlainZipError) as error:
        raise NetworkFileError(str(error)) from error
    except Exception as error:  # Keras raises of many kinds on damaged files, with messages of many lines
        raise NetworkFileError(f"it is damaged, or of another Keras ({type(error).__name__}).") from error


def _check(path: pathlib.Path) -> None:
    if (size := path.stat().st_size) > MAX_BYTES:
        raise NetworkFileError(f"a network's file has at most {MAX_BYTES} bytes. Received: {size}.")
    if not zipfile.is_zipfile(path):
        raise NetworkFileError("it is no .keras file: save the network by Keras 3 as .keras.")
    with zipfile.ZipFile(path) as archive:
        _check_members(archive.infolist(), size)
        configuration = _configuration(archive.read(CONFIGURATION))
    needed = _weights_of(configuration)
    if 2 * needed > (there := weights_file.check(path, WEIGHTS)):  # no weight takes less than two bytes
        raise NetworkFileError(f"its layers need {needed} weights, but it holds {there} bytes of them.")


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """Refuses any other member, and what could be larger unpacked."""
    if sorted(one.filename for one in members) != sorted(MEMBERS):
        raise NetworkFileError(f"a .keras file of raspine holds {', '.join(MEMBERS)} and nothing else.")
    plain_zip.check(members, size)
    for one in members:
        if one.filename != WEIGHTS and one.file_size > MAX_CONFIGURATION:
            raise NetworkFileError(f"its member {one.filename} has more than {MAX_CONFIGURATION} bytes.")


def _configuration(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NetworkFileError(f"its {CONFIGURATION} is no JSON.") from error
    if not isinstance(found, dict):
        raise NetworkFileError(f"its {CONFIGURATION} is no JSON object.")
    # Not used without compiling: Keras leaves it alone.
    return {key: value for key, value in found.items() if key != "compile_config"}


def _weights_of(configuration: dict[str, Any]) -> int:
    """Returns how many weights a network will make, once it names no class but those of raspine's networks."""
    if (configuration.get("module"), configuration.get("class_name")) != ("keras.src.models.functional", "Functional"):
        raise NetworkFileError("a network of raspine is a functional model.")
    needed = 0
    for count, one in enumerate(_objects(configuration)):
        if count >= MAX_OBJECTS:
            raise NetworkFileError(f"its {CONFIGURATION} has more than {MAX_OBJECTS} layers and tensors.")
        _check_class(one)
        needed += _weights(one)
    return needed


def _objects(configuration: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields everything in a configuration that names a class, without recursion."""
    waiting: list[Any] = [configuration]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value or "registered_name" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_class(one: Mapping[str, Any]) -> None:
    module, name, registered = (one.get(key) for key in ("module", "class_name", "registered_name"))
    known = isinstance(module, str | None) and isinstance(name, str) and name in _ALLOWED.get(module, ())
    if not known or registered not in (None, name, f"raspine>{name}"):
        what = quoting.received(f"{module} {name}")
        raise NetworkFileError(f"no network of raspine is built of {what}: such a file could run code.")


def _weights(one: Mapping[str, Any]) -> int:
    """Returns how many weights a layer will make, by the configuration that Keras builds it from."""
    if one.get("class_name") not in _WITH_WEIGHTS:
        return 0
    key = _WITH_WEIGHTS[one["class_name"]]
    try:
        depth = _size(one["build_config"]["input_shape"][-1])
        if not key:
            return 2 * depth
        config = one["config"]
        sides = config.get("kernel_size", 1)
        area = math.prod(map(_size, sides)) if isinstance(sides, list) else _size(sides) ** 2
        return area * _size(config[key]) * -(-depth // _size(config.get("groups", 1)))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise NetworkFileError(f"a layer of its {CONFIGURATION} lacks its size.") from error


def _size(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= MAX_SIDE:
        raise NetworkFileError(f"a layer's sizes are whole numbers of 1 to {MAX_SIDE}.")
    return value
