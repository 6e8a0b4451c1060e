"""HRNet for landmark heatmaps: Sun et al., Deep High-Resolution Representation Learning for Human Pose
Estimation, CVPR 2019 (W32 and W48), and the authors' small classification variant W18-Small-v2 for CPUs.

The network keeps a branch at a quarter of the input's resolution throughout and adds branches at an eighth, a
sixteenth and a thirty-second, which exchange features at the end of every module. Every layer that has
weights is named as the module in the published PyTorch code (`stage2.0.branches.0.0.conv1`), so
`raspine.models.torch_weights` needs no table.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from raspine.models import layers

DEFAULT_WIDTH = 32
SMALL_WIDTH = 18
STRIDE = 4  # input pixels per heatmap cell
MULTIPLE = 32  # the coarsest branch's stride: heights and widths must be multiples of it
_STEM_CHANNELS = 64
_EXPANSION = 4  # a bottleneck's output channels over its inner ones
_INITIALIZERS = ("he_normal", "published")
_POINTWISE = ("matmul", "convolution")


@dataclasses.dataclass(frozen=True)
class Depth:
    """How many blocks and modules a network has.

    Attributes:
      bottlenecks: bottleneck blocks of the first stage.
      modules: modules of stages 2, 3 and 4, which have 2, 3 and 4 branches.
      blocks: residual blocks per branch of a module.
    """

    bottlenecks: int = 4
    modules: tuple[int, int, int] = (1, 4, 3)
    blocks: int = 4


PUBLISHED_DEPTH = Depth()
SMALL_DEPTH = Depth(bottlenecks=2, modules=(1, 3, 2), blocks=2)


def hrnet(
    width: int = DEFAULT_WIDTH,
    num_landmarks: int = 4,
    input_shape: Sequence[int | None] = (256, 256, 3),
    small: bool = False,
    initializer: str = "he_normal",
    batch_normalization: str = "fused",
    pointwise: str = "matmul",
    name: str | None = None,
) -> keras.Model:
    """Builds the network as one flat functional model.

    Images are float32 [batch, height, width, channel]; heatmaps are float32 [batch, height / 4, width / 4,
    landmark], linear, whatever the dtype policy (but float64 in float64). Cell j covers input pixels 4j .. 4j + 3.

    Args:
      width: channels of the finest branch; the others have 2, 4 and 8 times as many. 32 and 48 are published.
      num_landmarks: number of heatmaps.
      input_shape: (height, width, channels) in pixels; height and width multiples of 32, or None for sizes
        that are known only when the network runs (they must still be multiples of 32).
      small: True builds the published W18-Small-v2 instead (18, 36, 72, 144 channels; two bottlenecks; 1, 3
        and 2 modules of two blocks per branch), with the same head. A width other than the default 32 is
        kept: 16 is faster on CPUs, whose normalisation kernels want multiples of 16 channels, but fits no
        published weights.
      initializer: of the convolutions, "he_normal" (in proportion to the inputs of a unit, over fan-in) or
        "published" (normal with standard deviation 0.001, which costs the first epochs).
      batch_normalization: "fused", "keras" or "synchronized" (see
        `raspine.models.layers.batch_normalization`).
      pointwise: "matmul" (1 x 1 convolutions as matrix products, faster in training) or "convolution" (which
        TensorFlow can fold with the normalisation that follows, for inference). The weights are the same.
      name: the model's name, by default `hrnet_w32`, `hrnet_w48` or `hrnet_w18_small`.

    Raises:
      ValueError: for an argument outside these rules.
    """
    if small and width == DEFAULT_WIDTH:
        width = SMALL_WIDTH
    _check(width, num_landmarks, input_shape, initializer, pointwise)
    parts = _Parts(initializer, batch_normalization, pointwise)
    depth = SMALL_DEPTH if small else PUBLISHED_DEPTH

    # === Functional model ===
    images = keras.Input(tuple(input_shape), name="image", dtype="float32")
    maps = _stem(parts, images)
    maps = _first_stage(parts, maps, depth.bottlenecks)
    branches = [maps]
    for stage, modules in enumerate(depth.modules, start=2):
        branches = _transition(parts, branches, width, stage - 1)
        for module in range(modules):
            last = stage == 4 and module == modules - 1
            branches = _module(parts, branches, depth.blocks, 1 if last else stage, f"stage{stage}.{module}")
    heatmaps = parts.head(branches[0], num_landmarks, "final_layer")
    return keras.Model(images, heatmaps, name=name or f"hrnet_w{width}" + ("_small" if small else ""))


class _Parts:
    """Makes the layers from which the network is composed."""

    def __init__(self, initializer: str, batch_normalization: str, pointwise: str) -> None:
        self._initializer = initializer
        self._normalization = batch_normalization
        self._pointwise = pointwise

    def convolve(self, maps: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
        if size == 1 and self._pointwise == "matmul":
            layer: keras.layers.Layer = layers.PointwiseConvolution(
                filters, strides, kernel_initializer=self._kernel_initializer(), name=name
            )
        else:
            layer = layers.SymmetricConvolution(
                filters, size, strides, kernel_initializer=self._kernel_initializer(), name=name
            )
        return layer(maps)

    def normalize(self, maps: Any, name: str, relu: bool) -> Any:
        if self._normalization == "fused":
            return layers.batch_normalization("fused", "relu" if relu else None, name)(maps)
        maps = layers.batch_normalization(self._normalization, name=name)(maps)
        return keras.layers.ReLU(name=f"{name}.relu")(maps) if relu else maps

    def unit(self, maps: Any, filters: int, size: int, name: str, strides: int = 1, relu: bool = True) -> Any:
        """Convolution `name.0`, normalisation `name.1`, and a ReLU where asked."""
        maps = self.convolve(maps, filters, size, f"{name}.0", strides)
        return self.normalize(maps, f"{name}.1", relu)

    def add(self, terms: Sequence[Any], name: str) -> Any:
        """The sum's ReLU."""
        total = keras.layers.Add(name=f"{name}.add")(list(terms)) if len(terms) > 1 else terms[0]
        return keras.layers.ReLU(name=f"{name}.relu")(total)

    def head(self, maps: Any, filters: int, name: str) -> Any:
        # float32, so that heatmaps of a bfloat16 network keep their sub-pixel shape.
        settings: dict[str, Any] = {"use_bias": True, "dtype": layers.wide_dtype(), "name": name}
        settings["kernel_initializer"] = self._kernel_initializer(head=True)
        if self._pointwise == "matmul":
            return layers.PointwiseConvolution(filters, **settings)(maps)
        return layers.SymmetricConvolution(filters, 1, **settings)(maps)

    def _kernel_initializer(self, head: bool = False) -> Any:
        if head or self._initializer == "published":
            return keras.initializers.RandomNormal(stddev=0.001)
        return keras.initializers.HeNormal()


