"""The loop on a tiny network: how a run is carried out does not change where it ends, and what stops it is told."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import power_cut
import pytest
import tensorflow as tf
from tiny_run import Plain

from raspine.inputs import epochs
from raspine.training import callbacks, checkpoints, loop, stopping

QUIET = loop.Execution(say=lambda line: None)


def trained(task: loop.Task, folder: pathlib.Path, **execution: Any) -> list[np.ndarray]:
    loop.train(task, folder, dataclasses.replace(QUIET, **execution))
    with np.load(folder / "last" / "weights.npz") as stored:
        return [stored[name] for name in stored.files]


@pytest.mark.parametrize(
    ("recipe", "execution"),
    [({"accumulate": 2}, {}), ({"accumulate": 4}, {}), ({}, {"steps_per_execution": 6}), ({}, {"xla": True})],
)
def test_how_a_step_is_done_does_not_matter(
    recipe: dict[str, Any], execution: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    plain = trained(Plain(), tmp_path / "plain")
    other = trained(Plain(**recipe), tmp_path / "other", **execution)
    # Adam's powers of beta are float32, and XLA takes powers in its own way.
    tolerance = 1e-8 if execution.get("xla") else 1e-12
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_allclose(two, one, rtol=0, atol=tolerance)
    losses = [
        json.loads((tmp_path / name / "run.json").read_text())["history"][0]["loss"] for name in ("plain", "other")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_sixteen_bits_keep_weights_in_float32(precision: str, tmp_path: pathlib.Path) -> None:
    exact, rounded = (trained(Plain(precision=name), tmp_path / name) for name in ("float32", precision))
    assert all(weight.dtype == np.float32 for weight in rounded)
    assert 0 < max(np.abs(one - two).max() for one, two in zip(exact, rounded, strict=True)) < 0.02


def test_the_rate_grows_with_the_batch(tmp_path: pathlib.Path) -> None:
    given = Plain(learning_rate=2e-3, schedule="constant")
    scaled = Plain(learning_rate=1e-3, rate_batch=2, schedule="constant")
    for one, two in zip(trained(given, tmp_path / "given"), trained(scaled, tmp_path / "scaled"), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = trained(Plain(), tmp_path / "undisturbed")
    with monkeypatch.context() as patch:
        power_cut.after_saves(5, patch)
        with pytest.raises(power_cut.PowerCutError):
            trained(Plain(), tmp_path / "run", checkpoint_seconds=0)
    state = tmp_path / "run" / "state"
    assert [path.name[-2:] for path in sorted(state.iterdir())] == ["03", "04", "05"]
    newest = state / "step-0000000005" / "training.weights.h5"
    newest.write_bytes(newest.read_bytes()[:-100])
    said: list[str] = []
    resumed = trained(Plain(), tmp_path / "run", say=said.append)
    assert "step-0000000005" in said[0]
    assert "goes on after step 4" in said[1]
    for one, two in zip(resumed, undisturbed, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("moment", ["write", "report"])
def test_a_cut_at_the_very_end_leaves_nothing_stale(
    moment: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = trained(Plain(), tmp_path / "undisturbed")

    def cut(*_: object, **__: object) -> None:
        raise power_cut.PowerCutError

    with monkeypatch.context() as patch:
        if moment == "write":
            patch.setattr(checkpoints, "write", cut)
        else:
            report, calls = callbacks.Keeper.report, list[int]()
            patch.setattr(callbacks.Keeper, "report", lambda self: cut() if calls else (calls.append(1), report(self)))
        with pytest.raises(power_cut.PowerCutError):
            trained(Plain(), tmp_path / "run")
    for one, two in zip(trained(Plain(), tmp_path / "run"), undisturbed, strict=True):
        np.testing.assert_array_equal(one, two)
    reports = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("undisturbed", "run")]
    for key in ("epochs_done", "history", "best"):
        assert reports[0][key] == reports[1][key]


def test_without_any_good_checkpoint_nothing_is_overwritten(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        power_cut.after_saves(1, patch)
        with pytest.raises(power_cut.PowerCutError):
            trained(Plain(), tmp_path, checkpoint_seconds=0)
    (tmp_path / "state" / "step-0000000001" / "state.json").write_text("{}")
    with pytest.raises(checkpoints.CheckpointError, match=r"no checkpoint in .* can be used"):
        trained(Plain(), tmp_path)
    assert (tmp_path / "state" / "step-0000000001").is_dir()


class Changed(Plain):
    """The same task with other numbers from a step on."""

    def __init__(self, change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]):
        super().__init__()
        self._change = change

    def batches(self, first_step: int, share: epochs.Share) -> tf.data.Dataset:
        steps = tf.data.Dataset.counter(first_step)
        plain = super().batches(first_step, share)
        return tf.data.Dataset.zip(steps, plain).map(lambda step, items: (self._change(step, items[0]), items[1]))


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_last_good_checkpoint(tmp_path: pathlib.Path) -> None:
    task = Changed(lambda step, values: values * tf.where(step < 7, 1.0, np.nan))
    with pytest.raises(FloatingPointError, match="by step 8; lower --learning_rate"):
        trained(task, tmp_path, checkpoint_seconds=0, log_every=1)
    found = checkpoints.newest(tmp_path / "state").checkpoint
    assert found is not None
    assert found.step == 7


def test_a_disk_that_fills_up_is_told_and_costs_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = keras.Model.save_weights
    taken: list[object] = []

    def fill(self: keras.Model, path: pathlib.Path) -> None:
        taken.append(path)
        if len(taken) > 2:
            with open("/dev/full", "wb", buffering=0) as stream:
                stream.write(b"weights")
        save(self, path)

    monkeypatch.setattr(keras.Model, "save_weights", fill)
    with pytest.raises(checkpoints.CheckpointError, match="full"):
        trained(Plain(), tmp_path, checkpoint_seconds=0)
    found = checkpoints.newest(tmp_path / "state")
    assert found.checkpoint is not None
    assert (found.checkpoint.step, found.damaged) == (2, ())


def test_a_request_ends_the_run_after_the_step_under_way(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = stopping.Request()

    class Asking(Changed):
        def validation(self, subject: Any) -> Any:
            return keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda step, logs: request.receive(15) if step == 3 else None
            )

    class Always:
        def __enter__(self) -> stopping.Request:
            return request

        def __exit__(self, *_: object) -> None:
            return None

    task = Asking(lambda step, values: values)
    monkeypatch.setattr(stopping, "requests", Always)
    monkeypatch.setattr(loop._Run, "_monitors", lambda self, validation: [])
    with pytest.raises(stopping.Stopped, match="by SIGTERM after step 4; the state is saved"):
        trained(task, tmp_path)
    found = checkpoints.newest(tmp_path / "state").checkpoint
    assert found is not None
    assert found.step == 4
    with pytest.raises(KeyboardInterrupt):
        request.receive(15)
