"""Contestant: inference in ONNX Runtime, on the network that `torch_export` wrote."""

from typing import Any

import onnxruntime

from . import child, tensors


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns one batch through a session with every graph optimisation."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = spec["threads"], 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(spec["model"], options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: tensors.images(spec).transpose(0, 3, 1, 2).copy()}
    return child.Subject(lambda: session.run(None, feed), {"onnxruntime": onnxruntime.__version__})


if __name__ == "__main__":
    child.serve(prepare)
