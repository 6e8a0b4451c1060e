import errno
import json
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import keras
import pytest

from raspine.training import checkpoints


def holding(content: bytes) -> Callable[[pathlib.Path], None]:
    def fill(path: pathlib.Path) -> None:
        path.write_bytes(content)

    return fill


def put(folder: pathlib.Path, step: int, keep: int = 3) -> pathlib.Path:
    files = {"weights.h5": holding(b"w%d" % step * 50), "average.h5": holding(b"a%d" % step * 20)}
    return checkpoints.write(folder, step, {"epoch": step / 10, "best": None}, files, keep)


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    place = put(tmp_path / "new", 123)
    assert place == tmp_path / "new" / "step-0000000123"
    assert names(place) == ["average.h5", "state.json", "weights.h5"]
    found = checkpoints.newest(tmp_path / "new")
    assert found == checkpoints.Found(checkpoints.Checkpoint(place, 123, {"epoch": 12.3, "best": None}))
    assert (place / "weights.h5").read_bytes() == b"w123" * 50


def test_nothing_stands_in_a_new_folder(tmp_path: pathlib.Path) -> None:
    assert checkpoints.newest(tmp_path / "none") == checkpoints.Found(None)
    checkpoints.tidy(tmp_path / "none")


def test_the_last_three_are_kept_by_step_not_by_name(tmp_path: pathlib.Path) -> None:
    for step in (5, 50, 9_999_999_999, 10_000_000_000):
        put(tmp_path, step)
    assert names(tmp_path) == ["step-0000000050", "step-10000000000", "step-9999999999"]
    found = checkpoints.newest(tmp_path).checkpoint
    assert found is not None
    assert found.step == 10_000_000_000


def test_a_step_written_again_replaces(tmp_path: pathlib.Path) -> None:
    put(tmp_path, 7)
    checkpoints.write(tmp_path, 7, {"second": True}, {"other": holding(b"o")})
    assert names(tmp_path) == ["step-0000000007"]
    assert names(tmp_path / "step-0000000007") == ["other", "state.json"]
    found = checkpoints.newest(tmp_path).checkpoint
    assert found is not None
    assert found.state == {"second": True}


def flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[11] ^= 1
    path.write_bytes(content)


def change_state(place: pathlib.Path, old: str, new: str) -> None:
    text = (place / "state.json").read_text()
    assert text.count(old) == 1
    (place / "state.json").write_text(text.replace(old, new))


def replace_by_folder(path: pathlib.Path) -> None:
    path.unlink()
    path.mkdir()


def empty(place: pathlib.Path) -> None:
    for path in place.iterdir():
        path.unlink()


