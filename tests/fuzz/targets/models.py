"""Model directories: the card and the network of a landmarker and of a risk model."""

import pathlib
import tempfile

import conftest
import keras
import study_models
import study_shards

from fuzz.mutation import archives, folder
from fuzz.targets import Target
from raspine import landmarker, risk


def _landmarker_seed() -> dict[str, bytes]:
    return {"two_looks": _packed(conftest.tiny_landmarker())}


def _risk_seed() -> dict[str, bytes]:
    return {"plain": _packed(tiny_risk(())), "clinical": _packed(tiny_risk(("age",)))}


def tiny_risk(columns: tuple[str, ...]) -> risk.RiskModel:
    """A network of a few layers: Keras takes seconds to read a ResNet."""
    side = study_models.SIDE
    images = keras.Input((side, side, study_models.COUNT), name="image")
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(images))
    inputs, joined = [images], pooled
    if columns:
        inputs.append(keras.Input((2 * len(columns),), name="clinical"))
        joined = keras.layers.Concatenate()([pooled, inputs[1]])
    network = keras.Model(inputs if columns else images, keras.layers.Dense(1)(joined))
    scale = tuple((50.0, 10.0) for _ in columns)
    settings = risk.Settings(study_shards.choice(study_shards.SIDE), side, side, columns, scale)
    return risk.RiskModel(network, settings, {"validation": {"val_threshold": 0.4}})


def _packed(model: landmarker.Landmarker | risk.RiskModel) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        made = pathlib.Path(place) / "best"
        model.save(made)
        return folder.pack({path.name: path.read_bytes() for path in sorted(made.iterdir())})


def _read_landmarker(data: bytes) -> object:
    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as place:
        found = landmarker.load(folder.write(data, pathlib.Path(place) / "best"), fast=False)
    return found.schema.landmarks and ()


def _read_risk(data: bytes) -> object:
    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as place:
        found = risk.load(folder.write(data, pathlib.Path(place) / "best"), fast=False)
    assert 0.0 <= found.threshold <= 1.0
    return ()


_SPOIL = folder.mutator({"json": archives.card, "keras": archives.zipped})
TARGETS = {
    "landmarker": Target(_read_landmarker, (landmarker.ModelDirectoryError,), _landmarker_seed, _SPOIL),
    "risk": Target(_read_risk, (risk.ModelDirectoryError,), _risk_seed, _SPOIL),
}
