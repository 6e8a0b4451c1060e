import re
from typing import Any

import pytest

from raspine.training import progress


def step_logs(seconds: float = 1.0, waited: float | None = 0.0, steps: int = 1) -> dict[str, Any]:
    return {"loss": None, "items": 4 * steps, "steps": steps, "seconds": seconds, "waited": waited}


def shown(capture: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in re.split(r"[\r\n]+", capture.readouterr().err) if line.strip()]


def test_one_bar_goes_over_the_whole_run_from_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.Progress(epochs=5, steps=10, batch=4, done=23, unit="film")
    for step in (24, 25):
        bar.on_train_batch_end(step, step_logs())
    bar.on_train_batch_end(30, step_logs(steps=5))
    bar.on_epoch_end(2, {"loss": 0.12345, "val_auc": 0.875, "val_unknown": 1.0})
    bar.on_train_batch_end(31, step_logs())
    bar.on_train_end()
    first, *_, last = shown(capsys)
    assert re.match(r"training: +46%.* 92\.0/200 ", first)
    assert re.match(r"training: +62%.* 124/200 ", last)
    assert "film/s, epoch=4/5, loss=0.123, validation AUC=0.875]" in last


def test_waiting_for_input_is_told_above_a_fifth(capsys: pytest.CaptureFixture[str]) -> None:
    for waited, told in ((0.1875, ""), (0.25, ", waiting for input 25 %"), (None, "")):
        bar = progress.Progress(epochs=1, steps=100, batch=4, done=0, unit="film")
        for step in range(1, 4):
            bar.on_train_batch_end(step, step_logs(2.0, None if waited is None else 2 * waited))
        bar.on_train_end()
        assert f", epoch=1/1{told}]" in shown(capsys)[-1]


def test_waiting_long_ago_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.Progress(epochs=1, steps=100, batch=4, done=0, unit="film")
    bar.on_train_batch_end(1, step_logs(1000.0, 1000.0))
    for step in range(2, 60):
        bar.on_train_batch_end(step, step_logs())
    bar.on_train_end()
    assert "waiting" not in shown(capsys)[-1]


def test_a_log_file_is_not_filled_with_bars(capsys: pytest.CaptureFixture[str]) -> None:
    bar = progress.Progress(epochs=1, steps=2000, batch=4, done=0, unit="film")
    for step in range(1, 2001):
        bar.on_train_batch_end(step, step_logs())
    bar.on_train_end()
    assert len(shown(capsys)) <= 3


def test_pace_sets_the_first_execution_apart() -> None:
    pace = progress.Pace()
    for seconds, waited, steps in ((30.0, 29.0, 2), (1.0, 0.5, 2), (0.4, 0.1, 2), (0.6, 0.0, 1)):
        pace.on_train_batch_end(0, step_logs(seconds, waited, steps))
    facts = pace.facts()
    assert facts.pop("peak_memory_mib") > 10  # type: ignore[operator]
    assert facts == {
        "step_seconds": 0.5,  # the median of 0.5, 0.2, 0.6
        "first_step_seconds": 30.0,
        "items_per_second": 10.0,  # 20 items in 2 s
        "input_share": 0.3,
    }


def test_pace_says_what_it_does_not_know() -> None:
    pace = progress.Pace()
    nothing = {"step_seconds": None, "items_per_second": None, "input_share": None}
    assert nothing.items() <= pace.facts().items()
    pace.on_train_batch_end(1, step_logs(3.0))
    assert pace.facts()["first_step_seconds"] == 3.0
    assert nothing.items() <= pace.facts().items()
    pace.on_train_batch_end(2, step_logs(2.0, None))
    pace.on_train_batch_end(3, step_logs(2.0, 1.0))
    facts = pace.facts()
    assert facts["input_share"] is None
    assert facts["items_per_second"] == 2.0
