"""The headers of the images that a result is about, read from their files: what results need, and no pixels."""

import os
import pathlib
import stat
import warnings
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from raspine.dicom import header, parse
from raspine.dicom_results import grey_scale, images, patient
from raspine.dicom_results.errors import ResultError

_HEAD = 4096
_TAGS = [*images.TAGS, *patient.TAGS, *grey_scale.TAGS]


def read(path: str | os.PathLike[str]) -> Dataset:
    """Returns the header of a DICOM file, its file meta information included.

    Raises:
      ResultError: the file is no DICOM, or cannot be read; the message leaves the file's name to the caller.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(pathlib.Path(path))
    except ResultError:
        raise
    except (OSError, header.FilmError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise ResultError(f"the header cannot be read: {said}") from error
    except Exception as error:  # a damaged file makes pydicom raise of many kinds
        raise ResultError(f"the header is damaged: {type(error).__name__} while reading it.") from error


def _read(path: pathlib.Path) -> Dataset:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ResultError("the header cannot be read: not a regular file.")
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        if not parse.is_dicom(head):
            raise ResultError("not a DICOM file: a result needs the UIDs of one.")
        stream.seek(0)
        if DeflatedExplicitVRLittleEndian.encode() in head:
            return parse.parse(stream.read())
        bounded: Any = parse.BoundedStream(stream)
        found = pydicom.dcmread(bounded, stop_before_pixels=True, force=True, specific_tags=[*_TAGS])
    found.buffer = None  # the file, which is closed, and which no copy of the header could take along
    return found
