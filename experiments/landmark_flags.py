"""The flags of --task=subluxation and --task=landmarks, and what they ask for."""

import pathlib
from typing import Any

from absl import flags

from experiments import training_flags
from raspine import landmarks, program

_REFINE = flags.DEFINE_string(
    "refine", None, "Model directory for whole films: trains a refiner that looks again at the region it finds."
)
_REACH = flags.DEFINE_float(
    "reach", 3.0, "With --refine: half the region over the landmarks' spread about their mean.", lower_bound=1.2
)
_SKIP_HEAD = flags.DEFINE_bool("skip_head", False, "Leave out the head (and the ImageNet classifier) of --weights.")
_WIDTH = flags.DEFINE_integer("width", 32, "Channels of HRNet's finest branch; 32 and 48 are published.", lower_bound=8)
_SMALL = flags.DEFINE_bool("small", False, "HRNet-W18-small, for CPUs; 18 channels unless --width says 16.")
_SIGMA = flags.DEFINE_float("sigma", 2.0, "Of the heatmap targets, in cells of 4 pixels.", lower_bound=0.3)
_CODEC = flags.DEFINE_enum("codec", "unbiased", ["unbiased", "paper"], "How points become heatmaps and back.")
_LOSS = flags.DEFINE_enum("loss", "cross_entropy", ["cross_entropy", "mse"], "Between target and predicted heatmap.")
_INITIALIZER = flags.DEFINE_enum(
    "initializer", "he_normal", ["he_normal", "published"], "Of the convolutions; published is N(0, 0.001)."
)

_HOLDERS = (_REFINE, _REACH, _SKIP_HEAD, _WIDTH, _SMALL, _SIGMA, _CODEC, _LOSS, _INITIALIZER)
NAMES = tuple(holder.name for holder in _HOLDERS)
_SIDE = 256


def check() -> None:
    """Checks the flags before any work.

    Raises:
      UsageError: they do not fit together.
    """
    weights = training_flags.WEIGHTS.value
    if weights and not pathlib.Path(weights).is_file():
        raise program.UsageError(f"--weights: no file '{weights}'.")
    if flags.FLAGS["reach"].present and not _REFINE.value:
        raise program.UsageError("--reach is for a refiner: name the model directory to refine with --refine.")


def train(task: str, data_folder: str, folder: pathlib.Path, execution: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """Trains what the flags ask for and returns what stands in run.json.

    Args:
      task: `subluxation` or `landmarks`.
      data_folder: written by data_prep.radiographs.
      folder: of the run.
      execution: a raspine.training.loop.Execution.
      facts: for run.json.

    Raises:
      UsageError: the data are none, or of another schema than the task or --refine.
    """
    from raspine.training import landmarks as training

    try:
        data = training.open_data(data_folder)
    except ValueError as error:
        raise program.UsageError(str(error)) from error
    if task == "subluxation" and data.schema.name != "atlantoaxial":
        raise program.UsageError(
            f"--task=subluxation needs the schema atlantoaxial. Received: {data.schema.name}; use --task=landmarks."
        )
    weights = training_flags.WEIGHTS.value
    start = pathlib.Path(weights) if weights else None
    locator = _locator(data.schema)
    cache_dir = training_flags.CACHE_DIR.value or ""
    return training.train(_recipe(), data, folder, start, _SKIP_HEAD.value, locator, execution, cache_dir, facts)


def _locator(schema: landmarks.Schema) -> Any:
    """Returns the landmarker of --refine, if any."""
    if not _REFINE.value:
        return None
    from raspine import landmarker

    try:
        found = landmarker.load(str(_REFINE.value))
    except landmarker.ModelDirectoryError as error:
        raise program.UsageError(f"--refine: {error}") from error
    if found.schema.landmarks != schema.landmarks:
        raise program.UsageError(f"--refine: the model finds {found.schema.name}, the data hold {schema.name}.")
    return found


def _recipe() -> Any:
    from raspine.inputs import augmentation
    from raspine.training import landmarks as training

    return training.Recipe(
        width=_WIDTH.value,
        small=_SMALL.value,
        height=training_flags.HEIGHT.value or _SIDE,
        width_px=training_flags.WIDTH_PX.value or _SIDE,
        sigma=_SIGMA.value,
        codec=_CODEC.value,
        loss=_LOSS.value,
        initializer=_INITIALIZER.value,
        augmentation=training_flags.plane_augmentation(augmentation.Augmentation()),
        reach=_REACH.value if _REFINE.value else 0.0,
        **training_flags.shared_recipe(),
    )
