"""The states that a run goes on from: each a folder that stands whole or not at all, the last few kept.

    checkpoints/
      step-0000000100/   the writer's files, and state.json: format, step, state, size and sha256 of every file
      step-0000000200/

A checkpoint is written aside, brought to the disk, renamed, and only then are older ones removed: a power cut at any
moment leaves the earlier ones as they were. One process of a run writes; all of them may read.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from raspine import atomic, outside_json, quoting

FORMAT = 1
STATE = "state.json"
_NAME = re.compile(r"step-(\d{10,})")
_ALMOST_NOTHING = 1 << 20  # bytes: a disk with less is full for a file of weights
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EIO: "the disk reports an input/output error",
    errno.EROFS: "the disk is read-only",
    errno.EFBIG: "a file is larger than this account or file system allows",
    errno.EACCES: "writing is not permitted there",
    errno.EPERM: "writing is not permitted there",
}


class CheckpointError(OSError):
    """A checkpoint could not be written; says which, why, where, and which one is still good.

    Attributes:
      errno: the system's error number, or None where the library that wrote kept it to itself.
    """

    def __init__(self, message: str, number: int | None = None):
        super().__init__(message)
        self.errno = number


class DamagedError(ValueError):
    """A checkpoint does not hold what was written; says what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One that verified.

    Attributes:
      folder: that holds its files.
      step: optimizer steps done since the very start of the run.
      state: what the writer gave, as JSON keeps it.
    """

    folder: pathlib.Path
    step: int
    state: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder of checkpoints offers.

    Attributes:
      checkpoint: the newest that is whole, or None.
      damaged: a line for every newer one that is not: its name, what is wrong, and that it is ignored.
    """

    checkpoint: Checkpoint | None
    damaged: tuple[str, ...] = ()


def write(
    folder: str | os.PathLike[str],
    step: int,
    state: Mapping[str, Any],
    files: Mapping[str, Callable[[pathlib.Path], None]],
    keep: int = 3,
    sizes: Mapping[str, int] | None = None,
) -> pathlib.Path:
    """Writes the checkpoint of a step, whole or not at all, and removes those before the last `keep`.

    Args:
      folder: of the checkpoints; is made.
      step: optimizer steps done since the very start of the run; a checkpoint of the same step is replaced.
      state: JSON values without NaN.
      files: by plain file name, what writes that file to the path it is given.
      keep: checkpoints that stay, this one included.
      sizes: by file name, bytes that it will take at least; a later checkpoint takes what the last one took.

    Returns:
      The checkpoint's folder.

    Raises:
      CheckpointError: the disk is full, read-only or broken; what stood before stands.
      ValueError: `state` is no JSON, or an argument is out of its range.
    """
    _check(step, files, keep)
    plain = json.loads(json.dumps(state, allow_nan=False))  # before any file: what JSON refuses costs nothing
    folder = pathlib.Path(folder)
    final = folder / f"step-{step:010d}"
    with _reporting(folder, step), atomic.atomic_directory(final, replace=True, durable=True) as aside:
        _fill(aside, folder, step, plain, files, sizes or {})
    _prune(folder, step, keep)
    return final


def newest(folder: str | os.PathLike[str]) -> Found:
    """Returns the newest checkpoint whose every byte is as it was written; changes nothing.

    Args:
      folder: of the checkpoints; need not exist.
    """
    damaged = list[str]()
    for place in reversed(_standing(pathlib.Path(folder))):
        try:
            return Found(_read(place, has_to_hash=True), tuple(damaged))
        except DamagedError as error:
            damaged.append(f"checkpoint {place.name} {error}: ignored")
    return Found(None, tuple(damaged))


def tidy(folder: str | os.PathLike[str]) -> None:
    """Removes what was half-written or half-removed, and puts back what was cut short between two renames.

    For the one process that writes, before it reads.
    """
    folder = pathlib.Path(folder)
    for old in sorted(folder.glob(".step-*.old")):
        place = folder / old.name.split(".")[1]
        if not place.exists() and _is_whole(old):
            old.rename(place)
    for left in (*folder.glob(".step-*.part"), *folder.glob(".step-*.old")):
        shutil.rmtree(left, ignore_errors=True)


def _fill(
    aside: pathlib.Path,
    folder: pathlib.Path,
    step: int,
    state: dict[str, Any],
    files: Mapping[str, Callable[[pathlib.Path], None]],
    sizes: Mapping[str, int],
) -> None:
    # Reported before the half-written files are gone: they are what a full disk is known by.
    with _reporting(folder, step):
        last = _last_sizes(folder)
        _claim(aside, {name: max(sizes.get(name, 0), last.get(name, 0)) for name in files})
        for name, fill in files.items():
            fill(aside / name)
        _write_state(aside, {"format": FORMAT, "step": step, "state": state, "files": _described(aside, files)})


def _claim(aside: pathlib.Path, sizes: Mapping[str, int]) -> None:
    """Takes the room that files will need and gives it back, so that a disk without it fails here.

    h5py that meets a full disk cannot close its file, and ends the process with a segmentation fault at its exit.

    Raises:
      OSError: there is no such room.
    """
    claimed = [(aside / name, size) for name, size in sizes.items() if size]
    try:
        for path, size in claimed:
            with path.open("wb") as stream:
                _allocate(stream.fileno(), size)
    finally:
        for path, _ in claimed:
            path.unlink(missing_ok=True)


def _allocate(handle: int, size: int) -> None:
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        # A file system that cannot allocate ahead says nothing about its room.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


