"""The official PredictionService and ModelService over gRPC."""

import concurrent.futures
import math
from typing import Any, NoReturn

import grpc
import numpy as np
import tensorflow as tf
from refusal import Refusal, invalid
from served import Model, Models, Version
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_METADATA = "signature_def"


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata."""

    def __init__(self, models: Models, max_body: int) -> None:
        self._models, self._max_body = models, max_body

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's name
        """Runs a signature."""
        try:
            return self._predict(request, context)
        except Refusal as refusal:
            _abort(context, refusal)
        except Exception as error:  # one request must not end the server
            _abort(context, Refusal("INTERNAL", f"internal: {type(error).__name__}"))

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Describes the signatures of a version."""
        try:
            if list(request.metadata_field) != [_METADATA]:
                raise invalid(f"metadata_field is '{_METADATA}'.")
            model, version = _found(self._models, request.model_spec)
            answer = get_model_metadata_pb2.GetModelMetadataResponse()
            _tell(answer.model_spec, model, version)
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in version.signature_defs.items():
                signatures.signature_def[name].CopyFrom(definition)
            answer.metadata[_METADATA].Pack(signatures)
            return answer
        except Refusal as refusal:
            _abort(context, refusal)

    def _predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        model, version = _found(self._models, request.model_spec)
        arrays = {name: self._array(name, proto) for name, proto in request.inputs.items()}
        if not context.is_active():
            raise Refusal("CANCELLED", "the client is gone.")
        found = version.predict(request.model_spec.signature_name, arrays)
        answer = predict_pb2.PredictResponse()
        _tell(answer.model_spec, model, version)
        answer.model_spec.signature_name = request.model_spec.signature_name
        wanted = list(request.output_filter) or list(found)
        for name in wanted:
            if name not in found:
                raise invalid(f"output tensor alias not found in signature: {name[:80]}")
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(found[name]))
        return answer

    def _array(self, name: str, proto: Any) -> np.ndarray:
        """Returns the array of a TensorProto, whose shape may claim more than it holds.

        Raises:
          Refusal: it cannot be read.
        """
        try:
            dtype = tf.as_dtype(proto.dtype)
            sides = [side.size for side in proto.tensor_shape.dim]
            # A tensor repeats its last text as often as its shape says.
            width = max(map(len, proto.string_val), default=1) if dtype == tf.string else dtype.size
            size = math.prod(sides) * max(1, width)
            if proto.tensor_shape.unknown_rank or min(sides, default=0) < 0 or size > self._max_body:
                raise ValueError
            return np.asarray(tf.make_ndarray(proto))
        except Exception:  # whatever a hostile message leads to
            raise invalid(f"tensor parsing error: {name[:80]}") from None


class Status(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Lists the versions of a model."""
        try:
            model, version = _found(self._models, request.model_spec)
        except Refusal as refusal:
            _abort(context, refusal)
        asked = request.model_spec.WhichOneof("version_choice")
        answer = get_model_status_pb2.GetModelStatusResponse()
        for number in [version.number] if asked else sorted(model.versions, reverse=True):
            one = answer.model_version_status.add(version=number)
            one.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
            one.status.SetInParent()
        return answer


def start(models: Models, port: int, max_body: int, places: int) -> tuple[grpc.Server, int]:
    """Returns a running server and its port on the loopback interface.

    Args:
      models: what is served.
      port: 0 for a free one.
      max_body: bytes of a message.
      places: requests in work or waiting; gRPC itself refuses those beyond.
    """
    options = [
        ("grpc.max_receive_message_length", max_body),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    pool = concurrent.futures.ThreadPoolExecutor(places)
    server = grpc.server(pool, options=options, maximum_concurrent_rpcs=places)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(models, max_body), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Status(models), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, bound


def _found(models: Models, spec: Any) -> tuple[Model, Version]:
    model = models[spec.name]
    number = spec.version.value if spec.HasField("version") else None
    return model, model.version(number, spec.version_label)


def _tell(spec: Any, model: Model, version: Version) -> None:
    spec.name = model.name
    spec.version.value = version.number


def _abort(context: grpc.ServicerContext, refusal: Refusal) -> NoReturn:
    context.abort(grpc.StatusCode[refusal.code], refusal.message)
    raise AssertionError("gRPC's abort raises")
