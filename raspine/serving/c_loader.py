"""TensorFlow's C++ SavedModel loader through its C API (tensorflow/c/c_api.h), without TensorFlow's Python.

It is the loader and the session that TensorFlow Serving builds on. Run by its path in a process of its own, see
`fresh_process`; its arguments are the path of tensor_file.py, the shared library, the model's folder, and then
signature, file of inputs and file of answers for each request.
"""

import ctypes
import importlib.util
import pathlib
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# numpy's random module crashes the process when it is first imported behind the shared library.
import numpy as np
import numpy.random
from numpy.typing import NDArray

_LIBRARY = "libtensorflow_cc.so.2"
_TAG = b"serve"
# TF_DataType of tensorflow/c/tf_datatype.h.
_TYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 9: np.int64, 10: np.bool_, 17: np.uint16}
_STRING = 7
_TSTRING_BYTES = 24  # sizeof(TF_TString)
_CODES = {np.dtype(kind): code for code, kind in _TYPES.items()}
_SIGNATURES = 5  # field of MetaGraphDef (tensorflow/core/protobuf/meta_graph.proto)


class LoaderError(RuntimeError):
    """TensorFlow refuses; the message is its own, with its code."""


class _Buffer(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("release", ctypes.c_void_p))


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def library() -> str:
    """Returns the path of TensorFlow's shared library in the installed package, which is not imported.

    Raises:
      LoaderError: the package or the library is not there.
    """
    found = importlib.util.find_spec("tensorflow")
    path = pathlib.Path(found.origin or "").parent / _LIBRARY if found else pathlib.Path(_LIBRARY)
    if not path.is_file():
        raise LoaderError(f"TensorFlow's shared library {_LIBRARY} is not installed.")
    return str(path)


