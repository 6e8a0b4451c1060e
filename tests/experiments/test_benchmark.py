import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from experiments.benchmarks import campaign, cases, contestants, process, ratios, rounds, table

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Speaks the protocol; writes down each turn; its steps take the seconds it is told, one after the other.
FAKE = """
import json, os, sys, time
name, journal, seconds, habit = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
def say(**values): print(json.dumps(values), flush=True)
if habit == "breaks": sys.exit("Traceback\\nValueError: '/some/where/net.py' has no layer\\nshutting down")
if habit == "sleeps": time.sleep(60)
say(ready=True, seconds=9.0, versions={name: "1"})
turn = 0
for line in sys.stdin:
    if line.startswith("peak"):
        say(mib=100.0)
        continue
    with open(journal, "a") as stream: stream.write(f"{name} {line}")
    if habit == "dies" and turn == 5: sys.exit("RuntimeError: worn out")
    if habit == "killed" and turn == 1: os.kill(os.getpid(), 9)
    say(seconds=seconds[min(turn, len(seconds) - 1)])
    turn += 1
"""
PLAN = rounds.Plan(rounds=4, warm_up=1, budget=1000, turn=0, start_limit=120, turn_limit=120)


def someone(name: str, family: str = "raspine", precision: str = "float32") -> contestants.Contestant:
    return contestants.Contestant(name, family, "", precision, {"compiled": name.endswith(contestants.COMPILED)})


@pytest.fixture
def play(tmp_path: pathlib.Path) -> Callable[..., tuple[list[rounds.Result], list[str]]]:
    """Measures fake contestants, given as {contestant: (seconds of its turns, habit)}; returns results and turns."""
    script, journal = tmp_path / "fake.py", tmp_path / "journal"
    script.write_text(FAKE)

    def run(fakes: dict[str, tuple[str, list[float], str]], plan: rounds.Plan = PLAN) -> Any:
        everybody = [someone(name, family) for name, (family, _, _) in fakes.items()]

        def start(one: contestants.Contestant) -> process.Process:
            _, seconds, habit = fakes[one.name]
            arguments = [sys.executable, str(script), one.name, str(journal), json.dumps(seconds), habit]
            return process.Process(arguments, os.environ)

        results = rounds.measure(everybody, plan, start, lambda _: None)
        return results, journal.read_text().splitlines()

    return run


def test_contestants_take_turns_and_only_the_rounds_after_warm_up_count(play: Callable) -> None:
    # Turns: one that says how long a step is, two of the trial, one of warm-up, four that count.
    first = [1.0, 1.0, 1.0, 50.0, 4.0, 1.0, 3.0, 2.0]
    second = [2.0, 2.0, 2.0, 60.0, 8.0, 8.0, 9.0, 7.0]
    results, turns = play({"a": ("raspine", first, ""), "b": ("torch", second, "")})
    assert [line.split()[0] for line in turns] == ["a"] * 3 + ["b"] * 3 + ["a", "b"] * 5
    assert [result.seconds for result in results] == [first[4:], second[4:]]
    assert [result.median for result in results] == [2.5, 8.0]
    assert [(result.status, result.first, result.peak_mib) for result in results] == [("measured", 9.0, 100.0)] * 2


def test_who_dies_is_listed_with_its_reason_and_the_others_go_on(play: Callable) -> None:
    results, turns = play({"a": ("raspine", [1.0], ""), "b": ("torch", [1.0], "dies"), "c": ("torch", [1.0], "breaks")})
    healthy, dead, broken = results
    assert (healthy.status, len(healthy.seconds)) == ("measured", 4)
    assert (dead.status, dead.reason, dead.seconds) == ("failed", "RuntimeError: worn out", [])
    assert (broken.status, broken.reason) == ("failed", "ValueError: 'net.py' has no layer")
    # The dead one was asked for its sixth turn, the second round after the warm-up, and then no more.
    assert [line.split()[0] for line in turns].count("b") == 6


