import pathlib
import resource
from collections import defaultdict
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from raspine import board
from raspine.training import monitoring, profiling


@pytest.fixture
def model() -> keras.Model:
    return compiled(0.5)


def compiled(rate: Any) -> keras.Model:
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3, name="first")])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def step_logs(loss: Any, seconds: float = 1.0, waited: float | None = 0.25, steps: int = 1) -> dict[str, Any]:
    return {"loss": loss, "items": 8 * steps, "steps": steps, "seconds": seconds, "waited": waited}


def events(folder: pathlib.Path) -> list[tuple[str, int, Any]]:
    """Returns tag, step and value of all that stands in a folder's event files."""
    found = []
    for file in sorted(folder.glob("events*")):
        for item in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(item)
            found += [(value.tag, event.step, value) for value in event.summary.value]
    return found


def scalars(folder: pathlib.Path) -> dict[str, dict[int, float]]:
    found = defaultdict[str, dict[int, float]](dict)
    for tag, step, value in events(folder):
        if value.metadata.plugin_data.plugin_name == "scalars":
            found[tag][step] = float(tf.make_ndarray(value.tensor))
    return dict(found)


class Loss:
    """A scalar that counts how often it is read from its device."""

    def __init__(self, value: float):
        self.value, self.reads = value, 0

    def __float__(self) -> float:
        self.reads += 1
        return self.value


def test_figures_by_step_stand_for_the_steps_since_the_last_ones(tmp_path: pathlib.Path, model: keras.Model) -> None:
    monitor = monitoring.Monitor(tmp_path, every=2)
    monitor.set_model(model)
    losses = [Loss(value) for value in (5.0, 4.0, 3.0, 2.0, 1.0)]
    spans = [(100.0, 99.0), (1.0, 0.1), (2.0, 1.0), (6.0, 1.0), (1.0, 1.0)]
    for step, (loss, (seconds, waited)) in enumerate(zip(losses, spans, strict=True), start=1):
        monitor.on_train_batch_end(step, step_logs(loss, seconds, waited))
    monitor.on_train_end()
    found = scalars(tmp_path / "train")
    assert found["step/loss"] == {2: 4.0, 4: 2.0}
    assert found["step/learning_rate"] == {2: 0.5, 4: 0.5}
    assert found["step/items_per_second"] == {2: 8.0, 4: 2.0}
    assert found["step/input_share"] == pytest.approx({2: 0.1, 4: 0.25})
    assert [loss.reads for loss in losses] == [0, 1, 0, 1, 0]


def test_waiting_is_left_out_where_it_is_unknown(tmp_path: pathlib.Path, model: keras.Model) -> None:
    monitor = monitoring.Monitor(tmp_path, every=1)
    monitor.set_model(model)
    for step, waited in enumerate((None, None, 0.5, None), start=1):
        monitor.on_train_batch_end(step, step_logs(tf.constant(1.0), waited=waited))
    monitor.on_train_end()
    found = scalars(tmp_path / "train")
    assert set(found["step/loss"]) == {1, 2, 3, 4}
    assert found["step/items_per_second"] == {2: 8.0, 3: 8.0, 4: 8.0}
    assert found["step/input_share"] == {3: 0.5}


def test_steps_go_on_and_several_an_execution_miss_no_turn(tmp_path: pathlib.Path, model: keras.Model) -> None:
    monitor = monitoring.Monitor(tmp_path, every=10, first_step=117)
    monitor.set_model(model)
    for step in (119, 122, 125, 129, 141):
        monitor.on_train_batch_end(step, step_logs(tf.constant(1.0), steps=3))
    monitor.on_train_end()
    found = scalars(tmp_path / "train")
    assert set(found["step/loss"]) == {122, 141}
    assert found["step/items_per_second"] == {122: 24.0, 141: 24.0}


