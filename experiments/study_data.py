"""The flag --data for a risk model: studies with the slices that it was trained on, or status 2."""

import tensorflow as tf

from raspine import program, risk
from raspine.inputs import slices, studies
from raspine.training import deformity


def open_for(model: risk.RiskModel, folder: str) -> deformity.Data:
    """Returns the data set in a folder.

    Raises:
      UsageError: it is none of data_prep.mri, or its slices were taken in another way than the model's.
    """
    try:
        data = deformity.open_data(folder, ())
    except ValueError as error:
        raise program.UsageError(f"--data: {error}") from error
    if _meaning(data.choice) != _meaning(model.settings.choice):
        raise program.UsageError(
            f"--data: its slices are {describe(data.choice)}, the model was trained on "
            f"{describe(model.settings.choice)}: write the records again with data_prep.mri and "
            f"{as_flags(model.settings.choice)}."
        )
    return data


def batches(model: risk.RiskModel, data: deformity.Data, split: str, batch: int) -> tf.data.Dataset:
    """Returns a split's batches of `inputs.studies.evaluation`; nothing is kept in memory.

    Raises:
      FileNotFoundError: the split has no shard.
    """
    settings = model.settings
    pipeline = data.pipeline((settings.height, settings.width), batch, "none", settings.places)
    return studies.evaluation(studies.shards(data.folder, split), pipeline)


def notes(model: risk.RiskModel, data: deformity.Data) -> list[str]:
    """Returns what a reader of results must know: clinical columns that the model takes and the data lack."""
    absent = [name for name in model.settings.columns if name not in data.columns]
    return [f"clinical columns that the data do not have count as missing: {', '.join(absent)}."] if absent else []


def describe(choice: slices.Choice) -> str:
    """Returns how slices were taken, for people."""
    rows, columns = choice.size
    slab = f", slab_mm {choice.thickness_mm:g}" if choice.kind == slices.SLAB else ""
    return f"{choice.count} x {choice.kind}, {rows} x {columns} pixels of {choice.canvas_mm:g} mm{slab}"


def as_flags(choice: slices.Choice) -> str:
    """Returns the flags of data_prep.mri with which slices are taken so."""
    rows, columns = choice.size
    slab = f" --slab_mm={choice.thickness_mm:g}" if choice.kind == slices.SLAB else ""
    pixel = f" --pixel_mm={choice.pixel_mm:g}" if choice.kind != slices.PAPER_LITERAL else ""
    return f"--slices={choice.kind} --count={choice.count}{pixel} --size={rows},{columns}{slab}"


def _meaning(choice: slices.Choice) -> tuple[object, ...]:
    """Returns what decides about the pixels: a thickness only for slabs, the canvas's mm instead of the wanted."""
    thickness = choice.thickness_mm if choice.kind == slices.SLAB else None
    return choice.kind, choice.count, choice.canvas_mm, choice.size, thickness