def test_a_contestant_that_does_not_start_in_time_is_ended(play: Callable, tmp_path: pathlib.Path) -> None:
    plan = rounds.Plan(rounds=3, start_limit=1.0, turn=0)
    (tmp_path / "journal").touch()
    ((sleeper,), _) = play({"a": ("raspine", [1.0], "sleeps")}, plan)
    assert (sleeper.status, sleeper.reason) == ("failed", "no answer within 1 s")


def test_slow_settings_are_dropped_after_the_trial_with_their_figure(play: Callable) -> None:
    settings = {"slow": ("torch", [3.1], ""), "best": ("torch", [2.0], ""), "near": ("torch", [2.9], "")}
    results, turns = play({"ours": ("raspine", [9.0], ""), **settings})
    found = {result.contestant.name: result for result in results}
    # 3.1 / 2.0 is above 1.5, 2.9 / 2.0 is not; raspine is no setting of PyTorch's and stays however slow it is.
    assert {name: result.status for name, result in found.items()} == {
        "ours": "measured", "slow": "dropped", "best": "measured", "near": "measured",
    }  # fmt: skip
    assert found["slow"].reason == "1.55 times the best setting"
    assert found["slow"].seconds == [3.1, 3.1]
    assert sum(line.startswith("slow") for line in turns) == 3


def test_only_settings_that_ran_well_eagerly_are_compiled(play: Callable) -> None:
    fakes = {
        "a": ("torch", [1.3], ""),
        "b": ("torch", [1.0], ""),
        "c": ("torch", [1.2], ""),
        "d": ("torch", [1.0], "breaks"),
    }
    compiled = {f"{name} compiled": ("torch", [0.9], "") for name in fakes}
    results, _ = play({**fakes, **compiled})
    found = {result.contestant.name: (result.status, result.reason) for result in results}
    assert found["a compiled"] == ("left out", "eager it took 1.30 times the best")
    assert found["b compiled"] == found["c compiled"] == ("measured", "")
    assert found["d compiled"] == ("left out", "eager it was failed")


def test_without_memory_for_all_they_run_one_after_the_other(play: Callable) -> None:
    results, turns = play({"a": ("raspine", [1.0], ""), "b": ("torch", [2.0], "killed"), "c": ("torch", [2.0], "")})
    assert [result.status for result in results] == ["measured", "failed", "measured"]
    assert "memory" in results[1].reason
    assert not any(result.interleaved for result in results)
    alone = [line.split()[0] for line in turns][5:]
    assert alone == ["a"] * 8 + ["b"] * 2 + ["c"] * 8


def test_long_steps_get_fewer_rounds_and_short_ones_several_steps_a_turn(play: Callable) -> None:
    plan = rounds.Plan(rounds=9, warm_up=0, budget=12.0, turn=0.5, most_steps=8, start_limit=120)
    results, turns = play({"long": ("raspine", [2.0], ""), "short": ("raspine", [0.2], "")}, plan)
    # A round is one step of 2 s and three of 0.2 s (0.5 s at least): four rounds are within 12 s.
    assert [len(result.seconds) for result in results] == [4, 4]
    assert turns[-2:] == ["long go 1", "short go 3"]
    results, _ = play({"longer": ("raspine", [60.0], "")}, plan)
    assert len(results[0].seconds) == 3


@pytest.fixture
def sleeper(tmp_path: pathlib.Path) -> Iterator[process.Process]:
    script = tmp_path / "fake.py"
    script.write_text(
        FAKE.replace("turn = 0\n", "import threading\nticks = []\n").replace(
            "    say(seconds=seconds[min(turn, len(seconds) - 1)])\n    turn += 1",
            "    threading.Thread(target=lambda: [open(journal, 'a').write('tick\\n') or time.sleep(.01) for _ in "
            "range(3000)], daemon=True).start()\n    say(seconds=1.0)",
        )
    )
    one = process.Process([sys.executable, str(script), "a", str(tmp_path / "journal"), "[1]", ""], os.environ)
    yield one
    one.stop()


def test_a_contestant_is_held_still_between_its_turns(sleeper: process.Process, tmp_path: pathlib.Path) -> None:
    sleeper.ready(120)
    sleeper.go(1, 120)
    time.sleep(0.2)
    before = (tmp_path / "journal").read_text().count("tick")
    time.sleep(0.3)
    assert (tmp_path / "journal").read_text().count("tick") == before


