import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

PROGRAM = '''
"""Greets somebody.

    python -m greet --name=NAME
"""
from absl import flags, logging
import pathlib, sys, time
import other
from raspine import atomic, program

_NAME = flags.DEFINE_string("name", None, "Whom to greet.", required=True)
_ENDS = ["well", "usage", "nothing", "value", "exists", "bug", "pipe", "wait"]
_END = flags.DEFINE_enum("end", "well", _ENDS, "How.")


def main(argv):
    print(f"hello {_NAME.value} {argv[1:]}")
    logging.info("for the curious")
    if _END.value == "usage":
        raise program.UsageError("the flags\\n do not fit.")
    if _END.value == "nothing":
        raise program.NothingDone("nothing to do.")
    if _END.value == "value":
        raise ValueError("a value.")
    if _END.value == "exists":
        raise FileExistsError("it is there.")
    if _END.value == "bug":
        raise ZeroDivisionError("oh")
    with atomic.atomic_directory("out") as folder:
        (folder / "x").write_text("1")
        if _END.value == "pipe":
            for _ in range(100000):
                print("a long line that fills the pipe")
        if _END.value == "wait":
            print("waiting", flush=True)
            for _ in range(600):  # short ones: a signal between two bytecodes and a long sleep would wait for its end
                time.sleep(0.05)


def run():
    program.run(main)


if __name__ == "__main__":
    run()
'''
OTHER = 'from absl import flags\nflags.DEFINE_string("not_mine", "", "Of another module.")\n'


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "greet.py").write_text(textwrap.dedent(PROGRAM))
    (tmp_path / "other.py").write_text(OTHER)
    return tmp_path


def start(place: pathlib.Path, *arguments: str, module: bool = True) -> subprocess.CompletedProcess[str]:
    how = ["-m", "greet"] if module else ["-c", "import greet; greet.run()"]
    command = [sys.executable, *how, *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("flag", ["--help", "-h", "--helpshort"])
@pytest.mark.parametrize("module", [True, False])
def test_help_is_the_docstring_and_the_own_flags(place: pathlib.Path, flag: str, module: bool) -> None:
    done = start(place, flag, module=module)
    assert done.returncode == 0
    assert done.stdout.startswith("Greets somebody.\n\n    python -m greet --name=NAME\n")
    assert "--name: Whom to greet." in done.stdout
    assert "<well|usage|" in done.stdout
    assert "not_mine" not in done.stdout
    assert "--verbosity" not in done.stdout
    assert done.stderr == ""


def test_a_good_run_ends_with_0(place: pathlib.Path) -> None:
    done = start(place, "--name=you", "file")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello you ['file']\n", "")
    assert (place / "out" / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nmae=you"], "nmae"),
        ([], "--name"),
        (["--name=you", "--end=badly"], "end"),
        (["--flagfile=missing.flags"], "missing.flags"),
    ],
)
def test_wrong_flags_end_with_2(place: pathlib.Path, arguments: list[str], message: str) -> None:
    done = start(place, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("flags: ")
    assert message in first
    assert second == "Try --help."


@pytest.mark.parametrize(
    ("end", "status", "line"),
    [
        ("usage", 2, "error: the flags do not fit."),
        ("exists", 2, "error: it is there."),
        ("nothing", 1, "error: nothing to do."),
        ("value", 1, "error: a value."),
    ],
)
def test_errors_are_one_line_with_their_status(place: pathlib.Path, end: str, status: int, line: str) -> None:
    done = start(place, "--name=you", f"--end={end}")
    assert (done.returncode, done.stderr) == (status, line + "\n")


def test_a_fault_of_ours_shows_its_traceback(place: pathlib.Path) -> None:
    done = start(place, "--name=you", "--end=bug")
    assert done.returncode == 1
    assert "ZeroDivisionError: oh" in done.stderr


def test_verbosity_is_for_the_curious(place: pathlib.Path) -> None:
    assert "for the curious" in start(place, "--name=you", "--verbosity=0").stderr
    assert "Traceback" in start(place, "--name=you", "--end=value", "--verbosity=1").stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing_half_written(place: pathlib.Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "greet", "--name=you", "--end=wait"]
    with subprocess.Popen(
        command,
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that a shell started in the background hands down an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        assert running.stdout is not None
        while "waiting" not in running.stdout.readline():
            pass
        running.send_signal(number)
        error = running.communicate(timeout=30)[1]
    assert running.returncode == 130
    assert "stopped" in error
    assert sorted(path.name for path in place.iterdir() if path.name != "__pycache__") == [
        "greet.py",
        "other.py",
    ]


def test_a_reader_that_goes_away_leaves_nothing_half_written(place: pathlib.Path) -> None:
    command = f"{sys.executable} -m greet --name=you --end=pipe | head -1"
    done = subprocess.run(command, shell=True, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "hello you []\n"
    assert done.stderr == ""
    assert sorted(path.name for path in place.iterdir() if path.name != "__pycache__") == [
        "greet.py",
        "other.py",
    ]