DAMAGE: dict[str, tuple[Callable[[pathlib.Path], object], str]] = {
    "truncated": (lambda place: (place / "weights.h5").write_bytes(b"w3"), "has 2 bytes of weights.h5 instead of 100"),
    "flipped": (lambda place: flip(place / "average.h5"), "has changed bytes in average.h5"),
    "missing": (lambda place: (place / "weights.h5").unlink(), "has no weights.h5"),
    "empty state": (lambda place: (place / "state.json").write_bytes(b""), "has a state.json that is no JSON"),
    "zeros": (lambda place: (place / "state.json").write_bytes(bytes(300)), "has a state.json that is no JSON"),
    "bytes": (lambda place: (place / "state.json").write_bytes(b"\xff\xfe\x00"), "has a state.json that is no JSON"),
    "list": (lambda place: (place / "state.json").write_text("[]"), "has a state.json that is no JSON object"),
    "no state": (lambda place: (place / "state.json").unlink(), "has no state.json"),
    "changed": (lambda place: change_state(place, "0.3", "0.7"), "has a state.json with changed values"),
    "newer": (lambda place: change_state(place, '"format": 1', '"format": 2'), "has format 2, this version reads 1"),
    "lacking": (
        lambda place: change_state(place, '"files"', '"fil"'),
        "has a state.json that lacks something: 'files'",
    ),
    "state a folder": (
        lambda place: replace_by_folder(place / "state.json"),
        "cannot be read (Is a directory)",
    ),
    "empty": (empty, "has no state.json"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path: pathlib.Path, name: str) -> None:
    put(tmp_path, 2)
    damage, text = DAMAGE[name]
    damage(put(tmp_path, 3))
    found = checkpoints.newest(tmp_path)
    assert found.damaged == (f"checkpoint step-0000000003 {text}: ignored",)
    assert found.checkpoint is not None
    assert found.checkpoint.step == 2


def test_a_renamed_checkpoint_is_not_taken_for_another_step(tmp_path: pathlib.Path) -> None:
    put(tmp_path, 2).rename(tmp_path / "step-0000000009")
    (tmp_path / "step-0000000008").write_text("no folder")
    assert checkpoints.newest(tmp_path) == checkpoints.Found(
        None,
        (
            "checkpoint step-0000000009 holds step 2: ignored",
            "checkpoint step-0000000008 cannot be read (Not a directory): ignored",
        ),
    )


def test_damaged_checkpoints_do_not_push_good_ones_out(tmp_path: pathlib.Path) -> None:
    for step in (1, 2, 3):
        put(tmp_path, step)
    (tmp_path / "step-0000000002" / "weights.h5").unlink()
    (tmp_path / "step-0000000003" / "weights.h5").unlink()
    put(tmp_path, 4)
    assert names(tmp_path) == [f"step-000000000{step}" for step in (1, 2, 3, 4)]
    put(tmp_path, 5, keep=2)
    assert names(tmp_path) == [f"step-000000000{step}" for step in (4, 5)]


def test_a_later_damaged_checkpoint_does_not_cost_the_one_just_written(tmp_path: pathlib.Path) -> None:
    for step in (1, 20, 30):
        put(tmp_path, step)
    for step in (20, 30):
        flip(tmp_path / f"step-00000000{step}" / "weights.h5")
    put(tmp_path, 2, keep=1)
    found = checkpoints.newest(tmp_path).checkpoint
    assert found is not None
    assert found.step == 2


def fill_the_disk(path: pathlib.Path) -> None:
    path.write_bytes(b"half")
    with open("/dev/full", "wb") as stream:
        stream.write(b"x")
        stream.flush()


def test_a_full_disk_is_named_and_costs_nothing(tmp_path: pathlib.Path) -> None:
    put(tmp_path, 100)
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.write(tmp_path, 200, {}, {"first": holding(b"1"), "second": fill_the_disk})
    assert str(caught.value) == (
        f"the checkpoint of step 200 could not be written to '{tmp_path}': the disk is full; "
        "the one of step 100 is still good."
    )
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == ["step-0000000100"]


def test_a_full_disk_at_the_first_checkpoint(tmp_path: pathlib.Path) -> None:
    with pytest.raises(checkpoints.CheckpointError, match=r"the disk is full; there is no earlier one\.$"):
        checkpoints.write(tmp_path, 1, {}, {"a": fill_the_disk})


def raising(error: Exception) -> Callable[[pathlib.Path], None]:
    def fill(path: pathlib.Path) -> None:
        raise error

    return fill


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk quota is used up"),
        (OSError(errno.EIO, "Input/output error"), "the disk reports an input/output error"),
        (OSError(errno.EROFS, "Read-only file system"), "the disk is read-only"),
        (OSError(errno.ESTALE, "?"), "Stale file handle"),
        (OSError("Unable to write (file write failed: errno = 28, error message = 'x')"), "the disk is full"),
        (RuntimeError("Can't decrement id ref count (unable to extend, errno = 122, x)"), "the disk quota is used up"),
        (OSError("odd\nsecond line"), "odd"),
    ],
)
def test_what_a_disk_does_is_told_in_one_line(tmp_path: pathlib.Path, error: Exception, reason: str) -> None:
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.write(tmp_path, 5, {}, {"a": raising(error)})
    assert f": {reason}; there is no earlier one." in str(caught.value)
    assert names(tmp_path) == []


def test_a_full_disk_is_known_without_an_error_number(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    for error in (OSError("Unable to flush"), RuntimeError("Unable to flush")):
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints.shutil, "disk_usage", lambda _: usage._replace(free=4096))
            with pytest.raises(checkpoints.CheckpointError, match="the disk is full"):
                checkpoints.write(tmp_path, 5, {}, {"a": raising(error)})
    with pytest.raises(RuntimeError, match="a fault of the program"):
        checkpoints.write(tmp_path, 5, {}, {"a": raising(RuntimeError("a fault of the program"))})


