"""Predictions over gRPC, by the official protocol of TensorFlow Serving.

Importing the protocol imports TensorFlow, so it is imported with the first connection.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raspine.serving import errors
from raspine.serving.address import Address
from raspine.serving.options import Options, content

if TYPE_CHECKING:
    import grpc

_LARGER = "larger than max"
_UNTRUSTED = ("handshake failed", "certificate", "verification check")
_PUSHBACK_MS, _RETRY_AFTER = "grpc-retry-pushback-ms", "retry-after"


class GrpcTransport:
    """A channel to a server; may be used by several threads.

    Args:
      address: of the model.
      options: of the endpoint.
    """

    def __init__(self, address: Address, options: Options) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import prediction_service_pb2_grpc
        except ImportError as error:
            raise errors.wrong_settings(f"gRPC needs raspine's extra 'serving': {error.name} is missing.") from error
        self._options = options
        self._channel = self._connected(grpc, address)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._error = grpc.RpcError

    def predict(
        self,
        address: Address,
        signature: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: tuple[str, ...],
        timeout: float,
        request_id: str,
    ) -> dict[str, Any]:
        """Returns an array by the name of each output; see `endpoint.Transport`."""
        request = _request(address, signature, inputs, outputs)
        metadata = [("x-request-id", request_id)]
        if token := self._options.token():
            metadata.append(("authorization", f"Bearer {token}"))
        try:
            answer = self._stub.Predict(request, timeout=timeout, metadata=metadata)
        except self._error as error:
            raise _translated(error, request_id) from error
        return {name: self._array(name, proto) for name, proto in answer.outputs.items()}

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def _connected(self, grpc: Any, address: Address) -> "grpc.Channel":
        milliseconds = int(self._options.connect_timeout * 1000)
        arguments = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", self._options.max_response),
            ("grpc.enable_retries", 0),  # `retry` does that, for both transports
            ("grpc.enable_http_proxy", 0),  # a proxy of the environment shall not see the pictures
            ("grpc.min_reconnect_backoff_ms", milliseconds),  # of an attempt to connect, in spite of its name
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", max(milliseconds, 1000)),
        ]
        target = f"dns:///{address.target}"  # else gRPC takes hosts such as `unix` and `dns` for schemes of its own
        if not address.is_encrypted:
            return grpc.insecure_channel(target, arguments)
        read = {name: content(path, name) if (path := getattr(self._options, name)) else None for name in _PEM}
        try:
            credentials = grpc.ssl_channel_credentials(read["ca_file"], read["key_file"], read["certificate_file"])
            return grpc.secure_channel(target, credentials, arguments)
        except (ValueError, RuntimeError) as error:
            raise errors.wrong_settings(f"the certificates cannot be used: {error}") from error

    def _array(self, name: str, proto: Any) -> NDArray[Any]:
        """Returns the array of a TensorProto, whose shape may claim more than it holds."""
        import tensorflow as tf

        sides = [side.size for side in proto.tensor_shape.dim]
        if min(sides, default=0) < 0 or math.prod(sides) > self._options.max_response:
            raise errors.bad_answer(f"'{name}' claims the shape {sides}")
        try:
            return np.asarray(tf.make_ndarray(proto))
        except (ValueError, TypeError, OverflowError) as error:
            raise errors.bad_answer(f"'{name}' is a tensor that contradicts itself") from error


_PEM = ("ca_file", "key_file", "certificate_file")


def _request(address: Address, signature: str, inputs: Mapping[str, NDArray[Any]], outputs: tuple[str, ...]) -> Any:
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = address.model, signature
    if address.label:
        request.model_spec.version_label = address.label
    elif address.version is not None:
        request.model_spec.version.value = address.version
    request.output_filter.extend(outputs)
    for name, value in inputs.items():
        _fill(request.inputs[name], value)
    return request


def _fill(proto: Any, value: NDArray[Any]) -> None:
    from tensorflow.core.framework import types_pb2

    for side in value.shape:
        proto.tensor_shape.dim.add().size = side
    if value.dtype == object:
        proto.dtype = types_pb2.DT_STRING
        proto.string_val.extend(value.ravel().tolist())
    else:
        proto.dtype = types_pb2.DataType.Value(f"DT_{_ENUM_NAMES.get(value.dtype.name, value.dtype.name).upper()}")
        proto.tensor_content = np.ascontiguousarray(value).tobytes()


_ENUM_NAMES = {"float32": "float", "float64": "double"}


def _translated(error: Any, request_id: str) -> errors.EndpointError:
    code, details = error.code().name, error.details() or ""
    if code == "RESOURCE_EXHAUSTED" and _LARGER in details:
        code = errors.TOO_LARGE
    if code == "UNAVAILABLE" and any(word in details.casefold() for word in _UNTRUSTED):
        return errors.of_handshake(details)
    return errors.of_code(code, details, request_id=request_id, retry_after=_retry_after(error))


def _retry_after(error: Any) -> float | None:
    found = {key: value for key, value in error.trailing_metadata() or ()}
    for key, scale in ((_PUSHBACK_MS, 0.001), (_RETRY_AFTER, 1.0)):
        value = found.get(key)
        if isinstance(value, str) and value.isdecimal():
            return int(value) * scale
    return None
