import csv
import dataclasses
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from experiments import known_flags, search_space, sweep_start
from experiments.sweep_request import Request
from raspine import program

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Stands in for experiments.train: figures that depend on the flags alone, and ends as --behave says.
FAKE = """
import json, math, os, pathlib, signal, sys, time
from absl import app, flags
RATE = flags.DEFINE_float("learning_rate", 1e-3, "", lower_bound=0)
LAYERS = flags.DEFINE_integer("layers", 1, "", lower_bound=1, upper_bound=8)
LOSS = flags.DEFINE_enum("loss", "soft", ["soft", "hard"], "")
DEEP = flags.DEFINE_bool("deep", False, "")
NAME = flags.DEFINE_string("name", "", "")
BEHAVE = flags.DEFINE_string("behave", "well", "")
DATA = flags.DEFINE_string("data", None, "", required=True)
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "", required=True)
app.define_help_flags()
flags.FLAGS(sys.argv)
folder = pathlib.Path(OUTPUT_DIR.value)
number, behaviour = int(folder.name), BEHAVE.value
if behaviour == "wrong":
    print("error: --data: no folder 'x'.", file=sys.stderr)
    sys.exit(2)
folder.mkdir(exist_ok=True)
with (folder / "starts").open("a") as stream:
    stream.write(f"{os.getpid()}\\n")
def stop(*_):
    (folder / "stopped").touch()
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
figure = 1 - (math.log10(RATE.value) + 2.5) ** 2 / 10 - LAYERS.value / 100 + 0.05 * DEEP.value
history = []
def report(best):
    text = json.dumps({"best": best, "history": history})
    (folder / "new").write_text(text)
    (folder / "new").rename(folder / "run.json")
report(None)
if behaviour == "fails" or (behaviour == "fails at 1" and number == 1):
    print("error: The loss is nan in epoch 1; lower --learning_rate.", file=sys.stderr)
    sys.exit(1)
if behaviour == "nan":
    report({"epoch": 1, "score": 0, "val_auc": None})
    sys.exit(0)
if behaviour == "unscored":
    sys.exit(0)
if behaviour == "killed at 1" and number == 1:
    os.kill(os.getpid(), signal.SIGKILL)
if behaviour == "declines":
    for epoch in range(1, 4):
        history.append({"epoch": epoch, "val_auc": 0.9 - 0.1 * number})
        report({"epoch": epoch, "val_auc": 0.9 - 0.1 * number})
    if number == 6:
        time.sleep(60)
if behaviour == "waits at 2" and number == 2:
    (folder.parent / "waiting").touch()
    while not (folder.parent / "go").exists():
        time.sleep(0.02)
report({"epoch": 3, "score": -figure, "val_auc": figure, "val_loss": 1 - figure})
"""
SPACE = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "layers": {"low": 1, "high": 4},
    "loss": {"choices": ["soft", "hard"]},
    "deep": {"choices": [True, False]},
}


