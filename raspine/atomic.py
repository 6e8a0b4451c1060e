"""Files and folders that appear whole or not at all: written aside, then renamed."""

import contextlib
import csv
import errno
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path` that replaces `path` when the block ends without an error.

    Args:
      path: where the finished file shall stand; missing parent folders are made.

    Yields:
      The path to write to, with the same ending as `path`.
    """
    final = pathlib.Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{final.stem}.{os.getpid()}.part{final.suffix}")
    try:
        yield aside
        os.replace(aside, final)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(
    path: str | os.PathLike[str], replace: bool = False, durable: bool = False
) -> Iterator[pathlib.Path]:
    """Yields a temporary folder beside `path` that becomes `path` when the block ends without an error.

    Args:
      path: where the finished folder shall stand; an empty folder there gives way.
      replace: whether a folder with content at `path` gives way too.
      durable: whether the content is on the disk before the folder appears, so that a power cut leaves nothing half.

    Yields:
      The folder to write into.

    Raises:
      FileExistsError: `path` holds something and `replace` is off.
    """
    final = pathlib.Path(path)
    if not replace and has_content(final):
        raise _occupied(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = pathlib.Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".part", dir=final.parent))
    aside.chmod(0o777 & ~_umask())
    try:
        yield aside
        if durable:
            for file in (*aside.rglob("*"), aside):
                sync(file)
        if replace:
            _swap(aside, final)
        else:
            _appear(aside, final)
        if durable:
            sync(final.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def has_content(path: str | os.PathLike[str]) -> bool:
    """Returns whether something other than an empty folder stands at `path`."""
    place = pathlib.Path(path)
    return place.exists() and not (place.is_dir() and not any(place.iterdir()))


def sync(path: str | os.PathLike[str]) -> None:
    """Returns once a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # What a network file system that cannot do this for folders answers.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON; NaN is refused, since JSON has none (use None)."""
    with atomic_file(path) as aside:
        aside.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> None:
    """Writes `rows` under the header `fields`; a missing key or None leaves its cell empty."""
    with atomic_file(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fields, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _occupied(final: pathlib.Path) -> FileExistsError:
    return FileExistsError(f"output folder '{final}' exists and is not empty: name another or empty it.")


def _appear(aside: pathlib.Path, final: pathlib.Path) -> None:
    """Gives `aside` its name; what another process has put there meanwhile stays."""
    try:
        aside.rename(final)
    except OSError as error:
        if has_content(final):
            raise _occupied(final) from error
        raise


def _swap(aside: pathlib.Path, final: pathlib.Path) -> None:
    """Puts `aside` in the place of `final`; the old content stays until the new one stands."""
    if not final.exists():
        aside.rename(final)
        return
    old = pathlib.Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".old", dir=final.parent))
    os.rename(final, old)
    try:
        aside.rename(final)
    except OSError:
        os.rename(old, final)
        raise
    shutil.rmtree(old, ignore_errors=True)
