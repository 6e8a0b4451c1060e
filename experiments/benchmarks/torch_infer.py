"""Contestant: inference in PyTorch; compiled, the weights are frozen into the code."""

from typing import Any

import torch

from . import child, torch_network


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns one batch of the setting that the spec names."""
    network = torch_network.build(spec).eval()
    images = torch_network.images(spec)
    if spec["compiled"]:
        from torch._inductor import config

        config.freezing = True
    forward = torch.compile(network) if spec["compiled"] else network
    # Freezing does not work under inference_mode.
    no_gradients = torch.no_grad if spec["compiled"] else torch.inference_mode

    def step() -> Any:
        with no_gradients(), torch_network.autocast(spec):
            return forward(images)

    return child.Subject(step, torch_network.versions())


if __name__ == "__main__":
    child.serve(prepare)
