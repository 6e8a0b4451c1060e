import io
import math
import re
import struct
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from raspine.dicom import subject

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The value length")


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def raw(group: int, element: int, value: bytes) -> Dataset:
    """One element as a file holds it: pydicom converts it when it is asked for."""
    content = struct.pack("<HHI", group, element, len(value)) + value
    return read_dataset(io.BytesIO(content), is_implicit_VR=True, is_little_endian=True)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("052Y", 52), ("52Y", 52), (" 052y ", 52), ("089Y", 89), ("090Y", 90), ("091Y", 90), ("120Y", 90), ("018M", 1),
        ("023M", 1), ("024M", 2), ("104W", 1), ("105W", 2), ("400D", 1), ("001D", 0), ("121Y", None), ("999Y", None),
        ("999D", 2), ("000Y", None), ("abc", None), ("-12Y", None), ("052", None), ("52.5Y", None), ("", None),
        ("052YY", None), ("٠٥٢Y", None), ("Smith^Anna", None), ("1052Y", None),
    ],
)  # fmt: skip
def test_patients_age(text: str, years: int | None) -> None:
    assert subject.years(text) == years
    assert subject.of(header(PatientAge=text)).age == years


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [
        ("19500615", "20200614", 69), ("19500615", "20200615", 70), ("19480229", "20200228", 71),
        ("19480229", "20200229", 72), ("1950.06.15", "20200615", 70), ("19300101", "20200101", 90),
        ("19200101", "20200101", 90), ("20200101", "20200101", 0), ("20210101", "20200101", None),
        ("18500101", "20200101", None), ("19000101", "20150101", None), ("19501301", "20200101", None),
        ("19500615", "", None), ("", "20200101", None), ("Smith", "20200101", None), ("1950", "20200101", None),
        ("19500000", "20200101", None), ("00000101", "20200101", None),
    ],
)  # fmt: skip
def test_age_by_dates(birth: str, study: str, years: int | None) -> None:
    assert subject.years_between(birth, study) == years
    assert subject.of(header(PatientBirthDate=birth, StudyDate=study)).age == years


def test_patients_age_goes_before_dates_that_take_over_when_it_is_no_age() -> None:
    dates = {"PatientBirthDate": "19500615", "StudyDate": "20200615"}
    assert subject.of(header(PatientAge="069Y", **dates)).age == 69
    assert [subject.of(header(PatientAge=text, **dates)).age for text in ("", "000Y", "999Y", "abc")] == [70] * 4


@pytest.mark.parametrize("age", [math.nan, -0.5, 120.5, math.inf])
def test_no_age(age: float) -> None:
    assert subject.capped(age) is None


def test_no_age_above_ninety_is_told() -> None:
    assert {subject.capped(age) for age in np.arange(90, 120.1, 0.5)} == {90}
    assert subject.capped(89.99) == 89


@pytest.mark.parametrize(("text", "sex"), [("F", "F"), ("m", "M"), ("O ", "O"), ("", ""), ("W", ""), ("SMITH", "")])
def test_sex(text: str, sex: str) -> None:
    assert subject.of(header(PatientSex=text)).sex == sex


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SIEMENS", "Siemens"), ("Siemens Healthineers", "Siemens"), ("GE MEDICAL SYSTEMS", "GE"),
        ('"GE Healthcare"', "GE"), ("General Electric", "GE"), ("Philips Medical Systems", "Philips"),
        ("TOSHIBA_MEC", "Canon/Toshiba"), ("CANON_MEC", "Canon/Toshiba"), ("Canon Inc.", "Canon/Toshiba"),
        ("FUJI PHOTO FILM Co., ltd.", "Fujifilm"), ("FUJIFILM Corporation", "Fujifilm"),
        ("KONICA MINOLTA", "Konica Minolta"), ("KonicaMinolta", "Konica Minolta"), ("Agfa-Gevaert", "Agfa"),
        ("CARESTREAM HEALTH", "Carestream/Kodak"), ("KODAK", "Carestream/Kodak"), ("Shimadzu", "Shimadzu"),
        ("SAMSUNG ELECTRONICS", "Samsung"), ("HOLOGIC, Inc.", "Hologic"), ("Hitachi Medical Corporation", "Hitachi"),
        ("ＳＩＥＭＥＮＳ", "Siemens"), ("UIH", "United Imaging"), ("raspine phantom A", "phantom A"),
        ("Raspine Phantom c", "phantom C"), ("raspine phantom", "phantom"), ("raspine phantom Z", "phantom"),
        ("Gerber Imaging", "other"), ("Smith^Anna", "other"), ("???", "other"), ("  ", ""), ("", ""),
    ],
)  # fmt: skip
def test_makers(text: str, name: str) -> None:
    assert subject.maker(text) == name
    assert subject.of(header(Manufacturer=text)).maker == name


def test_a_maker_is_one_of_a_fixed_list_whatever_the_header_says() -> None:
    random = np.random.default_rng(0)
    words = ["siemens", "GE", "Smith^Anna", "12345", "phantom", "raspine", "\u202e", "\n", "fuji", "=", "\u0000"]
    for _ in range(200):
        text = " ".join(random.choice(words, 4))
        assert subject.maker(text) in {*subject.MAKERS, ""}


@pytest.mark.parametrize(
    ("name", "tesla", "expected"),
    [
        ("Siemens", 1.494, "Siemens 1.5 T"), ("GE", 3, "GE 3.0 T"), ("Philips", 2.8936, "Philips 2.9 T"),
        ("Hyperfine", 0.064, "Hyperfine 0.1 T"), ("other", 0.03, "other 0.1 T"), ("Siemens", None, "Siemens"),
        ("Siemens", 15000.0, "Siemens"), ("Siemens", 0.0, "Siemens"), ("", 1.5, "1.5 T"), ("", None, ""),
    ],
)  # fmt: skip
def test_scanners(name: str, tesla: float | None, expected: str) -> None:
    assert subject.scanner(name, tesla) == expected


@pytest.mark.parametrize(("text", "synthetic"), [("YES", True), ("yes", True), ("NO", False), ("", False)])
def test_synthetic(text: str, synthetic: bool) -> None:
    assert subject.of(header(SyntheticData=text)).synthetic is synthetic


def test_a_header_without_anything_says_nothing() -> None:
    assert subject.of(Dataset()) == subject.Subject(None, "", "", False)


@pytest.mark.parametrize(
    "dataset",
    [
        raw(0x0010, 0x1010, b"\xff\xfe"),
        raw(0x0010, 0x1010, b"052Y\\053Y "),
        raw(0x0010, 0x0040, b"\xfe\xff\x00\xe0\x00\x00\x00\x00"),
        raw(0x0008, 0x0070, b"\x00\x01Smith^Anna\x80\xff\x00"),
        raw(0x0008, 0x0070, b"Smith" * 500),
        raw(0x0008, 0x001C, b"YES\\NO"),
        header(PatientBirthDate="19500615\x00", StudyDate="Smith"),
    ],
    ids=range(7),
)
def test_odd_values_raise_nothing_and_keep_to_the_lists(dataset: Dataset) -> None:
    found = subject.of(dataset)
    assert found.maker in {*subject.MAKERS, ""}
    assert found.sex in {*subject.SEXES, ""}
    assert not re.search("smith", repr(found), re.IGNORECASE)
