"""Contestant: inference in OpenVINO, on the network that `torch_export` wrote."""

from typing import Any

import openvino

from . import child, tensors

_PRECISION = {"float32": "f32", "bfloat16": "bf16"}


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns one batch, compiled for the shortest wait at the precision that the spec names."""
    settings = {
        "INFERENCE_NUM_THREADS": spec["threads"],
        "INFERENCE_PRECISION_HINT": _PRECISION[spec["precision"]],
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = openvino.Core().compile_model(spec["model"], "CPU", settings).create_infer_request()
    images = openvino.Tensor(tensors.images(spec).transpose(0, 3, 1, 2).copy())
    return child.Subject(lambda: request.infer([images]), {"openvino": openvino.__version__})


if __name__ == "__main__":
    child.serve(prepare)
