"""timm's networks, trimmed to the arithmetic of raspine's, for the contestants that run in the peers' environment."""

import importlib.metadata
import sys
from collections.abc import Mapping
from typing import Any

import torch

from . import tensors

_WITH_BACKWARD = ("roi_align", "ps_roi_align", "roi_pool", "ps_roi_pool", "deform_conv2d")
_TORCHVISION_OPERATORS = ("nms", "qnms", *_WITH_BACKWARD, *(f"_{name}_backward" for name in _WITH_BACKWARD))
_stub: Any = None


def _timm() -> Any:
    """Imports timm, which imports torchvision; that fails where torchvision was built for another PyTorch.

    No network here uses torchvision's compiled operators, so their bare names are enough to let it load.
    """
    global _stub
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _stub = torch.library.Library("torchvision", "DEF")
        for name in _TORCHVISION_OPERATORS:
            _stub.define(f"{name}(Tensor x) -> Tensor")
    import timm

    return timm


class Heatmaps(torch.nn.Module):
    """timm's hrnet_w32 up to its finest branch, and the published head: a heatmap a landmark at stride 4."""

    def __init__(self, channels: int, small: bool) -> None:
        super().__init__()
        name = "hrnet_w18_small_v2" if small else "hrnet_w32"
        trunk = _timm().create_model(name, pretrained=False, in_chans=channels)
        # The classifier, and what only the coarser branches of the last module get, are not computed.
        trunk.incre_modules = trunk.downsamp_modules = None
        trunk.final_layer = trunk.classifier = torch.nn.Identity()
        trunk.stage4[-1].fuse_layers = trunk.stage4[-1].fuse_layers[:1]
        self.trunk = trunk
        self.head = torch.nn.Conv2d(18 if small else 32, tensors.LANDMARKS, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns [batch, landmark, height / 4, width / 4] from [batch, channel, height, width]."""
        trunk = self.trunk
        maps = trunk.act1(trunk.bn1(trunk.conv1(images)))
        maps = trunk.act2(trunk.bn2(trunk.conv2(maps)))
        return self.head(trunk.stages(maps)[0])


def build(spec: Mapping[str, Any]) -> torch.nn.Module:
    """Returns the case's network; a small one of the same kind when the spec is `tiny`."""
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(1)
    if spec["network"] == "resnet101":
        network = _timm().create_model("resnet26" if spec["tiny"] else "resnet101", in_chans=6, num_classes=1)
        _stride_first(network)
    else:
        network = Heatmaps(spec["channels"], spec["tiny"])
    return network.to(memory_format=_layout(spec))


def images(spec: Mapping[str, Any]) -> torch.Tensor:
    """Returns float32 [batch, channel, height, width] in the setting's layout."""
    planes = torch.from_numpy(tensors.images(spec).transpose(0, 3, 1, 2).copy())
    return planes.contiguous(memory_format=_layout(spec))


def autocast(spec: Mapping[str, Any]) -> torch.autocast:
    """Returns the context in which the setting computes."""
    return torch.autocast("cpu", torch.bfloat16, enabled=spec["precision"] == "bfloat16")


def versions() -> dict[str, str]:
    """Returns the versions of what does the work."""
    return {name: importlib.metadata.version(name) for name in ("torch", "timm", "numpy")}


def _layout(spec: Mapping[str, Any]) -> torch.memory_format:
    return torch.channels_last if spec["channels_last"] else torch.contiguous_format


def _stride_first(network: Any) -> None:
    """Moves each stage's stride from the 3 x 3 to the first 1 x 1 convolution, where ResNet v1 and raspine have it."""
    for stage in (network.layer2, network.layer3, network.layer4):
        block = stage[0]
        block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
