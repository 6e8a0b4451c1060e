"""Training of landmarks, and the loop, on films with one bright disc: a few steps suffice to see that it works."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator

import film_shards
import forked
import numpy as np
import power_cut
import pytest
import tensorflow as tf

from raspine import landmarker
from raspine.inputs import augmentation
from raspine.models import hrnet
from raspine.training import landmarks as training
from raspine.training import loop

SCHEMA, SIDE = film_shards.SCHEMA, film_shards.SIDE
RECIPE = training.Recipe(
    small=True,
    height=SIDE,
    width_px=SIDE,
    batch=4,
    epochs=2,
    learning_rate=2e-3,
    average=0.9,
    seed=3,
    augmentation=augmentation.Augmentation(cutout=0),
)


@pytest.fixture(autouse=True, scope="module")
def shallow() -> Iterator[None]:
    """One module: the loop is under test, and tracing the whole network takes long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hrnet, "SMALL_DEPTH", hrnet.Depth(1, (1, 0, 0), 1))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> training.Data:
    return training.open_data(film_shards.write(tmp_path_factory.mktemp("data"), {"train": 12, "validation": 3}))


@pytest.fixture(scope="module")
def undisturbed(data: training.Data, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("run")
    training.train(RECIPE, data, folder)
    return folder


def weights(folder: pathlib.Path) -> list[np.ndarray]:
    return landmarker.load(folder / "last").network.get_weights()


def test_a_run_leaves_models_figures_and_monitoring(undisturbed: pathlib.Path) -> None:
    run = json.loads((undisturbed / "run.json").read_text())
    assert [entry["epoch"] for entry in run["history"]] == [1, 2]
    assert {"loss", "val_mre_mm", "val_sdr_2mm", "val_pck"} <= set(run["history"][0])
    assert run["data_hash"] == "0" * 64
    assert run["versions"]["tensorflow"].startswith("2.")
    scores = [entry["val_mre_mm"] for entry in run["history"]]
    assert run["best"]["val_mre_mm"] == min(scores)
    for name in ("best", "last"):
        assert landmarker.load(undisturbed / name).schema == SCHEMA
    events = {tag for file in (undisturbed / "tensorboard").rglob("events*") for tag in tags(file)}
    assert {"loss", "mre_mm", "pck", "learning_rate", "predicted (circle) and true (cross)"} <= events


def tags(events: pathlib.Path) -> set[str]:
    records_ = tf.data.TFRecordDataset(str(events)).as_numpy_iterator()
    return {value.tag for item in records_ for value in tf.compat.v1.Event.FromString(item).summary.value}


def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(
    data: training.Data, undisturbed: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kept = power_cut.after_saves(2, patch)
        with pytest.raises(power_cut.PowerCutError):
            training.train(RECIPE, data, tmp_path, execution=loop.Execution(checkpoint_seconds=0))
    assert kept == [1, 2], "in the midst of the first epoch"
    assert training.train(RECIPE, data, tmp_path)["epochs_done"] == 2
    for resumed, expected in zip(weights(tmp_path), weights(undisturbed), strict=True):
        np.testing.assert_array_equal(resumed, expected)


def test_a_refiner_is_trained_behind_a_landmarker_and_saved_with_it(
    data: training.Data, undisturbed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    recipe = dataclasses.replace(RECIPE, reach=3.0, epochs=1)
    with pytest.raises(ValueError, match="needs a landmarker for whole films"):
        training.train(recipe, data, tmp_path / "alone")
    locator = landmarker.load(undisturbed / "best")
    training.train(recipe, data, tmp_path / "refined", locator=locator)
    saved = landmarker.load(tmp_path / "refined" / "best")
    assert [stage.settings.reach for stage in saved.stages] == [0.0, 3.0]
    for kept, before in zip(saved.network.get_weights(), locator.network.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, before)
    pixels = np.random.default_rng(5).integers(0, 65535, (90, 70), dtype=np.uint16)
    spacing = np.array([[0.5, 0.4]], np.float32)
    located, confidence = saved.locate([(pixels, (0.5, 0.4))])
    in_graph, _ = saved.answer(tf.constant(pixels[None]), tf.constant(spacing))
    np.testing.assert_allclose(in_graph.numpy(), located, atol=1e-3)
    coarse, _ = locator.locate([(pixels, (0.5, 0.4))])
    fine = saved.stages[1].locate([(pixels, (0.5, 0.4))], coarse)[0].numpy()
    np.testing.assert_array_equal(located, fine)
    scores = [locator.locate([(pixels, (0.5, 0.4))])[1], saved.stages[1].locate([(pixels, (0.5, 0.4))], coarse)[1]]
    np.testing.assert_allclose(confidence, np.minimum(*map(np.asarray, scores)), atol=1e-6)


def test_a_finished_run_is_left_as_it_is(data: training.Data, undisturbed: pathlib.Path) -> None:
    before = weights(undisturbed)
    assert training.train(RECIPE, data, undisturbed)["epochs_done"] == 2
    for same, expected in zip(weights(undisturbed), before, strict=True):
        np.testing.assert_array_equal(same, expected)


def test_another_recipe_or_foreign_content_is_refused(
    data: training.Data, undisturbed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(loop.RunFolderError, match="another recipe"):
        training.train(dataclasses.replace(RECIPE, epochs=3), data, undisturbed)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(loop.RunFolderError, match="holds no run"):
        training.train(RECIPE, data, tmp_path)


def test_a_folder_without_records_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="is no data folder"):
        training.open_data(tmp_path)


MIRRORED = """
from raspine.models import hrnet
hrnet.SMALL_DEPTH = hrnet.Depth(1, (1, 0, 0), 1)
from experiments import train
train.run()
"""


def test_mirrored_trains_over_two_devices(data: training.Data, tmp_path: pathlib.Path) -> None:
    """Logical devices must be made before TensorFlow starts, so this trains in a process of its own."""
    (tmp_path / "train.py").write_text(MIRRORED)
    arguments = [
        "--task=landmarks", f"--data={data.folder}", "--small", "--seed=3",
        f"--input_height={SIDE}", f"--input_width={SIDE}", "--batch=4", "--epochs=1", "--cutout=0",
        f"--output_dir={tmp_path / 'mirrored'}", "--strategy=mirrored", "--logical_cpus=2", "--weight_average=0.9",
    ]  # fmt: skip
    finished = forked.run(str(tmp_path / "train.py"), arguments, tmp_path)
    assert finished.returncode == 0, finished.stderr
    run = json.loads((tmp_path / "mirrored" / "run.json").read_text())
    assert run["strategy"] == "mirrored"
    assert np.isfinite(run["history"][0]["loss"])
    assert landmarker.load(tmp_path / "mirrored" / "best").schema == SCHEMA
