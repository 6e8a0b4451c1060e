"""The folder of objects received: names of our own, files that are whole, never more than the disk may hold."""

import contextlib
import dataclasses
import io
import os
import pathlib
import secrets
import shutil
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.filewriter import write_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from raspine import atomic
from raspine.dicom import header, parse
from raspine.pacs.instances import Instance
from raspine.pacs.pseudonym_key import Key

FOLDER = "incoming"
_SPARE = 1 << 28  # bytes of the disk that stay free for the database and the results
_HEAD = 1 << 22  # bytes within which the UIDs stand
_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]


class FullError(Exception):
    """There is no room for another object."""


class UnknownError(ValueError):
    """An object does not say properly what it is."""


@dataclasses.dataclass(frozen=True)
class Received:
    """An object as it came over the network.

    Attributes:
      meta: its file meta information, made by the receiving side.
      data: the encoded data set.
    """

    meta: Dataset
    data: memoryview = dataclasses.field(repr=False)


class Incoming:
    """The folder, and its bounds.

    Args:
      state: the state folder.
      key: names the files.
      max_bytes: of all files together.
    """

    def __init__(self, state: pathlib.Path, key: Key, max_bytes: int):
        self._state, self._key, self._max_bytes = state, key, max_bytes
        (state / FOLDER).mkdir(mode=0o700, exist_ok=True)

    def check_room(self, held: int, coming: int) -> None:
        """Checks that more bytes may come.

        Args:
          held: bytes of the files that are needed.
          coming: bytes of the next one.

        Raises:
          FullError: they may not.
        """
        if held + coming > self._max_bytes or shutil.disk_usage(self._state).free < coming + _SPARE:
            raise FullError("no room for another object.")

    @contextlib.contextmanager
    def written(self, received: Received) -> Iterator[Instance]:
        """Writes an object durably and yields it with its file, which goes again when the block fails.

        Raises:
          UnknownError: its header and its message do not name the same object, or a UID is none.
          OSError: it cannot be written.
        """
        found = identified(received)
        # A name of its own each time: what came before may be under way.
        name = f"{FOLDER}/{self._key.whole(found.sop)}-{secrets.token_hex(4)}.dcm"
        with atomic.atomic_file(self._state / name) as aside, open(aside, "xb", opener=_private) as stream:
            stream.write(b"\0" * 128 + b"DICM")
            write_file_meta_info(stream, received.meta)  # type: ignore[arg-type]
            stream.write(received.data)
            stream.flush()
            os.fsync(stream.fileno())
        atomic.sync((self._state / name).parent)
        try:
            yield dataclasses.replace(found, file=name, size=(self._state / name).stat().st_size)
        except BaseException:
            (self._state / name).unlink(missing_ok=True)
            raise


def identified(received: Received) -> Instance:
    """Returns which object this is.

    Raises:
      UnknownError: its header and its message do not name the same object, or a UID is none.
    """
    dataset = _header(received)
    study, series, sop, sop_class = (
        header.text(dataset, keyword)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    )
    meta = received.meta
    if (sop_class, sop) != (str(meta.MediaStorageSOPClassUID), str(meta.MediaStorageSOPInstanceUID)):
        raise UnknownError("the header names another object than the message.")
    try:
        return Instance(study, series, sop, sop_class)
    except ValueError as error:
        raise UnknownError(str(error)) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _header(received: Received) -> Dataset:
    syntax = UID(received.meta.TransferSyntaxUID)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stream: Any = parse.BoundedStream(io.BytesIO(_head(received.data, syntax)))
            return pydicom.filereader.read_dataset(
                stream,
                syntax.is_implicit_VR,
                syntax.is_little_endian,
                stop_when=lambda tag, *_: tag > 0x0020000E,
                specific_tags=[Tag(name) for name in _TAGS],
            )
    except Exception as error:  # a damaged object makes pydicom raise of many kinds
        raise UnknownError(f"the header is damaged: {type(error).__name__} while reading it.") from error


def _head(data: memoryview, syntax: UID) -> bytes | memoryview:
    """Returns the beginning of a data set, inflated (PS3.5 A.5) no further than that."""
    if syntax == DeflatedExplicitVRLittleEndian:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _HEAD)
    return data[:_HEAD]
