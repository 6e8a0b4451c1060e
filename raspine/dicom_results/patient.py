"""The patient and study modules of a result: the source's own for the archive, empty ones for everybody else."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from pydicom.dataset import Dataset

from raspine.dicom import header
from raspine.dicom_results import checked_values
from raspine.dicom_results.errors import ResultError

CHARACTER_SET = "ISO_IR 192"
"""UTF-8: whatever the source's character set is, its values are decoded and stored anew."""

# What tells patients apart: a damaged value would file the result under somebody else.
_TELLING = ("PatientName", "PatientID", "IssuerOfPatientID")
# An Accession Number may be longer than the 16 characters of SH, and then cannot be stored; UIDs name the study.
_EMPTY_IF_UNUSABLE = (
    "AccessionNumber", "PatientBirthDate", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID",
)  # fmt: skip
_LEFT_OUT_IF_UNUSABLE = (
    "TypeOfPatientID", "PatientBirthTime", "EthnicGroup", "PatientIdentityRemoved", "DeidentificationMethod",
    "QualityControlSubject", "StudyDescription", "PatientAge", "PatientSize", "PatientWeight", "Occupation",
)  # fmt: skip
TAGS = (*_TELLING, *_EMPTY_IF_UNUSABLE, *_LEFT_OUT_IF_UNUSABLE, "PatientSex")
_SEXES = ("F", "M", "O")
_DIFFERING = ("PatientBirthDate", "PatientSex")  # of one patient, where both of two images have them
_WITHOUT = "without patient"


def settings(carry: bool) -> tuple[str, ...]:
    """Returns what sets results without a patient apart from those that carry one, for `uids.of_instance`."""
    return () if carry else (_WITHOUT,)


def neutral() -> Dataset:
    """Returns patient and study modules (PS3.3 C.7.1.1, C.7.2.1) without any patient; the study's UID is not here."""
    module = Dataset()
    for keyword in (*_TELLING, *_EMPTY_IF_UNUSABLE, "PatientSex"):
        setattr(module, keyword, "")
    del module.IssuerOfPatientID
    return module


def carried(source: Dataset) -> Dataset:
    """Returns the patient and study modules of an image.

    Args:
      source: the image's header.

    Raises:
      ResultError: a value that tells patients apart cannot be read or breaks the rules of its value representation.
        Other such values are left out.
    """
    module = neutral()
    for keyword in _TELLING:
        if value := checked_values.text(source, keyword):
            setattr(module, keyword, value)
    for keyword in (*_EMPTY_IF_UNUSABLE, *_LEFT_OUT_IF_UNUSABLE):
        if value := checked_values.usable_text(source, keyword):
            setattr(module, keyword, value)
    sex = checked_values.usable_text(source, "PatientSex").upper()
    module.PatientSex = sex if sex in _SEXES else ""
    if "DeidentificationMethod" not in module:
        module.pop(
            "PatientIdentityRemoved", None
        )  # PS3.3 C.7.1.1 wants how, which may stand in codes that are not carried
    return module


def check_one(sources: Sequence[Dataset]) -> None:
    """Checks that images are of one patient, by every tag that tells patients apart and that two of them have.

    Names are compared group by group, whatever their case, empty parts and spaces are.

    Raises:
      ResultError: they are of several, or such a value is damaged.
    """
    for keyword in _TELLING:
        found = [checked_values.text(source, keyword) for source in sources]
        for values in _groups(found) if keyword == "PatientName" else [found]:
            _compare(keyword, values)
    for keyword in _DIFFERING:
        _compare(keyword, [checked_values.usable_text(source, keyword).upper() for source in sources])


def _compare(keyword: str, values: Iterable[str]) -> None:
    if len(set(values) - {""}) > 1:
        raise ResultError(f"the images of a result have one {header.name(keyword)}. Received: several.")


def _groups(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yields the alphabetic, the ideographic and the phonetic groups of names."""
    yield from itertools.zip_longest(*(map(_plain, name.split("=")) for name in names), fillvalue="")


def _plain(group: str) -> str:
    """Returns a group of a name without what does not tell people apart."""
    return "^".join(" ".join(part.split()) for part in group.casefold().split("^")).rstrip("^")


def put(module: Dataset, result: Dataset) -> None:
    """Gives a result the modules, in place of what it has of them."""
    result.SpecificCharacterSet = CHARACTER_SET
    for element in module:
        result[element.tag] = element
