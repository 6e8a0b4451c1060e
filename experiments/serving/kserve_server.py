"""Serves exported models through KServe's own model server, on the loopback address. It imports nothing of raspine.

    build/kserve/bin/python experiments/serving/kserve_server.py --models_dir=models --model_name=NAME --http_port=8080

Shows that an export needs neither raspine nor TensorFlow Serving: KServe's server has the same route,
`POST /v1/models/NAME:predict` with `instances`. It has no versions, labels or metadata, takes no `inputs` (the columnar
form) and no NaN, and writes NaN as null. The highest version is served. `make kserve` makes its environment.
"""

import argparse
import base64
import pathlib
import socket
from typing import Any

import kserve
import numpy as np
import tensorflow as tf
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer


class SavedModel(kserve.Model):
    """The highest version of a model's folder."""

    def __init__(self, name: str, folder: pathlib.Path) -> None:
        super().__init__(name)
        versions = [path for path in folder.glob("*") if path.name.isdecimal()]
        if not versions:
            raise SystemExit(f"error: no version in '{folder}': experiments.export writes one.")
        self._signatures = tf.saved_model.load(str(max(versions, key=lambda path: int(path.name)))).signatures
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: dict[str, str] | None = None, *_: Any) -> dict[str, Any]:
        """Returns the predictions for `instances`; what the model refuses is InvalidInput: KServe sends it as 400."""
        del headers
        name = payload.get("signature_name", "serving_default")
        if name not in self._signatures:
            raise InvalidInput(f"signature '{name}' is not among {', '.join(sorted(self._signatures))}")
        try:
            answer = self._signatures[name](**self._tensors(name, payload.get("instances")))
        except (tf.errors.OpError, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(" ".join(str(error).split())[:500]) from error
        return {"predictions": _rows(answer)}

    def _tensors(self, name: str, rows: Any) -> dict[str, tf.Tensor]:
        """Returns the inputs of a signature from rows of the request.

        Raises:
          ValueError: there is no row, or one has other inputs than the signature.
        """
        specification = self._signatures[name].structured_input_signature[1]
        if not isinstance(rows, list) or not rows:
            raise ValueError("'instances' is a list with at least one entry")
        for row in rows:
            if not isinstance(row, dict) or set(row) != set(specification):
                raise ValueError(f"each of 'instances' has {', '.join(sorted(specification))} and nothing else")
        return {
            key: tf.constant(_plain([row[key] for row in rows], spec.dtype), spec.dtype)
            for key, spec in specification.items()
        }


def _plain(value: Any, dtype: tf.DType) -> Any:
    """Returns nested lists with {"b64": ...} decoded, numbers as an array that its type can hold."""
    if dtype == tf.string:
        return _bytes(value)
    found = np.asarray(value)
    if found.dtype.kind not in "iuf" or (dtype.is_integer and found.dtype.kind == "f"):
        raise ValueError(f"expected numbers of {dtype.name}")
    if dtype.is_integer and found.size and not dtype.min <= found.min() <= found.max() <= dtype.max:
        raise ValueError(f"a number is outside {dtype.name}")
    return found.astype(dtype.as_numpy_dtype)


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(one) for one in value]
    return base64.b64decode(value["b64"], validate=True) if isinstance(value, dict) else value


def _rows(answer: dict[str, tf.Tensor]) -> list[Any]:
    """Returns the outputs row by row; of a single output its bare values, as TensorFlow Serving has it."""
    lists = {key: _text(value.numpy().tolist()) for key, value in answer.items()}
    if len(lists) == 1:
        return next(iter(lists.values()))
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


def main() -> None:
    """Serves the model of the arguments until it is stopped."""
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser], conflict_handler="resolve")
    parser.add_argument("--models_dir", required=True, help="folder of experiments.export, with NAME/VERSION in it")
    options = parser.parse_args()
    models = kserve.ModelRepository()
    models.update(SavedModel(options.model_name, pathlib.Path(options.models_dir) / options.model_name))
    # kserve.ModelServer listens on every address; its REST server also takes a socket.
    listening = socket.create_server(("127.0.0.1", options.http_port))
    server = RESTServer(
        "kserve.model_server:app", DataPlane(models), ModelRepositoryExtension(models), http_port=options.http_port
    )
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
