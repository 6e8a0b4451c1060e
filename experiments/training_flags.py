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
    ["one_device", "mirrored", "multi_worker"],
    "One device; all GPUs (or logical CPUs) of this machine; or those of all processes that TF_CONFIG names.",
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
_RATE_BATCH = flags.DEFINE_integer(
    "learning_rate_batch",
    0,
    "The batch that --learning_rate was chosen for: the rate is scaled by --batch over this; 0: as it is.",
    lower_bound=0,
)
_ACCUMULATE = flags.DEFINE_integer(
    "accumulate",
    1,
    "Parts of a replica's batch that go through the network one after the other, for less memory; fused and keras "
    "normalisation see a part at a time.",
    lower_bound=1,
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    ["float32", "mixed_bfloat16", "mixed_float16", "float64"],
    "In which the network computes; 16 bits pay on GPUs and on CPUs with AMX, float64 is for comparisons.",
)
_LANES = flags.DEFINE_integer(
    "lanes",
    0,
    "Groups of shards of which every batch takes equal parts; workers read their own groups only. 0: by the data, "
    "whatever the number of workers.",
    lower_bound=0,
)
_STEPS_PER_EXECUTION = flags.DEFINE_integer(
    "steps_per_execution", 1, "Steps done before Python is asked again; not with several workers.", lower_bound=1
)
_XLA = flags.DEFINE_bool("xla", False, "Compile the step with XLA: for GPUs; slower on CPUs.")
_DETERMINISTIC = flags.DEFINE_bool(
    "deterministic",
    False,
    "Only deterministic kernels: the same seed gives the same weights bit for bit on one device.",
)
_CHECKPOINT_SECONDS = flags.DEFINE_float(
    "checkpoint_seconds", 60.0, "Between checkpoints, of which the last three are kept.", lower_bound=0
)
_LOG_EVERY = flags.DEFINE_integer("log_every", 10, "Steps between TensorBoard's scalars by step.", lower_bound=1)
_HISTOGRAMS = flags.DEFINE_integer(
    "histograms", 0, "Epochs between histograms of the weights in TensorBoard; 0: none.", lower_bound=0
)
_PROFILE = flags.DEFINE_list(
    "profile", None, "FIRST,LAST: steps, counted from the start of this process, to profile for TensorBoard."
)
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "With --cache=disk: folder for prepared data, used again by later runs."
)
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
_CACHE = flags.DEFINE_enum(
    "cache", "memory", ["memory", "disk", "none"], "Where prepared data are kept; none reads the shards every epoch."
)
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
    if (_CACHE.value == "disk") != bool(CACHE_DIR.value):
        raise program.UsageError("--cache=disk and --cache_dir=DIR go together.")
    if _BATCH.value % _ACCUMULATE.value:
        raise program.UsageError(f"--accumulate divides --batch. Received: {_ACCUMULATE.value}, {_BATCH.value}.")
    _check_upstream()
    _profile()


def _check_upstream() -> None:
    """Refuses what TensorFlow or Keras cannot do; what depends on the machine is refused when it is known."""
    strategy = STRATEGY.value
    if _STEPS_PER_EXECUTION.value > 1 and strategy == "multi_worker":
        raise program.UsageError(
            "--steps_per_execution above 1 fails with --strategy=multi_worker: TensorFlow's collectives within a loop "
            "of the graph raise InvalidArgumentError."
        )
    if _PRECISION.value == "mixed_float16" and strategy != "one_device":
        raise program.UsageError(
            "--precision=mixed_float16 is for --strategy=one_device: Keras's loss scale looks at one replica's "
            "gradients only; use mixed_bfloat16."
        )
    if _PRECISION.value == "float64" and _NORMALIZATION.value == "fused":
        raise program.UsageError(
            "--precision=float64 needs --normalization=keras or synchronized: the fused kernel has no float64."
        )


def _profile() -> tuple[int, int] | None:
    """Returns the steps of --profile.

    Raises:
      UsageError: they are no two steps in order.
    """
    given = _PROFILE.value
    if given is None:
        return None
    if len(given) != 2 or not all(part.isdecimal() for part in given) or not 0 < int(given[0]) <= int(given[1]):
        raise program.UsageError(f"--profile is FIRST,LAST, two step numbers in order. Received: {','.join(given)}.")
    return int(given[0]), int(given[1])


def execution(place: Any) -> Any:
    """Returns the `raspine.training.loop.Execution` that the flags ask for.

    Args:
      place: the strategy, made before any other TensorFlow work.
    """
    from raspine.training import loop

    return loop.Execution(
        strategy=STRATEGY.value,
        steps_per_execution=_STEPS_PER_EXECUTION.value,
        xla=_XLA.value,
        deterministic=_DETERMINISTIC.value,
        checkpoint_seconds=_CHECKPOINT_SECONDS.value,
        log_every=_LOG_EVERY.value,
        histograms=_HISTOGRAMS.value,
        profile=_profile(),
        place=place,
    )


def shared_recipe() -> dict[str, Any]:
    """Returns the values of `raspine.training.loop.Recipe` by name."""
    values: dict[str, flags.FlagHolder[Any]] = {
        "momentum": _MOMENTUM, "batch": _BATCH, "epochs": _EPOCHS, "learning_rate": _RATE, "warmup": _WARMUP,
        "schedule": _SCHEDULE, "weight_decay": _DECAY, "average": _AVERAGE, "validate_every": _EVERY,
        "patience": _PATIENCE, "normalization": _NORMALIZATION, "seed": _SEED, "cache": _CACHE,
        "rate_batch": _RATE_BATCH, "accumulate": _ACCUMULATE, "precision": _PRECISION, "lanes": _LANES,
    }  # fmt: skip
    return {name: flag.value for name, flag in values.items()}


def plane_augmentation(defaults: Any) -> Any:
    """Returns what the augmentation flags ask for within a picture.

    Args:
      defaults: a raspine.inputs.augmentation.Augmentation, for flags that are not given.
    """
    asked = {name: flag.value for name, flag in _CHANGES.items() if flag.value is not None}
    return dataclasses.replace(defaults, **asked)
