"""Whether an answer is what a signature can give: names, dtypes, shapes, values."""

import base64
import binascii
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT, INT, STRING = "float32", "int32", "string"
_KINDS = {FLOAT: "iuf", INT: "iu"}

Arrays = dict[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Output:
    """What a signature gives under one name.

    Attributes:
      dtype: FLOAT, INT or STRING.
      shape: of all axes.
      least: the lowest value.
      most: the highest value.
      may_miss: whether NaN stands for what is unknown.
    """

    dtype: str
    shape: tuple[int, ...]
    least: float = -math.inf
    most: float = math.inf
    may_miss: bool = False


class NonsenseError(ValueError):
    """An answer is none; one line says why."""


def checked(found: Mapping[str, Any], wanted: Mapping[str, Output]) -> Arrays:
    """Returns the outputs that are wanted; others are left out.

    Args:
      found: an array, or nested lists as in JSON, by name.
      wanted: what has to be there.

    Returns:
      float32, int32 or object (bytes) arrays by name.

    Raises:
      NonsenseError: an output is missing, or of another dtype or shape, or its values are impossible.
    """
    if missing := sorted(set(wanted) - set(found)):
        raise NonsenseError(f"the answer has no '{missing[0]}', only {', '.join(sorted(map(str, found)))[:200]}")
    return {name: _one(name, found[name], output) for name, output in wanted.items()}


def _one(name: str, value: Any, output: Output) -> NDArray[Any]:
    array = _strings(name, value) if output.dtype == STRING else _numbers(name, value, output.dtype)
    if array.shape != output.shape:
        raise NonsenseError(f"'{name}' has the shape {array.shape}, not {output.shape}")
    if output.dtype != STRING:
        _check_values(name, array, output)
    return array


def _numbers(name: str, value: Any, dtype: str) -> NDArray[Any]:
    if isinstance(value, np.ndarray) and value.dtype != dtype:
        raise NonsenseError(f"'{name}' is {value.dtype}, not {dtype}")
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise NonsenseError(f"'{name}' is no regular array") from None
    if array.size and array.dtype.kind not in _KINDS[dtype]:
        raise NonsenseError(f"'{name}' does not hold numbers of {dtype}")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        return array.astype(dtype)


def _strings(name: str, value: Any) -> NDArray[Any]:
    if not isinstance(value, list) and getattr(value, "ndim", 0) != 1:
        raise NonsenseError(f"'{name}' is no list of texts")
    array = np.empty(len(value), object)
    for place, one in enumerate(value):
        array[place] = _bytes(name, one)
    return array


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (TypeError, LookupError, binascii.Error, ValueError):
        raise NonsenseError(f"'{name}' does not hold text") from None


def _check_values(name: str, array: NDArray[Any], output: Output) -> None:
    missing = np.isnan(array)
    if missing.any() and not output.may_miss:
        raise NonsenseError(f"'{name}' holds NaN")
    known = array[~missing]
    if np.isinf(known).any():
        raise NonsenseError(f"'{name}' holds infinity")
    if known.size and (known.min() < output.least or known.max() > output.most):
        allowed = f"{output.least:g} to {output.most:g}"
        raise NonsenseError(f"'{name}' holds {known.min():g} to {known.max():g}, which is beyond {allowed}")