@pytest.fixture(scope="module", autouse=True)
def fake_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "fake_trial.py").write_text(FAKE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield


@pytest.fixture
def request_for(tmp_path: pathlib.Path) -> Callable[..., Request]:
    def make(behave: str = "well", trials: int = 4, folder: str = "sweep", **changes: Any) -> Request:
        path = tmp_path / "space.json"
        path.write_text(json.dumps(SPACE))
        arguments = ("--data=here", f"--behave={behave}", "--layers=7")
        made = Request(str(path), trials, tmp_path / folder, arguments, "val_auc", "maximize", module="fake_trial")
        return dataclasses.replace(made, **changes)

    return make


def table(request: Request) -> list[dict[str, str]]:
    with (request.folder / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def drawn(request: Request) -> list[dict[str, str]]:
    return [{name: row[name] for name in SPACE} for row in table(request)]


def figure(row: dict[str, str]) -> float:
    rate = math.log10(float(row["learning_rate"]))
    return 1 - (rate + 2.5) ** 2 / 10 - int(row["layers"]) / 100 + 0.05 * (row["deep"] == "True")


def starts(request: Request, number: int) -> list[int]:
    return [int(line) for line in (request.place(number) / "starts").read_text().split()]


def test_every_trial_is_a_run_with_flags_of_the_space(
    request_for: Callable[..., Request], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = request_for(trials=6)
    assert sweep_start.sweep(asked) == program.DONE
    rows = table(asked)
    assert [int(row["trial"]) for row in rows] == list(range(6))
    assert {row["state"] for row in rows} == {"done"}
    assert len({row["learning_rate"] for row in rows}) == 6
    for number, row in enumerate(rows):
        assert float(row["val_auc"]) == pytest.approx(figure(row))
        assert 1e-5 <= float(row["learning_rate"]) <= 1e-1
        assert row["layers"] in "1234"
        assert row["epoch"] == "3"
        assert (asked.place(number) / "run.json").is_file()
        assert asked.log(number).is_file()
    best = max(rows, key=figure)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"6 trials, 0 done already. tensorboard --logdir {asked.runs}"
    assert lines[-2].endswith("6 of 6, 0 s left")
    assert lines[-1].startswith(f"Best: val_auc {figure(best):.5g} in {asked.place(int(best['trial']))}")


def test_best_flags_is_a_flag_file_without_places(request_for: Callable[..., Request]) -> None:
    asked = request_for(trials=3)
    sweep_start.sweep(asked)
    best = max(table(asked), key=figure)
    lines = (asked.folder / "best.flags").read_text().splitlines()
    for heading, line in zip(("Purpose:", "Command:", "Machine:", "Result:"), lines, strict=False):
        assert line.startswith(f"# {heading}")
    assert sorted(lines[4:]) == sorted(
        ["--behave=well", *(f"--{name}={best[name].lower() if name == 'deep' else best[name]}" for name in SPACE)]
    )


def test_more_trials_go_on_as_if_all_had_been_asked_for_at_once(request_for: Callable[..., Request]) -> None:
    at_once, in_two = request_for(trials=8, folder="at_once"), request_for(trials=3)
    for asked in (at_once, in_two, dataclasses.replace(in_two, trials=8)):
        assert sweep_start.sweep(asked) == program.DONE
    assert drawn(in_two) == drawn(at_once)
    assert drawn(at_once) != drawn_with_seed(request_for, 1)
    assert all(len(starts(in_two, number)) == 1 for number in range(8))


def drawn_with_seed(request_for: Callable[..., Request], seed: int) -> list[dict[str, str]]:
    asked = request_for(trials=2, folder=f"seed{seed}", seed=seed)
    sweep_start.sweep(asked)
    return drawn(asked)


SCRIPT = """
import json, pathlib, sys
from experiments import sweep_start
from experiments.sweep_request import Request
values = json.loads(sys.argv[1])
values["folder"], values["arguments"] = pathlib.Path(values["folder"]), tuple(values["arguments"])
sys.exit(sweep_start.sweep(Request(**values)))
"""


def begin(request: Request) -> "subprocess.Popen[str]":
    """Starts a sweep in a process of its own and returns when its third trial is under way."""
    values = json.dumps({**dataclasses.asdict(request), "folder": str(request.folder)})
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, values], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    wait_for(request.runs / "waiting")
    return process


def wait_for(path: pathlib.Path) -> None:
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.02)


def test_a_sweep_that_was_killed_goes_on_with_the_trial_that_was_cut(request_for: Callable[..., Request]) -> None:
    undisturbed, cut = request_for(trials=5, folder="undisturbed"), request_for("waits at 2", trials=5)
    sweep_start.sweep(undisturbed)
    process = begin(cut)
    process.kill()
    process.communicate()
    wait_for(cut.place(2) / "stopped")  # the training does not outlive the sweep
    (cut.runs / "go").touch()
    with cut.journal.open("a") as stream:
        stream.write('{"op_code": 4, "cut sho')  # as a power cut leaves it
    pathlib.Path(f"{cut.journal}.lock").symlink_to(cut.journal)
    until = time.monotonic() + 60
    while (status := swept(cut)) is None and time.monotonic() < until:
        time.sleep(0.05)
    assert status == program.DONE
    assert drawn(cut) == drawn(undisturbed)
    assert [len(starts(cut, number)) for number in range(5)] == [1, 1, 2, 1, 1]


def swept(request: Request) -> int | None:
    """Sweeps; None while the trial that was cut has not ended."""
    try:
        return sweep_start.sweep(request)
    except program.UsageError as error:
        if "is at work in" not in str(error):
            raise
        return None


def test_sigterm_saves_the_trial_and_the_same_command_goes_on(request_for: Callable[..., Request]) -> None:
    asked = request_for("waits at 2", trials=4)
    process = begin(asked)
    with pytest.raises(program.UsageError, match="is at work in"):
        sweep_start.sweep(asked)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == program.STOPPED
    assert out.splitlines()[-1] == "Stopped with 2 of 4 trials done; the same command goes on."
    assert (asked.place(2) / "stopped").exists()
    (asked.runs / "go").touch()
    assert sweep_start.sweep(asked) == program.DONE
    assert [len(starts(asked, number)) for number in range(4)] == [1, 1, 2, 1]


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("fails at 1", "The loss is nan in epoch 1; lower --learning_rate."),
        ("killed at 1", "was killed by SIGKILL"),
    ],
)
def test_a_trial_that_fails_is_counted_and_the_sweep_goes_on(
    request_for: Callable[..., Request], capsys: pytest.CaptureFixture[str], behave: str, reason: str
) -> None:
    asked = request_for(behave, trials=3)
    assert sweep_start.sweep(asked) == program.DONE
    rows = table(asked)
    assert [row["state"] for row in rows] == ["done", "failed", "done"]
    assert (rows[1]["val_auc"], rows[1]["reason"]) == ("", reason)
    assert f"trial 1: failed ({reason}); best" in capsys.readouterr().out


