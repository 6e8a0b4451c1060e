"""Trains a network and leaves best/, last/, run.json and tensorboard/ in --output_dir.

    python -m experiments.train --flagfile=experiments/subluxation/recommended.flags --data=DIR --output_dir=DIR

A run that was interrupted goes on when the same command is given again. `tensorboard --logdir DIR` shows it while it
runs.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from raspine import landmarks, program

TASKS = ("subluxation", "landmarks")

_TASK = flags.DEFINE_enum("task", "subluxation", TASKS, "What to train: subluxation demands the atlantoaxial schema.")
_DATA = flags.DEFINE_string("data", None, "Folder written by data_prep.radiographs.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the run; made, or gone on with.", required=True)
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    "one_device",
    ["one_device", "mirrored"],
    "One device, or all GPUs (or logical CPUs) of this machine.",
)
_LOGICAL_CPUS = flags.DEFINE_integer(
    "logical_cpus",
    1,
    "Split the CPU, to try --strategy=mirrored without GPUs.",
    lower_bound=1,
    upper_bound=64,
)
_WEIGHTS = flags.DEFINE_string("weights", None, "Published HRNet weights to start from (.safetensors or .pth).")
_SKIP_HEAD = flags.DEFINE_bool("skip_head", False, "Leave out the head (and the ImageNet classifier) of --weights.")

_REFINE = flags.DEFINE_string(
    "refine", None, "Model directory for whole films: trains a refiner that looks again at the region it finds."
)
_REACH = flags.DEFINE_float(
    "reach", 3.0, "With --refine: half the region over the landmarks' spread about their mean.", lower_bound=1.2
)

_WIDTH = flags.DEFINE_integer("width", 32, "Channels of HRNet's finest branch; 32 and 48 are published.", lower_bound=8)
_SMALL = flags.DEFINE_bool("small", False, "HRNet-W18-small, for CPUs; 18 channels unless --width says 16.")
_HEIGHT = flags.DEFINE_integer("input_height", 256, "Of the network's input, pixels; a multiple of 32.", lower_bound=32)
_WIDTH_PX = flags.DEFINE_integer(
    "input_width", 256, "Of the network's input, pixels; a multiple of 32.", lower_bound=32
)
_SIGMA = flags.DEFINE_float("sigma", 2.0, "Of the heatmap targets, in cells of 4 pixels.", lower_bound=0.3)
_CODEC = flags.DEFINE_enum("codec", "unbiased", ["unbiased", "paper"], "How points become heatmaps and back.")
_LOSS = flags.DEFINE_enum("loss", "cross_entropy", ["cross_entropy", "mse"], "Between target and predicted heatmap.")
_INITIALIZER = flags.DEFINE_enum(
    "initializer", "he_normal", ["he_normal", "published"], "Of the convolutions; published is N(0, 0.001)."
)
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
_BATCH = flags.DEFINE_integer("batch", 8, "Films a step, over all replicas.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 40, "Passes over the training films.", lower_bound=1)
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
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, order and augmentation.", lower_bound=0)
_CACHE = flags.DEFINE_enum("cache", "memory", ["memory", "none"], "Whether framed films stay in memory.")

_ROTATION = flags.DEFINE_float(
    "rotation", 15.0, "Augmentation: degrees, plus or minus.", lower_bound=0, upper_bound=180
)
_SCALE = flags.DEFINE_float("scale", 0.2, "Augmentation: size, up to 1 + this.", lower_bound=0, upper_bound=2)
_STRETCH = flags.DEFINE_float("stretch", 0.0, "Augmentation: aspect, up to 1 + this.", lower_bound=0, upper_bound=1)
_TRANSLATION = flags.DEFINE_float(
    "translation", 0.06, "Augmentation: shift, as a share of the longer side.", lower_bound=0, upper_bound=1
)
_GAMMA = flags.DEFINE_float("gamma", 0.4, "Augmentation: exponent of the grey values, up to 1 + this.", lower_bound=0)
_CONTRAST = flags.DEFINE_float("contrast", 0.2, "Augmentation: contrast, up to 1 + this.", lower_bound=0)
_NOISE = flags.DEFINE_float("noise", 0.1, "Augmentation: noise, as a share of the film's deviation.", lower_bound=0)
_CUTOUT = flags.DEFINE_integer("cutout", 2, "Augmentation: squares blanked.", lower_bound=0, upper_bound=50)
_CUTOUT_SIZE = flags.DEFINE_float("cutout_size", 0.12, "Augmentation: side of a square.", lower_bound=0, upper_bound=1)
_MIRROR = flags.DEFINE_float("mirror", 0.0, "Augmentation: chance of a mirror image.", lower_bound=0, upper_bound=1)


def main(argv: Sequence[str]) -> None:
    """Checks the flags together, trains, and says where the results are."""
    _check(argv)
    # TensorFlow takes seconds to load: wrong flags should not.
    import tensorflow as tf

    from raspine.training import loop, strategy

    try:
        data = loop.open_data(_DATA.value)
    except ValueError as error:
        raise program.UsageError(str(error)) from error
    if _TASK.value == "subluxation" and data.schema.name != "atlantoaxial":
        raise program.UsageError(
            f"--task=subluxation needs the schema atlantoaxial. Received: {data.schema.name}; use --task=landmarks."
        )
    if _LOGICAL_CPUS.value > 1:
        strategy.split_cpu(_LOGICAL_CPUS.value)
    folder = pathlib.Path(_OUTPUT_DIR.value)
    facts = {"task": _TASK.value, "flags": _values()}
    start = pathlib.Path(_WEIGHTS.value) if _WEIGHTS.value else None
    locator = _locator(data.schema)
    try:
        result = loop.train(_recipe(), data, folder, _STRATEGY.value, start, _SKIP_HEAD.value, locator, facts)
    except (loop.RunFolderError, loop.RecipeError) as error:
        raise program.UsageError(str(error)) from error
    except tf.errors.OpError as error:
        raise program.NothingDone(f"TensorFlow: {error.message.splitlines()[0]}") from error
    except FloatingPointError as error:
        raise program.NothingDone(str(error)) from error
    print(_closing(result, folder))


def _check(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise program.UsageError(f"arguments are given as --flag=value. Received: {' '.join(argv[1:])}.")
    for flag in (_HEIGHT, _WIDTH_PX):
        if flag.value % 32:
            raise program.UsageError(f"--{flag.name} must be a multiple of 32. Received: {flag.value}.")
    if not pathlib.Path(_DATA.value).is_dir():
        raise program.UsageError(f"--data: no folder '{_DATA.value}'.")
    if _WEIGHTS.value and not pathlib.Path(_WEIGHTS.value).is_file():
        raise program.UsageError(f"--weights: no file '{_WEIGHTS.value}'.")
    if _LOGICAL_CPUS.value > 1 and _STRATEGY.value != "mirrored":
        raise program.UsageError("--logical_cpus is for --strategy=mirrored.")
    if flags.FLAGS["reach"].present and not _REFINE.value:
        raise program.UsageError("--reach is for a refiner: name the model directory to refine with --refine.")


def _locator(schema: landmarks.Schema) -> Any:
    """Returns the landmarker of --refine, if any."""
    if not _REFINE.value:
        return None
    from raspine import landmarker

    try:
        found = landmarker.load(_REFINE.value)
    except landmarker.ModelDirectoryError as error:
        raise program.UsageError(f"--refine: {error}") from error
    if found.schema.landmarks != schema.landmarks:
        raise program.UsageError(f"--refine: the model finds {found.schema.name}, the data hold {schema.name}.")
    return found


def _recipe() -> Any:
    from raspine.inputs import augmentation
    from raspine.training import loop

    changes = augmentation.Augmentation(
        rotation_degrees=_ROTATION.value,
        scale=_SCALE.value,
        stretch=_STRETCH.value,
        translation=_TRANSLATION.value,
        gamma=_GAMMA.value,
        contrast=_CONTRAST.value,
        noise=_NOISE.value,
        cutout=_CUTOUT.value,
        cutout_size=_CUTOUT_SIZE.value,
        mirror=_MIRROR.value,
    )
    values: dict[str, flags.FlagHolder[Any]] = {
        "width": _WIDTH, "small": _SMALL, "height": _HEIGHT, "width_px": _WIDTH_PX, "sigma": _SIGMA, "codec": _CODEC,
        "loss": _LOSS, "initializer": _INITIALIZER, "momentum": _MOMENTUM, "batch": _BATCH, "epochs": _EPOCHS,
        "learning_rate": _RATE, "warmup": _WARMUP, "schedule": _SCHEDULE, "weight_decay": _DECAY, "average": _AVERAGE,
        "validate_every": _EVERY, "normalization": _NORMALIZATION, "seed": _SEED, "cache": _CACHE,
    }  # fmt: skip
    reach = _REACH.value if _REFINE.value else 0.0
    return loop.Recipe(augmentation=changes, reach=reach, **{name: flag.value for name, flag in values.items()})


# Paths stay out of what is passed on with a model; `start` in run.json holds their content's hash.
_PLACES = ("data", "output_dir", "weights", "refine")


def _values() -> dict[str, Any]:
    own = flags.FLAGS.get_flags_for_module("__main__") or flags.FLAGS.get_flags_for_module(__name__)
    return {flag.name: flag.value for flag in own if flag.name not in _PLACES}


def _closing(result: dict[str, Any], folder: pathlib.Path) -> str:
    best = result.get("best")
    if not best:
        return f"No validation films: the network after the last epoch is in {folder / 'last'}."
    figures = [f"{best[key]:.3g} {unit}" for key, unit in (("val_mre_mm", "mm"), ("val_pck", "PCK")) if key in best]
    return f"Best in epoch {best['epoch']} (validation {', '.join(figures)}): {folder / 'best'}"


def run() -> None:
    """Console entry."""
    program.run(main)


if __name__ == "__main__":
    run()
