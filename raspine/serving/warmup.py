"""Requests that TensorFlow Serving answers once before a version takes traffic, so that no first user waits."""

import importlib.util
import pathlib
from collections.abc import Iterable

import tensorflow as tf

from raspine.serving import signatures
from raspine.serving.trial import Trial

FOLDER = "assets.extra"
_MODULE = "tensorflow_serving"


def is_possible() -> bool:
    """Returns whether TensorFlow Serving's protos are installed (the extra `serving`)."""
    return importlib.util.find_spec(_MODULE) is not None


def write(folder: pathlib.Path, name: str, trials: Iterable[Trial]) -> None:
    """Writes a request of each trial as assets.extra/tf_serving_warmup_requests, a TFRecord of PredictionLog.

    Args:
      folder: of the SavedModel.
      name: of the model.
      trials: requests; TensorFlow Serving takes at most 1,000.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    place = folder / FOLDER
    place.mkdir()
    with tf.io.TFRecordWriter(str(place / signatures.WARMUP_FILE)) as writer:
        for trial in trials:
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = name, trial.signature
            for key, array in trial.inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