def test_a_figure_that_is_no_number_is_a_failure_and_too_many_end_the_sweep(
    request_for: Callable[..., Request],
) -> None:
    asked = request_for("nan", trials=9, failures=3)
    with pytest.raises(program.NothingDone, match="3 trials failed one after another"):
        sweep_start.sweep(asked)
    assert [row["reason"] for row in table(asked)] == ["val_auc is None"] * 3
    with pytest.raises(program.NothingDone, match="none of 4 trials is done"):
        sweep_start.sweep(dataclasses.replace(asked, trials=4))


def test_flags_that_are_wrong_for_all_end_the_sweep_which_may_begin_anew(request_for: Callable[..., Request]) -> None:
    with pytest.raises(program.UsageError, match="trial 0: --data: no folder 'x'"):
        sweep_start.sweep(request_for("wrong"))
    assert sweep_start.sweep(request_for("well", trials=1)) == program.DONE
    with pytest.raises(program.UsageError, match="holds a sweep with other flags"):
        sweep_start.sweep(request_for("nan", trials=1))
    with pytest.raises(program.UsageError, match="holds a sweep with other seed"):
        sweep_start.sweep(request_for("well", trials=1, seed=4))


def test_a_run_without_the_metric_ends_the_sweep(request_for: Callable[..., Request]) -> None:
    with pytest.raises(program.UsageError, match=r"no val_mcc for its best epoch\. It has val_auc, val_loss"):
        sweep_start.sweep(request_for(metric="val_mcc"))
    with pytest.raises(program.UsageError, match="validation split"):
        sweep_start.sweep(request_for("unscored", folder="other"))


def test_a_folder_with_something_else_is_refused(request_for: Callable[..., Request]) -> None:
    asked = request_for()
    asked.folder.mkdir()
    (asked.folder / "thesis.txt").touch()
    with pytest.raises(program.UsageError, match="holds no sweep"):
        sweep_start.sweep(asked)


def test_a_trial_below_the_median_is_ended(
    request_for: Callable[..., Request], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = request_for("declines", trials=7, prune_after=2)
    assert sweep_start.sweep(asked) == program.DONE
    last = table(asked)[-1]
    assert (last["state"], float(last["val_auc"])) == ("pruned", pytest.approx(0.3))
    assert (asked.place(6) / "stopped").exists()
    assert "trial 6: pruned after epoch 3; best" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("[1]", "must hold an object of flags"),
        ("{", "is no JSON"),
        ({"rate": {"choices": [1]}}, "rate: experiments.train has no such flag"),
        ({"learning_rate": [1, 2]}, 'learning_rate: wanted is {"choices": [...]} or {"low": .., "high": ..}'),
        ({"learning_rate": {"low": 1}}, "wanted is"),
        ({"learning_rate": {"low": 1, "high": 2, "base": 2}}, "wanted is"),
        ({"learning_rate": {"low": 1, "high": 2, "choices": [1]}}, "wanted is"),
        ({"learning_rate": {"choices": []}}, "choices is a list of values"),
        ({"learning_rate": {"choices": [0.1, "0.2"]}}, 'the flag takes a number. Received: "0.2"'),
        ({"learning_rate": {"choices": [0.1, 0.1]}}, "a choice stands there twice"),
        ({"learning_rate": {"low": -1, "high": 1}}, "the flag takes 0 to inf. Received: -1"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}}, "learning_rate: "),
        ({"learning_rate": {"low": 0.1, "high": 1, "log": True, "step": 0.1}}, "learning_rate: "),
        ({"learning_rate": {"low": 0.1, "high": 1, "log": 1}}, "log is true or false. Received: 1"),
        ({"learning_rate": {"low": 2, "high": 1}}, "learning_rate: "),
        ({"learning_rate": {"low": 0, "high": 1, "step": 0.3}}, "learning_rate: "),
        ({"learning_rate": {"low": 0, "high": 1, "step": -1}}, "step is a number above 0"),
        ({"layers": {"low": 1.5, "high": 3}}, "the flag takes whole numbers. Received: 1.5"),
        ({"layers": {"low": 1, "high": 3, "step": 0.5}}, "the flag takes whole numbers. Received: step 0.5"),
        ({"layers": {"low": 1, "high": 9}}, "the flag takes 1 to 8. Received: 9"),
        ({"loss": {"low": 1, "high": 2}}, "the flag takes no numbers; give choices"),
        ({"loss": {"choices": ["soft", "firm"]}}, 'the flag takes soft, hard, in quotes. Received: "firm"'),
        ({"deep": {"choices": ["true"]}}, "the flag takes true or false"),
        ({"name": {"choices": [1]}}, "the flag takes text"),
    ],
)
def test_a_space_that_does_not_fit_the_flags_is_refused_before_any_work(
    tmp_path: pathlib.Path, flags_of_fake: dict[str, known_flags.Flag], space: Any, message: str
) -> None:
    path = tmp_path / "space.json"
    path.write_text(space if isinstance(space, str) else json.dumps(space))
    with pytest.raises(search_space.SpaceError) as refusal:
        search_space.read(path, flags_of_fake)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.fixture(scope="module")
