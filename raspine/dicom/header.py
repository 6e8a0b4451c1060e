"""Values of a DICOM header that may be wrong in any way: read with one-line errors, never a traceback."""

import logging
import math
import warnings
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import UID

from raspine import quoting

# pydicom quotes damaged values, identifying ones among them, in its warnings and log lines.
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
logging.getLogger("pydicom").setLevel(logging.ERROR)


MAX_ITEMS = 200_000  # of sequences; Enhanced MR has some ten a frame
MAX_SEQUENCE_BYTES = 1 << 23
ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # (FFFE,E000), little and big endian (PS3.5 7.5)


class FilmError(ValueError):
    """A file is no film that can be read; the one-line message names the tag, the value and the rule."""


def name(keyword: str) -> str:
    """Returns a tag as people know it, e.g. `Pixel Spacing (0028,0030)`."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"


def received(value: object) -> str:
    """Returns a value as a short printable line for an error message; only for tags that identify nobody.

    It ends at the first unprintable character: a damaged length makes a value run on into the next tags.
    """
    if isinstance(value, list | tuple | MultiValue):
        value = "\\".join(str(item) for item in value)
    return quoting.received(value)


def uid_name(uid: str) -> str:
    """Returns the name that DICOM gives a UID (PS3.6 A); empty when it gives none, whatever else the text holds."""
    known = UID(uid)
    return known.name if str(known) == uid and known.name != uid else ""


def values(dataset: Dataset, keyword: str) -> tuple[Any, ...]:
    """Returns the values of a tag, none of them empty in full; () when the tag is absent or empty.

    Raises:
      FilmError: the tag is there and cannot be read as its value representation.
    """
    try:
        if keyword not in dataset:
            return ()
        _check_sequence(dataset, keyword)
        value = dataset[keyword].value
    except FilmError:
        raise
    except Exception as error:  # pydicom converts lazily and raises of many kinds on damaged values
        raise FilmError(f"{name(keyword)} cannot be read: {received(_raw(dataset, keyword))}.") from error
    if value is None or (isinstance(value, str | bytes | Sequence) and len(value) == 0):
        return ()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else (value,)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Returns the values of a tag as finite numbers; () when the tag is absent or empty.

    Raises:
      FilmError: a value is not a finite number.
    """
    found = values(dataset, keyword)
    if all(isinstance(value, str) and not value.strip() for value in found):
        return ()
    try:
        parsed = tuple(float(value) for value in found)
    except (TypeError, ValueError) as error:
        raise FilmError(f"{name(keyword)} must hold numbers. Received: {received(found)}.") from error
    if not all(math.isfinite(value) for value in parsed):
        raise FilmError(f"{name(keyword)} must hold finite numbers. Received: {received(found)}.")
    return parsed


def number(dataset: Dataset, keyword: str, default: float | None = None) -> float | None:
    """Returns the first value of a tag as a finite number, `default` when the tag is absent or empty."""
    found = numbers(dataset, keyword)
    return found[0] if found else default


def padding(dataset: Dataset) -> tuple[float, float] | None:
    """Returns both ends of the values that are padding (PS3.3 C.7.5.1.1.2), as written; None without any."""
    try:
        first = number(dataset, "PixelPaddingValue")
        last = number(dataset, "PixelPaddingRangeLimit", first)
    except FilmError:
        return None
    return None if first is None or last is None else (first, last)


def integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """Returns the one value of a tag as an integer.

    Raises:
      FilmError: the value is no integer, or it is missing and there is no `default`.
    """
    value = number(dataset, keyword)
    if value is None:
        if default is None:
            raise FilmError(f"{name(keyword)} is missing.")
        return default
    if value != int(value):
        raise FilmError(f"{name(keyword)} must be an integer. Received: {received(value)}.")
    return int(value)


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Returns the values of a tag as stripped text, `()` when it is absent, empty or unreadable."""
    try:
        return tuple(str(value).strip(" \0") for value in values(dataset, keyword))
    except FilmError:
        return ()


def text(dataset: Dataset, keyword: str) -> str:
    """Returns the first value of a tag as stripped text, '' when it is absent, empty or unreadable."""
    found = texts(dataset, keyword)
    return found[0] if found else ""


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Returns the items of a sequence, () when it is absent, empty or unreadable."""
    try:
        return tuple(item for item in values(dataset, keyword) if isinstance(item, Dataset))
    except FilmError:
        return ()


def _check_sequence(dataset: Dataset, keyword: str) -> None:
    """Refuses a sequence that pydicom has not parsed yet and that holds more than any image's."""
    raw = getattr(dataset.get_item(Tag(keyword)), "value", None)
    if not isinstance(raw, bytes) or not keyword.endswith("Sequence"):
        return
    if len(raw) > MAX_SEQUENCE_BYTES or sum(raw.count(tag) for tag in ITEM_TAGS) > MAX_ITEMS:
        raise FilmError(f"{name(keyword)} holds more than any image's. Received: {len(raw)} bytes.")


def _raw(dataset: Dataset, keyword: str) -> str:
    try:
        value = getattr(dataset.get_item(Tag(keyword)), "value", b"")
    except Exception:  # pydicom may convert here as well
        return ""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