def test_the_learning_rate_is_the_schedules(tmp_path: pathlib.Path) -> None:
    model = compiled(keras.optimizers.schedules.PiecewiseConstantDecay([3], [1.0, 0.125]))
    monitor = monitoring.Monitor(tmp_path, every=1)
    monitor.set_model(model)
    for step, done in ((1, 2), (2, 7)):
        model.optimizer.iterations.assign(done)
        monitor.on_train_batch_end(step, step_logs(tf.constant(1.0)))
    monitor.on_train_end()
    assert scalars(tmp_path / "train")["step/learning_rate"] == {1: 1.0, 2: 0.125}


def test_an_epochs_figures_and_pictures(tmp_path: pathlib.Path, model: keras.Model) -> None:
    drawn = iter([None, board.Shown(pictures={"films": np.full((2, 4, 5, 3), 7, np.uint8)})])
    monitor = monitoring.Monitor(tmp_path, lambda: next(drawn))
    monitor.set_model(model)
    monitor.on_epoch_end(0, {"loss": 2.0})
    monitor.on_epoch_end(1, {"loss": 1.0, "val_auc": 0.75})
    monitor.on_train_end()
    assert scalars(tmp_path / "train") == {"loss": {1: 2.0, 2: 1.0}, "learning_rate": {1: 0.5, 2: 0.5}}
    assert scalars(tmp_path / "validation") == {"auc": {2: 0.75}}
    (picture,) = [(step, value) for tag, step, value in events(tmp_path / "validation") if tag == "films"]
    width, height, *pictures = tf.make_ndarray(picture[1].tensor)
    assert (picture[0], width, height, len(pictures)) == (2, b"5", b"4", 2)
    np.testing.assert_array_equal(tf.io.decode_png(pictures[1]), np.full((4, 5, 3), 7, np.uint8))


def test_histograms_are_named_by_layer(tmp_path: pathlib.Path, model: keras.Model) -> None:
    model.set_weights([np.array([[0, 0, 0], [1, 1, 4]], np.float32), np.zeros(3, np.float32)])
    watcher = monitoring.Histograms(tmp_path, every_epochs=2)
    watcher.set_model(model)
    for epoch in range(5):
        watcher.on_epoch_end(epoch)
    watcher.on_train_end()
    found = {(tag, step): tf.make_ndarray(value.tensor) for tag, step, value in events(tmp_path / "weights")}
    assert {tag.rpartition("first/")[2] for tag, _ in found} == {"kernel", "bias"}
    assert {step for _, step in found} == {2, 4}
    (kernel,) = [values for (tag, step), values in found.items() if tag.endswith("kernel") and step == 2]
    assert kernel[0, 0] == 0
    assert kernel[-1, 1] == 4
    assert kernel[:, 2].sum() == 6
    assert kernel[0, 2] == 3


def test_the_hparams_tab_gets_a_recipe_and_its_result(tmp_path: pathlib.Path) -> None:
    recipe = {
        "batch": 8,
        "rate": 0.1,
        "small": True,
        "schedule": "cosine",
        "start": None,
        "sizes": (1, 2),
        "augmentation": {"flip": False, "turn": {"degrees": 5.0}},
    }
    monitoring.hyperparameters(tmp_path, recipe)
    monitoring.result(tmp_path, {"val_auc": 0.5, "val_mre_mm": float("nan")}, step=40)
    found = {tag: value for tag, _, value in events(tmp_path / "recipe")}
    start = contents(found["_hparams_/session_start_info"]).session_start_info
    given = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
    flat = {"augmentation.flip": False, "augmentation.turn.degrees": 5.0}
    assert given == {"batch": 8, "rate": 0.1, "small": True, "schedule": "cosine", **flat}
    assert isinstance(given["small"], bool)
    assert contents(found["_hparams_/session_end_info"]).session_end_info.status == 1
    assert scalars(tmp_path / "recipe") == {"val_auc": {40: 0.5}}


def contents(value: Any) -> plugin_data_pb2.HParamsPluginData:
    return plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)