def test_spread_by_hand() -> None:
    assert table.spread([4.0, 1.0, 3.0, 2.0, 10.0]) == {
        "min": 1.0, "lower": 2.0, "median": 3.0, "upper": 4.0, "max": 10.0, "interquartile": 2.0,
    }  # fmt: skip
    assert table.spread([2.0])["interquartile"] == 0.0


def rows() -> list[dict[str, Any]]:
    def row(what: str, case: str, items: int, one: contestants.Contestant, *seconds: float, **more: Any) -> Any:
        return table.row(what, case, items, rounds.Result(one, seconds=list(seconds), first=1.0, **more))

    ours, fast, slow = someone("raspine float32"), someone("cl", "torch"), someone("compiled", "torch", "bfloat16")
    runtime, half = someone("ORT", "onnxruntime"), someone("OpenVINO bfloat16", "openvino", "bfloat16")
    eater = cases.CONSUMER
    return [
        row("train", eater, 8, ours, 2.0, 1.9, 2.1, peak_mib=3000.0),
        row("train", eater, 8, fast, 2.4, 2.5, 2.6, peak_mib=2500.0),
        row("train", eater, 8, slow, 2.2, 2.0, 9.0, peak_mib=2000.0),
        row("train", eater, 8, someone("quick but dropped", "torch"), 0.1, status=rounds.DROPPED, reason="a|b"),
        row("infer", "resnet101-256x4", 4, ours, 0.2),
        row("infer", "resnet101-256x4", 4, fast, 0.3),
        row("infer", "resnet101-256x4", 4, runtime, 0.19),
        row("infer", "resnet101-256x4", 4, half, 0.1),
        row("infer", "resnet101-256x4", 4, someone("dead", "torch"), status=rounds.FAILED, reason="no g++"),
        row("input", "films kept in memory", 8, ours, 0.5),
        row("input", "films kept in memory", 8, fast, 0.75),
    ]


def test_ratios_are_to_the_best_setting_and_to_the_same_precision() -> None:
    found = {(one["what"], one["over"]): one for one in ratios.all_of(rows(), contestants.WHAT)}
    values = {key: (one["ratio"], one["wanted"], one["is_met"]) for key, one in found.items()}
    assert values == {
        ("train", "best PyTorch: compiled"): (1.1, 1.15, False),  # 2.2 / 2.0
        ("infer", "best PyTorch: cl"): (1.5, 1.3, True),
        ("infer", "ORT"): (0.95, 1.0, False),
        ("input", "cl"): (1.5, 2.0, False),
        ("input", f"what its training step takes ({cases.CONSUMER})"): (4.0, 3.0, True),  # 16 films/s over 4
        ("memory", "best PyTorch: compiled"): (1.5, 1.0, False),  # the fastest setting's, not the smallest one
    }
    assert not ratios.all_of(
        [row for row in rows() if row["family"] == "raspine" and row["what"] != "input"], ["train"]
    )


def test_the_table_shows_everybody_and_why_somebody_is_missing() -> None:
    report = {
        "what": list(contestants.WHAT),
        "machine": {"cpu": "A CPU", "flags": {"avx2": True, "amx_bf16": False}, "memory_gib": 16.0},
        "threads": 2, "rounds": 3, "minutes": 1.5, "small_networks": False,
        "versions": {"raspine": {"keras": "3"}, "peers": {"torch": "2"}},
        "ratios": ratios.all_of(rows(), contestants.WHAT), "rows": rows(),
    }  # fmt: skip
    text = table.markdown(report)
    assert "| train | hrnet_w32-256x8 | raspine float32 | best PyTorch: compiled | 1.10 | at least 1.15 | no |" in text
    assert "| raspine float32 | 2.00 | 1.95 - 2.05 | 1.90 | 2.10 | 4.0 | 1.0 s |  |" in text
    assert "| dead |  |  |  |  |  |  | failed: no g++ |" in text
    assert "dropped: a/b" in text
    assert "A CPU; avx2 yes, amx_bf16 no" in text
    assert "| cl | 2500 |" in text


