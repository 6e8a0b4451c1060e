"""What is measured: networks, sizes and batches."""

import dataclasses

RESNET, HRNET = "resnet101", "hrnet_w32"
_CHANNELS = {RESNET: 6, HRNET: 1}
_WORK = {RESNET: 1.2, HRNET: 1.0}  # of a 256 x 256 item, in proportion


@dataclasses.dataclass(frozen=True)
class Case:
    """A network at a size.

    Attributes:
      network: `resnet101`, six channels and one logit, or `hrnet_w32`, one channel and four heatmaps.
      size: height and width, pixels.
      batch: items a step.
    """

    network: str
    size: int
    batch: int

    @property
    def name(self) -> str:
        """As in `resnet101-256x4`: network, size, batch."""
        return f"{self.network}-{self.size}x{self.batch}"

    @property
    def channels(self) -> int:
        """Of the input."""
        return _CHANNELS[self.network]

    @property
    def work(self) -> float:
        """Arithmetic of a step, in proportion to that of other cases."""
        return _WORK[self.network] * self.batch * (self.size / 256) ** 2


# A network's first case decides which settings the others need not try.
CASES = (
    Case(RESNET, 256, 4),
    Case(RESNET, 512, 4),
    Case(HRNET, 256, 8),
    Case(HRNET, 256, 1),
    Case(HRNET, 512, 1),
    Case(HRNET, 512, 8),
)
QUICK = (CASES[0], CASES[2])
TINY = (Case(RESNET, 64, 2), Case(HRNET, 64, 2))
CONSUMER = CASES[2].name  # whose training step an input pipeline is compared with
