import copy
import io
import pathlib
import warnings
from typing import Any

import dicom_validation
import measured_films
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measured_films import Measured
from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from raspine.dicom_results import checked_values, film_results, headers, images, patient
from raspine.dicom_results.errors import ResultError

Case = tuple[str, Any, str]
TELLING: list[Case] = [
    ("PatientID", "SECRET" * 11, "value representation LO"),
    ("PatientID", "SEC\x1bRET", "control characters"),
    ("PatientID", ["SECRET", "SECRET2"], "must have one value. Received: 2"),
    ("IssuerOfPatientID", "SECRET" * 11, "value representation LO"),
    ("PatientName", "SECRET^a^b^c^d^e", "too many parts"),
    ("PatientName", "SECRET" * 11, "too long"),
    ("PatientName", "SECRET=b=c=d", "too many parts"),
    ("PatientName", "SECRET\nname", "control characters"),
    ("PatientName", "SECRET\u2028name", "control characters"),
    ("PatientName", "SECRET\u0378name", "control characters"),
    ("PatientID", "SECRET\ue000", "control characters"),
    ("PatientID", "SEC\tRET", "control characters"),
]
REFERENCES: list[Case] = [
    ("StudyInstanceUID", None, "is missing"),
    ("StudyInstanceUID", "", "is missing"),
    ("SeriesInstanceUID", "1.2.03", "without leading zeros"),
    ("SOPInstanceUID", "SECRET", "must be one UID"),
    ("SOPInstanceUID", "1." * 33 + "1", "must be one UID"),
    ("SOPInstanceUID", ["1.2", "1.3"], "must be one UID"),
    ("SOPClassUID", "1.2.3.4", "is no image of the DICOM standard"),
    ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.33", "is no image of the DICOM standard"),
    ("Rows", None, "must be a number from 1 to 65535"),
    ("Rows", 0, "must be a number from 1 to 65535"),
]
LEFT_OUT: list[tuple[str, Any]] = [
    ("AccessionNumber", "SECRET-accession-9"),
    ("PatientBirthDate", "SECRET"),
    ("PatientBirthDate", "20011399"),
    ("PatientSex", "SECRET"),
    ("StudyDate", "2020-01-02"),
    ("StudyTime", "99"),
    ("StudyID", "SECRET-much-too-long"),
    ("ReferringPhysicianName", "SECRET\x07"),
]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measured_films.measured(tmp_path_factory.mktemp("film") / "film.dcm")


def changed(header: Dataset, keyword: str, value: Any) -> Dataset:
    source = copy.deepcopy(header)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if value is None:
            del source[keyword]
        else:
            source[keyword] = DataElement(tag_for_keyword(keyword), dictionary_VR(keyword), value)
    return source


