"""Bodies of TensorFlow Serving's REST route to arrays and back: rows (`instances`) and columns (`inputs`).

Strings are {"b64": ...} or UTF-8 text, NaN stands as the literal NaN. As in TensorFlow Serving, JSON numbers do not
become uint16: arrays of grey values go by gRPC, pictures as PNG by either.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from refusal import Refusal, invalid
from served import Input

_TAKEN = (
    tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint32, tf.uint64, tf.bool, tf.string,
)  # fmt: skip
_BYTES_SUFFIX = "_bytes"


def parse(body: bytes) -> dict[str, Any]:
    """Returns the object in a body.

    Raises:
      Refusal: it is no JSON object, or nested too deep.
    """
    if not body:
        raise invalid("JSON parse error: the document is empty.")
    try:
        found = json.loads(body)
    except RecursionError:
        raise invalid("JSON parse error: nested too deep.") from None
    except ValueError as error:
        raise invalid(f"JSON parse error: {str(error)[:120]}") from None
    if not isinstance(found, dict):
        raise invalid("JSON value: the body is not an object.")
    return found


def signature_name(request: Mapping[str, Any]) -> str:
    """Returns the signature that a request names, empty without one."""
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    return name


def arrays(request: Mapping[str, Any], inputs: Mapping[str, Input]) -> tuple[dict[str, np.ndarray], bool]:
    """Returns the arrays of a request by name, and whether they came as rows.

    Raises:
      Refusal: they are not what the signature takes.
    """
    if ("instances" in request) == ("inputs" in request):
        raise invalid("a request has exactly one of the keys 'instances' and 'inputs'.")
    if "inputs" in request:
        return {name: _array(name, value, inputs[name]) for name, value in _columns(request["inputs"], inputs)}, False
    rows = request["instances"]
    if not isinstance(rows, list):
        raise invalid("'instances' must be a list.")
    if not rows:
        raise invalid("no values in the 'instances' list.")
    columns = _of_rows(rows, inputs)
    return {name: _array(name, columns[name], spec) for name, spec in inputs.items()}, True


def body(answer: Mapping[str, np.ndarray], as_rows: bool) -> bytes:
    """Returns the JSON of an answer, in the form that the request had."""
    columns = {name: _plain(name, value) for name, value in answer.items()}
    if not as_rows:
        found: Any = columns if len(columns) > 1 else next(iter(columns.values()))
        return json.dumps({"outputs": found}).encode()
    if len(columns) == 1:
        return json.dumps({"predictions": next(iter(columns.values()))}).encode()
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return json.dumps({"predictions": rows}).encode()


def _columns(given: Any, inputs: Mapping[str, Input]) -> list[tuple[str, Any]]:
    if not isinstance(given, dict) or _is_base64(given):
        if len(inputs) > 1:
            raise invalid(f"'inputs' is a plain value, but the signature takes {', '.join(sorted(inputs))}.")
        return [(next(iter(inputs)), given)]
    _check_keys(given, inputs, "'inputs'")
    return list(given.items())


def _of_rows(rows: Sequence[Any], inputs: Mapping[str, Input]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in inputs}
    for number, row in enumerate(rows):
        named = isinstance(row, dict) and not _is_base64(row)
        if not named and len(inputs) > 1:
            raise invalid(f"element {number} of 'instances' is a plain value, not an object of {', '.join(inputs)}.")
        given = row if named else {next(iter(inputs)): row}
        _check_keys(given, inputs, f"element {number} of 'instances'")
        for name, value in given.items():
            columns[name].append(value)
    return columns


def _check_keys(given: Mapping[str, Any], inputs: Mapping[str, Input], where: str) -> None:
    if set(given) != set(inputs):
        received = ", ".join(sorted(given))[:200]
        raise invalid(f"{where}: the keys must be {', '.join(sorted(inputs))}. Received: {received}.")


def _array(name: str, value: Any, spec: Input) -> np.ndarray:
    if spec.dtype not in _TAKEN:
        raise Refusal("UNIMPLEMENTED", f"input '{name}': conversion of JSON values to {spec.dtype.name}.")
    try:
        if spec.dtype == tf.string:
            return _strings(name, value)
        found = np.array(value)
        kinds = {"f": "iuf", "i": "iu", "u": "iu", "b": "b"}[np.dtype(spec.dtype.as_numpy_dtype).kind]
        if found.size and found.dtype.kind not in kinds:
            raise invalid(f"input '{name}': a JSON value is not of expected type {spec.dtype.name}.")
        return np.array(value, spec.dtype.as_numpy_dtype)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise invalid(f"input '{name}': its lists are no regular array of {spec.dtype.name}.") from None


def _strings(name: str, value: Any) -> np.ndarray:
    leaves: list[bytes] = []
    shape = _shape(value)
    _gather(name, value, shape, leaves)
    found = np.empty(len(leaves), object)
    found[:] = leaves
    return found.reshape(shape)


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    return (len(value), *(_shape(value[0]) if value else ()))


def _gather(name: str, value: Any, shape: tuple[int, ...], leaves: list[bytes]) -> None:
    if not shape:
        leaves.append(_bytes(name, value))
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        raise invalid(f"input '{name}': a list has an unexpected size, expected {shape[0]}.")
    for one in value:
        _gather(name, one, shape[1:], leaves)


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not _is_base64(value):
        raise invalid(f"input '{name}': a JSON value is not of expected type string, nor {{'b64': text}}.")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"input '{name}': unable to base64 decode.") from None


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


def _plain(name: str, value: np.ndarray) -> Any:
    if value.dtype != object:
        return value.tolist()
    texts = np.vectorize(
        lambda one: {"b64": base64.b64encode(one).decode()} if name.endswith(_BYTES_SUFFIX) else one.decode(),
        otypes=[object],
    )
    return texts(value).tolist()
