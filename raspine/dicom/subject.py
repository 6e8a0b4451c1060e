"""What groups of patients are told apart by, out of a DICOM header: age, sex, maker of the machine, synthetic or not.

A header may hold anything, names of people among it. So nothing here is text of the header: ages are numbers, sex and
maker are words of fixed lists.
"""

import dataclasses
import datetime
import re

from pydicom.dataset import Dataset

from raspine.dicom import header, wording

OLDEST = 90
"""Stands for every higher age too: so old a patient could be told by the age alone (45 CFR 164.514(b)(2)(i)(C))."""
MOST_YEARS = 120
OTHER = "other"
SEXES = ("F", "M", "O")

_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}
_AGE = re.compile("([0-9]{1,3})([DWMY])")
_DATE = re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})")
# Programs that take identities out write this day of birth.
_PLACEHOLDER = datetime.date(1900, 1, 1)
_TESLA = (0.01, 30.0)

_MAKERS: tuple[tuple[str, str], ...] = (
    # The phantom comes first: its machines are nobody's.
    ("phantom A", "raspine phantom a"),
    ("phantom B", "raspine phantom b"),
    ("phantom C", "raspine phantom c"),
    ("phantom", "raspine phantom"),
    ("Siemens", "siemens"),
    ("GE", "ge|gems|general electric"),
    ("Philips", "philips"),
    ("Canon/Toshiba", "canon|toshiba"),
    ("Fujifilm", "fuji|fujifilm"),
    ("Konica Minolta", "konica|konicaminolta|minolta"),
    ("Agfa", "agfa"),
    ("Carestream/Kodak", "carestream|kodak"),
    ("Shimadzu", "shimadzu"),
    ("Samsung", "samsung"),
    ("Hologic", "hologic|lorad"),
    ("Hitachi", "hitachi"),
    ("United Imaging", "united imaging|uih"),
    ("Esaote", "esaote"),
    ("Hyperfine", "hyperfine"),
    ("Neusoft", "neusoft"),
    ("Mindray", "mindray"),
    ("Swissray", "swissray"),
    ("DRGEM", "drgem"),
    ("DRTECH", "drtech"),
    ("Rayence", "rayence"),
    ("Vieworks", "vieworks"),
    ("Stephanix", "stephanix"),
    ("Picker/Marconi", "picker|marconi"),
)
_PATTERNS = tuple((name, re.compile(f"(?<![a-z])(?:{words})(?![a-z])")) for name, words in _MAKERS)
MAKERS = (*(name for name, _ in _MAKERS), OTHER)
"""Every word that `maker` can return beside the empty one."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """The groups that a patient and an image belong to.

    Attributes:
      age: whole years at the study; 90 stands for 90 and older; None when unknown.
      sex: F, M, O (other), or empty.
      maker: one of MAKERS, or empty when the header names none.
      synthetic: whether the header calls the image synthetic, Synthetic Data (0008,001C).
    """

    age: int | None = None
    sex: str = ""
    maker: str = ""
    synthetic: bool = False

    def corrected(self, age: int | None, sex: str) -> "Subject":
        """Returns the groups with the age and sex that a table gives; None and empty text leave the header's."""
        return dataclasses.replace(self, age=self.age if age is None else age, sex=sex or self.sex)


def of(dataset: Dataset) -> Subject:
    """Returns the groups by a header; unknown where it says nothing that can be understood.

    Args:
      dataset: the header; Patient's Age (0010,1010) goes before birth date and study date.
    """
    age = years(header.text(dataset, "PatientAge"))
    if age is None:
        age = years_between(header.text(dataset, "PatientBirthDate"), header.text(dataset, "StudyDate"))
    sex = header.text(dataset, "PatientSex").upper()
    return Subject(
        age=age,
        sex=sex if sex in SEXES else "",
        maker=maker(header.text(dataset, "Manufacturer")),
        synthetic=header.text(dataset, "SyntheticData").upper() == "YES",
    )


def years(text: str) -> int | None:
    """Returns the whole years of an age string (PS3.5 6.2, e.g. `052Y`, `018M`), None when it is none or zero.

    Args:
      text: up to three digits and D, W, M or Y. Zero is what programs write that do not know the age.
    """
    found = _AGE.fullmatch(text.strip().upper())
    if not found or not int(found[1]):
        return None
    return capped(int(found[1]) / _PER_YEAR[found[2]])


def years_between(birth: str, study: str) -> int | None:
    """Returns the whole years from one day to another, None when they are no days, or in the wrong order.

    Args:
      birth: YYYYMMDD; 1 January 1900 is what programs write that take identities out.
      study: YYYYMMDD.
    """
    first, last = _day(birth), _day(study)
    if first is None or last is None or first == _PLACEHOLDER or last < first:
        return None
    return capped(last.year - first.year - ((last.month, last.day) < (first.month, first.day)))


def capped(age: float) -> int | None:
    """Returns an age in whole years, 90 for every higher one; None for what no person's age is.

    Args:
      age: years; NaN when unknown.
    """
    return min(int(age), OLDEST) if 0 <= age <= MOST_YEARS else None


def sex_of(female: float) -> str:
    """Returns F for 1 and M for 0, as `raspine.clinical` reads a sex, and an empty text for NaN."""
    return {1.0: "F", 0.0: "M"}.get(female, "")


def maker(text: str) -> str:
    """Returns the short name of a maker, `other` for one that is not listed, and an empty text for an empty one.

    Args:
      text: Manufacturer (0008,0070), in any case.
    """
    line = wording.plain(text)
    if not line.strip():
        return ""
    return next((name for name, pattern in _PATTERNS if pattern.search(line)), OTHER)


def scanner(name: str, tesla: float | None = None) -> str:
    """Returns how tables name a machine: its maker, and the field strength where there is one, e.g. `Siemens 1.5 T`.

    Args:
      name: of `maker`.
      tesla: Magnetic Field Strength (0018,0087), or None; what no scanner has is left out.
    """
    if tesla is None or not _TESLA[0] <= tesla <= _TESLA[1]:
        return name
    return f"{name} {max(tesla, 0.1):.1f} T".lstrip()


def _day(text: str) -> datetime.date | None:
    found = _DATE.fullmatch(text)
    try:
        return datetime.date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        return None