def _last_sizes(folder: pathlib.Path) -> dict[str, int]:
    for place in reversed(_standing(folder)):
        with contextlib.suppress(DamagedError, LookupError, TypeError, AttributeError):
            return {name: int(file["bytes"]) for name, file in _read_state(place)["files"].items()}
    return {}


def _check(step: int, files: Mapping[str, Any], keep: int) -> None:
    if step < 0 or keep < 1:
        raise ValueError(f"A step is 0 or more and keep at least 1. Received: {step} and {keep}.")
    for name in files:
        if not _is_plain(name):
            raise ValueError(f"A checkpoint's files have plain names other than {STATE}. Received: '{name}'.")


def _is_plain(name: str) -> bool:
    return name not in ("", ".", "..", STATE) and pathlib.Path(name).name == name


def _standing(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns what has the name of a checkpoint, by step."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=_step)


def _step(place: pathlib.Path) -> int:
    return int(place.name.removeprefix("step-"))


def _described(folder: pathlib.Path, names: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": _hash(folder / name)} for name in names}


def _hash(path: pathlib.Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_state(folder: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Writes state.json, sealed, since a flipped bit in a number leaves it good JSON."""
    text = json.dumps({**content, "sha256": _seal(content)}, indent=1)
    (folder / STATE).write_text(text + "\n", encoding="utf-8")


def _read(place: pathlib.Path, has_to_hash: bool) -> Checkpoint:
    """Returns a checkpoint that is what was written.

    Raises:
      DamagedError: it is not, as far as sizes show, or with `has_to_hash` every byte.
    """
    content = _read_state(place)
    try:
        step, state, files = int(content["step"]), dict(content["state"]), dict(content["files"])
        if content["sha256"] != _seal({key: value for key, value in content.items() if key != "sha256"}):
            raise DamagedError(f"has a {STATE} with changed values")
        for name, expected in files.items():
            if not _is_plain(name):
                raise DamagedError(f"has a {STATE} that names a file elsewhere")
            _compare(place / name, expected, has_to_hash)
    except DamagedError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise DamagedError(f"has a {STATE} that lacks something: {quoting.line(error)}") from error
    if _NAME.fullmatch(place.name) and step != _step(place):
        raise DamagedError(f"holds step {step}")
    return Checkpoint(place, step, state)


def _read_state(place: pathlib.Path) -> dict[str, Any]:
    try:
        content = outside_json.read(place / STATE)
    except FileNotFoundError as error:
        raise DamagedError(f"has no {STATE}") from error
    except OSError as error:
        raise DamagedError(f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DamagedError(f"has a {STATE} that is no JSON") from error
    if not isinstance(content, dict):
        raise DamagedError(f"has a {STATE} that is no JSON object")
    if content.get("format") != FORMAT:
        raise DamagedError(f"has format {quoting.line(content.get('format'), 40)}, this version reads {FORMAT}")
    return content


def _compare(path: pathlib.Path, expected: Mapping[str, Any], has_to_hash: bool) -> None:
    try:
        if not path.is_file():
            raise DamagedError(f"has no {quoting.line(path.name, 40)}")
        size = path.stat().st_size
        if size != expected["bytes"]:
            wanted = quoting.line(expected["bytes"], 40)
            raise DamagedError(f"has {size} bytes of {path.name} instead of {wanted}")
        if has_to_hash and _hash(path) != expected["sha256"]:
            raise DamagedError(f"has changed bytes in {path.name}")
    except OSError as error:
        raise DamagedError(f"cannot be read: {quoting.line(path.name, 40)} ({error.strerror})") from error


def _is_whole(place: pathlib.Path) -> bool:
    with contextlib.suppress(DamagedError):
        _read(place, has_to_hash=False)
        return True
    return False


def _prune(folder: pathlib.Path, step: int, keep: int) -> None:
    """Removes what is older than the last `keep` whole checkpoints up to a step; a damaged one is not one of them."""
    standing = [place for place in _standing(folder) if _step(place) <= step]
    whole = [place for place in reversed(standing) if _is_whole(place)]
    for place in standing:
        if len(whole) > keep and _step(place) < _step(whole[keep - 1]):
            _remove(place)


def _remove(place: pathlib.Path) -> None:
    """Removes a checkpoint, first from sight: half of one never has the name of a whole one."""
    if not place.is_dir():
        place.unlink(missing_ok=True)
        return
    with contextlib.suppress(OSError):
        hidden = tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent)
        place.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


@contextlib.contextmanager
def _reporting(folder: pathlib.Path, step: int) -> Iterator[None]:
    """Turns what a disk does into a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except OSError as error:
        _fail(folder, step, error)
    except RuntimeError as error:
        # h5py raises one when the file that cannot grow is closed.
        if _number(error) is None and not _is_full(folder):
            raise
        _fail(folder, step, error)


def _fail(folder: pathlib.Path, step: int, error: Exception) -> NoReturn:
    number = _number(error)
    if number is None and _is_full(folder):
        number = errno.ENOSPC
    known = number is not None and (_REASONS.get(number) or os.strerror(number))
    reason = known or (str(error).splitlines() or [type(error).__name__])[0]
    good = newest(folder).checkpoint
    rest = f"the one of step {good.step} is still good" if good else "there is no earlier one"
    message = f"the checkpoint of step {step} could not be written to '{folder}': {reason}; {rest}."
    raise CheckpointError(message, number) from error


def _number(error: Exception) -> int | None:
    """Returns the system's error number, which h5py may only tell in its text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    told = re.search(r"errno = (\d+)", str(error))
    return int(told[1]) if told and int(told[1]) else None


def _is_full(folder: pathlib.Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ALMOST_NOTHING
    except OSError:
        return False