@pytest.mark.parametrize(("keyword", "value", "reason"), TELLING + REFERENCES)
def test_what_would_file_the_result_wrongly_is_refused_in_one_line(
    keyword: str, value: Any, reason: str, case: Measured, recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(ResultError) as caught:
        film_results.objects(changed(case.source, keyword, value), *case.arguments[1:])
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in "".join(str(one.message) for one in recwarn)


def test_a_damaged_patient_does_not_matter_to_objects_without_one(case: Measured) -> None:
    source = case.source
    for keyword, value, _ in TELLING:
        source = changed(source, keyword, value)
    assert film_results.objects(source, *case.arguments[1:], carry_patient=False)


def test_other_damaged_values_are_left_empty(case: Measured, tmp_path: pathlib.Path) -> None:
    source = case.source
    for keyword, value in LEFT_OUT:
        assert not patient.carried(changed(case.source, keyword, value))[keyword].value
        source = changed(source, keyword, value)
    for result in film_results.objects(source, *case.arguments[1:]):
        assert dicom_validation.remarks(tmp_path, result)[0] == set()


@pytest.mark.parametrize("keyword", ["PatientID", "PatientName", "Rows", "SOPInstanceUID", "StudyInstanceUID"])
def test_a_sequence_where_a_text_should_be_is_refused(keyword: str, case: Measured) -> None:
    source = copy.deepcopy(case.source)
    item = Dataset()
    item.PatientName = "SECRET"
    source[keyword] = DataElement(tag_for_keyword(keyword), "SQ", Sequence([item]))
    with pytest.raises(ResultError) as caught:
        film_results.objects(source, *case.arguments[1:])
    assert "SECRET" not in str(caught.value)


def test_bytes_that_are_no_number_are_refused(case: Measured) -> None:
    source = copy.deepcopy(case.source)
    tag = Tag(tag_for_keyword("Rows"))
    source._dict[tag] = RawDataElement(tag, "US", 3, b"abc", 0, False, True)
    with pytest.raises(ResultError, match="Rows"):
        film_results.objects(source, *case.arguments[1:])


NAMES = [
    ("ISO_IR 100", "Müller^Zoë"),
    ("ISO_IR 100", "Müller\N{NO-BREAK SPACE}Lüdens\N{SOFT HYPHEN}cheidt^Zoë"),
    ("ISO_IR 192", "Ωmega^山田"),
    ("ISO_IR 192", "O\N{RIGHT SINGLE QUOTATION MARK}Brien^Zo\N{ZERO WIDTH NON-JOINER}e"),
    (("", "ISO 2022 IR 87"), "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (("", "ISO 2022 IR 87"), "Yamada^Tarou=山田\N{IDEOGRAPHIC SPACE}太郎"),
    ("ISO_IR 144", "Люкceмбypг^Иван"),
]


@pytest.mark.parametrize(("character_set", "name"), NAMES, ids=ascii)
def test_names_of_every_character_set_are_stored_as_utf8(character_set: Any, name: str, tmp_path: pathlib.Path) -> None:
    value = list(character_set) if isinstance(character_set, tuple) else character_set
    case = measured_films.measured(tmp_path / "film.dcm", SpecificCharacterSet=value, PatientName=name)
    for result in film_results.objects(*case.arguments):
        errors, _ = dicom_validation.remarks(tmp_path, result)
        assert errors == set()
        back = pydicom.dcmread(tmp_path / f"{result.SOPInstanceUID}.dcm")
        assert back.SpecificCharacterSet == "ISO_IR 192"
        assert str(back.PatientName) == name


def test_a_name_that_its_character_set_cannot_spell_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "film.dcm"
    case = measured_films.measured(path, SpecificCharacterSet="ISO_IR 192", PatientName="SECRET^XX")
    path.write_bytes(path.read_bytes().replace(b"SECRET^XX", b"SECRET^\xff\xfe"))
    with pytest.raises(ResultError, match="Patient's Name") as caught:
        film_results.objects(headers.read(path), *case.arguments[1:])
    assert "SECRET" not in str(caught.value)


def test_only_long_texts_have_lines() -> None:
    several = Dataset()
    several.AdditionalPatientHistory = several.StudyDescription = "one\r\nanother"
    assert checked_values.text(several, "AdditionalPatientHistory") == "one\r\nanother"
    with pytest.raises(ResultError, match="Study Description"):
        checked_values.text(several, "StudyDescription")


def test_an_accession_number_of_more_than_16_characters_is_left_empty(case: Measured) -> None:
    source = changed(case.source, "AccessionNumber", "SECRET-accession-9")
    for result in film_results.objects(source, *case.arguments[1:]):
        assert (result.AccessionNumber, result.PatientID) == ("", "SECRET-ID")
        assert result.StudyInstanceUID == case.source.StudyInstanceUID


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has pydicom raise on whatever breaks a value representation when it is set."""
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.RAISE)


KEYWORDS = sorted({*images.TAGS, *patient.TAGS})
READERS = (images.of, patient.carried)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of the test's own values
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keyword=st.sampled_from(KEYWORDS), value=st.binary(max_size=80))
def test_any_bytes_give_values_that_can_be_written_or_one_line(
    keyword: str, value: bytes, case: Measured, strict: None
) -> None:
    source = copy.deepcopy(case.source)
    tag = Tag(tag_for_keyword(keyword))
    source._dict[tag] = RawDataElement(tag, dictionary_VR(keyword), len(value), value, 0, False, True)
    found, refusals = [], []
    for read in READERS:
        try:
            found.append(read(source))
        except ResultError as error:
            refusals.append(str(error))
    assert not any("\n" in line for line in refusals)
    for module in found:
        module.SpecificCharacterSet = "ISO_IR 192"
        pydicom.dcmwrite(io.BytesIO(), module, implicit_vr=False, little_endian=True)
        for keyword in module.dir():
            setattr(module, keyword, module[keyword].value)


def test_headers_hold_what_results_need_and_no_pixels(case: Measured, tmp_path: pathlib.Path) -> None:
    measured_films.write(tmp_path / "film.dcm")
    read = headers.read(tmp_path / "film.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert copy.deepcopy(read) == read, "a header holds no open file"
    assert "PixelData" not in read
    assert "InstitutionName" not in read
    assert read.PatientID == "SECRET-ID"
    for content, reason in ((b"", "not a DICOM file"), (b"\x89PNG" + bytes(200), "not a DICOM file"),
                            (bytes(128) + b"DICM" + b"\xff" * 40, "is missing")):  # fmt: skip
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(ResultError, match=reason):
            images.of(headers.read(tmp_path / "other"))
    with pytest.raises(ResultError, match="cannot be read: not a regular file"):
        headers.read(tmp_path)
    with pytest.raises(ResultError, match="cannot be read: No such file"):
        headers.read(tmp_path / "nothing")