def test_a_failing_sync_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, 1)

    def fail(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(checkpoints.CheckpointError, match="input/output error; the one of step 1 is still good"):
            put(tmp_path, 2)
    assert names(tmp_path) == ["step-0000000001"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(checkpoints.CheckpointError, match=r"/file/in': Not a directory; there is no earlier one\."):
        put(tmp_path / "file" / "in", 1)


def test_keras_weights_that_outgrow_a_limit_are_a_checkpoint_error(tmp_path: pathlib.Path) -> None:
    model = keras.Sequential([keras.layers.Input((200,)), keras.layers.Dense(200)])
    put(tmp_path, 1)
    sizes = {"training.weights.h5": 160_000}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))
    try:
        with pytest.raises(checkpoints.CheckpointError, match="could not be written") as caught:
            checkpoints.write(tmp_path, 2, {}, {"training.weights.h5": model.save_weights}, sizes=sizes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == ["step-0000000001"]


def test_room_is_looked_for_before_a_writer_meets_a_full_disk(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, room = list[int](), 100

    def allocate(handle: int, offset: int, size: int) -> None:
        asked.append(size)
        if size > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", allocate)
    with pytest.raises(checkpoints.CheckpointError, match="the disk is full"):
        checkpoints.write(tmp_path, 1, {}, {"a": raising(AssertionError())}, sizes={"a": 101})
    checkpoints.write(tmp_path, 1, {}, {"a": holding(b"a" * 60), "b": holding(b"")}, sizes={"a": 50})
    checkpoints.write(tmp_path, 2, {}, {"a": holding(b"a" * 60), "c": holding(b"c")}, sizes={"a": 50})
    assert asked == [101, 50, 60]
    room = 59
    with pytest.raises(checkpoints.CheckpointError, match="the disk is full; the one of step 2 is still good"):
        checkpoints.write(tmp_path, 3, {}, {"a": raising(AssertionError())})
    assert names(tmp_path / "step-0000000002") == ["a", "c", "state.json"]


@pytest.mark.parametrize("moment", ["between files", "before the rename", "between the renames"])
def test_a_cut_leaves_the_former_ones(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    class PowerCutError(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise PowerCutError

    put(tmp_path, 1)
    put(tmp_path, 2)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.atomic.shutil, "rmtree", lambda *_, **__: None)  # nothing tidies after a power cut
        if moment == "before the rename":
            patch.setattr(checkpoints.atomic, "_swap", cut)
        elif moment == "between the renames":
            patch.setattr(pathlib.Path, "rename", cut)
        second = cut if moment == "between files" else holding(b"b")
        with pytest.raises(PowerCutError):
            checkpoints.write(tmp_path, 2, {}, {"a": holding(b"a"), "b": second})
    left = checkpoints.newest(tmp_path).checkpoint
    assert left is not None
    assert left.step == (1 if moment == "between the renames" else 2)
    checkpoints.tidy(tmp_path)
    assert names(tmp_path) == ["step-0000000001", "step-0000000002"]
    found = checkpoints.newest(tmp_path)
    assert found.damaged == ()
    assert found.checkpoint is not None
    assert found.checkpoint.state["epoch"] == 0.2


@pytest.mark.parametrize("name", ["state.json", "a/b", "../a", "", ".."])
def test_only_plain_names_are_taken(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain names"):
        checkpoints.write(tmp_path, 1, {}, {name: holding(b"")})


def test_a_state_that_is_no_json_is_refused_before_anything_is_written(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        checkpoints.write(tmp_path, 1, {"loss": float("nan")}, {"a": fill_the_disk})
    with pytest.raises(ValueError, match="keep at least 1"):
        checkpoints.write(tmp_path, 1, {}, {}, keep=0)
    assert names(tmp_path) == []


WRITER = """
import pathlib, sys
from raspine.training import checkpoints
folder = pathlib.Path(sys.argv[1])
checkpoints.tidy(folder)
found = checkpoints.newest(folder)
step = found.checkpoint.step if found.checkpoint else 0
print("ready", flush=True)
while True:
    step += 1
    content = bytes([step % 256]) * 50_000
    files = {name: lambda path: path.write_bytes(content) for name in ("a", "b")}
    checkpoints.write(folder, step, {"step": step}, files)
    checkpoints.write(folder, step, {"step": step}, files)
"""


def test_a_killed_writer_never_costs_a_checkpoint(tmp_path: pathlib.Path) -> None:
    rng, last = random.Random(4), 0
    for _ in range(5):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.05, 0.4))
            child.send_signal(signal.SIGKILL)
        found = checkpoints.newest(tmp_path)
        assert found.damaged == ()
        if found.checkpoint is not None:
            assert found.checkpoint.step >= last
            assert found.checkpoint.state == {"step": found.checkpoint.step}
            last = found.checkpoint.step
    assert last > 0
    checkpoints.tidy(tmp_path)
    assert all(name.startswith("step-") for name in names(tmp_path))
    assert json.loads((tmp_path / names(tmp_path)[-1] / "state.json").read_text())["step"] >= last