def test_a_setting_dropped_in_one_case_is_left_out_of_the_next(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    families = ("raspine", "torch")
    chosen = (cases.Case("hrnet_w32", 64, 1), cases.Case("hrnet_w32", 128, 1))
    request = campaign.Request(["train"], chosen, families, "own", "peers", 1, PLAN, eager=True)

    class Fakes(campaign._Campaign):
        def _start(self, job: campaign.Job, one: contestants.Contestant) -> process.Process:
            seconds = "[9.0]" if "bfloat16" in one.name else "[1.0]"
            arguments = [sys.executable, str(script), "x", str(tmp_path / "journal"), seconds, ""]
            return process.Process(arguments, os.environ)

    fakes = Fakes(request, tmp_path)
    first, second = (
        {result.contestant.name: result for result in fakes.measure(job, lambda _: None)}
        for job in campaign.jobs(request)
    )
    assert first["PyTorch bfloat16 contiguous"].status == "dropped"
    assert second["PyTorch bfloat16 contiguous"].status == "left out"
    assert second["PyTorch bfloat16 contiguous"].reason == ("in hrnet_w32-64x1: dropped, 9.00 times the best setting")
    assert second["PyTorch float32 contiguous"].status == "measured"


def test_peers_see_neither_raspine_nor_tensorflow() -> None:
    """The peers' modules load this package without `experiments` around it."""
    command = process.command("tensors", sys.executable, sys.executable)
    code = command[3] + "\nprint(sorted({'raspine', 'experiments', 'tensorflow', 'benchmarks'} & set(sys.modules)))"
    done = subprocess.run([*command[:3], code, *command[4:]], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "['benchmarks']"


def test_wrong_flags_end_with_one_line_and_status_2(start_many: Callable, tmp_path: pathlib.Path) -> None:
    output = f"--output_dir={tmp_path / 'out'}"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    lines = {
        (): "--output_dir",
        (output, "--what=speed"): "--what takes some of train, infer, input, memory. Received: speed.",
        (output, "--cases=resnet50"): "Received: resnet50.",
        (output, "--contestants="): "Received: nothing.",
        (
            output,
            "--cases=resnet101-256x4",
            "--small_networks",
        ): "--cases takes some of resnet101-64x2, hrnet_w32-64x2.",
        (output, "--peers=nowhere/python"): "no file 'nowhere/python'",
        (output, "--rounds=2"): "rounds",
        (output, "--what=input", "--contestants=keras"): "none of keras does input",
        (output, "extra"): "unexpected argument",
        (f"--output_dir={tmp_path / 'full'}", "--contestants=raspine"): "holds something else",
    }
    results = start_many("experiments.benchmark", [list(line) for line in lines])
    for (line, expected), (status, _, err) in zip(lines.items(), results, strict=True):
        assert status == 2, (line, err)
        assert expected in err, (line, err)
        assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_small_run_of_raspine_alone_leaves_a_table(start: Callable, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "out"
    done = start(
        "experiments.benchmark", "--small_networks", "--what=train,input,memory",
        "--cases=resnet101-64x2", "--threads=1", "--quick",
        "--case_seconds=0", "--contestants=raspine", f"--output_dir={folder}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "table.json").read_text())
    assert [(row["what"], row["status"]) for row in report["rows"]] == [
        ("train", "measured"), ("input", "measured"), ("input", "measured"),
    ]  # fmt: skip
    for row in report["rows"]:
        assert 0 < row["seconds"]["min"] <= row["seconds"]["median"] <= row["seconds"]["max"]
        assert len(row["rounds"]) == 3
    assert report["versions"]["raspine"]["tensorflow"]
    text = (folder / "table.md").read_text()
    assert "Small networks" in text
    assert not any(str(place) in text + json.dumps(report) for place in (ROOT, tmp_path))
    assert (folder / "table.png").stat().st_size > 1000
    assert {path.name for path in folder.iterdir()} == {".raspine-benchmark", "table.json", "table.md", "table.png"}