def _stem(parts: _Parts, images: Any) -> Any:
    maps = images
    for number in (1, 2):
        maps = parts.convolve(maps, _STEM_CHANNELS, 3, f"conv{number}", strides=2)
        maps = parts.normalize(maps, f"bn{number}", relu=True)
    return maps


def _first_stage(parts: _Parts, maps: Any, bottlenecks: int) -> Any:
    for block in range(bottlenecks):
        maps = _bottleneck(parts, maps, f"layer1.{block}", project=block == 0)
    return maps


def _bottleneck(parts: _Parts, maps: Any, name: str, project: bool) -> Any:
    shortcut = maps
    if project:
        shortcut = parts.unit(maps, _STEM_CHANNELS * _EXPANSION, 1, f"{name}.downsample", relu=False)
    for number, (filters, size) in enumerate(
        [(_STEM_CHANNELS, 1), (_STEM_CHANNELS, 3), (_STEM_CHANNELS * _EXPANSION, 1)], start=1
    ):
        maps = parts.convolve(maps, filters, size, f"{name}.conv{number}")
        maps = parts.normalize(maps, f"{name}.bn{number}", relu=number < 3)
    return parts.add([maps, shortcut], name)


def _transition(parts: _Parts, branches: list[Any], width: int, number: int) -> list[Any]:
    """Adds a branch of half the last one's resolution; the first transition also sets the first's width."""
    grown = list(branches)
    if number == 1:
        grown[0] = parts.unit(branches[0], width, 3, "transition1.0")
    filters = width * 2 ** len(branches)
    # The published code wraps a new branch's convolutions in one more sequence: hence the .0.
    name = f"transition{number}.{len(branches)}.0"
    return [*grown, parts.unit(branches[-1], filters, 3, name, strides=2)]


def _module(parts: _Parts, branches: list[Any], blocks: int, outputs: int, name: str) -> list[Any]:
    """Runs each branch through its blocks and gives the first `outputs` fusions of all of them."""
    worked = []
    for branch, maps in enumerate(branches):
        for block in range(blocks):
            maps = _basic_block(parts, maps, f"{name}.branches.{branch}.{block}")
        worked.append(maps)
    return [_fusion(parts, worked, output, f"{name}.fuse_layers.{output}") for output in range(outputs)]


def _basic_block(parts: _Parts, maps: Any, name: str) -> Any:
    filters = maps.shape[-1]
    shortcut = maps
    for number in (1, 2):
        maps = parts.convolve(maps, filters, 3, f"{name}.conv{number}")
        maps = parts.normalize(maps, f"{name}.bn{number}", relu=number == 1)
    return parts.add([maps, shortcut], name)


def _fusion(parts: _Parts, branches: list[Any], output: int, name: str) -> Any:
    """Sums all branches at one branch's resolution and width."""
    filters = branches[output].shape[-1]
    terms = []
    for source, maps in enumerate(branches):
        path = f"{name}.{source}"
        if source > output:
            maps = parts.unit(maps, filters, 1, path, relu=False)
            maps = layers.NearestUpsampling(2 ** (source - output), name=f"{path}.upsample")(maps)
        for step in range(output - source):
            last = step == output - source - 1
            channels = filters if last else maps.shape[-1]
            maps = parts.unit(maps, channels, 3, f"{path}.{step}", strides=2, relu=not last)
        terms.append(maps)
    return parts.add(terms, name)


def _check(width: int, num_landmarks: int, input_shape: Sequence[int | None], initializer: str, pointwise: str) -> None:
    if width < 1 or num_landmarks < 1:
        raise ValueError(f"width and num_landmarks must be positive. Received: {width} and {num_landmarks}.")
    if len(input_shape) != 3 or not input_shape[2]:
        raise ValueError(f"input_shape must be (height, width, channels). Received: {tuple(input_shape)}.")
    if any(size is not None and (size < MULTIPLE or size % MULTIPLE) for size in input_shape[:2]):
        raise ValueError(f"Height and width must be multiples of {MULTIPLE} pixels. Received: {tuple(input_shape)}.")
    if initializer not in _INITIALIZERS:
        raise ValueError(f"initializer must be one of {_INITIALIZERS}. Received: {initializer!r}.")
    if pointwise not in _POINTWISE:
        raise ValueError(f"pointwise must be one of {_POINTWISE}. Received: {pointwise!r}.")
