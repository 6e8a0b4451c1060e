"""Training of a risk network on tiny studies whose sign is a bright square."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Iterator

import forked
import numpy as np
import power_cut
import pytest
import study_shards

from raspine import risk
from raspine.inputs import augmentation, study_augmentation
from raspine.models import resnet
from raspine.training import callbacks, deformity, loop, risk_validation

ROOT = pathlib.Path(__file__).resolve().parents[3]
STILL = study_augmentation.StudyAugmentation(augmentation.Augmentation(0, 0, 0, 0.05, 0, 0, 0.02, 0), brightness=0.02)
RECIPE = deformity.Recipe(
    depth=26, height=32, width_px=32, batch=4, epochs=2, learning_rate=2e-3, average=0.9, seed=3, augmentation=STILL,
    clinical=True, class_weights="balanced", dropout=0.2,
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def shallow() -> Iterator[None]:
    """One block: the loop is under test, and tracing the whole network takes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(resnet.BLOCKS, 26, (1, 0, 0, 0))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> deformity.Data:
    folder = study_shards.write(tmp_path_factory.mktemp("data"), {"train": 14, "validation": 6, "test": 4})
    return deformity.open_data(folder)


@pytest.fixture(scope="module")
def undisturbed(data: deformity.Data, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("run")
    deformity.train(RECIPE, data, folder)
    return folder


def test_a_run_leaves_models_figures_and_a_threshold(undisturbed: pathlib.Path) -> None:
    run = json.loads((undisturbed / "run.json").read_text())
    assert {"loss", "val_loss", "val_auc", "val_threshold"} <= set(run["history"][0])
    assert run["pace"]["step_seconds"] > 0
    assert run["pace"]["peak_memory_mib"] > 100
    assert run["best"]["val_auc"] == max(entry["val_auc"] for entry in run["history"])
    model = risk.load(undisturbed / "best")
    assert model.threshold == run["best"]["val_threshold"]
    assert model.settings.columns == ("age", "sex")
    assert model.settings.scale[1] == (0.0, 1.0), "nobody's sex is known: no scale can be taken from it"
    events = b"".join(path.read_bytes() for path in (undisturbed / "tensorboard").rglob("events*"))
    for tag in (b"auc", b"learning_rate", b"ROC on the validation studies"):
        assert tag in events


def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(
    data: deformity.Data, undisturbed: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kept = power_cut.after_saves(2, patch)
        with pytest.raises(power_cut.PowerCutError):
            deformity.train(RECIPE, data, tmp_path, execution=loop.Execution(checkpoint_seconds=0))
    assert kept == [1, 2], "in the midst of the first epoch"
    assert deformity.train(RECIPE, data, tmp_path)["epochs_done"] == 2
    resumed, expected = (risk.load(folder / "last").network.get_weights() for folder in (tmp_path, undisturbed))
    for one, other in zip(resumed, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_balanced_weights_are_taken_back_from_the_risk(data: deformity.Data) -> None:
    few = dataclasses.replace(data, studies={"train": 100}, positive={"train": 20})
    task = deformity.Task(dataclasses.replace(RECIPE, clinical=False), few)
    assert task.weights == (100 / 160, 100 / 40)
    subject = task.subject(task.build(), {})
    # Equal weights make the network believe in a prevalence of a half: a logit of 0 is then the true 20 %.
    assert 1 / (1 + math.exp(-subject.settings.logit_shift)) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 64}, "network's height is a multiple of 32 and at most the records' 40"),
        ({"width_px": 33}, "network's width is a multiple of 32"),
        ({"height": 0}, "Received: 40"),
    ],
)
def test_a_size_that_does_not_fit_the_records_is_refused(data: deformity.Data, changes: dict, message: str) -> None:
    with pytest.raises(loop.RecipeError, match=message):
        deformity.Task(dataclasses.replace(RECIPE, **changes), data)


def test_one_outcome_alone_and_missing_columns_are_refused(data: deformity.Data) -> None:
    with pytest.raises(loop.RecipeError, match="all have one outcome"):
        deformity.Task(RECIPE, dataclasses.replace(data, positive={"train": 0}))
    with pytest.raises(loop.RecipeError, match="no clinical columns"):
        deformity.Task(RECIPE, dataclasses.replace(data, columns=()))


def test_a_folder_without_studies_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="is no data folder of"):
        deformity.open_data(tmp_path)
    study_shards.write(tmp_path, {"train": 2})
    with pytest.raises(ValueError, match="no test studies"):
        deformity.open_data(tmp_path, ("train", "test"))


def test_the_last_validated_figures_stay_with_later_weights(
    data: deformity.Data, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=5, validate_every=2, patience=2, clinical=False, average=0.0)
    # Worse from the second validation on: the run ends there, in epoch 4 of 5.
    aucs = iter([0.9, 0.6, 0.5])
    monkeypatch.setattr(risk_validation, "figures", lambda *_: {"val_auc": next(aucs), "val_threshold": 0.3})
    run = deformity.train(recipe, data, tmp_path)
    assert [run["epochs_done"], run["best"]["epoch"]] == [4, 2]
    last = risk.load(tmp_path / "last")
    assert last.threshold == 0.3
    assert last.card["validation_epoch"] == 4
    again = deformity.train(recipe, data, tmp_path)
    assert again["epochs_done"] == 4, "a run that its patience ended goes on no more"


def test_validation_studies_of_one_outcome_have_no_auc(data: deformity.Data) -> None:
    alike = dataclasses.replace(data, positive={**data.positive, "validation": 0})
    with pytest.raises(loop.RecipeError, match="split again with --stratify"):
        deformity.Task(RECIPE, alike)
    deformity.Task(dataclasses.replace(RECIPE, choose="loss"), alike)


class Stub(callbacks.Keeper):
    """A keeper that knows its best epoch."""

    def __init__(self, best: int, better: bool, validated: bool):
        self.best, self._better, self._was = {"epoch": best, "score": 1.0}, better, validated

    def is_better(self, figures: object) -> bool:
        return self._better

    def is_validated(self, figures: object) -> bool:
        return self._was


@pytest.mark.parametrize(
    ("epoch", "better", "validated", "stops"),
    [(4, False, True, False), (5, False, True, True), (5, True, True, False), (5, False, False, False)],
)
def test_patience_ends_after_so_many_epochs_without_a_better_one(
    epoch: int, better: bool, validated: bool, stops: bool
) -> None:
    patience = callbacks.Patience(Stub(2, better, validated), 3)
    patience.set_model(type("Model", (), {"stop_training": False})())
    patience.on_epoch_end(epoch - 1)
    assert patience.model.stop_training is stops


def test_the_per_slice_variant_trains_over_two_devices(data: deformity.Data, tmp_path: pathlib.Path) -> None:
    """Logical devices must be made before TensorFlow starts, so this trains in a process of its own."""
    arguments = [
        "--task=deformity", f"--data={data.folder}", "--depth=14",
        "--seed=3", "--input_height=32", "--input_width=32", "--batch=4", "--epochs=1", "--cutout=0", "--per_slice",
        "--clinical", "--risk_loss=focal", "--strategy=mirrored", "--logical_cpus=2",
        f"--output_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    finished = forked.run("experiments.train", arguments, ROOT)
    assert finished.returncode == 0, finished.stderr
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["strategy"] == "mirrored"
    assert np.isfinite(run["history"][0]["loss"])
    model = risk.load(tmp_path / "run" / "best")
    assert model.settings.per_slice
    risks = model.risk(np.zeros((2, study_shards.COUNT, 40, 40), np.uint16))
    assert ((risks > 0) & (risks < 1)).all()