class SavedModel:
    """A SavedModel in a session of TensorFlow's C++ runtime."""

    def __init__(self, path: str, folder: str) -> None:
        """Loads `folder` with the shared library at `path`.

        Raises:
          LoaderError: TensorFlow cannot load it.
        """
        self._c = _typed(ctypes.CDLL(path))
        self._graph = self._c.TF_NewGraph()
        meta, tags = self._c.TF_NewBuffer(), (ctypes.c_char_p * 1)(_TAG)
        with _Status(self._c) as status:
            self._session = self._c.TF_LoadSessionFromSavedModel(
                self._c.TF_NewSessionOptions(), None, folder.encode(), tags, 1, self._graph, meta, status
            )
        stored = ctypes.cast(meta, ctypes.POINTER(_Buffer)).contents
        self._signatures = _signatures(ctypes.string_at(stored.data, stored.length))

    def run(self, signature: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Returns a signature's outputs by name.

        Raises:
          LoaderError: there is no such signature, its inputs are others, or TensorFlow refuses them.
        """
        if signature not in self._signatures:
            raise LoaderError(f"no signature '{signature}': {', '.join(sorted(self._signatures))}.")
        takes, gives = self._signatures[signature]
        if set(takes) != set(inputs):
            raise LoaderError(f"'{signature}' takes {sorted(takes)}. Received: {sorted(inputs)}.")
        names = list(gives)
        fed = [self._tensor(np.ascontiguousarray(inputs[name])) for name in takes]
        results = (ctypes.c_void_p * len(names))()
        with _Status(self._c) as status:
            self._c.TF_SessionRun(
                self._session, None,
                self._outputs(takes.values()), (ctypes.c_void_p * len(fed))(*fed), len(fed),
                self._outputs(gives.values()), results, len(names),
                None, 0, None, status,
            )  # fmt: skip
        for tensor in fed:
            self._c.TF_DeleteTensor(tensor)
        return {name: self._array(tensor) for name, tensor in zip(names, list(results), strict=True)}

    def _outputs(self, tensors: Any) -> Any:
        parts = [name.rpartition(":") for name in tensors]
        pairs = [(self._c.TF_GraphOperationByName(self._graph, name.encode()), int(at)) for name, _, at in parts]
        return (_Output * len(pairs))(*(_Output(*pair) for pair in pairs))

    def _tensor(self, array: NDArray[Any]) -> int:
        sides = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
        is_text = array.dtype == object
        code = _STRING if is_text else _CODES[array.dtype]
        size = _TSTRING_BYTES * array.size if is_text else array.nbytes
        tensor = self._c.TF_AllocateTensor(code, sides, array.ndim, size)
        place = self._c.TF_TensorData(tensor)
        if not is_text:
            ctypes.memmove(place, array.ctypes.data, size)
            return int(tensor)
        for number, text in enumerate(array.ravel()):
            self._c.TF_StringInit(place + number * _TSTRING_BYTES)
            self._c.TF_StringCopy(place + number * _TSTRING_BYTES, text, len(text))
        return int(tensor)

    def _array(self, tensor: Any) -> NDArray[Any]:
        shape = [self._c.TF_Dim(tensor, axis) for axis in range(self._c.TF_NumDims(tensor))]
        place, kind = self._c.TF_TensorData(tensor), self._c.TF_TensorType(tensor)
        if kind == _STRING:
            found = np.empty(int(np.prod(shape)), object)
            found[:] = [self._text(place + number * _TSTRING_BYTES) for number in range(found.size)]
        else:
            data = ctypes.string_at(place, self._c.TF_TensorByteSize(tensor))
            found = np.frombuffer(data, _TYPES[kind]).copy()
        self._c.TF_DeleteTensor(tensor)
        return found.reshape(shape)

    def _text(self, place: int) -> bytes:
        return ctypes.string_at(self._c.TF_StringGetDataPointer(place), self._c.TF_StringGetSize(place))


class _Status:
    """A TF_Status for one call; leaving the block raises what the call has set."""

    def __init__(self, c: Any) -> None:
        self._c = c

    def __enter__(self) -> int:
        self._status = self._c.TF_NewStatus()
        return int(self._status)

    def __exit__(self, *_: object) -> None:
        code, message = self._c.TF_GetCode(self._status), self._c.TF_Message(self._status)
        self._c.TF_DeleteStatus(self._status)
        if code:
            raise LoaderError(f"code {code}: {' '.join(message.decode('utf-8', 'replace').split())}")


def _typed(c: Any) -> Any:
    """Returns the library with the types of what returns or takes pointers."""
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    returns = {
        "TF_NewGraph": pointer, "TF_NewBuffer": pointer, "TF_NewSessionOptions": pointer, "TF_NewStatus": pointer,
        "TF_LoadSessionFromSavedModel": pointer, "TF_AllocateTensor": pointer, "TF_TensorData": pointer,
        "TF_GraphOperationByName": pointer, "TF_TensorByteSize": size, "TF_Dim": ctypes.c_int64,
        "TF_Message": ctypes.c_char_p, "TF_StringGetDataPointer": pointer, "TF_StringGetSize": size,
    }  # fmt: skip
    takes = {
        "TF_LoadSessionFromSavedModel": [pointer, pointer, ctypes.c_char_p, pointer, number, pointer, pointer, pointer],
        "TF_SessionRun": [pointer, pointer, *[pointer, pointer, number] * 2, pointer, number, pointer, pointer],
        "TF_AllocateTensor": [number, pointer, number, size],
        "TF_GraphOperationByName": [pointer, ctypes.c_char_p],
        "TF_Dim": [pointer, number],
        "TF_StringCopy": [pointer, ctypes.c_char_p, size],
    }
    of_one = (
        "TF_GetCode", "TF_Message", "TF_DeleteStatus", "TF_TensorData", "TF_TensorType", "TF_TensorByteSize",
        "TF_NumDims", "TF_DeleteTensor", "TF_StringInit", "TF_StringGetDataPointer", "TF_StringGetSize",
    )  # fmt: skip
    for name, arguments in {**takes, **{name: [pointer] for name in of_one}}.items():
        getattr(c, name).argtypes = arguments
    for name, kind in returns.items():
        getattr(c, name).restype = kind
    return c


def _signatures(meta: bytes) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Returns the names of the tensors of each signature's inputs and outputs, out of a serialized MetaGraphDef."""
    found = {}
    for number, entry in _fields(meta):
        if number == _SIGNATURES:
            key, definition = _entry(entry)
            takes, gives = ({}, {})  # type: tuple[dict[str, str], dict[str, str]]
            for part, value in _fields(definition):
                if part in (1, 2):
                    name, info = _entry(value)
                    (takes if part == 1 else gives)[name] = dict(_fields(info))[1].decode()
            found[key] = (takes, gives)
    return found


def _entry(message: bytes) -> tuple[str, bytes]:
    """Returns key and value of a map's entry."""
    parts = dict(_fields(message))
    return parts[1].decode(), parts.get(2, b"")


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the fields of a protobuf message that have a length (Protocol Buffers' wire format), others empty."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind, value = tag & 7, b""
        if kind == 0:
            _, place = _varint(message, place)
        elif kind == 2:
            length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
        else:
            place += 8 if kind == 1 else 4
        yield tag >> 3, value


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place, value, shift = place + 1, value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, place


def main(arguments: Sequence[str]) -> int:
    """Answers the requests that the arguments name."""
    tensor_file = runpy.run_path(arguments[0])
    try:
        model = SavedModel(arguments[1], arguments[2])
        for signature, given, answer in zip(*[iter(arguments[3:])] * 3, strict=True):
            tensor_file["write"](answer, model.run(signature, tensor_file["read"](given)))
    except LoaderError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
