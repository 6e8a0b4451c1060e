"""A tiny risk model for the tests of programs: an untrained ResNet on the slices of `study_shards`."""

import pathlib

import keras
import study_shards
from study_shards import COUNT

from raspine import risk
from raspine.models import resnet

SIDE = 32
THRESHOLD = 0.4


def model(per_slice: bool = False, columns: tuple[str, ...] = (), seed: int = 3) -> risk.RiskModel:
    """A model whose risks are arbitrary, always the same, and differ from study to study."""
    keras.utils.set_random_seed(seed)
    network = resnet.resnet(
        14, (SIDE, SIDE, COUNT), per_slice=per_slice, clinical=2 * len(columns), zero_init=True, pool="mean"
    )
    settings = risk.Settings(
        study_shards.choice(study_shards.SIDE),
        SIDE,
        SIDE,
        columns,
        tuple((50.0, 10.0) for _ in columns),
        per_slice=per_slice,
    )
    return risk.RiskModel(network, settings, {"validation": {"val_threshold": THRESHOLD}, "data_hash": "0123"})


def write(folder: pathlib.Path, per_slice: bool = False, columns: tuple[str, ...] = ()) -> pathlib.Path:
    """Writes the model's directory."""
    model(per_slice, columns).save(folder)
    return folder