def flags_of_fake(fake_program: None) -> dict[str, known_flags.Flag]:
    return known_flags.of("fake_trial")


def test_a_program_tells_its_flags(flags_of_fake: dict[str, known_flags.Flag]) -> None:
    assert flags_of_fake["layers"] == known_flags.Flag("layers", "int", (), 1, 8)
    assert flags_of_fake["loss"] == known_flags.Flag("loss", "string", ("soft", "hard"))
    assert flags_of_fake["learning_rate"] == known_flags.Flag("learning_rate", "float", (), 0, math.inf)
    assert "verbosity" not in flags_of_fake
    with pytest.raises(program.NothingDone, match="does not tell its flags"):
        known_flags.of("no_such_program")


def test_the_spaces_that_ship_fit_the_flags_of_the_training() -> None:
    known = known_flags.of("experiments.train")
    paths = sorted((ROOT / "experiments" / "sweeps").glob("*.json"))
    assert {path.stem for path in paths} >= {"deformity", "subluxation"}
    for path in paths:
        assert search_space.read(path, known)


def test_the_metric_follows_from_the_task() -> None:
    assert sweep_start.goal(["--task=deformity"], None, None) == ("val_auc", "maximize")
    assert sweep_start.goal([], None, None) == ("val_mre_mm", "minimize")
    assert sweep_start.goal(["--task=deformity"], "val_loss", None) == ("val_loss", "minimize")
    assert sweep_start.goal([], "val_pck", "maximize") == ("val_pck", "maximize")
    with pytest.raises(program.UsageError, match="--metric=val_pck needs --direction"):
        sweep_start.goal([], "val_pck", None)


def test_flags_are_checked(start_many: Callable, tmp_path: pathlib.Path) -> None:
    space, output = f"--space={ROOT / 'experiments/sweeps/deformity.json'}", f"--output_dir={tmp_path / 'sweep'}"
    (tmp_path / "bad.json").write_text('{"dropout": {"low": 0, "high": 2}}')
    cases = {
        (space,): "--output_dir",
        (output,): "--space",
        (space, output, "--", "--data", "d"): "arguments are given as --flag=value. Received: d",
        (space, output, "--", "--output_dir=x"): "leave out --output_dir=x after --",
        (space, output, "--", "--flagfile=nowhere.flags"): "nowhere.flags",
        (space, output, "--metric=val_pck", "--"): "--metric=val_pck needs --direction",
        (f"--space={tmp_path / 'none.json'}", output): "--space: ",
        (f"--space={tmp_path / 'bad.json'}", output): "dropout: the flag takes 0 to 0.9. Received: 2",
    }
    results = start_many("experiments.sweep", [list(arguments) for arguments in cases])
    for (arguments, expected), (status, _, err) in zip(cases.items(), results, strict=True):
        assert status == 2, (arguments, err)
        assert expected in err, (arguments, err)
        assert len(err.splitlines()) <= 2, err
    assert not (tmp_path / "sweep").exists()
    assert os.listdir(tmp_path) == ["bad.json"]


def test_a_real_training_that_refuses_its_flags_ends_the_sweep(start: Callable, tmp_path: pathlib.Path) -> None:
    space = ROOT / "experiments" / "sweeps" / "subluxation.json"
    output = tmp_path / "sweep"
    done = start("experiments.sweep", f"--space={space}", f"--output_dir={output}", "--", f"--data={tmp_path}/none")
    assert done.returncode == program.WRONG_FLAGS
    assert "trial 0: --data: no folder" in done.stderr
    assert "Traceback" not in done.stderr