def test_tensorboard_itself_reads_what_is_written(tmp_path: pathlib.Path, model: keras.Model) -> None:
    monitor = monitoring.Monitor(tmp_path, every=1)
    monitor.set_model(model)
    monitor.on_train_batch_end(1, step_logs(tf.constant(1.5)))
    monitor.on_train_end()
    reader = event_accumulator.EventAccumulator(str(tmp_path / "train"), size_guidance={"tensors": 0})
    reader.Reload()
    assert set(reader.Tags()["tensors"]) == {"step/loss", "step/learning_rate"}


def test_a_disk_that_takes_no_events_is_told_in_one_line(tmp_path: pathlib.Path, model: keras.Model) -> None:
    monitor = monitoring.Monitor(tmp_path)
    monitor.set_model(model)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(board.EventsError) as caught:
            monitor.on_epoch_end(0, {"loss": 2.0})
        monitor.on_train_end()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    expected = f"TensorBoard's events could not be written to '{tmp_path / 'train'}': File too large."
    assert str(caught.value) == expected


class Recorded:
    """Stands for TensorFlow's profiler, which is one for the whole process and slow."""

    def __init__(self) -> None:
        self.calls, self.folder = list[str](), ""

    def start(self, folder: str) -> None:
        self.calls.append("start")
        self.folder = folder

    def stop(self) -> None:
        self.calls.append("stop")


@pytest.fixture
def profiler(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    recorded = Recorded()
    monkeypatch.setattr("tensorflow.profiler.experimental.start", recorded.start)
    monkeypatch.setattr("tensorflow.profiler.experimental.stop", recorded.stop)
    return recorded


def course(profiler: Recorded, watcher: profiling.Profile, executions: list[int]) -> list[str]:
    """Returns the order of executions, and of the profiler's start and stop between them."""
    watcher.on_train_begin()
    done = 1000  # steps of the run before this process
    for steps in executions:
        profiler.calls.append(str(steps))
        done += steps
        watcher.on_train_batch_end(done, step_logs(tf.constant(0.0), steps=steps))
    watcher.on_train_end()
    return profiler.calls


@pytest.mark.parametrize(
    ("first", "last", "executions", "expected"),
    [
        (1, 1, [1, 1], "start 1 stop 1"),
        (2, 3, [1, 1, 1, 1], "1 start 1 1 stop 1"),
        (3, 9, [1, 1, 1], "1 1 start 1 stop"),
        (9, 9, [1, 1], "1 1"),
        (6, 8, [4, 4, 4], "4 start 4 stop 4"),
        (7, 8, [4, 2, 4, 4], "4 start 2 4 stop 4"),
        (1, 2, [], "start stop"),
    ],
)
def test_a_profile_covers_the_steps_it_was_asked_for(
    tmp_path: pathlib.Path, profiler: Recorded, first: int, last: int, executions: list[int], expected: str
) -> None:
    assert " ".join(course(profiler, profiling.Profile(tmp_path, first, last), executions)) == expected
    assert profiler.folder in ("", str(tmp_path))


@pytest.mark.parametrize(("first", "last"), [(0, 3), (5, 4)])
def test_a_profile_of_no_steps_is_refused(tmp_path: pathlib.Path, first: int, last: int) -> None:
    with pytest.raises(ValueError, match="at least 1 and at most the last"):
        profiling.Profile(tmp_path, first, last)


def test_a_real_profile_is_written(tmp_path: pathlib.Path) -> None:
    watcher = profiling.Profile(tmp_path, 2, 2)
    watcher.on_train_begin()
    multiply = tf.function(lambda x: tf.linalg.matmul(x, x))
    for step in range(1, 4):
        watcher.on_train_batch_end(step, step_logs(tf.reduce_sum(multiply(tf.ones((64, 64))))))
    watcher.on_train_end()
    (record,) = (tmp_path / "plugins" / "profile").rglob("*.xplane.pb")
    assert b"MatMul" in record.read_bytes()
