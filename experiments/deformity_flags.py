"""The flags of --task=deformity, and what they ask for."""

import pathlib
from typing import Any

from absl import flags

from experiments import training_flags
from raspine import program

_DEPTH = flags.DEFINE_enum("depth", "101", ["14", "26", "50", "101", "152"], "Layers of the ResNet.")
_PER_SLICE = flags.DEFINE_bool(
    "per_slice", False, "One encoder shared by the slices, each with its own map, instead of slices as channels."
)
_POOL = flags.DEFINE_enum(
    "pool", "attention", ["attention", "mean", "mean_max"], "With --per_slice: how the slices' features become one."
)
_DROPOUT = flags.DEFINE_float("dropout", 0.0, "Before the logit.", lower_bound=0, upper_bound=0.9)
_ZERO_INIT = flags.DEFINE_bool("zero_init", False, "Each block begins as the identity.")
_CLINICAL = flags.DEFINE_bool("clinical", False, "Fuse the clinical columns of the data late.")
_RISK_LOSS = flags.DEFINE_enum("risk_loss", "cross_entropy", ["cross_entropy", "focal"], "Between outcome and risk.")
_FOCAL_GAMMA = flags.DEFINE_float("focal_gamma", 2.0, "Of --risk_loss=focal.", lower_bound=0, upper_bound=10)
_SMOOTHING = flags.DEFINE_float(
    "label_smoothing", 0.0, "Share of an outcome spread over both.", lower_bound=0, upper_bound=0.5
)
_CLASS_WEIGHTS = flags.DEFINE_enum(
    "class_weights",
    "none",
    ["none", "balanced"],
    "balanced: both outcomes weigh the same; risks are corrected for it (exactly with cross-entropy).",
)
_CHOOSE = flags.DEFINE_enum("choose", "auc", ["auc", "loss"], "What best/ is chosen by on the validation studies.")
_BRIGHTNESS = flags.DEFINE_float(
    "brightness", 0.05, "Augmentation: added to the grey values 0..1, plus or minus.", lower_bound=0, upper_bound=1
)
_FLIP_SLICES = flags.DEFINE_float(
    "flip_slices",
    0.5,
    "Augmentation: chance of a left-right flip, which reverses the slices; --per_slice does not see it.",
    0,
    1,
)
_FLIP_ROWS = flags.DEFINE_float("flip_rows", 0.0, "Augmentation: chance of an upside-down flip.", 0, 1)

_HOLDERS = (
    _DEPTH, _PER_SLICE, _POOL, _DROPOUT, _ZERO_INIT, _CLINICAL, _RISK_LOSS, _FOCAL_GAMMA, _SMOOTHING, _CLASS_WEIGHTS,
    _CHOOSE, _BRIGHTNESS, _FLIP_SLICES, _FLIP_ROWS,
)  # fmt: skip
NAMES = tuple(holder.name for holder in _HOLDERS)


def check() -> None:
    """Checks the flags before any work.

    Raises:
      UsageError: they do not fit together.
    """
    weights = training_flags.WEIGHTS.value
    if weights and weights != "imagenet" and not pathlib.Path(weights).is_file():
        raise program.UsageError(f"--weights: no file '{weights}'; a path, or `imagenet`.")
    if weights and _DEPTH.value in ("14", "26"):
        message = f"nobody publishes a ResNet of depth {_DEPTH.value}; use --depth=50, 101 or 152."
        raise program.UsageError(f"--weights: {message}")
    for flag, needed, text in (
        (_POOL, _PER_SLICE.value, "--per_slice"),
        (_FOCAL_GAMMA, _RISK_LOSS.value == "focal", "--risk_loss=focal"),
    ):
        if flags.FLAGS[flag.name].present and not needed:
            raise program.UsageError(f"--{flag.name} is for {text}.")


def train(data_folder: str, folder: pathlib.Path, execution: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Trains what the flags ask for and returns what stands in run.json.

    Args:
      data_folder: written by data_prep.mri.
      folder: of the run.
      execution: a raspine.training.loop.Execution.
      facts: for run.json.

    Raises:
      UsageError: the data are none.
    """
    from raspine.training import deformity as training

    try:
        data = training.open_data(data_folder)
    except ValueError as error:
        raise program.UsageError(str(error)) from error
    start, cache_dir = training_flags.WEIGHTS.value or "", training_flags.CACHE_DIR.value or ""
    recipe = _recipe()
    if warning := window_warning((recipe.height, recipe.width_px), data.choice.size, data.choice.canvas_mm):
        print(warning)
    return training.train(recipe, data, folder, start, execution, cache_dir, facts)


def window_warning(network: tuple[int, int], records: tuple[int, int], pixel_mm: float) -> str:
    """Returns a warning when a network sees less than a quarter of the slices; empty otherwise.

    Args:
      network: (height, width) of its input, pixels; 0 for the records'.
      records: (rows, columns) of a slice.
      pixel_mm: of a slice.
    """
    height, width = (part or whole for part, whole in zip(network, records, strict=True))
    if 4 * height * width >= records[0] * records[1]:
        return ""
    seen, slices = (f"{rows * pixel_mm:g} x {columns * pixel_mm:g} mm" for rows, columns in ((height, width), records))
    return (
        f"warning: the network sees the middle {seen} of slices of {slices}: write the records with larger pixels "
        "(--pixel_mm and --size of data_prep.mri), or give a larger --input_height and --input_width."
    )


def _recipe() -> Any:
    from raspine.inputs import study_augmentation
    from raspine.training import deformity as training

    changes = study_augmentation.StudyAugmentation(
        plane=training_flags.plane_augmentation(study_augmentation.StudyAugmentation().plane),
        brightness=_BRIGHTNESS.value,
        flip_slices=_FLIP_SLICES.value,
        flip_rows=_FLIP_ROWS.value,
    )
    return training.Recipe(
        depth=int(_DEPTH.value),
        height=training_flags.HEIGHT.value,
        width_px=training_flags.WIDTH_PX.value,
        per_slice=_PER_SLICE.value,
        pool=_POOL.value,
        dropout=_DROPOUT.value,
        zero_init=_ZERO_INIT.value,
        clinical=_CLINICAL.value,
        loss=_RISK_LOSS.value,
        focal_gamma=_FOCAL_GAMMA.value,
        label_smoothing=_SMOOTHING.value,
        class_weights=_CLASS_WEIGHTS.value,
        choose=_CHOOSE.value,
        augmentation=changes,
        **training_flags.shared_recipe(),
    )
