"""The SavedModels that are served: found by name, version or label, and called with checked inputs."""

import dataclasses
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from admission import Admission
from refusal import Refusal, invalid
from tensorflow.core.protobuf import saved_model_pb2

DEFAULT_SIGNATURE = "serving_default"
_LISTED = 300  # letters of a message that a model gives
# Where in the graph it was, which says nothing to a client; the C++ runtime says less of it than Python's.
_PLACE = re.compile(r"\s*\[(Op:|\[\{\{node).*|^Graph execution error:.*?<stack traces unavailable>", re.DOTALL)

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Input:
    """What a signature takes under one name."""

    dtype: tf.DType
    shape: tf.TensorShape


class Version:
    """One version of a model.

    Attributes:
      number: of the version.
      signature_defs: each signature as the SavedModel describes it, by name.
    """

    def __init__(self, folder: pathlib.Path, admission: Admission) -> None:
        self.number = int(folder.name)
        self._loaded = tf.saved_model.load(str(folder))  # kept: the signatures hold its variables weakly
        self._functions = dict(self._loaded.signatures)
        self._admission = admission
        stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.signature_defs = {
            name: definition
            for name, definition in stored.meta_graphs[0].signature_def.items()
            if not name.startswith("__")
        }

    def inputs(self, signature: str, code: str = "FAILED_PRECONDITION") -> dict[str, Input]:
        """Returns what a signature takes, by name.

        Raises:
          Refusal: there is none of that name; TensorFlow Serving's code for it depends on the route.
        """
        name = signature or DEFAULT_SIGNATURE
        if name not in self._functions:
            raise Refusal(code, f'serving signature "{name[:80]}" not found: {", ".join(sorted(self._functions))}.')
        specs = self._functions[name].structured_input_signature[1]
        return {key: Input(spec.dtype, spec.shape) for key, spec in specs.items()}

    def predict(self, signature: str, arrays: Arrays) -> dict[str, np.ndarray]:
        """Returns what a signature answers.

        Raises:
          Refusal: the inputs are not what it takes, the model refuses them, or too many requests wait.
        """
        wanted = self.inputs(signature)
        _check_names(wanted, arrays)
        for name, spec in wanted.items():
            _check(name, spec, arrays[name])
        function = self._functions[signature or DEFAULT_SIGNATURE]
        with self._admission.turn():
            try:
                given = {name: tf.constant(arrays[name], spec.dtype) for name, spec in wanted.items()}
                return {name: value.numpy() for name, value in function(**given).items()}
            except tf.errors.OpError as error:
                raise Refusal(_code(error), _readable(error)) from error
            except UnicodeDecodeError:  # TensorFlow repeats bytes of the request in its message
                raise invalid("the model refuses the request; its message is no text.") from None


@dataclasses.dataclass(frozen=True)
class Model:
    """The versions of one model, and the labels that some of them go by."""

    name: str
    versions: Mapping[int, Version]
    labels: Mapping[str, int]

    def version(self, number: int | None, label: str) -> Version:
        """Returns the version of a number or label, the latest without either.

        Raises:
          Refusal: there is none.
        """
        if label:
            if label not in self.labels:
                raise invalid(f"unrecognized servable version label: {label[:80]}")
            number = self.labels[label]
        if number is None:
            number = max(self.versions)
        if number not in self.versions:
            raise Refusal("NOT_FOUND", f"servable not found for request: Specific({self.name}, {number})")
        return self.versions[number]


class Models:
    """All models that are served."""

    def __init__(self, folder: pathlib.Path, labels: Mapping[str, Mapping[str, int]], admission: Admission) -> None:
        self._models = {
            place.name: Model(place.name, versions, labels.get(place.name, {}))
            for place in sorted(folder.iterdir())
            if place.is_dir() and not place.name.startswith(".") and (versions := _versions(place, admission))
        }

    def __getitem__(self, name: str) -> Model:
        """Returns a model; raises Refusal when there is none of that name."""
        if not name:
            raise invalid("missing ModelSpec: a request names its model.")
        if name not in self._models:
            raise Refusal("NOT_FOUND", f"servable not found for request: Latest({name[:80]})")
        return self._models[name]

    def listed(self) -> dict[str, list[int]]:
        """Returns the versions by model."""
        return {name: sorted(model.versions) for name, model in self._models.items()}


def _versions(folder: pathlib.Path, admission: Admission) -> dict[int, Version]:
    found = sorted(place for place in folder.iterdir() if place.name.isdecimal())
    return {int(place.name): Version(place, admission) for place in found}


def _check_names(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    extra, missing = sorted(set(given) - set(wanted)), sorted(set(wanted) - set(given))
    if extra or missing:
        raise invalid(
            f"input names do not match the signature. Sent extra: {{{','.join(extra)[:200]}}}. "
            f"Missing but required: {{{','.join(missing)}}}."
        )


def _check(name: str, spec: Input, value: np.ndarray) -> None:
    dtype = tf.as_dtype(value.dtype) if value.dtype != object else tf.string
    if dtype != spec.dtype:
        raise invalid(f"input '{name}' is expected to be {spec.dtype.name}. Received: {dtype.name}.")
    if not spec.shape.is_compatible_with(value.shape):
        raise invalid(f"input '{name}' is expected to have the shape {spec.shape}. Received: {value.shape}.")


def _code(error: tf.errors.OpError) -> str:
    names = {getattr(tf.errors, name): name for name in dir(tf.errors) if name.isupper()}
    return names.get(error.error_code, "UNKNOWN")


def _readable(error: tf.errors.OpError) -> str:
    text = _PLACE.sub("", error.message.partition("\n\t")[0])
    return " ".join(text.split())[:_LISTED]
