"""Writes a case's network in PyTorch as ONNX, for ONNX Runtime and OpenVINO."""

import json
import sys
from typing import Any

import torch

from . import child, torch_network


def export(spec: dict[str, Any]) -> None:
    """Writes the network that the spec names to its `model`, for exactly the case's shape."""
    network = torch_network.build(spec).eval()
    with torch.inference_mode():
        torch.onnx.export(network, (torch_network.images(spec),), spec["model"], dynamo=True, input_names=["image"])


if __name__ == "__main__":
    child.die_with_parent()
    export(json.loads(sys.argv[1]))
