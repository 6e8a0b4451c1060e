"""Values of a source's header that go on into a result: kept only where they obey their value representation.

No message quotes a value, since these are the tags that say who the patient is.
"""

import unicodedata
import warnings

from pydicom import config
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM, validate_value

from raspine.dicom import header
from raspine.dicom_results import uids
from raspine.dicom_results.errors import ResultError

_UNDECODABLE = "\N{REPLACEMENT CHARACTER}"
# Control characters, line ends, halves of characters, characters of nobody and of private agreements; spaces of every
# width and soft hyphens stand in names.
_NO_TEXT = frozenset({"Cc", "Zl", "Zp", "Cs", "Co", "Cn"})
_LINES, _LONG_TEXTS = "\t\n\f\r", ("LT", "ST", "UT")  # PS3.5 6.1.3
_NAME_GROUPS, _NAME_PARTS, _LONGEST_GROUP = 3, 5, 64


def text(dataset: Dataset, keyword: str) -> str:
    """Returns the one value of a text tag, '' when it is absent or empty.

    Raises:
      ResultError: it cannot be read, has several values, control characters, or breaks its value representation.
    """
    found = _values(dataset, keyword)
    if len(found) > 1:
        raise ResultError(f"{header.name(keyword)} must have one value. Received: {len(found)}.")
    value = str(found[0]).strip(" \0") if found else ""
    if broken := _broken(dictionary_VR(keyword), value):
        raise ResultError(f"{header.name(keyword)} {broken}.")
    return value


def usable_text(dataset: Dataset, keyword: str) -> str:
    """Returns the one value of a text tag, '' also where it cannot be used."""
    try:
        return text(dataset, keyword)
    except ResultError:
        return ""


def uid(dataset: Dataset, keyword: str) -> str:
    """Returns a UID.

    Raises:
      ResultError: it is missing or none.
    """
    found = _values(dataset, keyword)
    if not found:
        raise ResultError(f"{header.name(keyword)} is missing: the image cannot be referenced.")
    value = str(found[0]).strip(" \0")
    if len(found) > 1 or not uids.is_valid(value):
        raise ResultError(
            f"{header.name(keyword)} must be one UID of digits and dots, without leading zeros, at most 64 characters."
        )
    return value


def count(dataset: Dataset, keyword: str) -> int:
    """Returns a number of pixels or samples.

    Raises:
      ResultError: it is missing, or no number from 1 to 65,535.
    """
    try:
        value = header.integer(dataset, keyword)
    except header.FilmError:
        value = 0
    if not 1 <= value <= 0xFFFF:
        raise ResultError(f"{header.name(keyword)} must be a number from 1 to 65535.")
    return value


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Returns the finite numbers of a tag if there are as many as it has to have, else ()."""
    try:
        found = header.numbers(dataset, keyword)
    except header.FilmError:
        return ()
    return found if str(len(found)) == dictionary_VM(keyword) else ()


def _values(dataset: Dataset, keyword: str) -> tuple[object, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = header.values(dataset, keyword)
    except header.FilmError:
        found = (b"",)
    if any(isinstance(value, bytes | Dataset) for value in found):
        raise ResultError(f"{header.name(keyword)} cannot be read as {dictionary_VR(keyword)}.")
    return found


def _broken(representation: str, value: str) -> str:
    """Returns which rule of its value representation (PS3.5 6.2) a value breaks; '' for none."""
    if not value:
        return ""
    if _UNDECODABLE in value or not _is_text(representation, value):
        return "holds control characters, or such as its character set does not have"
    if representation == "PN":
        return "" if _is_name(value) else "is no person's name: too long, or too many parts"
    try:
        validate_value(representation, value, config.RAISE)
        if representation in ("DA", "TM"):
            (DA if representation == "DA" else TM)(value)
    except Exception:  # pydicom and datetime raise of several kinds, and quote the value
        return f"breaks the rules of its value representation {representation}"
    return ""


def _is_text(representation: str, value: str) -> bool:
    allowed = _LINES if representation in _LONG_TEXTS else ""
    return all(letter in allowed or unicodedata.category(letter) not in _NO_TEXT for letter in value)


def _is_name(value: str) -> bool:
    groups = value.split("=")
    return len(groups) <= _NAME_GROUPS and all(
        len(group) <= _LONGEST_GROUP and group.count("^") < _NAME_PARTS and "\\" not in group for group in groups
    )
