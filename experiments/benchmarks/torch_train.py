"""Contestant: a training step in PyTorch, with its fused Adam."""

from typing import Any

import torch

from . import child, tensors, torch_network


def prepare(spec: dict[str, Any]) -> child.Subject:
    """Returns one step of the setting that the spec names."""
    network = torch_network.build(spec).train()
    images = torch_network.images(spec)
    loss = _cross_entropy(spec) if spec["network"] == "resnet101" else _heatmap_loss(spec)
    optimizer = torch.optim.Adam(network.parameters(), tensors.LEARNING_RATE, fused=True)
    forward = torch.compile(network) if spec["compiled"] else network

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch_network.autocast(spec):
            outputs = forward(images)
        value = loss(outputs.float())
        value.backward()
        optimizer.step()
        return value.item()

    return child.Subject(step, torch_network.versions())


def _cross_entropy(spec: dict[str, Any]) -> Any:
    outcomes = torch.from_numpy(tensors.outcomes(spec))
    return lambda logits: torch.nn.functional.binary_cross_entropy_with_logits(logits, outcomes)


def _heatmap_loss(spec: dict[str, Any]) -> Any:
    """Returns raspine's loss: cross-entropy over the cells against a Gaussian made on the device in each step."""
    points = torch.from_numpy(tensors.points(spec))
    cells = torch.arange(spec["size"] // tensors.STRIDE, dtype=torch.float32)

    def loss(maps: torch.Tensor) -> torch.Tensor:
        centres = (points - (tensors.STRIDE - 1) / 2) / tensors.STRIDE
        profiles = torch.exp(-((cells - centres[..., None]) ** 2) / (2 * tensors.SIGMA**2))
        target = torch.einsum("blh,blw->blhw", profiles[:, :, 1], profiles[:, :, 0]).flatten(2)
        share = target / target.sum(-1, keepdim=True)
        return -(share * torch.log_softmax(maps.flatten(2), -1)).sum(-1).mean()

    return loss


if __name__ == "__main__":
    child.serve(prepare)
