import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from experiments import children, launched_workers, local_workers
from raspine import program

# Stands in for experiments.train: notes how it was started, and then does what --do says for its worker.
FAKE = """
import json, os, pathlib, signal, sys, time
given = dict(text.lstrip("-").split("=", 1) for text in sys.argv[1:])
config = json.loads(os.environ["TF_CONFIG"])
worker = config["task"]["index"]
folder = pathlib.Path(given["output_dir"])
start = len(list(folder.glob(f"start-{worker}-*.json")))
threads = [os.environ[f"TF_NUM_{kind}_THREADS"] for kind in ("INTRAOP", "INTEROP")]
note = {"config": config, "arguments": sys.argv[1:], "threads": threads, "pid": os.getpid()}
def stop(*_):
    (folder / f"stopped-{worker}").touch()
    time.sleep(0.2)
    print("stopped", flush=True)
    sys.exit(75)
what = given["do"].split(",")[worker]
if what == "once":
    what = "kill" if not start else "end0"
if what != "deaf":
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "new.json").with_suffix(f".{worker}").write_text(json.dumps(note))
(folder / "new.json").with_suffix(f".{worker}").rename(folder / f"start-{worker}-{start}.json")
print(f"worker {worker} says {what}", flush=True)
while any(not (folder / f"start-{other}-{start}.json").exists() for other in range(len(config["cluster"]["worker"]))):
    time.sleep(0.02)
if what == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if what.startswith("end"):
    sys.exit(int(what[3:]))
time.sleep(60)
"""


