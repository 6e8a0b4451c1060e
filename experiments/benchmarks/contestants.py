"""Who takes part in what, and in which settings."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks import cases

WHAT = ("train", "infer", "input", "memory")
FAMILIES = ("raspine", "keras", "torch", "onnxruntime", "openvino")
OWN = ("raspine", "keras")  # run in raspine's environment; the others in the peers'
EXPORTED = ("onnxruntime", "openvino")  # run the network that PyTorch wrote
COMPILED = " compiled"  # ends the name of a compiled setting
INPUT_BATCH, INPUT_SIZE, INPUT_FILMS = 8, 256, 128
CACHES = {"memory": "kept in memory", "none": "read from disk"}


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One way to do a case.

    Attributes:
      name: as in the table.
      family: whose it is, one of `FAMILIES`.
      module: of `experiments.benchmarks`, that does it.
      precision: `float32` or `bfloat16`.
      settings: more for the module.
    """

    name: str
    family: str
    module: str
    precision: str = "float32"
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def spec(self, **more: Any) -> dict[str, Any]:
        """Returns what the contestant's process is told."""
        return {"precision": self.precision, **self.settings, **more}


def training(case: cases.Case, families: Sequence[str], has_amx: bool, eager: bool = False) -> list[Contestant]:
    """Returns who trains a case's network; PyTorch's settings come in the order in which they are likely to win."""
    ours = [Contestant(f"raspine {one}", "raspine", "raspine_train", one) for one in _precisions(has_amx)]
    if case.network == cases.RESNET:
        ours.append(Contestant("Keras as it comes", "keras", "keras_train"))
    return _of(families, [*ours, *_torch("torch_train", eager)])


def inference(families: Sequence[str], has_amx: bool, eager: bool = False) -> list[Contestant]:
    """Returns who answers with a case's network."""
    ours = [Contestant(f"raspine {one}", "raspine", "raspine_infer", one) for one in _precisions(has_amx)]
    others = [Contestant("ONNX Runtime float32", "onnxruntime", "onnx_network")]
    others += [Contestant(f"OpenVINO {one}", "openvino", "openvino_network", one) for one in _precisions(has_amx)]
    return _of(families, [*ours, *_torch("torch_infer", eager), *others])


def feeding(families: Sequence[str], cache: str, films: int = INPUT_FILMS) -> list[Contestant]:
    """Returns who makes batches of films that are kept in memory (`memory`) or read from disk (`none`)."""
    settings = {"cache": cache, "batch": INPUT_BATCH, "size": INPUT_SIZE, "films": films}
    pipelines = [
        Contestant("raspine pipeline", "raspine", "input_raspine", settings=settings),
        Contestant("DataLoader with Albumentations", "torch", "input_torch", settings=settings),
    ]
    return _of(families, pipelines)


def network_spec(case: cases.Case, threads: int, tiny: bool) -> dict[str, Any]:
    """Returns what every contestant's process is told of a case."""
    return {
        "network": case.network, "size": case.size, "batch": case.batch, "channels": case.channels,
        "threads": threads, "tiny": tiny,
    }  # fmt: skip


def _precisions(has_amx: bool) -> tuple[str, ...]:
    # Without tiles bfloat16 is slower than float32, so raspine does not use it there.
    return ("float32", "bfloat16") if has_amx else ("float32",)


def _torch(module: str, eager: bool) -> list[Contestant]:
    made = []
    for compiled in (False,) if eager else (False, True):
        for precision in ("float32", "bfloat16"):
            for channels_last in (True, False):
                words = [precision, "channels-last" if channels_last else "contiguous"]
                settings = {"channels_last": channels_last, "compiled": compiled}
                name = " ".join(["PyTorch", *words]) + (COMPILED if compiled else "")
                made.append(Contestant(name, "torch", module, precision, settings))
    return made


def _of(families: Sequence[str], everybody: list[Contestant]) -> list[Contestant]:
    return [one for one in everybody if one.family in families]
