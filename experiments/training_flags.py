"""The flags that every task of experiments.train shares, and what they ask for.

Augmentation flags without a default take the task's: raspine.inputs.augmentation, study_augmentation.
"""

import dataclasses
from typing import Any

from absl import flags

from raspine import program

STRATEGY = flags.DEFINE_enum(
    "strategy",
    "one_device",
    ["one_device", "mirrored"],
    "One device, or all GPUs (or logical CPUs) of this machine.",
)
LOGICAL_CPUS = flags.DEFINE_integer(
    "logical_cpus",
    1,
    "Split the CPU, to try --strategy=mirrored without GPUs.",
    lower_bound=1,
    upper_bound=64,
)
WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "Where to start from: published HRNet weights (.safetensors, .pth) for films; for studies `imagenet` or "
    "a file of keras.applications' ResNet weights without top (.h5). Random without.",
)
HEIGHT = flags.DEFINE_integer(
    "input_height",
    0,
    "Of the network's input, pixels; a multiple of 32. 0: 256 for films, the records' for studies.",
    lower_bound=0,
)
WIDTH_PX = flags.DEFINE_integer("input_width", 0, "As --input_height.", lower_bound=0)
_MOMENTUM = flags.DEFINE_float(
    "bn_momentum",
    0.9,
    "Of the normalisations' moving averages (Keras's convention).",
    lower_bound=0,
    upper_bound=1,
)
_NORMALIZATION = flags.DEFINE_enum(
    "normalization",
    "fused",
    ["fused", "keras", "synchronized"],
    "synchronized: statistics over all replicas.",
)
_BATCH = flags.DEFINE_integer("batch", 8, "Films or studies a step, over all replicas.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 40, "Passes over the training data.", lower_bound=1)
_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's, at its highest.", lower_bound=0)
_WARMUP = flags.DEFINE_float(
    "warmup", 0.05, "Share of the steps in which the rate rises.", lower_bound=0, upper_bound=0.5
)
_SCHEDULE = flags.DEFINE_enum("schedule", "cosine", ["cosine", "step", "constant"], "Of the learning rate.")
_DECAY = flags.DEFINE_float("weight_decay", 0.0, "Decoupled, as in AdamW.", lower_bound=0)
_AVERAGE = flags.DEFINE_float(
    "weight_average",
    0.0,
    "Decay of the running average of the weights; 0 for none.",
    lower_bound=0,
    upper_bound=0.99999,
)
_EVERY = flags.DEFINE_integer("validate_every", 1, "Epochs between validations.", lower_bound=1)
_PATIENCE = flags.DEFINE_integer(
    "patience",
    0,
    "Epochs without a better validation after which training ends; 0 (or no validation data): all epochs.",
    lower_bound=0,
)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, order and augmentation.", lower_bound=0)
_CACHE = flags.DEFINE_enum("cache", "memory", ["memory", "none"], "Whether prepared data stay in memory.")
_ROTATION = flags.DEFINE_float(
    "rotation", None, "Augmentation: degrees, plus or minus.", lower_bound=0, upper_bound=180
)
_SCALE = flags.DEFINE_float("scale", None, "Augmentation: size, up to 1 + this.", lower_bound=0, upper_bound=2)
_STRETCH = flags.DEFINE_float("stretch", None, "Augmentation: aspect, up to 1 + this.", lower_bound=0, upper_bound=1)
_TRANSLATION = flags.DEFINE_float(
    "translation", None, "Augmentation: shift, as a share of the longer side.", lower_bound=0, upper_bound=1
)
_GAMMA = flags.DEFINE_float("gamma", None, "Augmentation: exponent of the grey values, up to 1 + this.", lower_bound=0)
_CONTRAST = flags.DEFINE_float(
    "contrast",
    None,
    "Augmentation: contrast, up to 1 + this, of studies; films are standardised after it.",
    lower_bound=0,
)
_NOISE = flags.DEFINE_float("noise", None, "Augmentation: noise, as a share of the film's deviation.", lower_bound=0)
_CUTOUT = flags.DEFINE_integer("cutout", None, "Augmentation: squares blanked.", lower_bound=0, upper_bound=50)
_CUTOUT_SIZE = flags.DEFINE_float("cutout_size", None, "Augmentation: side of a square.", lower_bound=0, upper_bound=1)
_MIRROR = flags.DEFINE_float("mirror", None, "Augmentation: chance of a mirror image.", lower_bound=0, upper_bound=1)

_CHANGES: dict[str, flags.FlagHolder[Any]] = {
    "rotation_degrees": _ROTATION,
    "scale": _SCALE,
    "stretch": _STRETCH,
    "translation": _TRANSLATION,
    "gamma": _GAMMA,
    "contrast": _CONTRAST,
    "noise": _NOISE,
    "cutout": _CUTOUT,
    "cutout_size": _CUTOUT_SIZE,
    "mirror": _MIRROR,
}


def check() -> None:
    """Checks the flags before any work.

    Raises:
      UsageError: they do not fit together.
    """
    for flag in (HEIGHT, WIDTH_PX):
        if flag.value % 32:
            raise program.UsageError(f"--{flag.name} must be a multiple of 32. Received: {flag.value}.")
    if 0 < _PATIENCE.value < _EVERY.value:
        raise program.UsageError(
            f"--patience is at least --validate_every. Received: {_PATIENCE.value}, {_EVERY.value}."
        )
    if LOGICAL_CPUS.value > 1 and STRATEGY.value != "mirrored":
        raise program.UsageError("--logical_cpus is for --strategy=mirrored.")


def shared_recipe() -> dict[str, Any]:
    """Returns the values of `raspine.training.loop.Recipe` by name."""
    values: dict[str, flags.FlagHolder[Any]] = {
        "momentum": _MOMENTUM, "batch": _BATCH, "epochs": _EPOCHS, "learning_rate": _RATE, "warmup": _WARMUP,
        "schedule": _SCHEDULE, "weight_decay": _DECAY, "average": _AVERAGE, "validate_every": _EVERY,
        "patience": _PATIENCE, "normalization": _NORMALIZATION, "seed": _SEED, "cache": _CACHE,
    }  # fmt: skip
    return {name: flag.value for name, flag in values.items()}


def plane_augmentation(defaults: Any) -> Any:
    """Returns what the augmentation flags ask for within a picture.

    Args:
      defaults: a raspine.inputs.augmentation.Augmentation, for flags that are not given.
    """
    asked = {name: flag.value for name, flag in _CHANGES.items() if flag.value is not None}
    return dataclasses.replace(defaults, **asked)