@pytest.fixture(scope="module", autouse=True)
def fake_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "fake_training.py").write_text(FAKE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            patch.delenv(name, raising=False)
        yield


def plan(folder: pathlib.Path, do: str, grace: float = 20, settle: float = 0.1) -> local_workers.Plan:
    arguments = (f"--output_dir={folder}", f"--do={do}")
    workers = do.count(",") + 1
    return local_workers.Plan(workers, arguments, folder / "logs", grace, settle, "fake_training")


def started(folder: pathlib.Path, worker: int = 0, time_: int = 0) -> dict:
    return json.loads((folder / f"start-{worker}-{time_}.json").read_text())


def wait_for(*paths: pathlib.Path) -> None:
    until = time.monotonic() + 60
    while not all(path.exists() for path in paths):
        assert time.monotonic() < until, paths
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_every_worker_knows_all_and_itself(tmp_path: pathlib.Path) -> None:
    ending = local_workers.run(plan(tmp_path, "end0,end0,end0"))
    assert ending == local_workers.Ending((0, 0, 0), None, False)
    assert ending.status == program.DONE
    notes = [started(tmp_path, worker) for worker in range(3)]
    addresses = notes[0]["config"]["cluster"]["worker"]
    assert len(set(addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    for worker, note in enumerate(notes):
        task = {"type": "worker", "index": worker}
        assert note["config"] == {"cluster": {"worker": addresses}, "task": task}
        assert note["arguments"] == ["--strategy=multi_worker", f"--output_dir={tmp_path}", "--do=end0,end0,end0"]
        assert note["threads"] == [str(max(1, len(os.sched_getaffinity(0)) // 3))] * 2


def test_ports_are_free_and_none_that_a_connection_may_get(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 16_000 <= min(local_workers.free_ports(8)) < max(local_workers.free_ports(8)) < 32_000
    (first,) = local_workers.free_ports(1)
    monkeypatch.setattr(local_workers, "_PORTS", range(first, first + 8))
    with socket.create_server(("127.0.0.1", first)):
        found = local_workers.free_ports(3)
    assert len(set(found)) == 3
    assert first not in found


def test_threads_that_the_user_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert "TF_NUM_INTRAOP_THREADS" not in local_workers.environment(["a:1", "b:1"], 0)


def test_worker_0_is_on_the_terminal_and_the_others_in_files(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert launched_workers.launch(plan(tmp_path, "end0,end0"), 0) == 0
    assert capfd.readouterr() == ("worker 0 says end0\n", "")
    assert (tmp_path / "logs" / "worker-1.log").read_text() == "worker 1 says end0\n"


def test_a_worker_that_is_killed_takes_the_others_down(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = launched_workers.launch(plan(tmp_path, "wait,kill,wait"), 0)
    assert status == program.STOPPED  # worker 0 saved its state
    assert (tmp_path / "stopped-0").exists()
    assert (tmp_path / "stopped-2").exists()
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        "error: worker 1 of 3 was killed by SIGKILL; give the same command again: it goes on from its last checkpoint.",
        f"The end of {tmp_path / 'logs' / 'worker-1.log'}:",
        "  worker 1 says kill",
    ]


def test_a_worker_that_does_not_listen_is_killed(tmp_path: pathlib.Path) -> None:
    ending = local_workers.run(plan(tmp_path, "deaf,end1", grace=0.3))
    assert ending.statuses == (-signal.SIGKILL, 1)
    assert ending.first == 1
    assert ending.status == program.NOTHING_DONE
    assert not ending.may_go_on


@pytest.mark.parametrize(("ends", "status"), [("end2,wait", 2), ("wait,end2", 2), ("end1,wait", 1), ("wait,end1", 1)])
def test_an_error_with_a_reason_is_the_status_of_the_whole(tmp_path: pathlib.Path, ends: str, status: int) -> None:
    assert launched_workers.launch(plan(tmp_path, ends), 5) == status
    assert not (tmp_path / "start-0-1.json").exists()


def test_workers_that_save_after_one_has_stopped_get_no_second_signal(tmp_path: pathlib.Path) -> None:
    ending = local_workers.run(plan(tmp_path, "deaf,end75", grace=0.5))
    assert ending.statuses == (-signal.SIGKILL, 75)
    ending = local_workers.run(plan(tmp_path, "wait,end75", grace=0.5))
    assert not (tmp_path / "stopped-0").exists()


def test_all_start_again_after_one_was_killed(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert launched_workers.launch(plan(tmp_path, "once,end0"), 2) == program.DONE
    assert "worker 0 of 2 was killed by SIGKILL; starting all again (2 left)." in capfd.readouterr().err
    first, second = (started(tmp_path, 0, time_)["config"]["cluster"] for time_ in range(2))
    assert first != second
    assert not (tmp_path / "start-0-2.json").exists()


def test_the_number_of_restarts_is_kept(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert launched_workers.launch(plan(tmp_path, "end75,end75"), 2) == program.STOPPED
    assert (tmp_path / "start-0-2.json").exists()
    assert not (tmp_path / "start-0-3.json").exists()
    assert "ended with status 75; give the same command again" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("statuses", "was_stopped", "status"),
    [
        ((130, 130), True, program.STOPPED),  # before the first step
        ((-signal.SIGTERM, 75), True, program.STOPPED),
        ((130, 130), False, program.NOTHING_DONE),
        ((-signal.SIGKILL, 75), True, program.NOTHING_DONE),
        ((75, 1), True, program.NOTHING_DONE),
        ((0, 75), True, program.DONE),
    ],
)
def test_the_status_after_a_signal(statuses: tuple[int, ...], was_stopped: bool, status: int) -> None:
    first = max(range(len(statuses)), key=lambda worker: statuses[worker] not in (0, 75))
    assert local_workers.Ending(statuses, first, was_stopped).status == status


SCRIPT = """
import pathlib, sys
from experiments import launched_workers, local_workers
arguments = tuple(sys.argv[2:])
plan = local_workers.Plan(2, arguments, pathlib.Path(sys.argv[1]), 20, 0.1, "fake_training")
sys.exit(launched_workers.launch(plan, 3))
"""


@pytest.fixture
def launched(tmp_path: pathlib.Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "logs"), f"--output_dir={tmp_path}", "--do=wait,wait"]
    root = pathlib.Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "start-0-0.json", tmp_path / "start-1-0.json")
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_all_and_all_are_waited_for(
    tmp_path: pathlib.Path, launched: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    launched.send_signal(number)
    out, err = launched.communicate(timeout=60)
    assert (launched.returncode, err) == (program.STOPPED, "")
    assert out.splitlines()[-1] == "stopped"
    assert (tmp_path / "stopped-1").exists()
    assert not (tmp_path / "start-0-1.json").exists()


def test_workers_do_not_outlive_a_launcher_that_is_killed(
    tmp_path: pathlib.Path, launched: "subprocess.Popen[str]"
) -> None:
    launched.kill()
    wait_for(tmp_path / "stopped-0", tmp_path / "stopped-1")
    pids = [started(tmp_path, worker)["pid"] for worker in range(2)]
    until = time.monotonic() + 60
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_alive, pids))


def test_flags_are_checked(start_many: Callable) -> None:
    cases = {
        ("--workers=2",): "the flags of experiments.train are missing: give them after --",
        ("--workers=0", "--", "--data=d"): "workers",
        ("--data=d",): "Unknown command line flag 'data'",
        ("--", "--data", "d"): "arguments are given as --flag=value. Received: d",
        ("--", "--data=d", "--strategy=mirrored"): "leave out --strategy=mirrored",
    }
    results = start_many("experiments.launch_local", [list(arguments) for arguments in cases])
    for (arguments, expected), (status, _, err) in zip(cases.items(), results, strict=True):
        assert status == 2, (arguments, err)
        assert expected in err, (arguments, err)


def test_wrong_flags_of_the_training_end_the_launcher_with_status_2(start: Callable, tmp_path: pathlib.Path) -> None:
    done = start("experiments.launch_local", f"--logs={tmp_path}", "--", "--data=nowhere", f"--output_dir={tmp_path}/r")
    assert done.returncode == 2
    assert "--data: no folder 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_end_of_a_log_in_words(tmp_path: pathlib.Path) -> None:
    (tmp_path / "log").write_bytes(b"one\n\n" + b"10 %\r20 %\r30 %\n" + b"caf\xe9\n")
    assert children.last_lines(tmp_path / "log", 2) == ["30 %", "caf�"]
    assert children.last_lines(tmp_path / "none") == []
    assert children.how_it_ended(3) == "ended with status 3"
    assert children.how_it_ended(-15) == "was killed by SIGTERM"
